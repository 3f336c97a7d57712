"""A sandbox in a pull request must not look like a production tenant in plans, comments and journals."""

from pathlib import Path

import pytest
from support.commands import a_workspace, reconciler

DISGUISED = "default_tenant: prod\ntenants:\n  prod: {kind: sandbox, seed: tenant.yaml%s}\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return a_workspace(tmp_path, monkeypatch)


def declare(here: Path, more: str = "") -> None:
    (here / "reconciler.yaml").write_text(DISGUISED % more)


@pytest.mark.parametrize(
    "domain", ["company.eu.auth0.com", "login.company.com", "company.localhost.com", "xexample.com", "10.0.0.1"]
)
def test_a_sandbox_cannot_have_a_real_domain(here: Path, domain: str) -> None:
    declare(here, f", domain: {domain}")

    for command in (["plan"], ["apply", "--yes"], ["validate"]):
        result = reconciler(*command)
        assert (result.code, result.stdout) == (1, "")
        assert f"reconciler.yaml:3:52: a sandbox cannot have the domain {domain}" in result.stderr


@pytest.mark.parametrize("domain", ["sandbox.localhost", "x.test", "a.example", "www.example.com", "localhost:8080"])
def test_a_sandbox_may_have_a_domain_that_nobody_can_own(here: Path, domain: str) -> None:
    declare(here, f", domain: {domain}")

    assert reconciler("plan").code == 0


@pytest.mark.parametrize("name", ["prod-SANDBOX", "prod-S\u0410NDBOX"])
def test_the_name_of_an_auth0_tenant_cannot_contain_sandbox(here: Path, name: str) -> None:
    (here / "reconciler.yaml").write_text(f"tenants:\n  {name}: {{domain: company.eu.auth0.com}}\n")

    assert f'the tenant name "{name}" contains SANDBOX' in reconciler("validate").stderr


def test_every_format_shows_that_the_tenant_is_a_sandbox(here: Path) -> None:
    declare(here)
    reports = [f"--report={form}=plan.{form}" for form in ("text", "json", "markdown", "sarif")]
    assert reconciler("plan", "--out", "saved.json", *reports).code == 0
    assert reconciler("apply", "saved.json", "--report=text=done.text", "--report=markdown=done.markdown").code == 0

    assert (here / "plan.text").read_text().startswith("Tenant prod SANDBOX (sandbox.localhost)")
    assert "### Auth0 grants · `prod` **SANDBOX**: " in (here / "plan.markdown").read_text()
    assert '"sandbox": true' in (here / "plan.json").read_text()
    assert '"sandbox": true' in (here / "plan.sarif").read_text()
    assert "### Auth0 grants · `prod` **SANDBOX**: " in (here / "done.markdown").read_text()
    assert "prod SANDBOX (sandbox.localhost)" in reconciler("journal").stdout
    assert "prod SANDBOX (sandbox.localhost)" in reconciler("show", "saved.json").stdout
    assert "prod SANDBOX (sandbox.localhost)" in reconciler("list").stdout


def test_a_failure_shows_that_the_tenant_is_a_sandbox(here: Path) -> None:
    declare(here)
    (here / "grants" / "billing.yaml").write_text("grants: 1\n")
    reconciler("plan", "--report=markdown=plan.md", "--report=text=plan.txt", "--report=json=plan.json")

    assert "### Auth0 grants · `prod` **SANDBOX**: no plan" in (here / "plan.md").read_text()
    assert "Tenant prod SANDBOX: no plan" in (here / "plan.txt").read_text()
    assert '"sandbox": true' in (here / "plan.json").read_text()


@pytest.mark.parametrize("command", [["plan"], ["apply", "--yes"]])
def test_the_fleet_commands_show_that_the_tenant_is_a_sandbox(
    here: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    declare(here)
    monkeypatch.setenv("RECONCILER_RUN", "7")
    assert reconciler("fleet", "list", "--report", "json=fleet.json").stdout.startswith("prod SANDBOX  ")
    (here / "results").mkdir()

    def outputs() -> list[str]:
        collect = ("fleet", "collect", "fleet.json", "results")
        forms = (["-v"], ["--format", "markdown"], ["--format", "json"])
        return [reconciler(*collect).stdout, *(reconciler(*collect, *form).stdout for form in forms)]

    without_result = outputs()
    assert reconciler(*command, "--result", "results").code == 0

    for short, text, markdown, data in (without_result, outputs()):
        assert short.startswith("1 tenant (1 SANDBOX): ")
        assert "  prod SANDBOX" in text
        assert "<code>prod</code> <b>SANDBOX</b>" in markdown
        assert '"sandbox": true' in data


def test_a_result_of_a_sandbox_is_not_a_result_of_the_tenant(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(here)
    monkeypatch.setenv("RECONCILER_RUN", "7")
    reconciler("fleet", "list", "--report", "json=fleet.json")
    fleet = here / "fleet.json"
    fleet.write_text(fleet.read_text().replace('"sandbox": true', '"sandbox": false'))
    reconciler("plan", "--result", "results")

    collected = reconciler("fleet", "collect", "fleet.json", "results")

    assert collected.code == 3
    assert "refused  results/prod.json: the tenant is a sandbox instead of a tenant of Auth0" in collected.stdout
