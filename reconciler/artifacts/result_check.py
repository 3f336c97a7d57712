"""Check that the status of a result file agrees with the other fields of the file.

The job of an untrusted pull request may write a result file. If two fields contradict each other, `fleet collect` does
not use the result, and the state of the tenant is unknown.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.artifacts.deserialization import plan_from_json
from reconciler.artifacts.fleet_json import plan_counts
from reconciler.artifacts.serialization import plan_id, plan_json
from reconciler.contract import stored
from reconciler.core.fleet.run import BEGUN, PLAN, FleetResult, TenantState, exit_code_of_plan, state_of
from reconciler.core.outcome import Result
from reconciler.core.plan import Plan
from reconciler.errors import Exit
from reconciler.files.validity import validity_check

ACTIONS = ("create", "update", "delete")
DIFFERENCES = (*ACTIONS, "blocked", "no_longer_declared")
"""The counts of a plan that belong to changes, blocked changes and grants that are no longer declared."""
INTERRUPTIONS = frozenset({Exit.INTERRUPTED, Exit.TERMINATED})


@dataclass(frozen=True, slots=True)
class Requirements:
    """The fields that a status requires (True), forbids (False) or allows (None)."""

    ended_at: bool
    exit_code: bool
    output: bool | None
    errors: bool | None


REQUIREMENTS: Mapping[str, Requirements] = {
    BEGUN: Requirements(ended_at=False, exit_code=False, output=False, errors=False),
    TenantState.NOT_STARTED: Requirements(ended_at=True, exit_code=False, output=False, errors=None),
    TenantState.PLANNED: Requirements(ended_at=True, exit_code=True, output=True, errors=False),
    TenantState.APPLIED: Requirements(ended_at=True, exit_code=True, output=True, errors=False),
    TenantState.REFUSED: Requirements(ended_at=True, exit_code=True, output=None, errors=None),
    TenantState.FAILED: Requirements(ended_at=True, exit_code=True, output=False, errors=None),
    TenantState.PARTIAL: Requirements(ended_at=True, exit_code=True, output=None, errors=None),
}


def check_result(result: FleetResult, output: Mapping[str, Any] | None) -> FleetResult | str:
    """Add the plan in `output` to `result`.

    If two fields of the result file contradict each other, return a phrase for the error message instead.
    """
    problem = _contradiction(result, output)
    if problem or output is None:
        return problem or result
    if result.command == PLAN:
        return _with_plan(result, output)
    return _contradiction_of_run(result, output) or result


def _contradiction(result: FleetResult, output: Mapping[str, Any] | None) -> str | None:
    """Return the contradiction between the status and the other fields, or None."""
    if output is None and (result.counts or result.plan_id or result.omitted):
        return "has counts or a plan id but no output (the output may have been too large); read the log of the job"
    required = REQUIREMENTS[result.status]
    for name, is_present, is_required in (
        ("ended_at", result.ended_at is not None, required.ended_at),
        ("exit_code", result.exit_code is not None, required.exit_code),
        ("output", output is not None, required.output),
        ("errors", bool(result.errors), required.errors),
    ):
        if is_required is not None and is_present != is_required:
            return f'has the status "{result.status}", but the field "{name}" is {"not " if is_present else ""}empty'
    if result.exit_code is not None and result.status != state_of(result.command, result.exit_code):
        return "has a status that contradicts the exit code"
    if result.ended_at is not None and result.ended_at < result.started_at:
        return "has an end that is earlier than the start"
    return None


def _with_plan(result: FleetResult, output: Mapping[str, Any]) -> FleetResult | str:
    """Add the plan in `output` to `result`.

    If the plan contradicts other fields of the result file, return a phrase for the error message instead.
    """
    if not validity_check(stored.load(stored.PLAN))(output):
        return f"has an output that does not match {stored.PLAN}"
    plan = plan_from_json(output)
    if plan_json(plan) != output or plan.tenant != result.title or not _has_counts_of(result, plan):
        return 'has a plan in the field "output" that contradicts the other fields'
    if result.exit_code not in _exit_codes_of(plan, result.counts):
        return "has an exit code that contradicts the plan"
    return replace(result, plan=plan)


def _has_counts_of(result: FleetResult, plan: Plan) -> bool:
    """Return whether the counts and the plan id of a result agree with its plan.

    If the result omits grants, the counts may exceed the numbers in the plan, but not by more grants than omitted.
    """
    counts = plan_counts(plan)
    if not result.omitted:
        return result.counts == counts and result.plan_id == plan_id(plan)
    if result.plan_id is None or result.counts.keys() != counts.keys():
        return False
    missing = {name: result.counts[name] - count for name, count in counts.items()}
    return min(missing.values()) >= 0 and sum(missing[name] for name in DIFFERENCES) <= result.omitted


def _exit_codes_of(plan: Plan, counts: Mapping[str, int]) -> set[Exit]:
    """Return the exit codes of `plan` with and without --detailed-exitcode. `counts` describes the whole plan."""
    is_incomplete = not plan.is_complete or plan.selection is not None
    return {
        exit_code_of_plan(
            is_blocked=bool(counts["blocked"]), is_incomplete=is_incomplete, has_differences=has_differences
        )
        for has_differences in (False, any(counts[name] for name in DIFFERENCES))
    }


def _contradiction_of_run(result: FleetResult, output: Mapping[str, Any]) -> str | None:
    """Return the contradiction between the output of `apply` and the other fields of the result file, or None."""
    if not validity_check(stored.load(stored.OUTCOME))(output) or "summary" not in output:
        return f"has an output that does not match {stored.OUTCOME}"
    results = {name: output["summary"][name] for name in map(str, Result)}
    changes = sum(result.counts.get(action, 0) for action in ACTIONS)
    blocked = result.counts.get("blocked", 0)
    listed = Counter([*(each["outcome"] for each in output["outcomes"]), *("blocked" for _ in output["blocked"])])
    is_agreed = (
        (output["tenant"], output["sandbox"]) == (result.tenant, result.is_sandbox)
        and result.plan_id is not None
        and results == {name: result.counts.get(name) for name in results}
        and sum(results.values()) == (0 if blocked else changes)
        and listed <= Counter({**results, "blocked": blocked})
        and sum(results.values()) + blocked - listed.total() <= result.omitted
        and not (output["summary"]["converged"] and (blocked or output["differences"]))
    )
    if not is_agreed:
        return 'has outcomes in the field "output" that contradict the other fields'
    is_done = output["summary"]["converged"] and results[Result.APPLIED] == changes
    if result.exit_code not in _exit_codes_of_run(result, is_blocked=bool(blocked), is_done=is_done):
        return "has an exit code that contradicts the outcomes"
    return None


def _exit_codes_of_run(result: FleetResult, *, is_blocked: bool, is_done: bool) -> frozenset[Exit]:
    """Return the possible exit codes of `apply`.

    The exit code of a run that is done is INCOMPLETE only if the result file contains an error.
    """
    if is_blocked:
        return frozenset({Exit.REFUSED})
    if is_done and not result.errors:
        return INTERRUPTIONS | {Exit.DONE}
    return INTERRUPTIONS | {Exit.INCOMPLETE}
