from pathlib import Path

import pytest
from sandbox.sandbox_client import INVOICES, MANAGEMENT, SandboxClient, error_of, open_client

from auth0_sandbox.settings import Settings

SYSTEM = "cgr_SystemSystem0001"
MISSING = "cgr_0000000000000000"
MY_ORGANIZATION = "https://acme.eu.auth0.com/my-org/"


def test_the_response_to_a_create_has_the_sent_attributes_in_the_order_of_the_api(caller: SandboxClient) -> None:
    response = caller.call(
        "POST",
        "/client-grants",
        json={
            "authorization_details_types": ["payment"],
            "allow_any_organization": True,
            "organization_usage": "allow",
            "scope": ["write:invoices", "read:invoices", "write:invoices"],
            "audience": INVOICES,
            "client_id": "worker",
        },
    )
    assert response.status_code == 201
    body = response.json()
    assert list(body) == [
        "id",
        "client_id",
        "audience",
        "scope",
        "organization_usage",
        "allow_any_organization",
        "subject_type",
        "authorization_details_types",
    ]
    assert body["scope"] == ["write:invoices", "read:invoices", "write:invoices"]
    assert body["subject_type"] == "client"


def test_attributes_that_were_never_set_are_missing(caller: SandboxClient) -> None:
    assert set(caller.create(scope=[])) == {"id", "client_id", "audience", "scope", "subject_type"}


def test_a_default_grant_has_no_client(caller: SandboxClient) -> None:
    grant = caller.create(client_id=None, default_for="third_party_clients")
    assert list(grant) == ["id", "audience", "scope", "subject_type", "default_for"]


def test_a_grant_with_all_scopes_lists_no_scopes(caller: SandboxClient) -> None:
    assert "scope" not in caller.create(allow_all_scopes=True, scope=None)
    assert "scope" not in caller.create(allow_all_scopes=True, scope=[], subject_type="user")


def test_a_grant_on_a_custom_api_may_have_undefined_scopes(caller: SandboxClient) -> None:
    assert caller.create(scope=["never:heard", " read:invoices"])["scope"] == ["never:heard", " read:invoices"]


def test_an_application_can_have_one_grant_per_subject_type(caller: SandboxClient) -> None:
    own, users = caller.create(), caller.create(subject_type="user")
    assert own["id"] != users["id"]


def test_a_second_grant_with_the_same_key_is_a_conflict(caller: SandboxClient) -> None:
    caller.create()
    response = caller.call("POST", "/client-grants", json={"client_id": "worker", "audience": INVOICES, "scope": []})
    message = f"A client grant already exists between worker and {INVOICES}"
    assert error_of(response) == (409, message, "conflict")
    caller.create(client_id=None, default_for="third_party_clients")
    twice = {"default_for": "third_party_clients", "audience": INVOICES, "scope": []}
    assert caller.call("POST", "/client-grants", json=twice).status_code == 409


SCOPE = "Scopes that access tokens for this grant may contain."


@pytest.mark.parametrize(
    ("change", "status", "message", "code"),
    [
        pytest.param({"client_id": "nobody"}, 404, "Client not found", None, id="unknown client"),
        pytest.param({"audience": "urn:x"}, 404, "No resource with identifier urn:x", None, id="unknown API"),
        pytest.param(
            {"scope": None},
            400,
            f"Payload validation error: 'Expected type array but found type null' on property scope ({SCOPE}).",
            "invalid_body",
            id="null scope",
        ),
        pytest.param(
            {"scope": ["x" * 281]},
            400,
            "Payload validation error: 'String is too long (281 chars), maximum 280' on property scope[0].",
            "invalid_body",
            id="long scope",
        ),
        pytest.param(
            {"is_system": True},
            400,
            "Payload validation error: 'Additional properties not allowed: is_system'.",
            "invalid_body",
            id="read-only field",
        ),
        pytest.param(
            {"default_for": "third_party_clients"},
            400,
            "Payload validation error: 'Data is valid against more than one schema from 'oneOf''.",
            "invalid_body",
            id="two holders",
        ),
        pytest.param(
            {"allow_all_scopes": True},
            400,
            "Payload validation error: scope cannot be provided when allow_all_scopes is true",
            "invalid_body",
            id="all scopes and a list",
        ),
        pytest.param(
            {"allow_any_organization": True},
            400,
            "Payload validation error: allow_any_organization requires organization_usage to be allow or require",
            "invalid_body",
            id="any organization but denied",
        ),
        pytest.param(
            {"subject_type": "user", "organization_usage": "allow"},
            400,
            "Payload validation error: organization settings cannot be provided when subject_type is user",
            "invalid_body",
            id="organization settings for users",
        ),
        pytest.param(
            {"client_id": "express"},
            400,
            "Client of type express_configuration cannot be used",
            "validation_error",
            id="express configuration",
        ),
        pytest.param(
            {"audience": MANAGEMENT, "client_id": "tpc_partner"},
            400,
            "Client grants for this API cannot be created for third-party clients",
            "invalid_body",
            id="third party on a system API",
        ),
        pytest.param(
            {"audience": MANAGEMENT, "allow_all_scopes": False, "scope": []},
            400,
            "`allow_all_scopes` cannot be provided when `audience` is a system API",
            "invalid_body",
            id="false for all scopes of a system API",
        ),
        pytest.param(
            {"audience": MANAGEMENT, "allow_any_organization": False, "scope": []},
            400,
            "Organization settings cannot be provided for a system API",
            "reserved_identifier",
            id="false for organizations on a system API",
        ),
        pytest.param(
            {"audience": MANAGEMENT, "scope": ["read:clients", "never:heard"]},
            400,
            "Payload validation error: scope must be a subset of resource server scopes",
            "invalid_body",
            id="undefined scope of a system API",
        ),
        pytest.param(
            {"audience": MANAGEMENT, "subject_type": "user", "scope": ["read:clients"]},
            400,
            "Payload validation error: scope must be a subset of resource server scopes",
            "invalid_body",
            id="scope without users",
        ),
    ],
)
def test_a_wrong_grant_is_refused(
    caller: SandboxClient, change: dict[str, object], status: int, message: str, code: str | None
) -> None:
    body = {"client_id": "worker", "audience": INVOICES, "scope": ["read:invoices"]} | change
    assert error_of(caller.call("POST", "/client-grants", json=body)) == (status, message, code)


def test_settings_decide_undocumented_behaviour(tmp_path: Path) -> None:
    settings = Settings(
        conflict_code=None,
        missing_client_code="c",
        missing_api_code="a",
        rule_code=None,
        system_grant_status=400,
    )
    caller = open_client(tmp_path, settings=settings)
    with caller.sandbox:
        body = {"client_id": caller.create()["client_id"], "audience": INVOICES, "scope": ["x"]}
        for change, status, code in (
            ({}, 409, None),
            ({"client_id": "nobody"}, 404, "c"),
            ({"audience": "urn:x"}, 404, "a"),
            ({"allow_all_scopes": True}, 400, None),
        ):
            assert error_of(caller.call("POST", "/client-grants", json=body | change))[0::2] == (status, code)
        assert caller.call("DELETE", f"/client-grants/{SYSTEM}").status_code == 400


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param({"audience": INVOICES, "scope": []}, "Missing required property: client_id", id="no holder"),
        pytest.param({"audience": INVOICES, "client_id": "worker"}, "Missing required property: scope", id="no scope"),
        pytest.param({"client_id": "worker", "scope": []}, "Missing required property: audience", id="no audience"),
    ],
)
def test_the_error_names_the_missing_object(caller: SandboxClient, body: dict[str, object], message: str) -> None:
    assert error_of(caller.call("POST", "/client-grants", json=body)) == (
        400,
        f"Payload validation error: '{message}'.",
        "invalid_body",
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            {"organization_usage": "deny"},
            "organization settings cannot be provided with default_for",
            id="organization settings",
        ),
        pytest.param(
            {"audience": MANAGEMENT}, "default_for cannot be provided when audience is a system API", id="system API"
        ),
    ],
)
def test_a_default_grant_has_additional_rules(caller: SandboxClient, change: dict[str, object], message: str) -> None:
    body = {"default_for": "third_party_clients", "audience": INVOICES, "scope": []} | change
    assert error_of(caller.call("POST", "/client-grants", json=body))[1].endswith(message)


def test_a_grant_on_a_system_api_may_have_its_scopes_only(caller: SandboxClient) -> None:
    caller.create(audience=MANAGEMENT, scope=["read:clients"])
    caller.create(audience=MANAGEMENT, subject_type="user", scope=["read:current_user"])
    caller.create(
        audience=MANAGEMENT, client_id="portal", scope=["create:flows_vault"]
    )  # not listed by the API, but in exports
    caller.create(audience=MY_ORGANIZATION, scope=["read:it"], organization_usage="require")


def test_a_grant_is_read_by_its_id(caller: SandboxClient) -> None:
    grant = caller.create()
    assert caller.call("GET", f"/client-grants/{grant['id']}").json() == grant
    missing = caller.call("GET", f"/client-grants/{MISSING}")
    assert error_of(missing) == (404, "The grant does not exist.", "inexistent_client_grant")


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_malformed_id_is_refused(caller: SandboxClient, method: str) -> None:
    response = caller.call(method, "/client-grants/cgr_short", json={"scope": []})
    text = "'String does not match pattern ^cgr_[A-Za-z0-9]{16}$: cgr_short' on property id (Id of the client grant.)."
    assert error_of(response) == (400, f"Path validation error: {text}", "invalid_uri")


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        pytest.param({"scope": ["b", "a"]}, {"scope": ["b", "a"]}, id="scopes are replaced"),
        pytest.param({"scope": []}, {"scope": []}, id="no scope"),
        pytest.param({"organization_usage": "require"}, {"organization_usage": "require"}, id="setting"),
        pytest.param({"organization_usage": None, "allow_any_organization": None}, {}, id="null removes"),
        pytest.param({"allow_all_scopes": False}, {"allow_all_scopes": False}, id="false is kept"),
        pytest.param({"authorization_details_types": ["x"]}, {"authorization_details_types": ["x"]}, id="details"),
    ],
)
def test_a_patch_changes_only_the_attributes_that_it_contains(
    caller: SandboxClient, patch: dict[str, object], expected: dict[str, object]
) -> None:
    before = caller.create(organization_usage="allow", allow_any_organization=True)
    response = caller.call("PATCH", f"/client-grants/{before['id']}", json=patch)
    assert response.status_code == 200
    assert response.json() == {name: value for name, value in before.items() if name not in patch} | expected
    assert caller.call("GET", f"/client-grants/{before['id']}").json() == response.json()


def test_a_grant_can_change_between_all_scopes_and_a_list_of_scopes(caller: SandboxClient) -> None:
    path = f"/client-grants/{caller.create()['id']}"
    assert "scope" not in caller.call("PATCH", path, json={"allow_all_scopes": True}).json()
    alone = caller.call("PATCH", path, json={"scope": ["a"]})
    assert error_of(alone)[0] == 400
    both = caller.call("PATCH", path, json={"allow_all_scopes": False, "scope": ["a"]}).json()
    assert (both["scope"], both["allow_all_scopes"]) == (["a"], False)


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        pytest.param({}, "Too few properties defined (0), minimum 1", id="empty"),
        pytest.param({"audience": "x"}, "Additional properties not allowed: audience", id="audience"),
        pytest.param({"client_id": "x"}, "Additional properties not allowed: client_id", id="client_id"),
        pytest.param({"subject_type": "user"}, "Additional properties not allowed: subject_type", id="subject_type"),
        pytest.param({"default_for": "x"}, "Additional properties not allowed: default_for", id="default_for"),
        pytest.param({"is_system": True}, "Additional properties not allowed: is_system", id="is_system"),
        pytest.param({"organization_usage": "Allow"}, "No enum match for: Allow", id="enum in capitals"),
        pytest.param(
            {"authorization_details_types": None}, "Expected type array but found type null", id="field without null"
        ),
    ],
)
def test_a_wrong_patch_is_refused(caller: SandboxClient, patch: dict[str, object], message: str) -> None:
    path = f"/client-grants/{caller.create()['id']}"
    status, text, code = error_of(caller.call("PATCH", path, json=patch))
    assert (status, code) == (400, "invalid_body")
    assert text.startswith(f"Payload validation error: '{message}'")


def test_a_patch_of_a_grant_on_a_system_api_accepts_its_scopes_only(caller: SandboxClient) -> None:
    path = f"/client-grants/{caller.create(audience=MANAGEMENT, scope=['read:clients'])['id']}"
    assert error_of(caller.call("PATCH", path, json={"scope": ["never:heard"]}))[1].endswith("resource server scopes")
    assert caller.call("PATCH", path, json={"scope": None}).status_code == 200


def test_a_patch_of_a_missing_grant_is_not_found(caller: SandboxClient) -> None:
    response = caller.call("PATCH", f"/client-grants/{MISSING}", json={"scope": []})
    assert error_of(response) == (404, "The grant does not exist.", "inexistent_client_grant")


def test_a_grant_whose_api_was_deleted_can_be_changed(caller: SandboxClient) -> None:
    grant = caller.create()
    assert caller.call("DELETE", "/resource-servers/https:%2F%2Fapi.example.com%2Finvoices").status_code == 204
    assert caller.call("PATCH", f"/client-grants/{grant['id']}", json={"scope": []}).json()["scope"] == []


def test_deleting_a_missing_grant_succeeds(caller: SandboxClient) -> None:
    path = f"/client-grants/{caller.create()['id']}"
    for _ in range(2):
        response = caller.call("DELETE", path)
        assert (response.status_code, response.content) == (204, b"")
        assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert caller.call("GET", path).status_code == 404


def test_a_system_grant_cannot_be_changed_or_deleted(caller: SandboxClient) -> None:
    before = caller.call("GET", f"/client-grants/{SYSTEM}").json()
    assert before["is_system"] is True
    for method in ("PATCH", "DELETE"):
        status, message, _ = error_of(caller.call(method, f"/client-grants/{SYSTEM}", json={"scope": []}))
        assert (status, message) == (403, "System client grants cannot be modified or deleted")
    assert caller.call("GET", f"/client-grants/{SYSTEM}").json() == before


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({"client_id": "worker"}, {"own", "users"}, id="application"),
        pytest.param({"audience": INVOICES}, {"own", "users", "default"}, id="API"),
        pytest.param({"audience": INVOICES, "subject_type": "user"}, {"users"}, id="API and subject"),
        pytest.param({"default_for": "third_party_clients"}, {"default"}, id="default"),
        pytest.param({"allow_any_organization": "true"}, {"own"}, id="any organization"),
        pytest.param({"client_id": "nobody"}, set(), id="unknown application"),
    ],
)
def test_the_list_is_filtered(caller: SandboxClient, query: dict[str, str], expected: set[str]) -> None:
    made = {
        caller.create(organization_usage="allow", allow_any_organization=True)["id"]: "own",
        caller.create(subject_type="user")["id"]: "users",
        caller.create(client_id=None, default_for="third_party_clients")["id"]: "default",
    }
    listed = caller.call("GET", "/client-grants", params=query).json()
    assert {made[grant["id"]] for grant in listed} == expected


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"subject_type": "client"}, id="subject_type alone"),
        pytest.param({"client_id": "a", "default_for": "third_party_clients"}, id="two holders"),
        pytest.param({"default_for": "everybody"}, id="unknown group"),
        pytest.param({"allow_any_organization": "maybe"}, id="not a boolean"),
        pytest.param({"allow_any_organization": "false"}, id="only true is a filter"),
    ],
)
def test_invalid_filters_are_refused(caller: SandboxClient, query: dict[str, str]) -> None:
    status, message, code = error_of(caller.call("GET", "/client-grants", params=query))
    assert (status, code) == (400, "invalid_query_string")
    assert message.startswith("Query validation error: ")
