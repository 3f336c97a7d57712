"""Policies from another file or revision. A pull request is checked with the policy of its target branch."""

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
def test_policy_options_replace_the_policy_of_the_branch(here: Path, command: list[str]) -> None:
    configure(here, "allow")
    (here / "base.yaml").write_text(POLICY % "deny")
    before = grants_of(here)

    ran = reconciler(*command, "--policy", "base.yaml")

    assert ran.code == 4
    assert "policy: organization-usage-loosened is denied" in ran.stdout
    assert grants_of(here) == before


def test_without_policy_options_the_configuration_applies(here: Path) -> None:
    configure(here, "allow")

    ran = reconciler("plan", "--format", "json")

    assert ran.code == 0
    assert ran.data["changes"][0]["risks"] == []


def test_an_unknown_rule_is_reported_at_its_line(here: Path) -> None:
    (here / "base.yaml").write_text("policy:\n  rules:\n    - rule: all-scope\n      verdict: deny\n")

    ran = reconciler("plan", "--policy", "base.yaml")

    assert ran.code == 1
    assert ran.stderr.startswith("base.yaml:3:13: ")
    assert 'did you mean "all-scopes"' in ran.stderr


TICKETS = """
policy:
  schemas:
    - title: every grant names its ticket
      required: [description]
      properties: {description: {pattern: "^OPS-[0-9]+"}}
    - title: Billing asks for the payments team
      if: {properties: {client: {const: Billing}}}
      then: {properties: {organization_usage: {const: deny}}}
"""


@pytest.mark.parametrize("settings", [{}, {"description": "Nightly"}], ids=["no description", "another description"])
def test_a_grant_that_violates_a_custom_schema_is_refused(here: Path, settings: dict[str, str]) -> None:
    grant = {name: value for name, value in GRANT["grants"][0].items() if name != "description"} | settings
    (here / "grants" / "billing.yaml").write_text(json.dumps({"grants": [grant]}))
    config = here / "reconciler.yaml"
    config.write_text(config.read_text() + TICKETS)
    before = grants_of(here)

    ran = reconciler("apply", "--yes")

    assert (ran.code, grants_of(here)) == (4, before)
    reason = "Blocked (1) policy: every grant names its ticket; Billing asks for the payments team"
    assert reason in ran.stdout
    assert "grants/billing.yaml:1:13: warning: violates the policy schema: every grant names its ticket\n" in ran.stderr


def test_a_grant_that_matches_all_custom_schemas_is_planned(here: Path) -> None:
    config = here / "reconciler.yaml"
    config.write_text(config.read_text() + TICKETS)
    grant = {**GRANT["grants"][0], "description": "OPS-7", "organization_usage": "deny"}
    (here / "grants" / "billing.yaml").write_text(json.dumps({"grants": [grant]}))

    assert reconciler("apply", "--yes").code == 0


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("{title: a, type: grant}", 'reconciler.yaml:6:31: this is not a JSON Schema: type: "grant" is not valid'),
        (
            "{title: a, $ref: '#'}",
            "reconciler.yaml:6:31: references ($ref) are not followed; copy the referenced schema here",
        ),
        ("{type: object}", 'reconciler.yaml:6:14: "title" is missing; add it'),
        (
            "{title: a, pattern: (}",
            'reconciler.yaml:6:34: the pattern "(" cannot run in linear time; correct the pattern',
        ),
        ("{title: a, pattern: (?=a)}", 'reconciler.yaml:6:34: the pattern "(?=a)" cannot run in linear time'),
        (r"{title: a, pattern: (a)\1}", r'reconciler.yaml:6:34: the pattern "(a)\1" cannot run in linear time'),
        ("{title: a, patternProperties: {(: true}}", 'reconciler.yaml:6:48: the pattern "(" cannot run'),
        ("{title: a, maximum: 1" + "0" * 400 + "}", "reconciler.yaml:6:34: "),
    ],
    ids=["no-schema", "reference", "no-title", "broken", "look-ahead", "back-reference", "key", "large"],
)
def test_an_invalid_custom_schema_is_reported_at_its_line(here: Path, schema: str, message: str) -> None:
    config = here / "reconciler.yaml"
    config.write_text(config.read_text() + f"policy:\n  schemas: [ {schema} ]\n")

    ran = reconciler("plan")

    assert ran.code == 1
    assert ran.stderr.startswith(message)


NOT_FOR_GLOBEX = """
policy:
  schemas: [{title: nothing for globex, properties: {organizations: {not: {contains: {const: globex}}}}}]
"""


@pytest.mark.parametrize("organization", ["globex", "org_globexglobexglob"])
def test_custom_schemas_see_names_of_organizations(here: Path, organization: str) -> None:
    config, seed = here / "reconciler.yaml", here / "tenant.yaml"
    config.write_text(config.read_text() + NOT_FOR_GLOBEX)
    seed.write_text(seed.read_text() + "organizations: [{name: globex, id: org_globexglobexglob}]\n")
    grant = {**GRANT["grants"][0], "organizations": [organization]}
    (here / "grants" / "billing.yaml").write_text(json.dumps({"grants": [grant]}))

    ran = reconciler("plan")

    assert ran.code == 4
    assert "policy: nothing for globex" in ran.stdout
