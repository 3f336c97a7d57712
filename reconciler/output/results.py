"""The results of a command for each tenant, and the totals of all tenants."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from reconciler.artifacts.serialization import ACTIONS, DIFFERENCES, Json, plan_counts
from reconciler.core.characters import pluralize
from reconciler.core.fleet.rollout import PLAN, TenantState, state_of
from reconciler.core.identity import TenantName
from reconciler.core.outcome import ApplyReport, count_results
from reconciler.core.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantSummary:
    """The state of a tenant after a command, with the number of changes and risks."""

    tenant: TenantName
    """The name and domain of the tenant."""
    state: TenantState
    """The state of the tenant at the end of the run."""
    wave: str | None = None
    """The name of the rollout wave that contains the tenant, or None for a tenant without a rollout wave."""
    numbers: Mapping[str, int] = field(default_factory=dict)
    """The numbers of changes and risks that `plan_counts` returns for the plan of the tenant."""
    outcomes: Mapping[str, int] = field(default_factory=dict)
    """Maps a result, for example applied, to the number of changes with the result."""
    omitted: int = 0
    """The number of grants that the result of the tenant omits, because the whole plan is too large."""
    reason: str = ""
    """The first line of the error, or an empty string if the command succeeded for the tenant."""

    @property
    def has_changes(self) -> bool:
        """True if the plan of the tenant contains changes, blocked changes, or grants that are no longer declared."""
        return any(self.numbers.get(name) for name in DIFFERENCES)

    @property
    def critical(self) -> int:
        """The number of critical risks."""
        return self.numbers.get("critical", 0)

    @property
    def counts(self) -> str:
        """The number of changes and risks as a phrase, for example `2 to create, 1 critical`, or `no changes`."""
        return ", ".join(_counts([self])) or "no changes"


NO_OUTCOMES: Mapping[str, int] = {}


def summarize_plan(
    plan: Plan, exit_code: int, wave: str | None, command: str = PLAN, outcomes: Mapping[str, int] = NO_OUTCOMES
) -> TenantSummary:
    """Return the summary of a tenant after `reconciler plan` or `reconciler apply`.

    The state is NOT_SELECTED if the options of the command select no grant of the tenant. After `apply`, `outcomes`
    contains the number of changes by result.
    """
    state = state_of(command, exit_code)
    return TenantSummary(
        tenant=plan.tenant,
        state=TenantState.NOT_SELECTED if plan.selection and plan.selection.is_empty else state,
        wave=wave,
        numbers=plan_counts(plan),
        outcomes=outcomes,
    )


def count_outcomes(report: ApplyReport) -> dict[str, int]:
    """Return a mapping from each result in an apply report to the number of changes with the result."""
    return {str(result): count for result, count in count_results(report.outcomes).items() if count}


@dataclass(frozen=True, slots=True)
class FleetSummary:
    """The summaries of several tenants, in the order of the tenants.

    `done` is the state of each tenant for which the command succeeded, for example planned or applied.

    `waves` contains the names of the rollout waves, the first wave first.
    """

    tenants: Sequence[TenantSummary]
    done: TenantState
    waves: Sequence[str] = ()

    @property
    def lines(self) -> list[str]:
        """The lines of the summary: the totals for all tenants, followed by a line for each rollout wave."""
        by_wave = ((wave, [each for each in self.tenants if each.wave == wave]) for wave in self.waves)
        return [self._line, *(f"Wave {wave}: {_states(tenants, self.done)}." for wave, tenants in by_wave)]

    def worst_first(self) -> list[TenantSummary]:
        """Return all tenants, starting with the tenants that need attention.

        The order is: tenants that the command did not complete, tenants with critical risks, tenants with changes,
        tenants without changes, tenants for which the command selected no grant.
        """

        def order(each: TenantSummary) -> tuple[bool, bool, bool, bool]:
            is_left_out = each.state is TenantState.NOT_SELECTED
            return is_left_out, each.state is self.done, not each.critical, not each.has_changes

        return sorted(self.tenants, key=order)

    def equal_results(self, texts: Iterable[tuple[str, str]]) -> list[list[int]]:
        """Group tenants whose results have the same text, starting with the tenants that need attention.

        `texts` contains the tenant name and the text of each result. A group contains the positions of results in
        `texts`. The method stores a hash of each text, because the texts of all results may be large.
        """
        order = {each.tenant.name: number for number, each in enumerate(self.worst_first())}
        groups: dict[bytes, list[int]] = {}
        names: list[str] = []
        for number, (name, text) in enumerate(texts):
            names.append(name)
            groups.setdefault(sha256(text.encode(errors="surrogatepass")).digest(), []).append(number)
        return sorted(groups.values(), key=lambda members: order[names[members[0]]])

    @property
    def title(self) -> str:
        """A phrase with the number of tenants in each state, for example `45 of 50 planned, 5 failed`."""
        return _states(self.tenants, self.done)

    @property
    def _line(self) -> str:
        changed = [each for each in self.tenants if each.has_changes]
        counts = ", ".join(_counts(self.tenants))
        if not changed:
            has_results = any(each.state is self.done for each in self.tenants)
            return f"{self.title}{'; no changes' if has_results else ''}{f'; {counts}' if counts else ''}."
        return f"{self.title}; {len(changed)} with changes: {counts}."

    def as_json(self) -> Json:
        """Return the summary as JSON data. The JSON data contains every count, even if the count is 0."""
        return {
            "tenants": len(self.tenants),
            "states": _state_counts(self.tenants),
            "with_changes": sum(each.has_changes for each in self.tenants),
            "changes": {name: _total(self.tenants, name) for name in DIFFERENCES},
            "outcomes": dict(_outcomes(self.tenants)),
            "risks": {level: _total(self.tenants, level) for level in ("critical", "high")},
            "waves": [
                {"name": wave, "states": _state_counts([each for each in self.tenants if each.wave == wave])}
                for wave in self.waves
            ],
        }


def _state_counts(tenants: Iterable[TenantSummary]) -> dict[str, int]:
    counted = Counter(each.state for each in tenants)
    return {str(state): counted[state] for state in TenantState}


def _states(tenants: Sequence[TenantSummary], done: TenantState) -> str:
    counted = Counter(each.state for each in tenants)
    others = [f"{counted[state]} {state}" for state in TenantState if state is not done and counted[state]]
    return ", ".join([f"{counted[done]} of {len(tenants)} {done}", *others])


def _counts(tenants: Sequence[TenantSummary]) -> Iterator[str]:
    """Yield phrases with the numbers of changes and risks, for example `2 to create` or `1 critical`.

    If changes were executed, first yield the number of executed changes for each result. If no change was executed,
    first yield the number of planned changes for each action.

    At the end, yield the numbers of blocked changes, of grants that are no longer declared, of risks, and of omitted
    grants.
    """
    outcomes = _outcomes(tenants)
    if outcomes:
        yield from (f"{pluralize(count, 'change')} {result}" for result, count in outcomes.items())
    elif any(_total(tenants, action) for action in ACTIONS):
        yield from (f"{count} to {action}" for action in ACTIONS if (count := _total(tenants, action)))
    for name in ("blocked", "no_longer_declared", "critical", "high"):
        if count := _total(tenants, name):
            yield f"{count} {name.replace('_', ' ')}"
    if omitted := sum(each.omitted for each in tenants):
        yield omitted_grants(omitted)


def omitted_grants(count: int) -> str:
    """Return a phrase with the number of grants that a reduced result omits."""
    return f"{pluralize(count, 'grant')} only in the log of the job"


def _total(tenants: Iterable[TenantSummary], name: str) -> int:
    return sum(each.numbers.get(name, 0) for each in tenants)


def _outcomes(tenants: Iterable[TenantSummary]) -> Mapping[str, int]:
    counted: Counter[str] = Counter()
    for each in tenants:
        counted.update(each.outcomes)
    return counted


class TenantFailure(NamedTuple):
    """The reason why a command failed for a tenant, as lines of text.

    If `is_started` is false, the command neither read nor changed the tenant.
    """

    lines: Sequence[str]
    is_sandbox: bool = False
    is_started: bool = True


Failures = Mapping[str, TenantFailure]
"""The reasons why the command failed, by tenant name."""


@dataclass(frozen=True, slots=True)
class PlanResults:
    """The plans that a command created, and the tenants for which the command failed.

    If the command processed several tenants, `summary` is set.
    """

    plans: Sequence[Plan]
    failed: Failures = field(default_factory=dict)
    summary: FleetSummary | None = None

    def of(self, names: Collection[str]) -> "PlanResults":
        """Return only the results of the tenants in `names`."""
        plans = [plan for plan in self.plans if plan.tenant.name in names]
        return PlanResults(plans, {name: why for name, why in self.failed.items() if name in names})


class RunResult(NamedTuple):
    """The result of `reconciler apply` for a tenant. `plan` contains the planned changes.

    `report` contains the outcome of each change. `rollback` is the command that undoes the changes.

    If the run changed nothing, `rollback` is an empty string.
    """

    plan: Plan
    report: ApplyReport
    rollback: str = ""


@dataclass(frozen=True, slots=True)
class RunResults:
    """The results of `reconciler apply`, and the tenants for which the command failed.

    If the command processed several tenants, `summary` is set.
    """

    runs: Sequence[RunResult]
    failed: Failures = field(default_factory=dict)
    summary: FleetSummary | None = None

    def of(self, names: Collection[str]) -> "RunResults":
        """Return only the results of the tenants in `names`."""
        runs = [run for run in self.runs if run.plan.tenant.name in names]
        return RunResults(runs, {name: why for name, why in self.failed.items() if name in names})
