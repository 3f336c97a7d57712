import json
from pathlib import Path

import pytest
from sandbox.sandbox_client import DOMAIN, INVOICES, MANAGEMENT, SandboxClient, open_client

from auth0_sandbox.errors import FileError, FileProblem
from auth0_sandbox.seed import TOOL_CLIENT_ID, TOOL_SCOPE
from auth0_sandbox.store.database import DocumentKind, Store
from auth0_sandbox.tenant import open_sandbox

WHOLE = f"""
tool: {{name: Robot, client_id: robot, client_secret: pst, scope: ["read:client_grants"]}}
applications:
  - {{name: Twin}}
  - {{name: Twin}}
  - {{name: Worker, logo_uri: x}}
apis:
  - {{name: Invoices API, identifier: "{INVOICES}", token_lifetime: 60, scopes: [a, {{value: b, description: B}}]}}
organizations:
  - {{name: globex}}
grants:
  - {{client: Worker, api: Invoices API, scope: [a], organizations: [globex]}}
  - {{client: Worker, api: Invoices API, subject_type: user, allow_all_scopes: true}}
  - {{client_id: gone, audience: "urn:gone", scope: [x]}}
  - {{default_for: third_party_clients, api: Invoices API, scope: []}}
"""


def content(store: Store) -> dict[str, list[dict[str, object]]]:
    return {kind: [json.loads(row.text) for row in store.find(kind, {}, limit=999)] for kind in DocumentKind}


def seeded(folder: Path, seed: str) -> dict[str, list[dict[str, object]]]:
    folder.mkdir(exist_ok=True)
    with open_client(folder, seed=seed).sandbox as sandbox:
        return content(sandbox.store)


def problems(folder: Path, seed: str) -> list[FileProblem]:
    with pytest.raises(FileError) as refused:
        open_client(folder, seed=seed)
    return list(refused.value.problems)


def test_equal_seeds_make_equal_tenants_with_equal_ids(tmp_path: Path) -> None:
    assert seeded(tmp_path / "a", WHOLE) == seeded(tmp_path / "b", WHOLE)


def test_an_id_does_not_depend_on_other_objects(tmp_path: Path) -> None:
    both = seeded(tmp_path / "a", "applications: [{name: A}, {name: B}]")
    one = seeded(tmp_path / "b", "applications: [{name: B}]")
    assert [client for client in both["clients"] if client["name"] != "A"] == one["clients"]


def test_the_tenant_contains_the_seed(tmp_path: Path) -> None:
    tenant_content = seeded(tmp_path, WHOLE)
    names = sorted(str(client["name"]) for client in tenant_content["clients"])
    assert names == ["All Applications", "Robot", "Twin", "Twin", "Worker"]
    [worker] = [str(client["client_id"]) for client in tenant_content["clients"] if client.get("logo_uri") == "x"]
    [api] = [api for api in tenant_content["resource_servers"] if api["identifier"] == INVOICES]
    assert api["scopes"] == [{"value": "a", "description": ""}, {"value": "b", "description": "B"}]
    assert api["token_lifetime"] == 60
    assert [organization["name"] for organization in tenant_content["organizations"]] == ["globex"]
    grants = {
        tuple(value for name, value in grant.items() if name != "id" and isinstance(value, str)): grant
        for grant in tenant_content["client_grants"]
    }
    assert grants.keys() == {
        ("robot", MANAGEMENT, "client"),
        (worker, INVOICES, "client"),
        (worker, INVOICES, "user"),
        ("gone", "urn:gone", "client"),
        (INVOICES, "client", "third_party_clients"),
    }
    assert "scope" not in grants[worker, INVOICES, "user"]
    assert "organizations" not in grants[worker, INVOICES, "client"]
    [association] = tenant_content["organization_client_grants"]
    assert association == {
        "organization_id": tenant_content["organizations"][0]["id"],
        "grant_id": grants[worker, INVOICES, "client"]["id"],
    }


@pytest.mark.parametrize("seed", [None, ""], ids=["no file", "empty file"])
def test_without_a_seed_a_tenant_contains_only_the_tool(tmp_path: Path, seed: str | None) -> None:
    file = tmp_path / "seed.yaml"
    file.write_text("{}")
    with open_sandbox(tmp_path / "tenant.db", None if seed is None else file, DOMAIN) as sandbox:
        tenant_content = content(sandbox.store)
        assert sandbox.credentials.client_id == TOOL_CLIENT_ID
    [own] = tenant_content["client_grants"]
    assert (own["client_id"], own["audience"], own["scope"]) == (TOOL_CLIENT_ID, MANAGEMENT, list(TOOL_SCOPE))


def test_unknown_names_are_reported_with_their_positions(tmp_path: Path) -> None:
    seed = "applications: [{name: Worker}]\ngrants:\n  - {client: Wroker, api: Nothing, organizations: [acme]}\n"
    found = problems(tmp_path, seed)
    assert [(problem.line, problem.column, problem.what) for problem in found] == [
        (3, 14, 'no client of this seed is named "Wroker"; did you mean "Worker"?'),
        (3, 27, 'no api of this seed is named "Nothing"'),
        (3, 52, 'no organization of this seed is named "acme"'),
    ]


def test_an_ambiguous_name_is_reported_with_the_ids(tmp_path: Path) -> None:
    seed = "applications: [{name: A, client_id: x}, {name: A, client_id: y}]\ngrants: [{client: A, audience: z}]"
    [problem] = problems(tmp_path, seed)
    assert problem.what == '"A" is ambiguous: x, y; use one of these ids'


@pytest.mark.parametrize(
    ("seed", "what"),
    [
        pytest.param("applications: [{name: A, client_id: x}, {name: B, client_id: x}]", "2 clients", id="application"),
        pytest.param("apis: [{name: A, identifier: x}, {name: B, identifier: x}]", "2 resource_servers", id="API"),
        pytest.param("organizations: [{name: A}, {name: A}]", "2 organizations", id="organization"),
        pytest.param(
            "grants: [{client_id: a, audience: b}, {client_id: a, audience: b}]", "2 client_grants", id="grant"
        ),
    ],
)
def test_duplicates_are_reported(tmp_path: Path, seed: str, what: str) -> None:
    assert all(problem.what.startswith(f"{what} have the same") for problem in problems(tmp_path, seed))


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param("application: []", id="unknown key"),
        pytest.param("grants: [{client_id: a, client: b, audience: c}]", id="two holders"),
        pytest.param("grants: [{client_id: a}]", id="no API"),
        pytest.param("grants: [{id: short, client_id: a, audience: b}]", id="malformed id"),
        pytest.param("apis: [{name: A}]", id="no identifier"),
        pytest.param("a: [", id="invalid YAML"),
    ],
)
def test_a_seed_that_violates_its_schema_is_refused(tmp_path: Path, seed: str) -> None:
    assert problems(tmp_path, seed)


def test_the_seed_of_the_demo_is_valid(tmp_path: Path) -> None:
    seed = (Path(__file__).parents[2] / "sandbox.yaml").read_text(encoding="utf-8")
    assert len(seeded(tmp_path, seed)["client_grants"]) == 11


def test_a_seeded_application_gets_a_token(caller: SandboxClient) -> None:
    caller.create()
    request = {"grant_type": "client_credentials", "client_id": "worker", "client_secret": "hush", "audience": INVOICES}
    assert caller.raw("POST", "/oauth/token", data=request).status_code == 200


def scopes_of_management_api(folder: Path, seed: str) -> list[object]:
    [api] = [api for api in seeded(folder, seed)["resource_servers"] if api["identifier"] == MANAGEMENT]
    scopes = api["scopes"]
    assert isinstance(scopes, list)
    return scopes


def test_a_seed_can_replace_the_scopes_of_the_management_api(tmp_path: Path) -> None:
    scopes = scopes_of_management_api(tmp_path, 'management_api: {scopes: ["read:users", {value: "x:y"}]}')
    assert scopes == [{"value": "read:users", "description": "Read Users"}, {"value": "x:y"}]


def test_a_seed_can_add_scopes_to_the_management_api(tmp_path: Path) -> None:
    scopes = scopes_of_management_api(tmp_path, 'management_api: {add_scopes: ["read:moon", "read:users"]}')
    assert scopes[-1] == {"value": "read:moon", "description": "Read Moon"}
    assert len(scopes) == 274


def test_the_variable_domain_in_a_seed_is_the_domain_of_the_tenant(tmp_path: Path) -> None:
    seed = """
    applications: [{name: Worker, description: "$${domain} and ${other}"}]
    apis: [{name: Members, identifier: "https://${domain}/me/"}]
    grants:
      - {client: Worker, audience: "https://${domain}/api/v2/", scope: ["read:users"]}
      - {client: Worker, audience: "https://${domain}/me/", scope: []}
    """
    tenant = seeded(tmp_path, seed)
    assert {grant["audience"] for grant in tenant["client_grants"]} == {MANAGEMENT, f"https://{DOMAIN}/me/"}
    [worker] = [client for client in tenant["clients"] if client["name"] == "Worker"]
    assert worker["description"] == "${domain} and ${other}"


@pytest.mark.parametrize(
    ("seed", "message"),
    [
        (
            "grants: [{client: a, client_id: b, api: x}]",
            "1:10: a grant has only one of client, client_id and default_for",
        ),
        ("grants: [{client: a}]", "1:10: a grant needs either api or audience; keep one of them"),
        ("applications: [{name: ''}]", '1:23: "name" is empty'),
        ("applications: {a: 1}", '1:15: "applications" must be a list'),
        ("management_api: {scopes: [5]}", '1:27: "scopes" must be a text or a mapping'),
        ("logs: [{type: s, days_ago: -1}]", '1:28: "days_ago" must be at least 0'),
        ("logs: [{type: s, days_ago: 99999}]", '1:28: "days_ago" must be at most 36500'),
        ("grants: [{api: x, id: cgr_1}]", '1:23: "id" does not match the pattern ^cgr_[A-Za-z0-9]{16}$'),
        ("5", "1:1: the file must be a mapping"),
    ],
)
def test_the_message_for_an_invalid_value(tmp_path: Path, seed: str, message: str) -> None:
    [problem] = problems(tmp_path, seed)
    assert f"seed.yaml:{message}" in str(problem)
