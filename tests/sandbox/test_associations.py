from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox.sandbox_client import INVOICES, SandboxClient, error, open_client

from auth0_sandbox.settings import Settings

MISSING_GRANT = "cgr_0000000000000000"
NO_ORGANIZATION = (404, "No organization found by that id or name", None)


@pytest.fixture
def globex(talk: SandboxClient) -> str:
    """The path of an organization."""
    [organization] = talk.call("GET", "/organizations").json()
    return f"/organizations/{organization['id']}"


def associate(talk: SandboxClient, organization: str, **body: object) -> dict[str, object]:
    grant = talk.create(**({"organization_usage": "allow"} | body))
    answer = talk.call("POST", f"{organization}/client-grants", json={"grant_id": grant["id"]})
    assert answer.status_code == 201, answer.text
    return grant


def test_an_association_answers_the_grant_with_its_id_under_another_name(talk: SandboxClient, globex: str) -> None:
    grant = talk.create(organization_usage="require", allow_any_organization=False)
    answer = talk.call("POST", f"{globex}/client-grants", json={"grant_id": grant["id"]})
    assert answer.status_code == 201
    assert list(answer.json().items()) == [
        ("grant_id", grant["id"]),
        ("client_id", "worker"),
        ("audience", INVOICES),
        ("scope", ["read:invoices"]),
        ("organization_usage", "require"),
        ("allow_any_organization", False),
    ]


def test_an_organization_lists_its_grants_with_the_totals_behind(talk: SandboxClient, globex: str) -> None:
    grant = associate(talk, globex)
    associate(talk, globex, client_id="portal")
    talk.create(client_id="tpc_partner")
    body = talk.call("GET", f"{globex}/client-grants?include_totals=true&per_page=50").json()
    assert list(body) == ["client_grants", "start", "limit", "total"]
    assert (body["start"], body["limit"], body["total"]) == (0, 50, 2)
    assert grant in body["client_grants"]
    assert len(talk.call("GET", f"{globex}/client-grants").json()) == 2
    assert len(talk.call("GET", f"{globex}/client-grants?page=1&per_page=1").json()) == 1


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
    talk: SandboxClient, globex: str, query: dict[str, str | list[str]], found: int
) -> None:
    grant = associate(talk, globex)
    associate(talk, globex, client_id="portal")
    meant = {name: [each.replace("the worker's", str(grant["id"])) for each in value] for name, value in query.items()}
    answer = talk.call("GET", f"{globex}/client-grants", params=meant if "grant_ids" in query else query)
    assert len(answer.json()) == found


@pytest.mark.parametrize("query", [{"grant_ids": ["x"] * 11}, {"take": "5"}], ids=["eleven ids", "checkpoint"])
def test_a_list_that_the_api_does_not_offer_is_refused(
    talk: SandboxClient, globex: str, query: dict[str, str | list[str]]
) -> None:
    assert error(talk.call("GET", f"{globex}/client-grants", params=query))[0::2] == (400, "invalid_query_string")


def test_a_grant_lists_its_organizations_by_offset_and_by_checkpoint(talk: SandboxClient, globex: str) -> None:
    grant = associate(talk, globex)
    other = talk.call("POST", "/organizations", json={"name": "initech"}).json()
    talk.call("POST", f"/organizations/{other['id']}/client-grants", json={"grant_id": grant["id"]})
    path = f"/client-grants/{grant['id']}/organizations"
    totals = talk.call("GET", f"{path}?include_totals=true&per_page=50").json()
    assert list(totals) == ["organizations", "start", "limit", "total"]
    assert (totals["total"], len(totals["organizations"])) == (2, 2)
    assert other in totals["organizations"]
    first = talk.call("GET", f"{path}?include_totals=true&take=1").json()
    second = talk.call("GET", f"{path}?take=1&from={first['next']}").json()
    assert list(second) == ["organizations"]
    assert first["organizations"] + second["organizations"] == totals["organizations"]
    assert talk.call("GET", path).json() == totals["organizations"]


def test_what_does_not_exist_is_not_found(talk: SandboxClient, globex: str) -> None:
    grant = talk.create()
    body = {"grant_id": grant["id"]}
    unknown = (404, "The grant does not exist.", "inexistent_client_grant")
    assert error(talk.call("POST", "/organizations/org_x/client-grants", json=body)) == NO_ORGANIZATION
    assert error(talk.call("GET", "/organizations/org_x/client-grants")) == NO_ORGANIZATION
    assert error(talk.call("POST", f"{globex}/client-grants", json={"grant_id": MISSING_GRANT})) == unknown
    assert error(talk.call("GET", f"/client-grants/{MISSING_GRANT}/organizations")) == unknown


@pytest.mark.parametrize("body", [{}, {"grant_id": 1}, {"grant_id": "x", "more": 1}], ids=["empty", "number", "more"])
def test_a_wrong_association_is_refused(talk: SandboxClient, globex: str, body: dict[str, object]) -> None:
    assert error(talk.call("POST", f"{globex}/client-grants", json=body))[0::2] == (400, "invalid_body")


def test_a_grant_is_associated_once_with_an_organization(talk: SandboxClient, globex: str) -> None:
    grant = associate(talk, globex)
    again = talk.call("POST", f"{globex}/client-grants", json={"grant_id": grant["id"]})
    assert error(again) == (409, "The client grant has already been added to this organization.", "conflict")


def test_an_organization_takes_a_hundred_grants(talk: SandboxClient, globex: str) -> None:
    for number in range(50):
        api = talk.call("POST", "/resource-servers", json={"identifier": f"urn:{number}"}).json()["identifier"]
        associate(talk, globex, audience=api)
        associate(talk, globex, audience=api, client_id="portal")
    one_more = talk.create()
    message = "Quota exceeded; cannot add more than 100 client grants to a single organization"
    answer = talk.call("POST", f"{globex}/client-grants", json={"grant_id": one_more["id"]})
    assert error(answer) == (409, message, "conflict")
    assert talk.call("GET", f"{globex}/client-grants?include_totals=true").json()["total"] == 100


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[SandboxClient]:
    opened = open_client(tmp_path, settings=Settings(refuse_unusable_association=True))
    with opened.sandbox:
        yield opened


@pytest.mark.parametrize("usage", [None, "deny"])
def test_a_grant_without_use_for_organizations_is_associated_unless_set_otherwise(
    talk: SandboxClient, globex: str, usage: str | None
) -> None:
    associate(talk, globex, organization_usage=usage)


@pytest.mark.parametrize(("usage", "status"), [(None, 400), ("deny", 400), ("allow", 201), ("require", 201)])
def test_a_grant_without_use_for_organizations_is_refused_where_set(
    strict: SandboxClient, usage: str | None, status: int
) -> None:
    [organization] = strict.call("GET", "/organizations").json()
    grant = strict.create(organization_usage=usage)
    answer = strict.call("POST", f"/organizations/{organization['id']}/client-grants", json={"grant_id": grant["id"]})
    assert answer.status_code == status


def test_an_association_is_removed_and_removed_again(talk: SandboxClient, globex: str) -> None:
    grant = associate(talk, globex)
    for _ in range(2):
        assert talk.call("DELETE", f"{globex}/client-grants/{grant['id']}").status_code == 204
    assert talk.call("GET", f"{globex}/client-grants").json() == []
    assert talk.call("GET", f"/client-grants/{grant['id']}").json() == grant


@pytest.mark.parametrize("gone", ["grant", "client", "organization"])
def test_associations_go_with_what_they_tie(talk: SandboxClient, globex: str, gone: str) -> None:
    grant = associate(talk, globex)
    path = {"grant": f"/client-grants/{grant['id']}", "client": "/clients/worker", "organization": globex}[gone]
    assert talk.call("DELETE", path).status_code == 204
    seen_from = f"/client-grants/{grant['id']}/organizations" if gone == "organization" else f"{globex}/client-grants"
    assert talk.call("GET", seen_from).json() == []


@pytest.mark.parametrize(
    ("method", "verb"), [("GET", "read"), ("POST", "create"), ("DELETE", "delete")], ids=["list", "add", "remove"]
)
def test_each_call_needs_its_permission(talk: SandboxClient, globex: str, method: str, verb: str) -> None:
    reader = SandboxClient(talk.sandbox, talk.clock, scopes=("read:organizations", "read:client_grants"))
    path = f"{globex}/client-grants" + ("/cgr_x" if method == "DELETE" else "")
    message = f"Insufficient scope, expected any of: {verb}:organization_client_grants"
    assert error(reader.call(method, path, json={})) == (403, message, "insufficient_scope")
