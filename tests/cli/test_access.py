"""`reconciler access`: who may call what, in every format, against the sandbox."""

import csv
import io
from pathlib import Path

import jsonschema
import pytest
from support.commands import SEED, reconciler
from support.repository import commit_all, git

from reconciler.contract import stored

GRANTS = """\
grants:
  - client: Billing
    api: Invoices API
    description: Nightly run
    scope: [read:invoices, write:invoices]
  - client: Portal
    api: Invoices API
    scope: [read:invoices, void:invoices]
"""
MORE = """
  - {client: Stranger, api: Invoices API, allow_all_scopes: true}
  - {client: Billing, api: Auth0 Management API, scope: ["create:users"]}
"""
STRANGER = "\n  - {name: Stranger, client_id: stranger, is_first_party: false, client_secret: abc}\napis:"


@pytest.fixture(autouse=True)
def workspace(here: Path) -> Path:
    """A tenant with a drifted grant, two undeclared grants and a missing grant, in a git repository."""
    (here / "tenant.yaml").write_text(SEED.replace("\napis:", STRANGER) + MORE)
    (here / "grants/billing.yaml").write_text(GRANTS)
    (here / ".gitignore").write_text(".reconciler/\n")
    commit_all(here)
    return here


def states(data: dict) -> dict[str, str]:  # type: ignore[type-arg] # JSON
    (tenant,) = data["tenants"]
    return {f"{each['application']} -> {each['api']}": each["state"] for each in tenant["grants"]}


def totals(data: dict) -> dict[str, int]:  # type: ignore[type-arg] # JSON
    return {each["name"]: each["count"] for each in data["totals"]}


def test_json_follows_the_schema_and_has_the_state_of_each_grant() -> None:
    ran = reconciler("access", "--format", "json")

    jsonschema.validate(ran.data, stored.load(stored.ACCESS))
    assert ran.code == 0
    assert states(ran.data) == {
        "Billing -> Auth0 Management API": "undeclared",
        "Billing -> Invoices API": "missing",
        "Portal -> Invoices API": "drifted",
        "Reconciler -> Auth0 Management API": "own",
        "Stranger -> Invoices API": "undeclared",
    }
    numbers = totals(ran.data)
    assert (numbers["grants"], numbers["critical"], numbers["undeclared"], numbers["missing"]) == (4, 2, 2, 1)
    assert (numbers["third_party"], numbers["all_scopes"], numbers["drifted"]) == (1, 1, 1)


def test_a_grant_of_all_scopes_lists_the_scopes_of_the_api() -> None:
    (grant,) = reconciler("access", "Stranger", "--format", "json").data["tenants"][0]["grants"]

    assert grant["all_scopes"]
    assert sorted(each["name"] for each in grant["scopes"]) == ["read:invoices", "void:invoices", "write:invoices"]
    assert (grant["third_party"], grant["token_lifetime"], grant["level"]) == (True, 86_400, "high")


def test_drift_says_what_differs() -> None:
    (grant,) = reconciler("access", "Portal", "--format", "json").data["tenants"][0]["grants"]

    assert grant["differences"] == [{"field": "scope", "added": ["void:invoices"], "removed": []}]
    assert [each["name"] for each in grant["scopes"]] == ["read:invoices"]


def test_text_is_a_short_table_of_who_what_where_and_why() -> None:
    text = reconciler("access", "Billing", "--api", "Invoices*").stdout

    assert "Billing -> Invoices API  [missing]\n      write:invoices, read:invoices\n" in text
    assert "      grants/billing.yaml:2  Nightly run\n" in text
    assert "Somebody: state" in text
    assert 'INCOMPLETE: only grants with application "Billing", API "Invoices*" are shown' in text
    assert "Portal" not in text


def test_scopes_select_grants_by_pattern() -> None:
    data = reconciler("access", "--scope", "create:*", "--format", "json").data

    assert set(states(data)) == {"Billing -> Auth0 Management API", "Reconciler -> Auth0 Management API"}
    assert data["selection"] == 'scope "create:*"'


def test_offline_reads_no_tenant_and_calls_nothing_no(here: Path) -> None:
    (here / "tenant.yaml").unlink()

    data = reconciler("access", "--offline", "--format", "json").data

    jsonschema.validate(data, stored.load(stored.ACCESS))
    assert set(states(data).values()) == {"unknown"}
    assert not data["complete"]
    assert {each["third_party"] for each in data["tenants"][0]["grants"]} == {"unknown"}
    assert {each["level"] for each in data["tenants"][0]["grants"]} == {"unknown"}
    assert {each["unknown"] for each in data["totals"] if each["name"] in {"critical", "drifted", "third_party"}} == {2}
    text = reconciler("access", "--offline").stdout
    assert "INCOMPLETE: not read: local SANDBOX: grants: the tenant was not read (--offline)" in text
    assert "critical not known" in text


def test_the_commit_and_the_pull_request_of_a_declaration_are_named(here: Path) -> None:
    file = here / "grants/billing.yaml"
    file.write_text(file.read_text().replace("void:invoices", "write:invoices"))
    git(here, "commit", "--quiet", "--all", "--message", "Let the portal write (#12)", "--no-gpg-sign")
    first = git(here, "rev-parse", "HEAD~1")

    data = reconciler("access", "--format", "json").data
    by_name = {each["application"]: each["declaration"] for each in data["tenants"][0]["grants"]}

    assert data["commit"] == git(here, "rev-parse", "HEAD")
    assert by_name["Portal"]["changed"]["hash"] == data["commit"]
    assert by_name["Portal"]["pull_request"] == {"number": "#12", "link": None}
    assert by_name["Portal"]["since"]["hash"] == first
    assert by_name["Stranger"] is None


def test_a_removed_grant_names_the_commit_that_removed_it(here: Path) -> None:
    (here / "grants/billing.yaml").write_text(GRANTS.partition("  - client: Portal")[0])
    git(here, "commit", "--quiet", "--all", "--message", "Remove the portal", "--no-gpg-sign")

    (grant,) = reconciler("access", "Portal", "--format", "json").data["tenants"][0]["grants"]

    assert grant["state"] == "removed"
    assert "Remove the portal" in grant["detail"]


def test_an_uncommitted_declaration_has_no_commit(here: Path) -> None:
    added = "  - {client: Billing, api: Invoices API, subject_type: user, scope: [read:invoices]}\n"
    (here / "grants/billing.yaml").write_text(GRANTS.replace("grants:\n", "grants:\n" + added))

    grants = reconciler("access", "Billing", "--api", "Inv*", "--format", "json").data["tenants"][0]["grants"]

    assert [each["declaration"]["reason_unknown"] for each in grants] == [None, "the declaration is not committed"]


def test_a_shallow_clone_is_reported(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(here, "commit", "--quiet", "--allow-empty", "--message", "later", "--no-gpg-sign")
    clone = tmp_path / "clone"
    git(here, "clone", "--quiet", "--depth=1", f"file://{here}", str(clone))
    monkeypatch.chdir(clone)

    data = reconciler("access", "Portal", "--format", "json").data

    assert "shallow" in data["history"]
    declaration = data["tenants"][0]["grants"][0]["declaration"]
    assert (declaration["changed"], declaration["since"]) == ("unknown", "unknown")
    assert declaration["reason_unknown"] == "the clone is shallow, so the commit is not known"


def test_without_git_the_report_says_so(here: Path) -> None:
    (here / ".git").rename(here / "git-elsewhere")

    data = reconciler("access", "--format", "json").data

    assert (data["commit"], "is not in a git repository" in data["history"]) == (None, True)


def test_a_failed_tenant_is_part_of_the_report(here: Path) -> None:
    (here / "reconciler.yaml").write_text(
        "tenants:\n  local: {kind: sandbox, seed: tenant.yaml}\n  broken: {domain: nowhere.eu.auth0.com}\n"
    )

    ran = reconciler("access", "--all-tenants", "--format", "json")

    assert ran.code == 1
    by_name = {each["tenant"]["name"]: each for each in ran.data["tenants"]}
    assert [each["read"] for each in by_name["broken"]["listings"]] == [False]
    assert not ran.data["complete"]
    assert {each["complete"] for each in ran.data["totals"]} == {False}


@pytest.mark.parametrize("name", ["json", "csv", "markdown", "text"])
def test_every_format_can_be_written_to_a_file(here: Path, name: str) -> None:
    ran = reconciler("access", "--format", name, "--out", "report")

    assert (ran.code, ran.stdout) == (0, "")
    assert "Invoices API" in (here / "report").read_text()


def test_csv_has_one_row_per_grant() -> None:
    rows = list(csv.DictReader(io.StringIO(reconciler("access", "--format", "csv").stdout)))

    assert [row["application"] for row in rows] == ["Billing", "Billing", "Portal", "Reconciler", "Stranger"]
    assert rows[0]["level"] == "critical"
    assert rows[4]["scopes"] == "all scopes (now 3)"


def test_in_a_job_declarations_and_pull_requests_have_links(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(here, "commit", "--quiet", "--amend", "--all", "--message", "Give access (#12)", "--no-gpg-sign")
    commit = git(here, "rev-parse", "HEAD")
    job = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(here), "GITHUB_SERVER_URL": "https://code.example"}
    for name, value in {**job, "GITHUB_REPOSITORY": "a/b", "GITHUB_SHA": commit}.items():
        monkeypatch.setenv(name, value)

    (grant,) = reconciler("access", "Portal", "--format", "json").data["tenants"][0]["grants"]
    page = reconciler("access", "Portal", "--format", "html").stdout

    line = f"https://code.example/a/b/blob/{commit}/grants/billing.yaml#L6"
    assert grant["declaration"]["link"] == line
    assert grant["declaration"]["pull_request"] == {"number": "#12", "link": "https://code.example/a/b/pull/12"}
    assert f'href="{line}"' in page
    assert 'href="https://code.example/a/b/pull/12"' in page


def test_an_output_in_the_grant_folder_is_refused(here: Path) -> None:
    ran = reconciler("access", "--format", "html", "--out", "grants/access.html")

    assert (ran.code, (here / "grants/access.html").exists()) == (1, False)


def test_two_tenants_are_reported_together(here: Path) -> None:
    (here / "reconciler.yaml").write_text(
        "tenants:\n"
        "  one: {kind: sandbox, seed: tenant.yaml, database: .reconciler/one.db}\n"
        "  two: {kind: sandbox, seed: tenant.yaml, database: .reconciler/two.db}\n"
    )

    ran = reconciler("access", "--all-tenants", "--format", "json")

    assert (ran.code, [each["tenant"]["name"] for each in ran.data["tenants"]]) == (0, ["one", "two"])
    assert totals(ran.data)["grants"] == 8


def test_a_token_without_read_clients_leaves_third_parties_unknown(here: Path) -> None:
    tool = "tool: {scope: ['read:client_grants', 'read:resource_servers'], "
    (here / "tenant.yaml").write_text(SEED.replace("tool: {", tool))
    (here / "grants/billing.yaml").write_text(
        "grants: [{client_id: portal, audience: https://api.example.com/invoices, scope: [read:invoices]}]\n"
    )

    ran = reconciler("access", "portal", "--format", "json")

    (grant,) = ran.data["tenants"][0]["grants"]
    assert (grant["third_party"], grant["level"], ran.data["complete"]) == ("unknown", "unknown", False)
    unread = {each["name"]: each["reason"] for each in ran.data["tenants"][0]["listings"] if not each["read"]}
    assert unread == {"applications": "the token lacks read:clients"}


@pytest.mark.parametrize(("scope", "state"), [("read:invoices", "unknown"), ("write:invoices", "drifted")])
def test_declared_organizations_cannot_be_compared_with_unread_ones(here: Path, scope: str, state: str) -> None:
    tool = "tool: {scope: ['read:client_grants', 'read:clients', 'read:resource_servers'], "
    usage = "organization_usage: require"
    seed = SEED.replace("tool: {", tool).replace('["read:invoices"]}', f'["read:invoices"], {usage}}}')
    (here / "tenant.yaml").write_text(seed)
    (here / "grants/billing.yaml").write_text(
        "grants: [{client: Portal, api: Invoices API, "
        f"scope: [{scope}], {usage}, organizations: [org_aaaaaaaaaaaaaaaa]}}]\n"
    )

    ran = reconciler("access", "Portal", "--format", "json")

    (grant,) = ran.data["tenants"][0]["grants"]
    assert (grant["state"], grant["detail"]) == (state, "the organizations of the grant were not read")
    assert [each["field"] for each in grant["differences"]] == (["scope"] if state == "drifted" else [])
    note = (
        "organizations of grants were not read, because the token lacks the permission read:organization_client_grants"
    )
    last_row = list(csv.reader(io.StringIO(reconciler("list", "--observed", "--format", "csv").stdout)))[-1]
    assert last_row == [f"# local SANDBOX: {note}"]


def test_outside_of_a_job_the_remote_of_the_repository_gives_links(here: Path) -> None:
    git(here, "remote", "add", "origin", "https://user:secret@github.com/a/b.git")
    commit = git(here, "rev-parse", "HEAD")

    ran = reconciler("access", "Portal", "--format", "json")

    link = ran.data["tenants"][0]["grants"][0]["declaration"]["link"]
    assert link == f"https://github.com/a/b/blob/{commit}/grants/billing.yaml#L6"
    assert "secret" not in ran.output
