from pathlib import Path

import pytest
from sandbox.sandbox_client import INVOICES, MANAGEMENT, SandboxClient, error, open_client

from auth0_sandbox.settings import Settings

SYSTEM = "cgr_SystemSystem0001"
MISSING = "cgr_0000000000000000"
MY_ORGANIZATION = "https://acme.eu.auth0.com/my-org/"


def test_a_created_grant_echoes_what_was_sent_in_the_apis_order(talk: SandboxClient) -> None:
    answer = talk.call(
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
    assert answer.status_code == 201
    body = answer.json()
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


def test_what_was_never_set_is_absent(talk: SandboxClient) -> None:
    assert set(talk.create(scope=[])) == {"id", "client_id", "audience", "scope", "subject_type"}


def test_a_default_grant_has_no_client(talk: SandboxClient) -> None:
    grant = talk.create(client_id=None, default_for="third_party_clients")
    assert list(grant) == ["id", "audience", "scope", "subject_type", "default_for"]


def test_a_grant_of_all_scopes_lists_none(talk: SandboxClient) -> None:
    assert "scope" not in talk.create(allow_all_scopes=True, scope=None)
    assert "scope" not in talk.create(allow_all_scopes=True, scope=[], subject_type="user")


def test_a_custom_api_takes_scopes_that_it_does_not_define(talk: SandboxClient) -> None:
    assert talk.create(scope=["never:heard", " read:invoices"])["scope"] == ["never:heard", " read:invoices"]


def test_one_application_has_a_grant_for_itself_and_one_for_users(talk: SandboxClient) -> None:
    own, users = talk.create(), talk.create(subject_type="user")
    assert own["id"] != users["id"]


def test_a_second_grant_with_the_same_key_is_a_conflict(talk: SandboxClient) -> None:
    talk.create()
    answer = talk.call("POST", "/client-grants", json={"client_id": "worker", "audience": INVOICES, "scope": []})
    message = f"A client grant already exists between worker and {INVOICES}"
    assert error(answer) == (409, message, "conflict")
    talk.create(client_id=None, default_for="third_party_clients")
    twice = {"default_for": "third_party_clients", "audience": INVOICES, "scope": []}
    assert talk.call("POST", "/client-grants", json=twice).status_code == 409


SCOPE = "Scopes that access tokens issued under this grant may carry."


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
            id="all scopes and some",
        ),
        pytest.param(
            {"allow_any_organization": True},
            400,
            "Payload validation error: allow_any_organization requires organization_usage to be allow or require",
            "invalid_body",
            id="any organization without use",
        ),
        pytest.param(
            {"subject_type": "user", "organization_usage": "allow"},
            400,
            "Payload validation error: organization settings cannot be provided when subject_type is user",
            "invalid_body",
            id="organizations for users",
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
            id="all scopes of a system API, even as false",
        ),
        pytest.param(
            {"audience": MANAGEMENT, "allow_any_organization": False, "scope": []},
            400,
            "Organization settings cannot be provided for a system API",
            "reserved_identifier",
            id="organizations on a system API, even as false",
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
            id="scope that is not for users",
        ),
    ],
)
def test_a_wrong_grant_is_refused(
    talk: SandboxClient, change: dict[str, object], status: int, message: str, code: str | None
) -> None:
    body = {"client_id": "worker", "audience": INVOICES, "scope": ["read:invoices"]} | change
    assert error(talk.call("POST", "/client-grants", json=body)) == (status, message, code)


def test_what_nobody_has_published_is_a_setting(tmp_path: Path) -> None:
    settings = Settings(
        conflict_code=None,
        missing_client_code="c",
        missing_api_code="a",
        rule_code=None,
        system_grant_status=400,
    )
    talk = open_client(tmp_path, settings=settings)
    with talk.sandbox:
        body = {"client_id": talk.create()["client_id"], "audience": INVOICES, "scope": ["x"]}
        for change, status, code in (
            ({}, 409, None),
            ({"client_id": "nobody"}, 404, "c"),
            ({"audience": "urn:x"}, 404, "a"),
            ({"allow_all_scopes": True}, 400, None),
        ):
            assert error(talk.call("POST", "/client-grants", json=body | change))[0::2] == (status, code)
        assert talk.call("DELETE", f"/client-grants/{SYSTEM}").status_code == 400


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param({"audience": INVOICES, "scope": []}, "Missing required property: client_id", id="no holder"),
        pytest.param({"audience": INVOICES, "client_id": "worker"}, "Missing required property: scope", id="no scope"),
        pytest.param({"client_id": "worker", "scope": []}, "Missing required property: audience", id="no audience"),
    ],
)
def test_what_is_missing_is_named(talk: SandboxClient, body: dict[str, object], message: str) -> None:
    assert error(talk.call("POST", "/client-grants", json=body)) == (
        400,
        f"Payload validation error: '{message}'.",
        "invalid_body",
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            {"organization_usage": "deny"}, "organization settings cannot be provided with default_for", id="org"
        ),
        pytest.param(
            {"audience": MANAGEMENT}, "default_for cannot be provided when audience is a system API", id="system"
        ),
    ],
)
def test_a_default_grant_has_rules_of_its_own(talk: SandboxClient, change: dict[str, object], message: str) -> None:
    body = {"default_for": "third_party_clients", "audience": INVOICES, "scope": []} | change
    assert error(talk.call("POST", "/client-grants", json=body))[1].endswith(message)


def test_system_apis_take_their_own_scopes(talk: SandboxClient) -> None:
    talk.create(audience=MANAGEMENT, scope=["read:clients"])
    talk.create(audience=MANAGEMENT, subject_type="user", scope=["read:current_user"])
    talk.create(audience=MANAGEMENT, client_id="portal", scope=["create:flows_vault"])  # unlisted, but in exports
    talk.create(audience=MY_ORGANIZATION, scope=["read:it"], organization_usage="require")


def test_a_grant_is_read_by_its_id(talk: SandboxClient) -> None:
    grant = talk.create()
    assert talk.call("GET", f"/client-grants/{grant['id']}").json() == grant
    missing = talk.call("GET", f"/client-grants/{MISSING}")
    assert error(missing) == (404, "The grant does not exist.", "inexistent_client_grant")


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_malformed_id_is_refused(talk: SandboxClient, method: str) -> None:
    answer = talk.call(method, "/client-grants/cgr_short", json={"scope": []})
    text = "'String does not match pattern ^cgr_[A-Za-z0-9]{16}$: cgr_short' on property id (Id of the client grant.)."
    assert error(answer) == (400, f"Path validation error: {text}", "invalid_uri")


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        pytest.param({"scope": ["b", "a"]}, {"scope": ["b", "a"]}, id="scope is replaced whole"),
        pytest.param({"scope": []}, {"scope": []}, id="no scope"),
        pytest.param({"organization_usage": "require"}, {"organization_usage": "require"}, id="setting"),
        pytest.param({"organization_usage": None, "allow_any_organization": None}, {}, id="null takes away"),
        pytest.param({"allow_all_scopes": False}, {"allow_all_scopes": False}, id="false stays"),
        pytest.param({"authorization_details_types": ["x"]}, {"authorization_details_types": ["x"]}, id="details"),
    ],
)
def test_a_patch_replaces_what_it_names_and_leaves_the_rest(
    talk: SandboxClient, patch: dict[str, object], expected: dict[str, object]
) -> None:
    before = talk.create(organization_usage="allow", allow_any_organization=True)
    answer = talk.call("PATCH", f"/client-grants/{before['id']}", json=patch)
    assert answer.status_code == 200
    assert answer.json() == {name: value for name, value in before.items() if name not in patch} | expected
    assert talk.call("GET", f"/client-grants/{before['id']}").json() == answer.json()


def test_all_scopes_and_a_list_of_scopes_take_turns(talk: SandboxClient) -> None:
    path = f"/client-grants/{talk.create()['id']}"
    assert "scope" not in talk.call("PATCH", path, json={"allow_all_scopes": True}).json()
    alone = talk.call("PATCH", path, json={"scope": ["a"]})
    assert error(alone)[0] == 400
    both = talk.call("PATCH", path, json={"allow_all_scopes": False, "scope": ["a"]}).json()
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
            {"authorization_details_types": None}, "Expected type array but found type null", id="the one without null"
        ),
    ],
)
def test_a_wrong_patch_is_refused(talk: SandboxClient, patch: dict[str, object], message: str) -> None:
    path = f"/client-grants/{talk.create()['id']}"
    status, text, code = error(talk.call("PATCH", path, json=patch))
    assert (status, code) == (400, "invalid_body")
    assert text.startswith(f"Payload validation error: '{message}'")


def test_a_patch_of_a_grant_on_a_system_api_stays_within_its_scopes(talk: SandboxClient) -> None:
    path = f"/client-grants/{talk.create(audience=MANAGEMENT, scope=['read:clients'])['id']}"
    assert error(talk.call("PATCH", path, json={"scope": ["never:heard"]}))[1].endswith("resource server scopes")
    assert talk.call("PATCH", path, json={"scope": None}).status_code == 200


def test_a_patch_of_nothing_is_not_found(talk: SandboxClient) -> None:
    answer = talk.call("PATCH", f"/client-grants/{MISSING}", json={"scope": []})
    assert error(answer) == (404, "The grant does not exist.", "inexistent_client_grant")


def test_a_grant_whose_api_is_gone_can_still_be_changed(talk: SandboxClient) -> None:
    grant = talk.create()
    assert talk.call("DELETE", "/resource-servers/https:%2F%2Fapi.example.com%2Finvoices").status_code == 204
    assert talk.call("PATCH", f"/client-grants/{grant['id']}", json={"scope": []}).json()["scope"] == []


def test_deleting_twice_is_as_good_as_once(talk: SandboxClient) -> None:
    path = f"/client-grants/{talk.create()['id']}"
    for _ in range(2):
        answer = talk.call("DELETE", path)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert talk.call("GET", path).status_code == 404


def test_a_system_grant_is_neither_changed_nor_deleted(talk: SandboxClient) -> None:
    before = talk.call("GET", f"/client-grants/{SYSTEM}").json()
    assert before["is_system"] is True
    for method in ("PATCH", "DELETE"):
        status, message, _ = error(talk.call(method, f"/client-grants/{SYSTEM}", json={"scope": []}))
        assert (status, message) == (403, "System client grants cannot be modified or deleted")
    assert talk.call("GET", f"/client-grants/{SYSTEM}").json() == before


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({"client_id": "worker"}, {"own", "users"}, id="application"),
        pytest.param({"audience": INVOICES}, {"own", "users", "default"}, id="API"),
        pytest.param({"audience": INVOICES, "subject_type": "user"}, {"users"}, id="API and subject"),
        pytest.param({"default_for": "third_party_clients"}, {"default"}, id="default"),
        pytest.param({"allow_any_organization": "true"}, {"own"}, id="any organization"),
        pytest.param({"client_id": "nobody"}, set(), id="nobody's"),
    ],
)
def test_the_list_is_filtered(talk: SandboxClient, query: dict[str, str], expected: set[str]) -> None:
    made = {
        talk.create(organization_usage="allow", allow_any_organization=True)["id"]: "own",
        talk.create(subject_type="user")["id"]: "users",
        talk.create(client_id=None, default_for="third_party_clients")["id"]: "default",
    }
    listed = talk.call("GET", "/client-grants", params=query).json()
    assert {made[grant["id"]] for grant in listed} == expected


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"subject_type": "client"}, id="subject_type alone"),
        pytest.param({"client_id": "a", "default_for": "third_party_clients"}, id="two holders"),
        pytest.param({"default_for": "everybody"}, id="unknown group"),
        pytest.param({"allow_any_organization": "maybe"}, id="no boolean"),
        pytest.param({"allow_any_organization": "false"}, id="only true is a filter"),
    ],
)
def test_filters_that_make_no_sense_are_refused(talk: SandboxClient, query: dict[str, str]) -> None:
    status, message, code = error(talk.call("GET", "/client-grants", params=query))
    assert (status, code) == (400, "invalid_query_string")
    assert message.startswith("Query validation error: ")
