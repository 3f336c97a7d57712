"""A result with fields that contradict each other is not used."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import OWN, a_grant, a_plan, a_result, a_spec, an_observed, run_output

from reconciler.artifacts.deserialization import plan_from_json
from reconciler.artifacts.fleet_files import check_result
from reconciler.artifacts.serialization import plan_counts, plan_id, plan_json
from reconciler.core.fleet.run import BEGUN, FleetResult
from reconciler.core.guards import ProtectionRules
from reconciler.core.outcome import ApplyReport, Outcome, Result, count_results
from reconciler.core.pattern import Protect
from reconciler.core.plan import Plan
from reconciler.output.formats import OutputView, render
from reconciler.output.results import RunResult, RunResults

ENDED_AT = "2026-11-28T03:00:01.000Z"
COUNTS = {"create": 2, "blocked": 0, **dict.fromkeys(map(str, Result), 0), "applied": 2}
APPLIED = a_result(plan_id="a" * 64, counts=COUNTS)
OUTPUT: dict[str, Any] = run_output(APPLIED, 2)
ONE_FAILED = [OUTPUT["outcomes"][0], {**OUTPUT["outcomes"][0], "outcome": "failed"}]
FAILED_SUMMARY = {**OUTPUT["summary"], "applied": 1, "failed": 1}
FAILED_COUNTS = {**COUNTS, "applied": 1, "failed": 1}
DIFFERENCE = {"action": "update", "key": OUTPUT["outcomes"][0]["key"], "fields": [], "accepted": True}


def planned(plan: Plan, exit_code: int, **fields: Any) -> tuple[FleetResult, dict[str, object]]:
    """Return the result of `plan`, and its output."""
    result = a_result(exit_code=exit_code, command="plan", **fields)
    plan = replace(plan, tenant=result.title)
    return replace(result, plan_id=plan_id(plan), counts=plan_counts(plan)), plan_json(plan)


def is_usable(result: FleetResult, output: object) -> bool:
    return isinstance(check_result(result, output), FleetResult)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "result",
    [
        a_result(exit_code=None),
        a_result(exit_code=None, status="not started", ended_at=ENDED_AT, errors=("interrupted",)),
        *(a_result(exit_code=code, errors=("HTTP 401",)) for code in (1, 2, 3, 4, 5, 130, 143)),
        *(a_result(exit_code=code, command="plan", errors=("HTTP 401",)) for code in (1, 3, 4, 5, 130, 143)),
    ],
)
def test_a_run_without_success_needs_no_output(result: FleetResult) -> None:
    assert check_result(result, None) == result
    assert not is_usable(result, OUTPUT)
    assert not is_usable(replace(result, counts={"create": 1}), None)
    assert not is_usable(replace(result, plan_id="a" * 64), None)


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "applied", "exit_code": 1},
        {"status": "planned"},
        {"status": BEGUN, "exit_code": 0},
        {"status": BEGUN, "exit_code": None},
        {"status": "not started", "exit_code": 0},
        {"status": "not started", "exit_code": None, "ended_at": None},
        {"status": "applied", "ended_at": None},
        {"status": "applied", "exit_code": None},
        {"ended_at": "2026-11-28T02:59:59.000Z"},
        {"errors": ("boom",)},
        {"plan_id": None},
        {"tenant": "t2"},
        {"is_sandbox": True},
        {"counts": {}},
        {"counts": {**COUNTS, "create": 3}},
        {"counts": {**COUNTS, "blocked": 1}},
        {"counts": FAILED_COUNTS},
    ],
)
def test_the_fields_of_an_applied_result_agree(fields: dict[str, Any]) -> None:
    assert check_result(APPLIED, OUTPUT) == APPLIED
    assert not is_usable(replace(APPLIED, **fields), OUTPUT)


@pytest.mark.parametrize(
    "output",
    [
        None,
        {},
        {"tenants": [OUTPUT], "failed": []},
        {**OUTPUT, "summary": {**OUTPUT["summary"], "converged": False}},
        {**OUTPUT, "summary": FAILED_SUMMARY},
        {**OUTPUT, "outcomes": ONE_FAILED},
        {**OUTPUT, "outcomes": []},
        {**OUTPUT, "differences": [DIFFERENCE]},
        {**OUTPUT, "blocked": [{"key": DIFFERENCE["key"], "reason": "protected"}]},
    ],
)
def test_the_output_of_an_applied_result_agrees(output: object) -> None:
    assert not is_usable(APPLIED, output)


def test_a_run_with_a_failed_change_has_only_the_status_partial() -> None:
    output = {**OUTPUT, "summary": FAILED_SUMMARY, "outcomes": ONE_FAILED}
    results = {code: a_result(exit_code=code, plan_id="a" * 64, counts=FAILED_COUNTS) for code in (0, 1, 3, 4, 130)}

    assert [code for code, result in results.items() if is_usable(result, output)] == [3, 130]


def test_a_done_run_is_partial_only_with_an_error_or_after_a_signal() -> None:
    partial = a_result(exit_code=3, plan_id="a" * 64, counts=COUNTS)

    assert not is_usable(partial, OUTPUT)
    assert is_usable(replace(partial, errors=("the saved plan selects only some of the grants",)), OUTPUT)
    assert is_usable(replace(partial, exit_code=130), OUTPUT)


CREATES = a_plan([a_spec()])
EMPTY = a_plan([a_spec()], [an_observed(a_grant())])
BLOCKED = a_plan([a_spec()], protection=ProtectionRules(OWN, (Protect(client_id="billing"),)))


@pytest.mark.parametrize(
    ("plan", "exit_codes"),
    [
        (EMPTY, [0]),
        (CREATES, [0, 2]),
        (BLOCKED, [4]),
        (replace(CREATES, skipped=1), [3]),
        (replace(EMPTY, expired_unknown=1), [3]),
    ],
)
def test_the_plan_determines_the_exit_code(plan: Plan, exit_codes: list[int]) -> None:
    usable = [code for code in (0, 1, 2, 3, 4, 5, 130, 143) if is_usable(*planned(plan, code))]

    assert usable == exit_codes


def test_a_plan_without_an_output_is_not_planned() -> None:
    result, output = planned(CREATES, 2)

    checked = check_result(result, output)
    assert isinstance(checked, FleetResult)
    assert checked.plan == plan_from_json(output)
    assert "no output (the output may have been too large)" in str(check_result(result, None))
    without_counts = replace(result, counts={}, plan_id=None)
    assert check_result(without_counts, None) == 'has the status "planned", but the field "output" is empty'


@pytest.mark.parametrize("remaining", [None, EMPTY, CREATES])
@given(results=st.lists(st.sampled_from(list(Result)), min_size=2, max_size=2))
def test_every_report_of_apply_has_a_usable_result(remaining: Plan | None, results: list[Result]) -> None:
    title = a_result().title
    plan = replace(a_plan([a_spec(), a_spec(client_id="portal")]), tenant=title)
    outcomes = tuple(Outcome(change, result) for change, result in zip(plan.changes, results, strict=True))
    report = ApplyReport(outcomes, remaining and replace(remaining, tenant=title))
    is_done = report.converged and set(results) == {Result.APPLIED}
    counts = plan_counts(plan) | {str(result): count for result, count in count_results(outcomes).items()}
    output = json.loads(render(RunResults([RunResult(plan, report)]), "json", OutputView()))

    codes = [
        code
        for code in (0, 1, 3, 4, 5, 130, 143)
        if is_usable(a_result(exit_code=code, plan_id=plan_id(plan), counts=counts), output)
    ]

    assert codes == ([0, 130, 143] if is_done else [3, 130, 143])
