from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from sandbox.sandbox_client import INVOICES, SEED, SandboxClient, error, open_client

MORE = """
  - {id: cgr_PortalPortal0001, client: Portal, api: Invoices API, scope: [], organization_usage: allow,
     allow_any_organization: true}
  - {id: cgr_WorkerWorker0001, client: Worker, api: Invoices API, scope: ["read:invoices"], organizations: [globex]}
  - {id: cgr_WorkerWorker0002, client: Worker, api: Empty API, scope: [], subject_type: user}
  - {id: cgr_DefaultDefault01, default_for: third_party_clients, api: Empty API, scope: []}
"""
WORKER, PORTAL, USER = "cgr_WorkerWorker0001", "cgr_PortalPortal0001", "cgr_WorkerWorker0002"
DEFAULT, SYSTEM = "cgr_DefaultDefault01", "cgr_SystemSystem0001"


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[SandboxClient]:
    opened = open_client(tmp_path, seed=SEED + MORE)
    with opened.sandbox:
        yield opened


def search(talk: SandboxClient, kind: str, **query: str | int) -> list[dict[str, Any]]:
    answer = talk.call("GET", f"/{kind}/search?{urlencode(query)}")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()[kind.replace("-", "_")]
    return items


def own(talk: SandboxClient) -> str:
    identity: str = talk.call("GET", f"/client-grants?client_id={talk.sandbox.credentials.client_id}").json()[0]["id"]
    return identity


def test_without_a_query_all_grants_are_found_in_the_order_of_their_creation(talk: SandboxClient) -> None:
    found = search(talk, "client-grants")
    assert [grant["id"] for grant in found] == [own(talk), SYSTEM, PORTAL, WORKER, USER, DEFAULT]
    assert found[3] == talk.call("GET", f"/client-grants/{WORKER}").json()


SCIM = [
    (f'audience eq "{INVOICES}"', {PORTAL, WORKER}),
    (f'audience ne "{INVOICES}"', {"own", SYSTEM, USER, DEFAULT}),
    ('audience sw "https://api.example.com/"', {PORTAL, WORKER, USER, DEFAULT}),
    ('audience ew "/empty" AND client_id eq "worker"', {USER}),
    ('audience co "EXAMPLE"', set()),
    ('client_id sw "wor"', {WORKER, USER}),
    ("default_for pr", {DEFAULT}),
    ('default_for eq "third_party_clients" or subject_type eq "user"', {DEFAULT, USER}),
    ('(default_for pr or subject_type eq "user") and client_id pr', {USER}),
    ("allow_any_organization eq true", {PORTAL}),
    ("organization_id pr", {WORKER}),
    ('organization_id sw "org_" and client_id eq "worker"', {WORKER}),
    ('organization_id ne "org_x" and subject_type eq "user"', {USER}),
    ('updated_at gt "2027-01-15T07:59:59Z" and client_id eq "worker"', {WORKER, USER}),
    ('updated_at lt "2027-01-15T08:00:00Z"', set()),
    ('updated_at le "2027-01-15T09:00:00+01:00" and updated_at ge "2027-01-15" and default_for pr', {DEFAULT}),
]
LUCENE = [
    (f'audience:"{INVOICES}"', {PORTAL, WORKER}),
    (r"audience:https\://api.example.com/* AND NOT client_id:worker", {PORTAL, DEFAULT}),
    ("audience:*empty OR audience:*invoices", {PORTAL, WORKER, USER, DEFAULT}),
    ("audience:*api.example* && -client_id:worker", {PORTAL, DEFAULT}),
    ("_exists_:default_for", {DEFAULT}),
    ("organization_id:*", {WORKER}),
    ("allow_any_organization:true", {PORTAL}),
    ("client_id:worker AND (subject_type:user || subject_type:nothing)", {USER}),
    ("client_id:worker AND updated_at:[2027-01-15 TO *]", {WORKER, USER}),
    ("updated_at:{2027-01-16 TO 2027-01-17}", set()),
]


@pytest.mark.parametrize(
    ("parser", "query", "expected"),
    [("scim", *each) for each in SCIM] + [("lucene", *each) for each in LUCENE],
)
def test_a_query_selects_grants(talk: SandboxClient, parser: str, query: str, expected: set[str]) -> None:
    names = {own(talk): "own"}
    found = {grant["id"] for grant in search(talk, "client-grants", q=query, parser=parser)}
    assert {names.get(each, each) for each in found} == expected


def test_lucene_is_the_default_syntax(talk: SandboxClient) -> None:
    assert [each["id"] for each in search(talk, "client-grants", q="_exists_:default_for")] == [DEFAULT]


@pytest.mark.parametrize(
    ("kind", "parser", "query", "reason"),
    [
        ("client-grants", "scim", 'scope eq "a"', 'the field "scope" is not supported; use audience, client_id'),
        ("client-grants", "scim", 'client_id co "a"', 'the field "client_id" does not support co; use eq, ne, pr, sw'),
        ("client-grants", "scim", 'client_id is "a"', '"is" is not an operator; use eq, ne'),
        ("client-grants", "scim", "client_id eq a", "the value a needs quotation marks"),
        ("client-grants", "scim", "client_id eq null", "the value null is not supported"),
        ("client-grants", "scim", 'client_id eq "', "a quotation mark is not closed"),
        ("client-grants", "scim", "client_id eq", "the query ends too early"),
        ("client-grants", "scim", 'not (client_id eq "a")', "the operator not is not supported"),
        ("client-grants", "scim", '(client_id eq "a"', "the query ends too early"),
        ("client-grants", "scim", "client_id pr subject_type pr", '"subject_type" is not expected'),
        ("client-grants", "scim", 'client_id eq ""', 'the field "client_id" needs a value'),
        ("client-grants", "scim", 'allow_any_organization eq "x"', "needs true or false"),
        ("client-grants", "scim", 'updated_at gt "soon"', 'needs a time in ISO 8601, not "soon"'),
        ("client-grants", "scim", " or ".join(["client_id pr"] * 6), "a query can have 5 filter operations at most"),
        ("client-grants", "scim", "(" * 12 + "client_id pr" + ")" * 12, "nested more than 10 levels deep"),
        ("client-grants", "lucene", "worker", '"worker" is not a term; write field:value'),
        ("client-grants", "lucene", "client_id:a client_id:b", '"client_id:b" is not expected; combine terms with AND'),
        ("client-grants", "lucene", "client_id:a?b*", "is supported at the start and at the end only"),
        ("client-grants", "lucene", "audience:roam~", 'the value "roam~" is not supported'),
        ("client-grants", "lucene", "updated_at:>2024", 'the value ">2024" is not supported'),
        ("client-grants", "lucene", "updated_at:[2024]", '"[2024]" is not a range; write [from TO to]'),
        ("client-grants", "lucene", "(client_id:a", "the query ends too early"),
        ("client-grants", "lucene", "((" * 6 + "client_id:a" + "))" * 6, "nested more than 10 levels deep"),
        ("clients", "scim", 'client_secret eq "hush"', 'the field "client_secret" is not supported'),
        ("clients", "scim", 'metadata.a.b.c eq "x"', 'the field "metadata.a.b.c" is not supported'),
        (
            "resource-servers",
            "scim",
            'metadata.a eq "x"',
            'the field "metadata.a" is not supported; use id, identifier',
        ),
    ],
)
def test_an_unsupported_query_is_refused_with_the_reason(
    talk: SandboxClient, kind: str, parser: str, query: str, reason: str
) -> None:
    status, message, code = error(talk.call("GET", f"/{kind}/search?{urlencode({'q': query, 'parser': parser})}"))
    assert (status, code) == (400, "invalid_query_string")
    assert message.startswith("Query validation error: 'The query is not supported: ")
    assert reason in message


@pytest.mark.parametrize("query", ["parser=sql", "sort=client_id", "take=0", "take=101", "from=x", "page=0"])
def test_other_parameters_are_checked(talk: SandboxClient, query: str) -> None:
    assert error(talk.call("GET", f"/client-grants/search?{query}"))[0::2] == (400, "invalid_query_string")


@pytest.mark.parametrize("sort", ["", "name", "updated_at"])
def test_pages_hold_every_result_once(talk: SandboxClient, sort: str) -> None:
    for number in range(9, 0, -1):
        talk.call("POST", "/clients", json={"name": f"app {number // 2}"})
        talk.clock.now += 1
    query = {"q": "name:app*", "take": 4} | ({"sort": sort} if sort else {})
    found: list[str] = []
    following: dict[str, Any] = {}
    sizes: list[int] = []
    while True:
        body = talk.call("GET", f"/clients/search?{urlencode(query | following)}").json()
        found += [client["name"] for client in body["clients"]]
        sizes.append(len(body["clients"]))
        if "next" not in body:
            break
        following = {"from": body["next"]}
    expected = [f"app {number // 2}" for number in range(9, 0, -1)]
    assert found == (sorted(expected) if sort == "name" else expected)
    assert sizes == [4, 4, 1]


def test_a_checkpoint_of_another_order_is_refused(talk: SandboxClient) -> None:
    following = talk.call("GET", "/clients/search?take=1&sort=name").json()["next"]
    assert error(talk.call("GET", f"/clients/search?take=1&from={following}"))[0] == 400


def test_results_are_sorted_by_their_last_change(talk: SandboxClient) -> None:
    talk.clock.now += 60
    talk.call("PATCH", f"/client-grants/{PORTAL}", json={"scope": ["read:invoices"]})
    found = [grant["id"] for grant in search(talk, "client-grants", sort="updated_at")]
    assert found == [own(talk), SYSTEM, WORKER, USER, DEFAULT, PORTAL]
    changed = search(talk, "client-grants", q='updated_at gt "2027-01-15T08:00:30Z"', parser="scim")
    assert [grant["id"] for grant in changed] == [PORTAL]


def test_results_have_the_requested_attributes(talk: SandboxClient) -> None:
    [grant] = search(talk, "client-grants", q="_exists_:default_for", fields="id,scope")
    assert grant == {"id": DEFAULT, "scope": []}
    [grant] = search(talk, "client-grants", q="_exists_:default_for", fields="id,scope", include_fields="false")
    assert list(grant) == ["audience", "subject_type", "default_for"]


def test_applications_are_found_without_secrets_and_with_times(talk: SandboxClient) -> None:
    talk.clock.now += 1.5
    talk.call("PATCH", "/clients/worker", json={"client_metadata": {"team": "billing", "on": {"call": "mia"}}})
    [worker] = search(talk, "clients", q='metadata.team eq "billing"', parser="scim")
    assert (worker["client_id"], worker["name"]) == ("worker", "Worker")
    assert (worker["created_at"], worker["updated_at"]) == ("2027-01-15T08:00:00.000Z", "2027-01-15T08:00:01.500Z")
    assert not worker.keys() & {"client_secret", "signing_keys", "owners", "addons", "encryption_key"}
    everyone = search(talk, "clients")
    assert "hush" not in str(everyone)
    assert [client["name"] for client in everyone][-1] == "All Applications"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('name co "ORK"', {"worker"}),
        ('client_id eq "worker"', {"worker"}),
        ('client_id eq "Worker"', set()),
        ('app_type eq "regular_web" and is_first_party eq true', {"portal"}),
        ("is_first_party eq false", {"tpc_partner"}),
        ("client_grant.organization_id pr", {"worker"}),
        ("client_grant.allow_any_organization eq true", {"portal"}),
    ],
)
def test_a_query_selects_applications(talk: SandboxClient, query: str, expected: set[str]) -> None:
    assert {client["client_id"] for client in search(talk, "clients", q=query, parser="scim")} == expected


def test_the_list_of_applications_takes_queries_for_grants(talk: SandboxClient) -> None:
    organization = talk.call("GET", "/organizations").json()[0]["id"]
    answer = talk.call("GET", f"/clients?take=50&q=client_grant.organization_id:{organization}").json()
    assert [client["client_id"] for client in answer["clients"]] == ["worker"]
    for query, reason in (
        ("q=client_grant.allow_any_organization:true", "q needs from or take"),
        ("q=name:x&take=5", "the field "),
        ("q=client_grant.allow_any_organization:true&take=5&is_global=false", "q cannot be combined with is_global"),
    ):
        status, message, _ = error(talk.call("GET", f"/clients?{query}"))
        assert status == 400
        assert reason in message


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('identifier sw "https://api."', {"Invoices API", "Empty API"}),
        ('name co "invoices"', {"Invoices API"}),
        ('updated_at ge "2027-01-15T08:00:00Z" and name sw "E"', {"Empty API"}),
    ],
)
def test_a_query_selects_apis(talk: SandboxClient, query: str, expected: set[str]) -> None:
    assert {api["name"] for api in search(talk, "resource-servers", q=query, parser="scim")} == expected


def test_apis_are_found_without_their_secret(talk: SandboxClient) -> None:
    talk.call("POST", "/resource-servers", json={"identifier": "urn:hs", "signing_alg": "HS256"})
    [api] = search(talk, "resource-servers", q="identifier:urn\\:hs")
    assert "signing_secret" not in api
    by_name = [each["name"] for each in search(talk, "resource-servers", sort="name")]
    assert by_name == sorted(by_name, key=str.lower)


def test_organizations_are_found(talk: SandboxClient) -> None:
    talk.clock.now += 1
    talk.call("POST", "/organizations", json={"name": "acme", "display_name": "ACME", "metadata": {"plan": "gold"}})
    assert [each["name"] for each in search(talk, "organizations", q="metadata.plan:gold")] == ["acme"]
    assert [each["name"] for each in search(talk, "organizations", q="display_name:*lob*")] == ["globex"]
    late = search(talk, "organizations", q='created_at gt "2027-01-15T08:00:00Z"', parser="scim")
    assert [each["name"] for each in late] == ["acme"]
    assert [each["name"] for each in search(talk, "organizations", sort="name")] == ["acme", "globex"]


@pytest.mark.parametrize(
    ("kind", "permissions"),
    [
        ("client-grants", "read:client_grants"),
        ("clients", "read:clients,read:client_summary"),
        ("resource-servers", "read:resource_servers"),
        ("organizations", "read:organizations,read:organizations_summary"),
    ],
)
def test_each_search_needs_its_permission(talk: SandboxClient, kind: str, permissions: str) -> None:
    reader = SandboxClient(talk.sandbox, talk.clock, scopes=("read:logs",))
    assert error(reader.call("GET", f"/{kind}/search"))[:2] == (
        403,
        f"Insufficient scope, expected any of: {permissions}",
    )


def test_a_summary_opens_four_attributes_of_applications(talk: SandboxClient) -> None:
    reader = SandboxClient(talk.sandbox, talk.clock, scopes=("read:client_summary",))
    [portal] = search(reader, "clients", q="name:Portal")
    summary = {"name": "Portal", "app_type": "regular_web", "client_id": "portal"}
    assert portal == reader.call("GET", "/clients/portal").json() == summary
    assert reader.call("GET", "/clients?is_first_party=true").json()[2] == summary
