"""The policy of another file: a pull request is judged by the branch that it goes to, not by what it brings along."""

import json
from pathlib import Path

import pytest
from support.commands import grants_of, reconciler

GRANT = {
    "grants": [{"client": "Billing", "api": "Invoices API", "scope": ["read:invoices"], "organization_usage": "allow"}]
}
POLICY = "policy:\n  rules: [{rule: organization-usage-loosened, verdict: %s}]\n"


@pytest.fixture(autouse=True)
def workspace(here: Path) -> Path:
    (here / "grants" / "billing.yaml").write_text(json.dumps(GRANT))
    return here


def configure(here: Path, verdict: str) -> None:
    own = here / "reconciler.yaml"
    own.write_text(own.read_text() + POLICY % verdict)


@pytest.mark.parametrize("command", [["plan"], ["apply", "--yes"]], ids=" ".join)
def test_a_policy_from_elsewhere_stands_in_for_the_one_of_the_branch(here: Path, command: list[str]) -> None:
    configure(here, "allow")
    (here / "base.yaml").write_text(POLICY % "deny")
    before = grants_of(here)

    ran = reconciler(*command, "--policy", "base.yaml")

    assert ran.code == 4
    assert "policy: organization-usage-loosened is denied" in ran.stdout
    assert grants_of(here) == before


def test_without_it_the_configuration_decides(here: Path) -> None:
    configure(here, "allow")

    ran = reconciler("plan", "--format", "json")

    assert ran.code == 0
    assert ran.data["changes"][0]["risks"] == []


def test_a_rule_that_does_not_exist_is_named_with_its_line(here: Path) -> None:
    (here / "base.yaml").write_text("policy:\n  rules:\n    - rule: all-scope\n      verdict: deny\n")

    ran = reconciler("plan", "--policy", "base.yaml")

    assert ran.code == 1
    assert ran.stderr.startswith("base.yaml:3:13: ")
    assert 'did you mean "all-scopes"' in ran.stderr
