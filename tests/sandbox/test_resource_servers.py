from pathlib import Path

import pytest
from sandbox.sandbox_client import INVOICES, MANAGEMENT, SandboxClient, error, open_client

from auth0_sandbox.settings import Settings

ENCODED = INVOICES.replace("/", "%2F")


def test_the_management_api_exists_with_its_scopes(talk: SandboxClient) -> None:
    [api] = [api for api in talk.call("GET", "/resource-servers").json() if api["identifier"] == MANAGEMENT]
    assert (api["name"], api["is_system"]) == ("Auth0 Management API", True)
    assert api["scopes"][0] == {"value": "read:client_grants", "description": "Read Client Grants"}
    assert len(api["scopes"]) == 273
    assert list(api)[-2:] == ["scopes", "is_system"]


def test_the_attributes_of_an_api_have_the_recorded_order_whatever_the_order_of_writes(talk: SandboxClient) -> None:
    body = {
        "authorization_details": [{"type": "pay"}],
        "scopes": [{"description": "A", "value": "a"}],
        "enforce_policies": True,
        "identifier": "urn:new",
        "name": "New",
    }
    created = talk.call("POST", "/resource-servers", json=body).json()
    order = [
        "id",
        "name",
        "identifier",
        "allow_offline_access",
        "skip_consent_for_verifiable_first_party_clients",
        "subject_type_authorization",
        "token_lifetime",
        "token_lifetime_for_web",
        "signing_alg",
        "enforce_policies",
        "scopes",
        "authorization_details",
    ]
    assert list(created) == order
    assert list(created["scopes"][0]) == ["value", "description"]

    path = "/resource-servers/urn:new"
    talk.call("PATCH", path, json={"scopes": None, "authorization_details": None})
    talk.call("PATCH", path, json={"authorization_details": [{"type": "pay"}]})
    assert list(talk.call("PATCH", path, json={"scopes": []}).json()) == order


def test_the_list_has_totals_and_no_checkpoints(talk: SandboxClient) -> None:
    body = talk.call("GET", "/resource-servers?page=0&per_page=2&include_totals=true").json()
    assert list(body) == ["total", "start", "limit", "resource_servers"]
    assert (body["total"], len(body["resource_servers"])) == (4, 2)
    assert error(talk.call("GET", "/resource-servers?take=1"))[0] == 400


def test_the_list_is_filtered_by_identifiers(talk: SandboxClient) -> None:
    query = {"identifiers": [INVOICES, "urn:nothing"], "fields": "identifier"}
    assert talk.call("GET", "/resource-servers", params=query).json() == [{"identifier": INVOICES}]
    assert error(talk.call("GET", "/resource-servers", params={"identifiers": ["x"] * 11}))[0] == 400


@pytest.mark.parametrize("path", [ENCODED, INVOICES], ids=["encoded", "plain"])
def test_an_api_is_read_by_its_identifier(talk: SandboxClient, path: str) -> None:
    api = talk.call("GET", f"/resource-servers/{path}").json()
    assert (api["name"], api["identifier"]) == ("Invoices API", INVOICES)
    assert talk.call("GET", f"/resource-servers/{api['id']}").json() == api


def test_an_unknown_api_is_not_found(talk: SandboxClient) -> None:
    answer = talk.call("GET", "/resource-servers/urn:nothing")
    assert error(answer) == (404, "The resource server does not exist", "inexistent_resource_server")


def test_a_new_api_has_the_default_policies_and_no_scopes_yet(talk: SandboxClient) -> None:
    answer = talk.call("POST", "/resource-servers", json={"identifier": "urn:new", "made_up": True})
    api = answer.json()
    assert answer.status_code == 201
    assert (api["name"], api["made_up"]) == ("urn:new", True)
    assert "scopes" not in api
    assert api["subject_type_authorization"] == {
        "client": {"policy": "require_client_grant"},
        "user": {"policy": "allow_all"},
    }
    scopes = [{"value": "a", "description": "A"}]
    other = talk.call("POST", "/resource-servers", json={"identifier": "urn:other", "scopes": scopes}).json()
    assert other["scopes"] == scopes


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"identifier": INVOICES}, 409, id="taken"),
        pytest.param({"name": "x"}, 400, id="no identifier"),
        pytest.param({"identifier": "urn:x", "scopes": ["a"]}, 400, id="scopes as texts"),
    ],
)
def test_a_wrong_api_is_refused(talk: SandboxClient, body: dict[str, object], status: int) -> None:
    assert error(talk.call("POST", "/resource-servers", json=body))[0] == status


def test_deleting_an_api_leaves_its_grants_behind(talk: SandboxClient) -> None:
    grant = talk.create()
    for _ in range(2):
        assert talk.call("DELETE", f"/resource-servers/{ENCODED}").status_code == 204
    assert talk.call("GET", f"/client-grants/{grant['id']}").json() == grant


def test_deleting_an_api_deletes_its_grants_where_set(tmp_path: Path) -> None:
    talk = open_client(tmp_path, settings=Settings(keep_grants_of_deleted_api=False))
    with talk.sandbox:
        grant = talk.create()
        talk.call("DELETE", f"/resource-servers/{ENCODED}")
        assert talk.call("GET", f"/client-grants/{grant['id']}").status_code == 404


def test_system_apis_stay(talk: SandboxClient) -> None:
    assert talk.call("DELETE", f"/resource-servers/{MANAGEMENT}").status_code == 400
    assert talk.call("GET", f"/resource-servers/{MANAGEMENT}").status_code == 200


@pytest.mark.parametrize("by", ["id", "identifier"])
def test_an_api_is_changed_by_its_id_or_identifier(talk: SandboxClient, by: str) -> None:
    before = talk.call("GET", f"/resource-servers/{ENCODED}").json()
    path = f"/resource-servers/{ENCODED if by == 'identifier' else before['id']}"
    changes = {"scopes": [{"value": "read:all"}], "token_lifetime": 60, "authorization_details": [{"type": "pay"}]}
    after = talk.call("PATCH", path, json=changes).json()
    assert after == before | changes
    assert talk.call("GET", path).json() == after


def test_null_takes_an_attribute_away_or_back_to_its_default(talk: SandboxClient) -> None:
    path = f"/resource-servers/{ENCODED}"
    talk.call("PATCH", path, json={"token_lifetime": 60, "token_encryption": {"format": "x"}})
    nulls = {"token_lifetime": None, "token_encryption": None, "authorization_details": None, "scopes": None}
    after = talk.call("PATCH", path, json=nulls).json()
    assert after["token_lifetime"] == 86_400
    assert not after.keys() & {"token_encryption", "authorization_details", "scopes"}


def test_a_policy_is_completed_with_the_other_ones_default(talk: SandboxClient) -> None:
    policies = {"anonymous_user": {"policy": "require_client_grant"}}
    body = {"identifier": "urn:new", "subject_type_authorization": policies}
    api = talk.call("POST", "/resource-servers", json=body).json()
    assert list(api["subject_type_authorization"]) == ["anonymous_user", "client", "user"]


def test_symmetric_signatures_come_with_a_secret(talk: SandboxClient) -> None:
    api = talk.call("POST", "/resource-servers", json={"identifier": "urn:new", "signing_alg": "HS256"}).json()
    assert len(api["signing_secret"]) == 32


@pytest.mark.parametrize("name", ["id", "identifier", "is_system"])
def test_what_identifies_an_api_cannot_be_changed(talk: SandboxClient, name: str) -> None:
    message = f"Payload validation error: 'Additional properties not allowed: {name}'."
    answer = talk.call("PATCH", f"/resource-servers/{ENCODED}", json={name: "x"})
    assert error(answer) == (400, message, "invalid_body")


def test_of_a_system_api_the_lifetimes_can_be_changed_but_not_the_scopes(talk: SandboxClient) -> None:
    path = f"/resource-servers/{MANAGEMENT}"
    assert error(talk.call("PATCH", path, json={"scopes": []}))[0] == 400
    assert talk.call("PATCH", path, json={"token_lifetime": 60}).json()["token_lifetime"] == 60


def test_an_unknown_api_cannot_be_changed(talk: SandboxClient) -> None:
    answer = talk.call("PATCH", "/resource-servers/urn:nothing", json={"name": "x"})
    assert error(answer) == (404, "The resource server does not exist", "inexistent_resource_server")


def test_an_api_can_be_written_as_a_form(talk: SandboxClient) -> None:
    form = "identifier=urn:form&token_lifetime=60&scopes[1][value]=b&scopes[0][value]=a&scopes[0][description]=A"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    api = talk.call("POST", "/resource-servers", content=form, headers=headers).json()
    assert api["scopes"] == [{"value": "a", "description": "A"}, {"value": "b"}]
    changed = talk.call("PATCH", "/resource-servers/urn:form", content="token_lifetime=90", headers=headers).json()
    assert (api["token_lifetime"], changed["token_lifetime"]) == (60, 90)


@pytest.mark.parametrize("body", ["scope[]=read:invoices&scope[]=a", "scope=read:invoices&scope=a"])
def test_a_grant_can_be_written_as_a_form(talk: SandboxClient, body: str) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    path = f"/client-grants/{talk.create()['id']}"
    assert talk.call("PATCH", path, content=body, headers=headers).json()["scope"] == ["read:invoices", "a"]
