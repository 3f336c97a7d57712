from pathlib import Path
from typing import Any

import pytest
from support.commands import reconciler, served

CONFIG = """
default_tenant: first
tenants:
  first: {kind: sandbox, seed: tenant.yaml, database: first.db}
  second: {kind: sandbox, seed: tenant.yaml, database: second.db}
"""


@pytest.fixture(autouse=True)
def two_tenants(here: Path) -> None:
    """A configuration with two sandboxes."""
    (here / "reconciler.yaml").write_text(CONFIG, encoding="utf-8")


def without_tenant(plan: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in plan.items() if name not in ("tenant", "plan_id")}


def test_the_default_tenant_is_selected_without_options_and_variables() -> None:
    assert reconciler("plan").stdout.startswith("Tenant first SANDBOX (sandbox.localhost)  plan ")


def test_auth0_domain_overrides_the_default_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH0_DOMAIN", "example.eu.auth0.com")
    refused, allowed = reconciler("plan"), reconciler("plan", "--allow-unnamed-tenant")

    assert (refused.code, refused.stdout) == (1, "")
    assert refused.stderr == (
        "error: AUTH0_DOMAIN: reconciler.yaml declares no tenant with the domain example.eu.auth0.com (it declares "
        "first and second); use --tenant NAME, declare the tenant, or use --allow-unnamed-tenant to continue with the "
        "shared settings\n"
    )
    assert allowed.stderr.startswith("error: no credentials for example.eu.auth0.com: set AUTH0_CLIENT_ID")


@pytest.mark.parametrize("command", [["plan"], ["apply", "--yes"], ["import"], ["list"], ["list", "--offline"]])
def test_every_command_refuses_an_undeclared_domain(monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    monkeypatch.setenv("AUTH0_DOMAIN", "example.eu.auth0.com")
    ran = reconciler(*command)

    assert (ran.code, ran.stdout) == (1, "")
    assert "--allow-unnamed-tenant" in ran.stderr


def test_the_environment_can_allow_an_unnamed_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH0_DOMAIN", "example.eu.auth0.com")
    monkeypatch.setenv("RECONCILER_ALLOW_UNNAMED_TENANT", "true")

    assert reconciler("plan").stderr.startswith("error: no credentials for example.eu.auth0.com")


def test_the_tenant_option_overrides_auth0_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH0_DOMAIN", "example.eu.auth0.com")

    assert reconciler("plan", "--tenant", "second").stdout.startswith("Tenant second SANDBOX (")


def test_auth0_domain_selects_a_tenant_without_a_configuration(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "reconciler.yaml").unlink()
    monkeypatch.setenv("AUTH0_DOMAIN", "example.eu.auth0.com")

    assert "no credentials for example.eu.auth0.com" in reconciler("plan").stderr


def test_no_tenant_is_selected_without_configuration_and_auth0_domain(here: Path) -> None:
    (here / "reconciler.yaml").unlink()
    ran = reconciler("plan")

    assert (ran.code, ran.stdout) == (1, "")
    assert (
        ran.stderr
        == "error: no tenant is selected: use --tenant, set AUTH0_DOMAIN, or set default_tenant in reconciler.yaml\n"
    )


def test_a_misspelt_tenant_gets_suggestions() -> None:
    ran = reconciler("plan", "--tenant", "secnd")

    assert ran.stderr == 'error: reconciler.yaml does not declare the tenant "secnd"; did you mean "second"?\n'


def test_the_served_sandbox_gives_the_same_plan_as_the_one_in_this_process(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "reconciler.yaml").unlink()
    (here / "here.yaml").write_text("tenants:\n  local: {kind: sandbox, seed: tenant.yaml}\n", encoding="utf-8")
    inside = reconciler("plan", "--format", "json", "--prune", "--config", "here.yaml")
    with served(here) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        outside = reconciler("plan", "--format", "json", "--prune")

    assert without_tenant(inside.data) == without_tenant(outside.data)
    assert inside.data["tenant"] == {"name": "local", "domain": "sandbox.localhost", "sandbox": True}
    domain = environment["AUTH0_DOMAIN"]
    assert outside.data["tenant"] == {"name": domain, "domain": domain, "sandbox": False}
    assert inside.data["plan_id"] != outside.data["plan_id"]


def test_apply_works_through_the_network_as_in_this_process(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(here) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        applied = reconciler("apply", "--yes", "--prune")
        again = reconciler("plan", "--prune", "--detailed-exitcode")

    assert (applied.code, again.code) == (0, 0)
    assert "Apply: 2 applied; the tenant matches the files." in applied.stdout


def test_a_sandbox_selected_by_name_gets_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH0_CLIENT_ID", "somebody")
    monkeypatch.setenv("AUTH0_CLIENT_SECRET", "wrong")

    assert reconciler("plan", "--tenant", "first").code == 0
