"""Sequences of requests from the creation of a grant to its removal, as infrastructure tools send them.

Each step is a request and the expected response. Statuses, keys and values come from recordings of tenants.
`{api}`, `{client}`, `{grant}` and `{organization}` are replaced by the ids in earlier responses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from sandbox.sandbox_client import SandboxClient

IDENTIFIER = "https://shipping.example.com/v1"
ENCODED = quote(IDENTIFIER, safe=":")
POLICIES = {"client": {"policy": "require_client_grant"}, "user": {"policy": "allow_all"}}
NO_GRANT = {"errorCode": "inexistent_client_grant", "statusCode": 404}
SCOPES = [{"value": "book:parcel", "description": "Book parcels"}, {"value": "track:parcel", "description": "Track"}]


@dataclass(frozen=True)
class Step:
    """A request and its response.

    The response must have the values in `contains`, must not have the keys in `absent`, and must equal `exactly`, if
    given. Later steps refer to its id by `id_name`.
    """

    method: str
    path: str
    status: int
    body: Mapping[str, Any] | None = None
    contains: Mapping[str, Any] | None = None
    exactly: object = None
    absent: tuple[str, ...] = ()
    id_name: str = ""


def replay(caller: SandboxClient, steps: list[Step]) -> None:
    """Send the requests one after the other, with the ids of earlier responses."""
    ids: dict[str, str] = {}
    for number, step in enumerate(steps):
        where = f"step {number}: {step.method} {step.path}"
        options = {} if step.body is None else {"json": with_ids(step.body, ids)}
        response = caller.call(step.method, with_ids(step.path, ids), **options)
        assert response.status_code == step.status, f"{where}: {response.text}"
        content = response.json() if response.content else {}
        expected = with_ids(step.contains or {}, ids)
        assert {name: content.get(name) for name in expected} == expected, where
        assert not set(step.absent) & set(content), where
        assert step.exactly is None or content == with_ids(step.exactly, ids), where
        if step.id_name:
            ids[step.id_name] = content.get("id") or content["client_id"]


def with_ids(value: Any, ids: Mapping[str, str]) -> Any:
    match value:
        case str():
            for name, identity in ids.items():
                value = value.replace(f"{{{name}}}", identity)
            return value
        case dict():
            return {name: with_ids(each, ids) for name, each in value.items()}
        case list():
            return [with_ids(each, ids) for each in value]
        case _:
            return value


CREATE_API = Step(
    "POST",
    "/resource-servers",
    201,
    {"name": "Shipping", "identifier": IDENTIFIER, "authorization_details": [{"type": "parcel"}]},
    {
        "name": "Shipping",
        "identifier": IDENTIFIER,
        "allow_offline_access": False,
        "skip_consent_for_verifiable_first_party_clients": False,
        "subject_type_authorization": POLICIES,
        "token_lifetime": 86_400,
        "token_lifetime_for_web": 7_200,
        "signing_alg": "RS256",
        "authorization_details": [{"type": "parcel"}],
    },
    absent=("scopes",),
    id_name="api",
)
CREATE_CLIENT = Step(
    "POST",
    "/clients",
    201,
    {"name": "Dispatcher", "is_first_party": True, "custom_login_page_on": True, "organization_usage": "allow"},
    {
        "name": "Dispatcher",
        "is_first_party": True,
        "is_token_endpoint_ip_header_trusted": False,
        "oidc_conformant": False,
        "sso_disabled": False,
        "cross_origin_authentication": False,
        "custom_login_page_on": True,
        "organization_usage": "allow",
        "grant_types": ["authorization_code", "implicit", "refresh_token", "client_credentials"],
    },
    absent=("oidc_logout", "client_authentication_methods"),
    id_name="client",
)
CREATE_ORGANIZATION = Step(
    "POST",
    "/organizations",
    201,
    {"name": "initrode", "display_name": "Initrode"},
    exactly=None,
    contains={"name": "initrode", "display_name": "Initrode"},
    id_name="organization",
)
MADE = [
    CREATE_API,
    CREATE_CLIENT,
    Step("GET", "/resource-servers/{api}", 200, contains={"identifier": IDENTIFIER}, absent=("scopes",)),
    Step("GET", f"/resource-servers/{ENCODED}", 200, contains={"id": "{api}"}),
    Step("PATCH", f"/resource-servers/{ENCODED}", 200, {"scopes": SCOPES}, {"id": "{api}", "scopes": SCOPES}),
    Step("GET", "/clients/{client}", 200, contains={"name": "Dispatcher"}),
    Step(
        "GET",
        f"/client-grants?audience={quote(IDENTIFIER, safe='')}&client_id={{client}}&include_totals=true&per_page=50",
        200,
        exactly={"total": 0, "start": 0, "limit": 50, "client_grants": []},
    ),
]
KEY = {"client_id": "{client}", "audience": IDENTIFIER}
TIDY_UP = [
    Step("PATCH", f"/resource-servers/{ENCODED}", 200, {"scopes": []}, {"scopes": []}),
    Step("DELETE", "/clients/{client}", 204),
    Step("DELETE", "/resource-servers/{api}", 204),
    Step("GET", "/resource-servers/{api}", 404, contains={"errorCode": "inexistent_resource_server"}),
]


def test_a_grant_for_users(caller: SandboxClient) -> None:
    user = {"id": "{grant}", **KEY, "subject_type": "user"}
    details = {"authorization_details_types": ["parcel"]}
    grant = "/client-grants/{grant}"
    steps = [
        Step(
            "POST",
            "/client-grants",
            201,
            {**KEY, "scope": ["book:parcel"], "subject_type": "user", "authorization_details_types": ["parcel", "box"]},
            {"scope": ["book:parcel"], "subject_type": "user", "authorization_details_types": ["parcel", "box"]},
            absent=("organization_usage", "allow_any_organization", "is_system", "allow_all_scopes", "default_for"),
            id_name="grant",
        ),
        Step(
            "PATCH",
            grant,
            200,
            {"scope": ["track:parcel"], **details},
            exactly={**user, "scope": ["track:parcel"], **details},
        ),
        Step("PATCH", grant, 200, {"scope": []}, exactly={**user, "scope": [], **details}),
        Step("GET", grant, 200, exactly={**user, "scope": [], **details}),
        Step("PATCH", grant, 200, {"allow_all_scopes": True}, exactly={**user, **details, "allow_all_scopes": True}),
        Step(
            "PATCH",
            grant,
            200,
            {"scope": [], "allow_all_scopes": False},
            exactly={**user, "scope": [], **details, "allow_all_scopes": False},
        ),
        Step("POST", "/client-grants", 409, {**KEY, "scope": [], "subject_type": "user"}, {"statusCode": 409}),
        Step("DELETE", grant, 204),
        Step("DELETE", grant, 204),
        Step("GET", grant, 404, contains=NO_GRANT),
    ]
    replay(caller, [*MADE, *steps, *TIDY_UP])


def test_a_default_grant(caller: SandboxClient) -> None:
    default = {"audience": IDENTIFIER, "scope": ["book:parcel"], "default_for": "third_party_clients"}
    shown = {"id": "{grant}", "subject_type": "client", **default}
    query = f"/client-grants?audience={quote(IDENTIFIER, safe='')}&default_for=third_party_clients&take=100"
    steps = [
        Step(
            "POST", "/client-grants", 201, default, {"subject_type": "client"}, absent=("client_id",), id_name="grant"
        ),
        Step("GET", "/client-grants/{grant}", 200, exactly=shown),
        Step("GET", f"{query}&include_totals=true&per_page=50", 200, exactly={"client_grants": [shown]}),
        Step("POST", "/client-grants", 409, default, {"error": "Conflict"}),
        Step("PATCH", "/client-grants/{grant}", 200, {"scope": []}, exactly={**shown, "scope": []}),
        Step("DELETE", "/client-grants/{grant}", 204),
    ]
    replay(caller, [*MADE, *steps, *TIDY_UP])


def test_grants_for_applications_users_and_anonymous_users(caller: SandboxClient) -> None:
    steps = [
        Step(
            "POST",
            "/client-grants",
            201,
            {**KEY, "scope": ["book:parcel"], "subject_type": kind},
            {"subject_type": kind},
            id_name="grant",
        )
        for kind in ("client", "user", "anonymous_user")
    ]
    replay(caller, [*MADE, *steps, Step("DELETE", "/client-grants/{grant}", 204), *TIDY_UP])


ORGANIZATION = [
    CREATE_ORGANIZATION,
    Step(
        "POST",
        "/client-grants",
        201,
        {**KEY, "scope": [], "allow_any_organization": True, "organization_usage": "allow"},
        id_name="grant",
    ),
    Step(
        "POST",
        "/organizations/{organization}/client-grants",
        201,
        {"grant_id": "{grant}"},
        exactly={
            "grant_id": "{grant}",
            **KEY,
            "scope": [],
            "organization_usage": "allow",
            "allow_any_organization": True,
        },
    ),
]
LISTED = "/organizations/{organization}/client-grants?include_totals=true&per_page=50"
USED = {
    "id": "{grant}",
    **KEY,
    "scope": [],
    "organization_usage": "allow",
    "allow_any_organization": True,
    "subject_type": "client",
}
REMOVALS = {
    "association first": [
        Step("DELETE", "/organizations/{organization}/client-grants/{grant}", 204),
        Step("GET", LISTED, 200, exactly={"client_grants": [], "start": 0, "limit": 50, "total": 0}),
        Step("DELETE", "/organizations/{organization}", 204),
        Step("DELETE", "/client-grants/{grant}", 204),
    ],
    "grant first": [
        Step("DELETE", "/client-grants/{grant}", 204),
        Step("GET", LISTED, 200, exactly={"client_grants": [], "start": 0, "limit": 50, "total": 0}),
        Step("DELETE", "/organizations/{organization}", 204),
    ],
    "organization first": [
        Step("DELETE", "/organizations/{organization}", 204),
        Step(
            "GET", LISTED, 404, contains={"message": "No organization found by that id or name"}, absent=("errorCode",)
        ),
        Step("GET", "/client-grants/{grant}/organizations?take=50", 200, exactly={"organizations": []}),
        Step("DELETE", "/client-grants/{grant}", 204),
    ],
    "application first": [
        Step("DELETE", "/clients/{client}", 204),
        Step("GET", "/client-grants/{grant}", 404, contains=NO_GRANT),
        Step("GET", LISTED, 200, exactly={"client_grants": [], "start": 0, "limit": 50, "total": 0}),
        Step("DELETE", "/organizations/{organization}", 204),
    ],
}


@pytest.mark.parametrize("removal", REMOVALS.values(), ids=REMOVALS)
def test_a_grant_of_an_organization(caller: SandboxClient, removal: list[Step]) -> None:
    organization = {"id": "{organization}", "name": "initrode", "display_name": "Initrode"}
    seen = [
        Step("GET", LISTED, 200, exactly={"client_grants": [USED], "start": 0, "limit": 50, "total": 1}),
        Step(
            "GET",
            "/client-grants/{grant}/organizations?include_totals=true&take=50",
            200,
            exactly={"organizations": [organization]},
        ),
        Step(
            "GET",
            "/client-grants/{grant}/organizations?include_totals=true&per_page=50",
            200,
            exactly={"organizations": [organization], "start": 0, "limit": 50, "total": 1},
        ),
    ]
    replay(caller, [*MADE, *ORGANIZATION, *seen, *removal, *TIDY_UP])
