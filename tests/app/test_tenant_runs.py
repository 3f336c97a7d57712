"""Commands for several tenants: errors of one tenant, reports and exit codes."""

from pathlib import Path

import pytest
from support.commands import SEED, reconciler

from reconciler.app.session import TenantSession
from reconciler.auth0 import wire
from reconciler.core.grant import ClientGrant
from reconciler.core.plan import Plan
from reconciler.core.planner import Observation

SANDBOX = "{kind: sandbox, seed: %s.yaml, database: %s.db}"
OTHER = SEED.replace("client_id: billing,", "client_id: other-id-of-billing,")
CONFIG = f"""
tenants:
  dev: {SANDBOX % ("tenant", "dev")}
  prod: {SANDBOX % ("other", "prod")}
"""
UNREACHABLE = "  broken: {domain: example.eu.auth0.com}\n"


@pytest.fixture(autouse=True)
def tenants(here: Path) -> Path:
    (here / "other.yaml").write_text(OTHER)
    (here / "reconciler.yaml").write_text(CONFIG)
    return here


def with_unreachable_tenant(here: Path) -> None:
    (here / "reconciler.yaml").write_text(CONFIG + UNREACHABLE)


def test_plans_are_in_the_order_of_the_options() -> None:
    shown = reconciler("plan", "--tenant", "prod", "--tenant", "dev", "-v").stdout

    assert [line.split()[1] for line in shown.splitlines() if line.startswith("Tenant ")] == ["prod", "dev"]
    assert shown.count("Plan: 1 to create") == 2


def test_all_tenants_selects_the_tenants_of_the_configuration() -> None:
    ran = reconciler("plan", "--all-tenants", "--format", "json", "--detailed-exitcode")

    assert ran.code == 2
    assert [plan["tenant"]["name"] for plan in ran.data["plans"]] == ["dev", "prod"]
    ids = [plan["changes"][0]["key"]["client_id"] for plan in ran.data["plans"]]
    assert ids == ["billing", "other-id-of-billing"]


def test_the_environment_can_name_several_tenants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILER_TENANT", "prod, dev")

    assert len(reconciler("plan", "--format", "json").data["plans"]) == 2


def test_a_failed_tenant_does_not_stop_the_others(here: Path) -> None:
    with_unreachable_tenant(here)

    ran = reconciler("apply", "--all-tenants", "--yes", "--format", "json")

    assert ran.code == 3
    assert "error: broken: no credentials for example.eu.auth0.com" in ran.stderr
    assert {each["tenant"]: each["summary"]["applied"] for each in ran.data["tenants"]} == {"dev": 1, "prod": 1}
    assert [each["tenant"] for each in ran.data["failed"]] == ["broken"]


def test_the_report_of_a_plan_lists_the_failed_tenant(here: Path) -> None:
    with_unreachable_tenant(here)

    ran = reconciler("plan", "--all-tenants", "--format", "markdown")

    assert ran.stdout.startswith(
        "<!-- reconciler:all-tenants -->\n### Auth0 grants · 3 tenants: 2 of 3 planned, 1 failed\n\n"
    )
    assert "> **Without a result (1 of 3)**\n>\n> - `broken`: `no credentials for example.eu.auth0.com" in ran.stdout
    assert ran.stdout.count("<!-- reconciler:") == 1


@pytest.mark.parametrize(
    ("policies", "code"),
    [
        ({"dev": "deny", "prod": "deny"}, 4),
        ({"dev": "deny", "prod": "warn"}, 3),
        ({"dev": "warn", "prod": "warn"}, 0),
    ],
    ids=["all-denied", "one-denied-and-one-written", "none-denied"],
)
def test_the_command_has_the_most_severe_exit_code(here: Path, policies: dict[str, str], code: int) -> None:
    (here / "grants" / "billing.yaml").write_text(
        "grants:\n  - {client: Billing, api: Invoices API, scope: ['read:invoices'], organization_usage: allow}\n"
    )
    rule = "{rules: [{rule: organization-usage-loosened, verdict: %s}]}"
    text = CONFIG
    for name, verdict in policies.items():
        text = text.replace(f"{name}.db}}", f"{name}.db, policy: {rule % verdict}}}")
    (here / "reconciler.yaml").write_text(text)

    ran = reconciler("apply", "--all-tenants", "--yes")

    assert ran.code == code
    ends = [line for line in ran.stderr.splitlines() if line.startswith(("[", "error: "))]
    assert sorted(line.partition(": ")[2].partition(" ")[0].rstrip(":,") for line in ends) == sorted(
        name if verdict == "deny" else "applied" for name, verdict in policies.items()
    )
    applied = [name for name, verdict in policies.items() if verdict == "warn"]
    assert ran.stdout.startswith(f"{len(applied)} of 2 applied")
    assert ran.stdout.count("Apply: 1 applied") == bool(applied)


def test_each_tenant_is_confirmed_separately() -> None:
    ran = reconciler("apply", "--all-tenants", "--color", "never", terminal=True, typed="no\nyes\n")

    assert ran.code == 3
    assert "error: dev: nothing was written: the answer was not yes" in ran.stderr
    assert ran.stdout.endswith(
        "\n1 of 2 applied, 1 failed; 1 with changes: 1 change applied.\n\n"
        "Failed (1) dev SANDBOX\n  nothing was written: the answer was not yes\n\n"
        "Tenant prod SANDBOX (sandbox.localhost)\n"
        "applied   + Billing -> Invoices API\n\nApply: 1 applied; the tenant matches the files.\n"
    )
    assert reconciler("plan", "--tenant", "prod", "--detailed-exitcode").code == 0
    assert reconciler("plan", "--tenant", "dev", "--detailed-exitcode").code == 2


def test_each_tenant_has_its_own_plan_file(here: Path) -> None:
    assert reconciler("plan", "--all-tenants", "--out", "plan-{tenant}.json").code == 0
    assert (here / "plan-dev.json").exists()

    assert reconciler("apply", "plan-prod.json", "--tenant", "prod").code == 0


def test_several_tenants_cannot_share_a_plan_file() -> None:
    ran = reconciler("plan", "--all-tenants", "--out", "plan.json")

    assert (ran.code, ran.stdout) == (1, "")
    assert "each tenant needs its own plan file; add {tenant} to the file name" in ran.stderr


def test_a_saved_plan_is_for_one_tenant() -> None:
    reconciler("plan", "--tenant", "dev", "--out", "plan.json")

    ran = reconciler("apply", "plan.json", "--all-tenants")

    assert ran.code == 1
    assert ran.stderr == (
        "error: a saved plan is for one tenant: select the tenant with --tenant, or use one plan per tenant with "
        "{tenant} in the file name\n"
    )


def test_a_saved_plan_of_another_tenant_is_refused() -> None:
    reconciler("plan", "--tenant", "dev", "--out", "plan.json")

    ran = reconciler("apply", "plan.json", "--tenant", "prod")

    assert ran.code == 5
    assert (
        "the plan was made for dev SANDBOX (sandbox.localhost), not for prod SANDBOX (sandbox.localhost)" in ran.stderr
    )


def test_reports_can_have_a_file_per_tenant(here: Path) -> None:
    reconciler("plan", "--all-tenants", "--report", "markdown={tenant}.md", "--report", "json=all.json")

    assert (here / "dev.md").read_text().startswith("<!-- reconciler:dev -->")
    assert (here / "prod.md").read_text().startswith("<!-- reconciler:prod -->")


@pytest.mark.parametrize("command", [["plan"], ["apply", "--yes"]], ids=["plan", "apply"])
def test_an_error_for_all_tenants_replaces_every_old_report(here: Path, command: list[str]) -> None:
    reports = ("--report", "markdown={tenant}.md", "--report", "text=all.txt")
    reconciler("plan", "--all-tenants", *reports)
    (here / "grants" / "billing.yaml").write_text("grants: 1\n")

    ran = reconciler(*command, "--all-tenants", *reports)

    problem = 'grants/billing.yaml:1:9: "grants" is the number 1, not a list'
    assert (ran.code, ran.stderr.count(problem)) == (1, 1)
    kind, title = ("reconciler", "no plan") if command == ["plan"] else ("reconciler-result", "failed")
    for name in ("dev", "prod"):
        report = (here / f"{name}.md").read_text()
        assert report.startswith(f"<!-- {kind}:{name} -->\n### Auth0 grants · `{name}` **SANDBOX**: {title}\n\n- `")
        assert problem in report
    done = "planned" if command == ["plan"] else "applied"
    assert (
        (here / "all.txt")
        .read_text()
        .startswith(f"0 of 2 {done}, 2 failed.\n\nFailed (2) dev SANDBOX, prod SANDBOX\n  {problem}")
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan", "--all-tenants", "--tenant", "dev"], "use either --all-tenants or --tenant"),
        (
            ["plan", "--tenant", "dve"],
            'reconciler.yaml does not declare the tenant "dve"; did you mean "dev"?',
        ),
        (["plan", "--config", "empty.yaml", "--all-tenants"], "--all-tenants: empty.yaml declares no tenants"),
    ],
    ids=["both", "misspelt", "none declared"],
)
def test_usage_errors_are_reported(here: Path, arguments: list[str], message: str) -> None:
    (here / "empty.yaml").write_text("protect: []\n")

    ran = reconciler(*arguments)

    assert (ran.code, ran.stdout, ran.stderr) == (1, "", f"error: {message}\n")


def test_problems_of_one_tenant_name_the_tenant(here: Path) -> None:
    (here / "other.yaml").write_text(OTHER.replace("name: Billing", "name: Billing 2"))

    ran = reconciler("plan", "--all-tenants")

    assert ran.code == 1
    expected = 'error: prod: 1 problem(s)\ngrants/billing.yaml:2:13: the tenant has no application named "Billing"'
    assert expected in ran.stderr
    assert ran.stdout.count("Plan: 1 to create") == 1


def test_an_exception_for_one_tenant_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = TenantSession.plan

    def broken(session: TenantSession, observation: Observation) -> Plan:
        if session.tenant.name == "dev":
            raise ZeroDivisionError("of dev")
        return plan(session, observation)

    monkeypatch.setattr(TenantSession, "plan", broken)

    ran = reconciler("apply", "--all-tenants", "--yes", "--format", "json")

    assert ran.code == 3
    assert [each["tenant"] for each in ran.data["failed"]] == ["dev"]
    assert [(each["tenant"], each["summary"]["applied"]) for each in ran.data["tenants"]] == [("prod", 1)]
    assert "Traceback" in ran.stderr
    assert "error: dev: unexpected ZeroDivisionError: of dev; this is a bug" in ran.stderr


def test_an_exception_after_a_write_hides_no_outcome(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second write raises an unexpected exception. The first one is reported as applied."""
    (here / "grants" / "billing.yaml").write_text(
        "grants:\n"
        "  - {client: Billing, api: Invoices API, scope: ['read:invoices']}\n"
        "  - {client: Billing, api: Invoices API, subject_type: user, scope: ['read:invoices']}\n"
    )
    create_body = wire.create_body

    def broken(grant: ClientGrant) -> dict[str, object]:
        if grant.key.subject_type == "user":
            raise OSError(24, "Too many open files")
        return create_body(grant)

    monkeypatch.setattr(wire, "create_body", broken)

    ran = reconciler("apply", "--tenant", "dev", "--yes", "--format", "json")

    assert ran.code == 3
    assert {each["key"]["subject_type"]: each["outcome"] for each in ran.data["outcomes"]} == {
        "client": "applied",
        "user": "failed",
    }
    assert "Traceback" in ran.stderr
