"""A plan must show changes of reconciler.yaml, so that a pull request cannot hide them."""

import json
from pathlib import Path
from time import process_time

import pytest
from support.commands import a_workspace, reconciler
from support.repository import commit_all, git

from reconciler.config.file import parse_config
from reconciler.config.tenants import Config
from reconciler.core.config_changes import config_changes

BASE = """
default_tenant: local
waves:
  - {name: first, tenants: [dev*]}
  - {name: rest, tenants: ['*']}
stop_after: 2
protect: [{client: "Payroll*", reason: finance}]
limits: {deletes: 20, updates: 40}
variables: {stage: live}
policy:
  rules: [{rule: all-scopes, verdict: deny}]
  schemas: [{title: described, required: [description]}]
tenants:
  local: {kind: sandbox, seed: tenant.yaml}
  prod:
    domain: company.eu.auth0.com
    credentials: AUTH0_PROD_
    manage: [{client: "Team A*"}]
    own: [planner]
  dev: {domain: company-dev.eu.auth0.com, credentials: AUTH0_DEV_}
"""


PROD = """\
    domain: company.eu.auth0.com
    credentials: AUTH0_PROD_
    manage: [{client: "Team A*"}]
"""
NO_LONGER_REAL = "runs no longer change the real tenant"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = a_workspace(tmp_path, monkeypatch)
    grants = folder / "grants" / "billing.yaml"
    grants.write_text(grants.read_text().replace("- {", "- {description: invoices, "))
    (folder / "reconciler.yaml").write_text(BASE)
    commit_all(folder)
    return folder


def changes(*more: str) -> list[tuple[str, str, list[str], str]]:
    result = reconciler(*more, "plan", "--base", "HEAD", "--format", "json")
    assert result.code in (0, 4), result.stderr
    return [(each["level"], each["rule"], each["tenants"], each["message"]) for each in result.data["config_changes"]]


def test_an_unchanged_configuration_has_no_changes(here: Path) -> None:
    assert changes() == []
    (here / "reconciler.yaml").write_text(f"# a comment\n{BASE}")
    assert changes() == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "domain: company.eu.auth0.com",
            "domain: attacker.eu.auth0.com",
            [
                "critical tenant-moved prod: the domain changes from company.eu.auth0.com to attacker.eu.auth0.com",
            ],
        ),
        (
            "domain: company.eu.auth0.com",
            "kind: sandbox\n    database: other.db",
            [
                "critical tenant-moved prod: the kind changes from auth0 to sandbox: " + NO_LONGER_REAL,
                "critical tenant-moved prod: the domain changes from company.eu.auth0.com to sandbox.localhost",
            ],
        ),
        (
            "  prod:\n",
            "  production:\n",
            [
                "high tenant-renamed production: the tenant at company.eu.auth0.com was renamed from prod",
            ],
        ),
        (
            f"  prod:\n{PROD}",
            "  production:\n    domain: company.eu.auth0.com\n    credentials: AUTH0_PROD_\n",
            [
                "critical guard-loosened production: `manage` now matches every grant, because `manage` has no items",
                "high tenant-renamed production: the tenant at company.eu.auth0.com was renamed from prod",
            ],
        ),
        (
            "  dev: {domain: company-dev.eu.auth0.com, credentials: AUTH0_DEV_}\n",
            "",
            ["high tenant-removed dev: the tenant at company-dev.eu.auth0.com and its settings are removed"],
        ),
        (
            "  dev: {",
            "  test: {domain: company-test.eu.auth0.com}\n  dev: {",
            ["high tenant-added test: new tenant of kind auth0 at company-test.eu.auth0.com"],
        ),
        (
            '"Payroll*"',
            '"Payroll"',
            ['critical guard-loosened dev,local,prod: `protect` no longer contains: client "Payroll*"'],
        ),
        ('"Payroll*"', '"Pay*"', ['low setting-changed dev,local,prod: `protect` now contains: client "Pay*"']),
        ("reason: finance", "reason: none", ["low setting-changed dev,local,prod: `protect` is written differently"]),
        (
            '    manage: [{client: "Team A*"}]',
            '    manage: [{client: "Team *"}]',
            ['critical guard-loosened prod: `manage` now matches: client "Team *"'],
        ),
        (
            '    manage: [{client: "Team A*"}]',
            '    manage: [{client: "Team A"}]',
            ['low setting-changed prod: `manage` no longer matches: client "Team A*"'],
        ),
        ("    own: [planner]\n", "", ["critical guard-loosened prod: `own` no longer contains: planner"]),
        (
            "deletes: 20",
            "deletes: 100",
            ["critical guard-loosened dev,local,prod: limits: deletes changes from 20 % to 100 %"],
        ),
        ("updates: 40", "updates: 4", ["low setting-changed dev,local,prod: limits: updates changes from 40 % to 4 %"]),
        (
            "verdict: deny",
            "verdict: warn",
            ["critical guard-loosened dev,local,prod: policy: no longer denies all-scopes for all grants"],
        ),
        (
            "rules: [",
            "rules: [{rule: all-scopes, verdict: allow, client_id: me}, ",
            ['critical guard-loosened dev,local,prod: policy: now allows all-scopes for client_id "me"'],
        ),
        (
            "rules: [",
            "rules: [{rule: delete, verdict: deny}, ",
            ["low setting-changed dev,local,prod: policy is stricter or written differently"],
        ),
        (
            "required: [description]",
            "required: []",
            ["critical guard-loosened dev,local,prod: policy: the schema described was removed or changed"],
        ),
        (
            "stage: live",
            "stage: other",
            ['high variable-changed dev,local,prod: the variable stage changes from "live" to "other"'],
        ),
        (
            "credentials: AUTH0_PROD_",
            "credentials: AUTH0_DEV_",
            ["critical credentials-changed prod: `credentials` changes from AUTH0_PROD_ to AUTH0_DEV_"],
        ),
        (
            "default_tenant: local",
            "default_tenant: prod",
            ['high default-tenant-changed : `default_tenant` changes from "local" to "prod"'],
        ),
        (
            "{name: first, tenants: [dev*]}",
            "{name: first, tenants: [dev*, prod]}",
            ["high waves-changed : `waves` moves prod from rest to first"],
        ),
        (
            "{name: first, tenants: [dev*]}",
            "{name: first, tenants: ['*']}",
            ["high waves-changed : `waves` moves local from rest to first and prod from rest to first"],
        ),
        (
            "  - {name: first, tenants: [dev*]}\n",
            "  - {name: first, tenants: [d*]}\n",
            ["high waves-changed : `waves` has a new order or new patterns"],
        ),
        (
            "stop_after: 2",
            "stop_after: 3",
            ["high waves-changed : `stop_after` changes from 2 to 3"],
        ),
        (
            "stop_after: 2",
            "stop_after: 1",
            ["low setting-changed : `stop_after` changes from 2 to 1"],
        ),
        (
            "waves:\n  - {name: first, tenants: [dev*]}\n  - {name: rest, tenants: ['*']}\nstop_after: 2\n",
            "",
            ["high waves-changed : `waves` is removed: now `apply` changes all tenants at the same time"],
        ),
    ],
)
def test_a_plan_shows_each_change_with_its_risk(here: Path, old: str, new: str, expected: list[str]) -> None:
    assert old in BASE
    (here / "reconciler.yaml").write_text(BASE.replace(old, new))

    found = changes("--tenant", "local")

    assert [f"{level} {rule} {','.join(sorted(names))}: {what}" for level, rule, names, what in found] == expected


def test_exchanging_two_domains_shows_the_loosened_guards(here: Path) -> None:
    swapped = BASE.replace("company-dev", "x").replace("company.eu", "company-dev.eu").replace("x.eu", "company.eu")
    (here / "reconciler.yaml").write_text(swapped)

    found = changes()

    moved = [(names, what) for _, rule, names, what in found if rule == "tenant-moved"]
    assert [names for names, _ in moved] == [["dev"], ["prod"]]
    guards = [(*names, what) for _, rule, names, what in found if rule == "guard-loosened"]
    assert ("dev", "`manage` now matches every grant, because `manage` has no items") in guards
    assert ("dev", "`own` no longer contains: planner") in guards


def test_every_format_shows_the_changes(here: Path) -> None:
    (here / "reconciler.yaml").write_text(BASE.replace("deletes: 20", "deletes: 100"))
    forms = ("text", "markdown", "json", "sarif", "github")
    result = reconciler(
        "plan", "--base", "HEAD", "--out", "p.json", *(f"--report={form}=plan.{form}" for form in forms)
    )
    assert result.code == 0

    what = "limits: deletes changes from 20 % to 100 %"
    for form in forms:
        text = (here / f"plan.{form}").read_text()
        assert what in text.replace("%25", "%")
        assert "guard-loosened" in text
    annotation = (
        "::error file=reconciler.yaml,title=reconciler,line=1,col=1::local, prod and dev: limits: deletes changes"
    )
    assert (here / "plan.github").read_text().startswith(annotation)
    assert "Changes to reconciler.yaml (1)\n  ! critical: local, prod and dev: limits: deletes" in result.stdout
    assert "Risks: 1 critical." in result.stdout
    assert "> [!CAUTION]\n> **Changes to reconciler.yaml (1)**" in (here / "plan.markdown").read_text()
    assert f"critical: local, prod and dev: unverified: {what}" in reconciler("show", "p.json").stdout


def test_a_base_without_a_configuration_is_noted(here: Path) -> None:
    git(here, "rm", "--quiet", "--cached", "reconciler.yaml")
    committed_without = git(here, "write-tree")
    commit = git(here, "commit-tree", committed_without, "-m", "none")

    result = reconciler("plan", "--base", commit, "--format", "json")

    (found,) = result.data["config_changes"]
    assert (found["level"], found["rule"]) == ("high", "config-new")
    assert found["message"].startswith(
        f"{commit} does not contain reconciler.yaml: every setting is new, or the file was moved"
    )


def test_another_path_of_the_configuration_is_noted(here: Path) -> None:
    (here / "other.yaml").write_text(BASE)

    ((level, rule, names, what),) = changes("--config", "other.yaml")

    assert (level, rule, names) == ("high", "config-new", [])
    assert (
        what == "HEAD does not contain other.yaml: every setting is new, or the file was moved; review the whole file"
    )


@pytest.mark.parametrize("content", ["tenants: [\n", "tenants: {prod: {domain: a b}}\n", "nonsense: 1\n"])
def test_an_invalid_configuration_at_the_base_is_noted(here: Path, content: str) -> None:
    (here / "reconciler.yaml").write_text(content)
    commit_all(here)
    (here / "reconciler.yaml").write_text(BASE)

    ((level, rule, _, what),) = changes()

    assert (level, rule) == ("critical", "config-not-compared")
    assert what == "reconciler.yaml in HEAD is not valid; the changes are unknown, so review the whole file"


def test_grants_that_leave_or_enter_a_guard_are_listed(here: Path) -> None:
    (here / "reconciler.yaml").write_text(
        BASE.replace('"Payroll*"', '"Portal*"').replace(
            "seed: tenant.yaml", 'seed: tenant.yaml, manage: [{client: "B*"}]'
        )
    )

    moved = [(level, what) for level, rule, _, what in changes() if rule.startswith("grant-")]

    assert moved == [
        ("low", "`protect` now matches 1 grant: Portal -> Invoices API"),
        ("low", "`manage` no longer matches 2 grants: Reconciler -> Auth0 Management API and Portal -> Invoices API"),
    ]
    commit_all(here)
    (here / "reconciler.yaml").write_text(BASE)

    moved = [(level, what) for level, rule, _, what in changes() if rule.startswith("grant-")]
    assert moved == [
        ("critical", "`protect` no longer matches 1 grant: Portal -> Invoices API"),
        ("critical", "`manage` now matches 2 grants: Reconciler -> Auth0 Management API and Portal -> Invoices API"),
    ]


def test_many_harmless_rules_cannot_hide_a_dangerous_rule(here: Path) -> None:
    harmless = [{"rule": "delete", "verdict": "allow", "client_id": f"c{n:03}{'x' * 150}"} for n in range(300)]
    dangerous = [{"rule": "management-api-takeover", "verdict": "allow", "client_id": each} for each in ("a", "b", "*")]
    rules = json.dumps([*harmless, *dangerous])[1:-1]
    (here / "reconciler.yaml").write_text(BASE.replace("rules: [", f"rules: [{rules}, "))

    for options in ([], ["--max-bytes", "6000"]):
        shown = reconciler("plan", "--base", "HEAD", "--format", "markdown", *options).stdout

        assert "policy: now allows management-api-takeover for client_id" in shown
        assert shown.index("management-api-takeover for client_id") < shown.index("allows delete for")
        assert "and 290 more" in shown


def test_a_long_configuration_is_compared_quickly() -> None:
    def declared(first: str, deletes: int) -> Config:
        tenants = {f"t{number}": {"domain": f"t{number}.eu.auth0.com"} for number in range(500)}
        protect = [{"client": f"{first}{number}*"} for number in range(1000)]
        return parse_config({"protect": protect, "limits": {"deletes": deletes}, "tenants": tenants}, "reconciler.yaml")

    was, now = declared("a", 1), declared("b", 2)
    begun = process_time()
    found = config_changes(was.tenants.values(), now.tenants.values())

    assert process_time() - begun < 5
    assert [each.risk.rule for each in found] == ["guard-loosened", "guard-loosened"]
    assert all(len(each.tenants) == 500 for each in found)


def test_many_grants_do_not_hide_the_grant_for_the_management_api(here: Path) -> None:
    grants = [f"{{client_id: a{number:02}, audience: 'https://api.example.com/invoices'}}" for number in range(20)]
    grants.append("{client_id: z, audience: 'https://${domain}/api/v2/', scope: ['read:clients']}")
    applications = ", ".join(f"{{name: {name}, client_id: {name}}}" for name in [*(f"a{n:02}" for n in range(20)), "z"])
    seed = (here / "tenant.yaml").read_text().replace("applications:", f"applications:\n  - {applications}", 1)
    (here / "tenant.yaml").write_text(seed.replace("}, {", "}\n  - {"))
    (here / "grants" / "more.yaml").write_text(f"grants: [{', '.join(grants)}]")
    (here / "reconciler.yaml").write_text(BASE.replace('"Payroll*"', '"*"'))
    commit_all(here)
    (here / "reconciler.yaml").write_text(BASE)

    (what,) = [what for _, rule, _, what in changes() if rule == "grant-left-guard"]

    assert "z -> Auth0 Management API" in what
