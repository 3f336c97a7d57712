"""Report the result of each tenant's run when the run ends, and keep all results in memory in compressed form."""

import pickle
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Generic, NamedTuple, Protocol, TypeVar, cast, overload

from reconciler.app.console import Console
from reconciler.app.outputs import OutputOptions
from reconciler.app.tenant_runs import TenantRuns, tenant_failures
from reconciler.core.characters import visible
from reconciler.core.fleet.rollout import APPLY, PLAN, STOPPING_STATES, WRITING_STATES, TenantState, state_of
from reconciler.core.identity import TenantName
from reconciler.core.outcome import Result
from reconciler.core.plan import Plan
from reconciler.core.problems import Problem
from reconciler.core.tenant import Tenant
from reconciler.errors import CrashError, Exit, NotStartedError, ReconcilerError
from reconciler.output.formats import OutputView, render
from reconciler.output.results import (
    FleetSummary,
    PlanResults,
    RunResult,
    RunResults,
    TenantSummary,
    count_outcomes,
    summarize_plan,
)
from reconciler.output.styled import line
from reconciler.output.words import refusal

T = TypeVar("T")
COMPRESSION_LEVEL = 1


class PackedResults(Sequence[T]):
    """The results of the tenants, compressed in memory.

    Each access decompresses only the requested result, so that the results use little memory.
    """

    def __init__(self, packed: Iterable[bytes]) -> None:
        self._packed = tuple(packed)

    def __len__(self) -> int:
        return len(self._packed)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            return PackedResults(self._packed[index])
        unpacked: T = pickle.loads(zlib.decompress(self._packed[index]))  # noqa: S301 - this process wrote the data
        return unpacked


def pack(result: object) -> bytes:
    """Return a result in compressed form."""
    return zlib.compress(pickle.dumps(result, pickle.HIGHEST_PROTOCOL), COMPRESSION_LEVEL)


class EndedTenant(NamedTuple):
    """A tenant whose run ended.

    `result` contains the tenant's plan or run, or the error that ended the tenant's run.
    """

    tenant: Tenant
    state: TenantState
    exit_code: Exit
    result: PlanResults | RunResults


class TenantListener(Protocol):
    """An object whose methods are called at the start and at the end of each tenant's run."""

    def begin(self, tenant: Tenant) -> None:
        """Handle the start of a tenant's run, before the first request to the tenant.

        Raise ReconcilerError to refuse the tenant's run.
        """

    def end(self, ended: EndedTenant) -> None:
        """Handle the end of a tenant's run. Raises ReconcilerError."""

    def fail(self, error: ReconcilerError) -> None:
        """For each tenant whose run did not end, record the error that ended the command."""


@contextmanager
def reporting_failure(listeners: Sequence[TenantListener]) -> Iterator[None]:
    """If a ReconcilerError ends the command, call `fail` of each TenantListener and raise the error again."""
    try:
        yield
    except ReconcilerError as error:
        for each in listeners:
            each.fail(error)
        raise


class TenantReports(Generic[T]):
    """The results of a command for each tenant: the plans of `plan`, or the runs of `apply`.

    When a tenant's run ends, TenantReports writes the report files that have {tenant} in the file name, and notifies
    the listeners. If the command has several tenants, a line on stderr also reports the result of each tenant. `errors`
    contains an error message for each report that could not be written.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - each parameter is a separate object
        self,
        command: str,
        tenants: TenantRuns,
        console: Console,
        output_options: OutputOptions,
        view: OutputView,
        listeners: Sequence[TenantListener] = (),
    ) -> None:
        self._command = command
        self._tenants = tenants
        self._console = console
        self._output_options = output_options.per_tenant
        self._view = view
        self._listeners = listeners
        self._by_name = {tenant.name: tenant for tenant in tenants.tenants}
        self._packed: dict[str, bytes] = {}
        self._only: list[T] = []
        self._summaries: dict[str, TenantSummary] = {}
        self._shown_problems: set[Problem] = set()
        self.exit_codes: dict[str, Exit] = {}
        self.errors: list[str] = []
        tenants.on_failure = self._end_failed

    def begin(self, tenant: Tenant) -> None:
        """Notify the listeners that a tenant's run starts. Raises ReconcilerError."""
        for listener in self._listeners:
            listener.begin(tenant)

    def show_problems(self, problems: Iterable[Problem], texts: Mapping[str, str]) -> None:
        """Print the problems that were not already printed for an earlier tenant."""
        new = [each for each in problems if each not in self._shown_problems]
        self._shown_problems.update(new)
        self._console.problems(new, texts)

    def end_plan(self, plan: Plan, exit_code: Exit) -> None:
        """Record and report a tenant's plan."""
        summary = summarize_plan(plan, exit_code, self._wave(plan.tenant.name))
        self._end(plan, exit_code, cast("T", plan), PlanResults([plan]), summary)

    def end_run(self, run: RunResult, exit_code: Exit) -> None:
        """Record and report a tenant's run."""
        outcomes = count_outcomes(run.report)
        summary = summarize_plan(run.plan, exit_code, self._wave(run.plan.tenant.name), APPLY, outcomes)
        self._end(run.plan, exit_code, cast("T", run), RunResults([run]), summary)

    def retract(self, name: str) -> None:
        """Remove the recorded result of a tenant, because the tenant's run failed after the result was reported."""
        for results in (self._packed, self._summaries, self.exit_codes):
            results.pop(name, None)

    def raise_errors(self) -> None:
        """Raise ReconcilerError if a report could not be written."""
        if self.errors:
            raise ReconcilerError("; ".join(self.errors))

    def has_ended(self, name: str) -> bool:
        """Return whether the plan or run of a tenant has ended or failed."""
        return name in self._summaries

    def count_stopping(self) -> int:
        """Return the number of failed tenants that count towards the setting `stop_after`."""
        return sum(each.state in STOPPING_STATES for each in self._summaries.values())

    @property
    def lack_applied_selection(self) -> bool:
        """True if a tenant has no selected grant, and no other tenant may have received the selected grants."""
        states = {each.state for each in self._summaries.values()}
        return TenantState.NOT_SELECTED in states and not states & WRITING_STATES

    @property
    def has_written(self) -> bool:
        """True if the run sent, or may have sent, a change to any tenant."""
        outcomes = {result for each in self._summaries.values() for result, count in each.outcomes.items() if count}
        is_unknown = any(each.state is TenantState.UNKNOWN for each in self._summaries.values())
        return is_unknown or bool(outcomes - {str(Result.SKIPPED)})

    @property
    def results(self) -> Sequence[T]:
        """The results of the successful tenants, in the order in which the command selected the tenants."""
        if not self._tenants.are_several:
            return self._only
        return PackedResults(self._packed[name] for name in self._tenants.names if name in self._packed)

    @property
    def summary(self) -> FleetSummary | None:
        """The summary of all tenants, or None if the run has only one tenant."""
        if not self._tenants.are_several:
            return None
        found = [self._summaries[name] for name in self._tenants.names if name in self._summaries]
        waves = self._tenants.config.rollout.group(each.tenant.name for each in found)
        done = TenantState.PLANNED if self._command == PLAN else TenantState.APPLIED
        return FleetSummary(found, done, tuple(waves) if self._command == APPLY else ())

    def _end_failed(self, name: str) -> None:
        error = self._tenants.failed[name]
        self.retract(name)
        failure = {name: self._tenants.failures[name]}
        summary = TenantSummary(
            tenant=self._by_name[name].title,
            state=state_of_failure(self._command, error),
            wave=self._wave(name),
            reason=next(iter(error.report_lines), ""),
        )
        results = PlanResults([], failure) if self._command == PLAN else RunResults([], failure)
        self._record(name, error.exit_code, results, summary)

    def _end(
        self, plan: Plan, exit_code: Exit, result: T, results: PlanResults | RunResults, summary: TenantSummary
    ) -> None:
        name = plan.tenant.name
        self.exit_codes[name] = exit_code
        if self._tenants.are_several:
            self._packed[name] = pack(result)
        else:
            self._only = [result]
        self._record(name, exit_code, results, summary)
        if not self._tenants.are_several:
            return
        if plan.blocked:
            self._console.error(refusal(plan), name)
            return
        count = f"[{len(self._summaries)}/{len(self._tenants.names)}]"
        self._console.info([line(f"{count} {visible(name)}: {summary.state}, {summary.counts}")])

    def _record(self, name: str, exit_code: Exit, results: PlanResults | RunResults, summary: TenantSummary) -> None:
        self._summaries[name] = summary
        ended = EndedTenant(self._by_name[name], summary.state, exit_code, results)
        if self._tenants.are_several:
            self._collect_error(lambda: self._write_reports(name, results))
        for listener in self._listeners:
            self._collect_error(partial(listener.end, ended))

    def _write_reports(self, name: str, results: PlanResults | RunResults) -> None:
        self._output_options.write([name], lambda format_name, _: render(results, format_name, self._view))

    def _collect_error(self, write: Callable[[], None]) -> None:
        """Call `write`.

        If `write` fails, store the error for the end of the command, so that the runs of the remaining tenants
        continue.
        """
        try:
            write()
        except ReconcilerError as error:
            self.errors.append(str(error))

    def _wave(self, name: str) -> str | None:
        return self._tenants.config.rollout.wave_of(name)


def state_of_failure(command: str, error: ReconcilerError) -> TenantState:
    """Return the state of a tenant that failed with `error`."""
    match error:
        case NotStartedError():
            return TenantState.NOT_STARTED
        case CrashError(exit_code=Exit.INCOMPLETE):
            return TenantState.UNKNOWN
        case _:
            return state_of(command, error.exit_code)


def failed_plans(error: ReconcilerError) -> PlanResults:
    """Return the results that `plan` reports if an error stopped the command for all tenants."""
    return PlanResults([], tenant_failures(error), _summary_of_failed(PLAN, error))


def failed_runs(error: ReconcilerError) -> RunResults:
    """Return the results of `apply` after an error that stopped the command for all tenants."""
    return RunResults([], tenant_failures(error), _summary_of_failed(APPLY, error))


def _summary_of_failed(command: str, error: ReconcilerError) -> FleetSummary | None:
    if len(error.tenants) <= 1:
        return None
    state, reason = state_of_failure(command, error), next(iter(error.report_lines), "")
    summaries = [
        TenantSummary(tenant=TenantName(name, "", is_sandbox), state=state, reason=reason)
        for name, is_sandbox in error.tenants.items()
    ]
    return FleetSummary(summaries, TenantState.PLANNED if command == PLAN else TenantState.APPLIED)
