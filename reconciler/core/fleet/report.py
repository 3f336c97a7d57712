"""Combine the results of several pipeline jobs into a report on all tenants of a fleet run.

A fleet run plans or applies many tenants in several pipeline jobs. The report shows the state `unknown` for a tenant
without a usable result.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.core.characters import pluralize, quote_text
from reconciler.core.fleet.rollout import APPLY, COLLECTED_STATES, STOPPING_STATES, WRITING_STATES, TenantState
from reconciler.core.fleet.run import BEGUN, ExpectedTenant, Fleet, FleetResult, RunInputs
from reconciler.errors import EXIT_CODES_BY_SEVERITY, Exit

DONE_STATES = frozenset({TenantState.PLANNED, TenantState.APPLIED})


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A result file that a pipeline job wrote. `tenant` is the tenant name in the file name.

    If the file does not contain a usable result, `result` is an error message.
    """

    name: str
    tenant: str
    result: FleetResult | str


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """A result file that `fleet collect` ignores, with the reason."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class CollectedTenant:
    """A tenant in a fleet run (a run for many tenants), with the state of the tenant."""

    expected: ExpectedTenant
    """The tenant's name, domain, rollout wave and shard, and the reasons for including the tenant."""
    state: TenantState
    """The tenant's state, such as `applied` or `failed`."""
    reason: str = ""
    """The reason for the state `unknown` or `not started`. If the tenant has a different state, `reason` contains the
    errors of the last result, or is empty.
    """
    results: tuple[tuple[str, FleetResult], ...] = ()
    """The usable results of the tenant, with the name of each result file, in the order of the attempts."""

    @property
    def last(self) -> FleetResult | None:
        """The result of the last attempt."""
        return self.results[-1][1] if self.results else None

    @property
    def is_stopping(self) -> bool:
        """True if the tenant counts as unsuccessful for the limit `stop_after`.

        A tenant with the state `not started` counts as unsuccessful only if a job wrote a result for the tenant.
        """
        return self.state in STOPPING_STATES or (self.state is TenantState.NOT_STARTED and bool(self.results))

    @property
    def exit_code(self) -> Exit:
        """The exit code that the report shows for the tenant's run.

        If a signal stopped the tenant's run, the exit code is FAILED or INCOMPLETE. A tenant without a result has the
        exit code 0 if the tenant's rollout wave did not start.
        """
        match self.state:
            case TenantState.UNKNOWN | TenantState.PARTIAL:
                return Exit.INCOMPLETE
            case TenantState.FAILED:
                return Exit.FAILED
            case TenantState.NOT_STARTED:
                return Exit.FAILED if self.results else Exit.DONE
            case _:
                return Exit(self.last.exit_code or 0) if self.last else Exit.DONE


@dataclass(frozen=True, slots=True)
class FleetReport:
    """The states of all tenants of a fleet run, and the ignored result files."""

    fleet: Fleet
    tenants: tuple[CollectedTenant, ...]
    refused: tuple[RefusedFile, ...]
    is_apply: bool
    """True if the pipeline runs `apply`. Such a run is complete only after `apply` has run for every tenant."""

    @property
    def counts(self) -> Mapping[TenantState, int]:
        """The number of tenants in each state."""
        counted = Counter(each.state for each in self.tenants)
        return {state: counted[state] for state in COLLECTED_STATES}

    @property
    def remaining(self) -> tuple[CollectedTenant, ...]:
        """The tenants of the fleet run that still need `plan` or `apply`."""
        return tuple(each for each in self.tenants if each.state not in DONE_STATES)

    @property
    def is_stopped(self) -> bool:
        """True if no further rollout wave may start, because `stop_after` tenants were unsuccessful."""
        return _stopping(self.tenants) >= self.fleet.stop_after

    @property
    def exit_code(self) -> Exit:
        """The most severe exit code among the tenants."""
        codes = [each.exit_code for each in self.tenants]
        return max(codes, key=EXIT_CODES_BY_SEVERITY.index, default=Exit.DONE)


def collect(fleet: Fleet, files: Iterable[ResultFile], last_wave: str | None = None) -> FleetReport:
    """Return the state of each tenant of a fleet run.

    `files` contains the result files of the fleet run's jobs. `last_wave` is the last rollout wave that
    the pipeline started, or None if the pipeline started all waves. A rollout wave does not start if the number of
    unsuccessful tenants in earlier waves has reached `Fleet.stop_after`.

    If `last_wave` is given or a job ran `apply`, the pipeline applies changes. A result of `plan` is then not enough:
    every tenant needs a result of `apply`.
    """
    expected = {each.name: each for each in fleet.tenants}
    usable: dict[str, list[tuple[str, FleetResult]]] = {name: [] for name in expected}
    unusable: dict[str, list[str]] = {name: [] for name in expected}
    refused = []
    for file in files:
        reason = _reason_to_refuse(file, fleet.inputs, expected)
        if reason is not None:
            refused.append(RefusedFile(file.name, reason))
            if isinstance(file.result, str) or file.result.tenant != file.tenant:
                unusable.get(file.tenant, []).append(file.name)
        elif isinstance(file.result, FleetResult):
            usable[file.tenant].append((file.name, file.result))
    is_apply = last_wave is not None or any(each.command == APPLY for found in usable.values() for _, each in found)
    collected = {
        name: _state(
            each,
            sorted(usable[name], key=lambda found: (found[1].order, found[0])),
            unusable[name],
            is_apply=is_apply,
        )
        for name, each in expected.items()
    }
    _mark_not_started(fleet, collected, unusable, last_wave)
    return FleetReport(fleet, tuple(collected.values()), tuple(sorted(refused, key=lambda each: each.name)), is_apply)


def _reason_to_refuse(file: ResultFile, inputs: RunInputs, expected: Mapping[str, ExpectedTenant]) -> str | None:
    """Return the reason to ignore a result file, or None for a usable file."""
    result = file.result
    if isinstance(result, str):
        return result
    for what, found, wanted in (
        ("run", result.inputs.run, inputs.run),
        ("commit", result.inputs.commit, inputs.commit),
        ("configuration", result.inputs.configuration, inputs.configuration),
        ("grant files", result.inputs.grants, inputs.grants),
    ):
        if found != wanted:
            return f"{what} {_shown(found)} instead of {_shown(wanted)}"
    if result.tenant != file.tenant:
        return f"the file has the result of another tenant: {quote_text(result.tenant)}"
    if result.tenant not in expected:
        return "the fleet file does not list this tenant"
    return _difference(result, expected[result.tenant])


def _difference(result: FleetResult, tenant: ExpectedTenant) -> str | None:
    """Return the difference between the tenant of a result and the expected tenant, or None if both are equal."""
    if result.domain != tenant.domain:
        return f"domain {quote_text(result.domain)} instead of {quote_text(tenant.domain)}"
    if result.is_sandbox != tenant.is_sandbox:
        kinds = {True: "a sandbox", False: "a tenant of Auth0"}
        return f"the tenant is {kinds[result.is_sandbox]} instead of {kinds[tenant.is_sandbox]}"
    return None


def _shown(value: str) -> str:
    return quote_text(value) if value else "none"


def _state(
    expected: ExpectedTenant, results: Sequence[tuple[str, FleetResult]], unusable: Sequence[str], *, is_apply: bool
) -> CollectedTenant:
    if unusable:
        reason = f"the file {quote_text(min(unusable))} cannot be used, so the last result of the tenant may be missing"
        return CollectedTenant(expected, TenantState.UNKNOWN, reason, tuple(results))
    if not results:
        return CollectedTenant(expected, TenantState.UNKNOWN, "no result")
    last = results[-1][1]
    applied = [each for _, each in results if each.command == APPLY and each.state in WRITING_STATES]
    if applied and applied[-1].state is not TenantState.APPLIED and last.state not in WRITING_STATES:
        return _unfinished(expected, results, applied[-1])
    if is_apply and last.state is TenantState.PLANNED:
        return CollectedTenant(expected, TenantState.UNKNOWN, "planned, but without a result of apply", tuple(results))
    reason = ""
    if last.status == BEGUN:
        reason = _no_end(last)
    elif last.state is TenantState.NOT_STARTED:
        reason = "; ".join(last.errors)
    return CollectedTenant(expected, last.state, reason, tuple(results))


def _unfinished(
    expected: ExpectedTenant, results: Sequence[tuple[str, FleetResult]], earlier: FleetResult
) -> CollectedTenant:
    """Return the state of a tenant whose last attempt wrote nothing, but whose attempt `earlier` may have written."""
    last = results[-1][1]
    outcome = _no_end(earlier) if earlier.status == BEGUN else f"{earlier.command} ended with the state {earlier.state}"
    reason = "; ".join([outcome, f"the state of the last attempt is {last.state}", *last.errors])
    return CollectedTenant(expected, earlier.state, reason, tuple(results))


def _no_end(result: FleetResult) -> str:
    return f"{result.command} began at {result.started_at} and did not report its end"


def _mark_not_started(
    fleet: Fleet,
    collected: dict[str, CollectedTenant],
    unusable: Mapping[str, Sequence[str]],
    last_wave: str | None,
) -> None:
    """Set the state of a rollout wave's tenants to `not started` if the rollout wave has not started.

    A rollout wave has started if a tenant of the wave has a result file.
    """
    started = fleet.waves.index(last_wave) if last_wave in fleet.waves else len(fleet.waves)
    before: list[CollectedTenant] = []
    for number, wave in enumerate(fleet.waves):
        members = [each for each in collected.values() if each.expected.wave == wave]
        has_files = any(each.results or unusable[each.expected.name] for each in members)
        count = _stopping(before)
        reason = ""
        if number > started:
            reason = f"the wave {wave} comes after {last_wave}"
        elif before and count >= fleet.stop_after:
            reason = (
                f"the wave {wave} did not start, because {pluralize(count, 'tenant')} of the earlier rollout waves did "
                "not succeed"
            )
        if reason and not has_files:
            for each in members:
                collected[each.expected.name] = CollectedTenant(each.expected, TenantState.NOT_STARTED, reason)
        before += [collected[each.expected.name] for each in members]


def _stopping(tenants: Iterable[CollectedTenant]) -> int:
    return sum(each.is_stopping for each in tenants)
