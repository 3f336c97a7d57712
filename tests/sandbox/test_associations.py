from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox.sandbox_client import INVOICES, SandboxClient, error_of, open_client

from auth0_sandbox.settings import Settings

MISSING_GRANT = "cgr_0000000000000000"
NO_ORGANIZATION = (404, "No organization found by that id or name", None)


@pytest.fixture
def globex(caller: SandboxClient) -> str:
    """Return the path of an organization."""
    [organization] = caller.call("GET", "/organizations").json()
    return f"/organizations/{organization['id']}"


def associate(caller: SandboxClient, organization: str, **body: object) -> dict[str, object]:
    grant = caller.create(**({"organization_usage": "allow"} | body))
    response = caller.call("POST", f"{organization}/client-grants", json={"grant_id": grant["id"]})
    assert response.status_code == 201, response.text
    return grant


def test_the_response_to_an_association_contains_the_grant_with_grant_id(caller: SandboxClient, globex: str) -> None:
    grant = caller.create(organization_usage="require", allow_any_organization=False)
    response = caller.call("POST", f"{globex}/client-grants", json={"grant_id": grant["id"]})
    assert response.status_code == 201
    assert list(response.json().items()) == [
        ("grant_id", grant["id"]),
        ("client_id", "worker"),
        ("audience", INVOICES),
        ("scope", ["read:invoices"]),
        ("organization_usage", "require"),
        ("allow_any_organization", False),
    ]


def test_an_organization_lists_its_grants_and_then_the_totals(caller: SandboxClient, globex: str) -> None:
    grant = associate(caller, globex)
    associate(caller, globex, client_id="portal")
    caller.create(client_id="tpc_partner")
    body = caller.call("GET", f"{globex}/client-grants?include_totals=true&per_page=50").json()
    assert list(body) == ["client_grants", "start", "limit", "total"]
    assert (body["start"], body["limit"], body["total"]) == (0, 50, 2)
    assert grant in body["client_grants"]
    assert len(caller.call("GET", f"{globex}/client-grants").json()) == 2
    assert len(caller.call("GET", f"{globex}/client-grants?page=1&per_page=1").json()) == 1


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param({"client_id": "worker"}, 1, id="client"),
        pytest.param({"audience": INVOICES}, 2, id="audience"),
        pytest.param({"audience": "urn:x"}, 0, id="other audience"),
        pytest.param({"grant_ids": [MISSING_GRANT]}, 0, id="other ids"),
        pytest.param({"grant_ids": [MISSING_GRANT, "the worker's"]}, 1, id="ids"),
    ],
)
def test_the_grants_of_an_organization_are_filtered(
    caller: SandboxClient, globex: str, query: dict[str, str | list[str]], found: int
) -> None:
    grant = associate(caller, globex)
    associate(caller, globex, client_id="portal")
    meant = {name: [each.replace("the worker's", str(grant["id"])) for each in value] for name, value in query.items()}
    response = caller.call("GET", f"{globex}/client-grants", params=meant if "grant_ids" in query else query)
    assert len(response.json()) == found


@pytest.mark.parametrize("query", [{"grant_ids": ["x"] * 11}, {"take": "5"}], ids=["eleven ids", "checkpoint"])
def test_unsupported_pagination_is_refused(
    caller: SandboxClient, globex: str, query: dict[str, str | list[str]]
) -> None:
    assert error_of(caller.call("GET", f"{globex}/client-grants", params=query))[0::2] == (400, "invalid_query_string")


def test_a_grant_lists_its_organizations_by_offset_and_by_checkpoint(caller: SandboxClient, globex: str) -> None:
    grant = associate(caller, globex)
    other = caller.call("POST", "/organizations", json={"name": "initech"}).json()
    caller.call("POST", f"/organizations/{other['id']}/client-grants", json={"grant_id": grant["id"]})
    path = f"/client-grants/{grant['id']}/organizations"
    totals = caller.call("GET", f"{path}?include_totals=true&per_page=50").json()
    assert list(totals) == ["organizations", "start", "limit", "total"]
    assert (totals["total"], len(totals["organizations"])) == (2, 2)
    assert other in totals["organizations"]
    first = caller.call("GET", f"{path}?include_totals=true&take=1").json()
    second = caller.call("GET", f"{path}?take=1&from={first['next']}").json()
    assert list(second) == ["organizations"]
    assert first["organizations"] + second["organizations"] == totals["organizations"]
    assert caller.call("GET", path).json() == totals["organizations"]


def test_missing_organizations_and_grants_are_not_found(caller: SandboxClient, globex: str) -> None:
    grant = caller.create()
    body = {"grant_id": grant["id"]}
    unknown = (404, "The grant does not exist.", "inexistent_client_grant")
    assert error_of(caller.call("POST", "/organizations/org_x/client-grants", json=body)) == NO_ORGANIZATION
    assert error_of(caller.call("GET", "/organizations/org_x/client-grants")) == NO_ORGANIZATION
    assert error_of(caller.call("POST", f"{globex}/client-grants", json={"grant_id": MISSING_GRANT})) == unknown
    assert error_of(caller.call("GET", f"/client-grants/{MISSING_GRANT}/organizations")) == unknown


@pytest.mark.parametrize(
    "body", [{}, {"grant_id": 1}, {"grant_id": "x", "more": 1}], ids=["empty", "number", "unknown key"]
)
def test_a_wrong_association_is_refused(caller: SandboxClient, globex: str, body: dict[str, object]) -> None:
    assert error_of(caller.call("POST", f"{globex}/client-grants", json=body))[0::2] == (400, "invalid_body")


def test_a_second_association_is_a_conflict(caller: SandboxClient, globex: str) -> None:
    grant = associate(caller, globex)
    again = caller.call("POST", f"{globex}/client-grants", json={"grant_id": grant["id"]})
    assert error_of(again) == (409, "The client grant has already been added to this organization.", "conflict")


def test_an_organization_has_at_most_a_hundred_grants(caller: SandboxClient, globex: str) -> None:
    for number in range(50):
        api = caller.call("POST", "/resource-servers", json={"identifier": f"urn:{number}"}).json()["identifier"]
        associate(caller, globex, audience=api)
        associate(caller, globex, audience=api, client_id="portal")
    one_more = caller.create()
    message = "Quota exceeded; cannot add more than 100 client grants to a single organization"
    response = caller.call("POST", f"{globex}/client-grants", json={"grant_id": one_more["id"]})
    assert error_of(response) == (409, message, "conflict")
    assert caller.call("GET", f"{globex}/client-grants?include_totals=true").json()["total"] == 100


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[SandboxClient]:
    opened = open_client(tmp_path, settings=Settings(refuse_unusable_association=True))
    with opened.sandbox:
        yield opened


@pytest.mark.parametrize("usage", [None, "deny"])
def test_by_default_any_grant_can_be_associated(caller: SandboxClient, globex: str, usage: str | None) -> None:
    associate(caller, globex, organization_usage=usage)


@pytest.mark.parametrize(("usage", "status"), [(None, 400), ("deny", 400), ("allow", 201), ("require", 201)])
def test_a_setting_refuses_grants_that_deny_organizations(
    strict: SandboxClient, usage: str | None, status: int
) -> None:
    [organization] = strict.call("GET", "/organizations").json()
    grant = strict.create(organization_usage=usage)
    response = strict.call("POST", f"/organizations/{organization['id']}/client-grants", json={"grant_id": grant["id"]})
    assert response.status_code == status


def test_an_association_can_be_removed_twice(caller: SandboxClient, globex: str) -> None:
    grant = associate(caller, globex)
    for _ in range(2):
        assert caller.call("DELETE", f"{globex}/client-grants/{grant['id']}").status_code == 204
    assert caller.call("GET", f"{globex}/client-grants").json() == []
    assert caller.call("GET", f"/client-grants/{grant['id']}").json() == grant


@pytest.mark.parametrize("gone", ["grant", "client", "organization"])
def test_associations_are_deleted_with_their_grant_or_organization(
    caller: SandboxClient, globex: str, gone: str
) -> None:
    grant = associate(caller, globex)
    path = {"grant": f"/client-grants/{grant['id']}", "client": "/clients/worker", "organization": globex}[gone]
    assert caller.call("DELETE", path).status_code == 204
    seen_from = f"/client-grants/{grant['id']}/organizations" if gone == "organization" else f"{globex}/client-grants"
    assert caller.call("GET", seen_from).json() == []


@pytest.mark.parametrize(
    ("method", "verb"), [("GET", "read"), ("POST", "create"), ("DELETE", "delete")], ids=["list", "add", "remove"]
)
def test_each_request_needs_its_permission(caller: SandboxClient, globex: str, method: str, verb: str) -> None:
    reader = SandboxClient(caller.sandbox, caller.clock, scopes=("read:organizations", "read:client_grants"))
    path = f"{globex}/client-grants" + ("/cgr_x" if method == "DELETE" else "")
    message = f"Insufficient scope, expected any of: {verb}:organization_client_grants"
    assert error_of(reader.call(method, path, json={})) == (403, message, "insufficient_scope")
