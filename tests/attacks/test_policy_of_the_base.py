"""A pull request must not choose its policy by renaming tenants."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.commands import CommandResult, a_workspace, grants_of, reconciler, served

from reconciler.config.file import parse_config
from reconciler.config.tenants import Config
from reconciler.core.directory import Directory
from reconciler.core.grant import Key
from reconciler.core.settings import Policy, PolicyRule, Verdict
from reconciler.core.tenant import Tenant

GRANT = {"client": "Billing", "api": "Invoices API", "scope": ["read:invoices"], "organization_usage": "allow"}
RULE = "organization-usage-loosened"
DENIED = f"policy: {RULE} is denied"


def rules(verdict: str) -> str:
    return f"policy: {{rules: [{{rule: {RULE}, verdict: {verdict}}}]}}"


def tenant(name: str, fields: str, verdict: str = "") -> str:
    return f"  {name}: {{{fields}{', ' + rules(verdict) if verdict else ''}}}\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return a_workspace(tmp_path, monkeypatch, **{"grants/billing": json.dumps({"grants": [GRANT]})})


def apply_request(here: Path, base: str, own: str, name: str) -> CommandResult:
    """Apply with the configuration `own` of a pull request and the policy of `base`."""
    (here / "base.yaml").write_text(base)
    (here / "reconciler.yaml").write_text(own)
    return reconciler("--tenant", name, "apply", "--yes", "--policy", "base.yaml")


SANDBOX = "kind: sandbox, seed: tenant.yaml"
BASE = f"{rules('allow')}\ntenants:\n{tenant('prod', SANDBOX, 'deny')}{tenant('dev', SANDBOX, 'allow')}"


@pytest.mark.parametrize("name", ["production", "Prod"])
def test_a_renamed_tenant_keeps_the_denials_and_is_reported_as_new(here: Path, name: str) -> None:
    before = grants_of(here)

    result = apply_request(
        here, BASE.replace("dev: {", "dev: {database: d.db, "), f"tenants:\n{tenant(name, SANDBOX)}", name
    )

    assert (result.code, grants_of(here)) == (4, before)
    assert DENIED in result.stdout
    assert "base.yaml does not declare the tenant" in result.stdout


def test_exchanged_tenants_are_judged_by_the_stricter_policy(here: Path) -> None:
    with served(here) as environment:
        address = environment["AUTH0_DOMAIN"]
        at_address = f"domain: {address!r}"
        dev = tenant("dev", "domain: dev.eu.auth0.com", "allow")
        base = f"tenants:\n{tenant('prod', at_address, 'deny')}{dev}"
        with pytest.MonkeyPatch.context() as patch:
            for variable, value in environment.items():
                patch.setenv(variable, value)
            swapped = apply_request(here, base, f"tenants:\n{tenant('dev', at_address)}", "dev")
            renamed = apply_request(here, base, f"tenants:\n{tenant('live', at_address)}", "live")
            (here / "reconciler.yaml").unlink()
            removed = reconciler("apply", "--yes", "--policy", "base.yaml")

    for result in (swapped, renamed, removed):
        assert result.code == 4, result.output
        assert DENIED in result.stdout
        assert "new tenant" not in result.stdout


def test_a_declared_tenant_is_judged_by_its_own_policy_only(here: Path) -> None:
    base = BASE.replace("dev: {", "dev: {database: d.db, ")

    result = apply_request(here, base, f"tenants:\n{tenant('dev', SANDBOX)}", "dev")

    assert result.code == 0, result.output
    assert "new tenant" not in result.stdout


LIVE = {"domain": "live.eu.auth0.com"}


def compile_schema(**tenants: Mapping[str, object]) -> Config:
    return parse_config(
        {"policy": {"rules": [{"rule": "delete", "verdict": "allow"}]}, "tenants": tenants}, "base.yaml"
    )


def policy(verdict: str, **more: str) -> dict[str, object]:
    return {"policy": {"rules": [{"rule": "delete", "verdict": verdict, **more}]}}


def verdicts(found: Policy) -> set[Verdict]:
    return {rule.verdict for rules_of_one in (found.rules, *found.others) for rule in rules_of_one}


def test_a_tenant_with_an_undeclared_custom_domain_is_new() -> None:
    base = compile_schema(prod=LIVE | policy("deny"), dev={"domain": "dev.eu.auth0.com"} | policy("allow"))
    moved = Tenant(name="dev", domain="login.example.com", canonical_domain="dev.eu.auth0.com")

    assert not base.declares(moved)
    assert base.policy_for(moved) == Policy(others=((PolicyRule("delete", Verdict.DENY),),))


@pytest.mark.parametrize("names", [("lax", "strict"), ("strict", "lax")])
def test_every_maximum_number_of_days_applies_to_a_new_tenant(names: tuple[str, str]) -> None:
    def limited(days: int) -> dict[str, object]:
        return {"policy": {"rules": [{"rule": "temporary-access", "verdict": "deny", "max_days": days}]}}

    domains = {"lax": LIVE | limited(3650), "strict": {"domain": "strict.eu.auth0.com"} | limited(30)}
    base = compile_schema(**{name: domains[name] for name in names})
    found = base.policy_for(Tenant(name="new", domain="new.eu.auth0.com"))

    matching = found.matching_rules("temporary-access", Key("a", "x"), Directory())
    assert sorted(rule.max_days or 0 for rule in matching) == [30, 3650]


def test_exceptions_do_not_apply_to_a_new_tenant() -> None:
    base = compile_schema(prod=LIVE | {"policy": {"rules": [*exceptions(), {"rule": "delete", "verdict": "deny"}]}})

    assert verdicts(base.policy_for(Tenant(name="new", domain="new.eu.auth0.com"))) == {Verdict.DENY}
    assert verdicts(base.policy_for(Tenant(name="prod", domain=LIVE["domain"]))) == {Verdict.ALLOW, Verdict.DENY}


def exceptions() -> list[dict[str, str]]:
    return [{"rule": "delete", "verdict": "allow", "client_id": "billing"}]


def test_another_spelling_of_a_declared_domain_is_recognized() -> None:
    base = compile_schema(prod=LIVE | policy("deny"))

    for domain in ("LIVE.eu.auth0.com", "https://live.eu.auth0.com/", "live.eu.auth0.com."):
        assert base.declares(Tenant(name="x", domain=domain))
