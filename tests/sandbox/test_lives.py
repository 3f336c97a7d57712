"""Whole lives of grants, call by call, in the order in which infrastructure tools make them.

Each step is a call and what its answer must hold: statuses, keys and values are those of recorded tenants.
`{api}`, `{client}`, `{grant}` and `{organization}` stand for the ids that were answered before.
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
    """A call; `holds` is what its answer must hold, `lacks` names what must be absent, `keeps` is where its id goes."""

    method: str
    path: str
    status: int
    body: Mapping[str, Any] | None = None
    holds: Mapping[str, Any] | None = None
    exactly: object = None
    lacks: tuple[str, ...] = ()
    keeps: str = ""


def replay(talk: SandboxClient, steps: list[Step]) -> None:
    """Make the calls, one after the other; ids that were answered fill the places named for them."""
    ids: dict[str, str] = {}
    for number, step in enumerate(steps):
        where = f"step {number}: {step.method} {step.path}"
        options = {} if step.body is None else {"json": filled(step.body, ids)}
        answer = talk.call(step.method, filled(step.path, ids), **options)
        assert answer.status_code == step.status, f"{where}: {answer.text}"
        said = answer.json() if answer.content else {}
        expected = filled(step.holds or {}, ids)
        assert {name: said.get(name) for name in expected} == expected, where
        assert not set(step.lacks) & set(said), where
        assert step.exactly is None or said == filled(step.exactly, ids), where
        if step.keeps:
            ids[step.keeps] = said.get("id") or said["client_id"]


def filled(value: Any, ids: Mapping[str, str]) -> Any:
    match value:
        case str():
            for name, identity in ids.items():
                value = value.replace(f"{{{name}}}", identity)
            return value
        case dict():
            return {name: filled(each, ids) for name, each in value.items()}
        case list():
            return [filled(each, ids) for each in value]
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
    lacks=("scopes",),
    keeps="api",
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
    lacks=("oidc_logout", "client_authentication_methods"),
    keeps="client",
)
CREATE_ORGANIZATION = Step(
    "POST",
    "/organizations",
    201,
    {"name": "initrode", "display_name": "Initrode"},
    exactly=None,
    holds={"name": "initrode", "display_name": "Initrode"},
    keeps="organization",
)
MADE = [
    CREATE_API,
    CREATE_CLIENT,
    Step("GET", "/resource-servers/{api}", 200, holds={"identifier": IDENTIFIER}, lacks=("scopes",)),
    Step("GET", f"/resource-servers/{ENCODED}", 200, holds={"id": "{api}"}),
    Step("PATCH", f"/resource-servers/{ENCODED}", 200, {"scopes": SCOPES}, {"id": "{api}", "scopes": SCOPES}),
    Step("GET", "/clients/{client}", 200, holds={"name": "Dispatcher"}),
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
    Step("GET", "/resource-servers/{api}", 404, holds={"errorCode": "inexistent_resource_server"}),
]


def test_a_grant_for_users_changes_its_scopes_and_its_rights_of_all(talk: SandboxClient) -> None:
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
            lacks=("organization_usage", "allow_any_organization", "is_system", "allow_all_scopes", "default_for"),
            keeps="grant",
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
        Step("GET", grant, 404, holds=NO_GRANT),
    ]
    replay(talk, [*MADE, *steps, *TIDY_UP])


def test_a_default_grant_belongs_to_no_application(talk: SandboxClient) -> None:
    default = {"audience": IDENTIFIER, "scope": ["book:parcel"], "default_for": "third_party_clients"}
    shown = {"id": "{grant}", "subject_type": "client", **default}
    query = f"/client-grants?audience={quote(IDENTIFIER, safe='')}&default_for=third_party_clients&take=100"
    steps = [
        Step("POST", "/client-grants", 201, default, {"subject_type": "client"}, lacks=("client_id",), keeps="grant"),
        Step("GET", "/client-grants/{grant}", 200, exactly=shown),
        Step("GET", f"{query}&include_totals=true&per_page=50", 200, exactly={"client_grants": [shown]}),
        Step("POST", "/client-grants", 409, default, {"error": "Conflict"}),
        Step("PATCH", "/client-grants/{grant}", 200, {"scope": []}, exactly={**shown, "scope": []}),
        Step("DELETE", "/client-grants/{grant}", 204),
    ]
    replay(talk, [*MADE, *steps, *TIDY_UP])


def test_a_grant_for_anonymous_users_lives_beside_the_others(talk: SandboxClient) -> None:
    steps = [
        Step(
            "POST",
            "/client-grants",
            201,
            {**KEY, "scope": ["book:parcel"], "subject_type": kind},
            {"subject_type": kind},
            keeps="grant",
        )
        for kind in ("client", "user", "anonymous_user")
    ]
    replay(talk, [*MADE, *steps, Step("DELETE", "/client-grants/{grant}", 204), *TIDY_UP])


ORGANIZATION = [
    CREATE_ORGANIZATION,
    Step(
        "POST",
        "/client-grants",
        201,
        {**KEY, "scope": [], "allow_any_organization": True, "organization_usage": "allow"},
        keeps="grant",
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
        Step("GET", LISTED, 404, holds={"message": "No organization found by that id or name"}, lacks=("errorCode",)),
        Step("GET", "/client-grants/{grant}/organizations?take=50", 200, exactly={"organizations": []}),
        Step("DELETE", "/client-grants/{grant}", 204),
    ],
    "application first": [
        Step("DELETE", "/clients/{client}", 204),
        Step("GET", "/client-grants/{grant}", 404, holds=NO_GRANT),
        Step("GET", LISTED, 200, exactly={"client_grants": [], "start": 0, "limit": 50, "total": 0}),
        Step("DELETE", "/organizations/{organization}", 204),
    ],
}


@pytest.mark.parametrize("removal", REMOVALS.values(), ids=REMOVALS)
def test_a_grant_serves_an_organization_until_either_goes(talk: SandboxClient, removal: list[Step]) -> None:
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
    replay(talk, [*MADE, *ORGANIZATION, *seen, *removal, *TIDY_UP])
