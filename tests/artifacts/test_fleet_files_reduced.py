"""An output that is too large for a result file is reduced. The totals and the most dangerous changes remain."""

import json
from dataclasses import replace
from typing import Any

import pytest
from support.builders import (
    OWN,
    a_grant,
    a_key,
    a_plan,
    a_result,
    a_spec,
    an_api,
    an_observed,
    first_parties,
    run_output,
)

from reconciler.artifacts.fleet_files import MAX_DESCRIPTION_LENGTH, check_result, reduced_outputs
from reconciler.artifacts.serialization import plan_counts, plan_id, plan_json
from reconciler.core.config_rules import ConfigChange
from reconciler.core.fleet.run import FleetResult
from reconciler.core.guards import ProtectionRules
from reconciler.core.outcome import Result
from reconciler.core.pattern import Protect
from reconciler.core.plan import Plan
from reconciler.core.problems import Level, Risk

MANAGEMENT = an_api("https://test.example/api/v2/", scopes=frozenset({"update:clients"}), is_system=True)
CONFIG_CHANGE = ConfigChange(("t1",), Risk("guard-loosened", Level.CRITICAL, "`protect` no longer contains: a"))
DANGEROUS = {f"danger{number}" for number in range(3)}


def a_large_plan() -> Plan:
    """Return a plan with 40 creates, of which 3 are critical and 10 are blocked, and 20 other grants."""
    specs = [a_spec(client_id=f"app{number:02}", description="\U0001f600" * 8_000) for number in range(37)]
    specs += [a_spec(client_id=name, audience=MANAGEMENT.identifier, scope=("update:clients",)) for name in DANGEROUS]
    observed = [an_observed(a_grant(a_key(f"other{number}")), f"cgr_{number}") for number in range(20)]
    directory = replace(first_parties(specs, observed), apis=(an_api(), MANAGEMENT))
    protection = ProtectionRules(OWN, (Protect(client_id="app0*"),))
    plan = a_plan(specs, observed, directory, protection=protection)
    return replace(plan, tenant=a_result().title, config_changes=(CONFIG_CHANGE,))


PLAN = a_large_plan()
OUTPUT = plan_json(PLAN)
RESULT = a_result(exit_code=4, command="plan", plan_id=plan_id(PLAN), counts=plan_counts(PLAN))


def clients_of(output: Any) -> list[str]:
    return [change["key"]["client_id"] for change in output["changes"]]


def test_first_only_descriptions_are_shortened() -> None:
    (first, omitted), *_ = reduced_outputs("plan", OUTPUT)

    assert omitted == 0
    assert isinstance(check_result(RESULT, first), FleetResult)
    assert len(json.dumps(first)) < len(json.dumps(OUTPUT)) / 10
    descriptions = [change["description"] for change in first["changes"] if change["description"]]
    assert len(descriptions) == 37
    assert all("characters left out" in each and len(each) < MAX_DESCRIPTION_LENGTH + 50 for each in descriptions)
    assert {**first, "changes": []} == {**OUTPUT, "changes": []}


def test_dangerous_and_blocked_changes_are_omitted_last() -> None:
    found = list(reduced_outputs("plan", OUTPUT))

    assert [omitted for _, omitted in found] == [0, 30, 45, 53, 57, 59, 60]
    for output, omitted in found:
        kept = set(clients_of(output))
        assert kept >= DANGEROUS or omitted > 57 or len(kept) == 60 - omitted
        assert [each["rule"] for each in output["config_changes"]] == ["guard-loosened"]
    assert set(clients_of(found[2][0])) == DANGEROUS | {f"app{number:02}" for number in range(12)}
    assert found[-1][0]["changes"] == []


def test_a_reduced_plan_is_usable_and_says_what_it_omits() -> None:
    for output, omitted in list(reduced_outputs("plan", OUTPUT))[1:]:
        result = replace(RESULT, omitted=omitted)
        found = check_result(result, json.loads(json.dumps(output)))

        assert isinstance(found, FleetResult)
        assert found.plan
        assert found.plan.notes[0].startswith(f"this plan does not show or count {omitted} grants")
        assert found.counts == plan_counts(PLAN)
        assert not isinstance(check_result(RESULT, output), FleetResult)
        assert not isinstance(check_result(replace(result, exit_code=0, status="planned"), output), FleetResult)


@pytest.mark.parametrize("name", ["create", "blocked", "critical"])
def test_the_counts_of_a_reduced_plan_are_limited(name: str) -> None:
    output, omitted = list(reduced_outputs("plan", OUTPUT))[2]

    for count in (-1, 1_000 if name != "critical" else -1):
        counts = {**RESULT.counts, name: max(0, count)}
        assert not isinstance(check_result(replace(RESULT, omitted=omitted, counts=counts), output), FleetResult)


def test_a_large_change_does_not_displace_equally_dangerous_changes() -> None:
    scopes = tuple(f"read:{number}" for number in range(500))
    specs = [a_spec(client_id="a", scope=scopes), *(a_spec(client_id=name) for name in "bcd")]
    output = plan_json(a_plan(specs))

    assert [clients_of(each) for each, _ in reduced_outputs("plan", output)] == [[*"abcd"], ["b", "c"], ["b"], []]


def test_the_outcomes_that_are_not_applied_are_omitted_last() -> None:
    counts = {"create": 9, "blocked": 0, **dict.fromkeys(map(str, Result), 0), "applied": 8, "failed": 1}
    result = a_result(exit_code=3, plan_id="a" * 64, counts=counts)
    whole: dict[str, Any] = run_output(result, 8)
    whole["outcomes"] = [*whole["outcomes"], {**whole["outcomes"][0], "outcome": "failed", "detail": "HTTP 500"}]
    whole["summary"] = {**whole["summary"], "failed": 1, "converged": False}

    for output, omitted in reduced_outputs("apply", whole):
        assert isinstance(check_result(replace(result, omitted=omitted), output), FleetResult)
        assert not omitted or not isinstance(check_result(result, output), FleetResult)
        assert len(output["outcomes"]) == 9 - omitted
        assert not output["outcomes"] or output["outcomes"][-1]["outcome"] == "failed"


def test_a_critical_change_is_omitted_last_even_if_it_is_large() -> None:
    critical = a_spec(client_id="z", audience=MANAGEMENT.identifier, scope=("update:clients",), description="x" * 200)
    specs = [*(a_spec(client_id=name) for name in "bcd"), critical]
    directory = replace(first_parties(specs), apis=(an_api(), MANAGEMENT))
    output = plan_json(a_plan(specs, directory=directory))

    assert [clients_of(each) for each, _ in reduced_outputs("plan", output)][2:] == [["z"], []]
