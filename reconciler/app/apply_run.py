"""Apply plans: show them, ask for confirmation, and apply them to all tenants at the same time.

For each tenant, a run writes the journal and a snapshot, makes the changes, and reads the tenant again.
"""

import asyncio
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace

from reconciler.app import ci
from reconciler.app.approval import ApprovedPlan
from reconciler.app.console import Console, progress
from reconciler.app.interruption import GRACE_SECONDS, TIME_LIMIT_EXCEEDED, Interruption
from reconciler.app.options import RequestOptions
from reconciler.app.session import TenantPlan, TenantSession
from reconciler.app.tenant_runs import TenantResult, TenantRuns
from reconciler.apply import ApplyContext, execute_plan, reraise
from reconciler.artifacts.journal import Journal, JournalError, open_journal
from reconciler.artifacts.snapshot import write_snapshot
from reconciler.concurrency import run_unless
from reconciler.core.outcome import ApplyReport, Outcome, Result
from reconciler.core.permissions import missing_permissions
from reconciler.core.plan import Plan, removes_all_scopes
from reconciler.errors import CrashError, Exit, ReconcilerError
from reconciler.http.retry import RetryPolicy
from reconciler.output.formats import RunResult
from reconciler.output.styled import line
from reconciler.output.text.plan import plan_lines

READS_AFTER_APPLY = 3
REREAD_DELAY_SECONDS = 1.5
"""A tenant may return old data after a write. The last read is three seconds after the first one."""


class ApplyRun:
    """Applies a plan to one tenant, from the first line of the journal to the last read of the tenant.

    `saved_plan` is the checksum of the saved plan that approves the run, or None. The journal records `evidence`.
    """

    def __init__(
        self,
        planned: TenantResult[TenantPlan],
        request_options: RequestOptions,
        interruption: Interruption,
        *,
        saved_plan: str | None,
        evidence: Mapping[str, str],
    ) -> None:
        self._saved_plan = saved_plan
        self._evidence = evidence
        self._session = planned.session
        self._plan = planned.result.plan
        self._observation = planned.result.observation
        self._request_options = request_options
        self._interruption = interruption
        self._stop = interruption.new_stop_signal()
        self._crashed: Callable[[Exception], None] = reraise
        self.rollback = ""
        """The command that undoes the run, once the snapshot is written."""

    async def execute(self, console: Console, on_outcome: Callable[[Outcome], None]) -> tuple[ApplyReport, Exit]:
        """Execute the plan and read the tenant again. `on_outcome` receives each outcome.

        Raises:
            ReconcilerError: if the journal or the snapshot cannot be written. Nothing was sent then.
        """
        session, plan = self._session, self._plan
        with closing(open_journal(session.folder)) as journal:
            await journal.begin(plan, self._saved_plan, self._evidence)
            only_for = plan.tenant.name if session.is_declared else None
            snapshot = write_snapshot(session.folder, journal.run, plan, self._observation.directory, only_for)
            session.note(f"Run {journal.run}, journal {journal.path}")
            rollback_command = shlex.join(["reconciler", *session.tenant_options, "--grants", str(snapshot), "apply"])
            self.rollback = rollback_command
            self._crashed = lambda error: console.failure(CrashError(error), plan.tenant.name)
            with self._deadline_timer():
                outcomes = await self._execute_plan(self._context(journal, on_outcome))
                report = await self._verify(outcomes)
            await _end_journal(journal, report, console)
        return report, self._exit_code(report)

    async def _execute_plan(self, context: ApplyContext) -> tuple[Outcome, ...]:
        """Execute the plan. After an unexpected exception, keep known outcomes and skip the other changes."""
        finished: list[Outcome] = []

        def on_outcome(outcome: Outcome) -> None:
            finished.append(outcome)
            context.on_outcome(outcome)

        try:
            return await execute_plan(self._plan, replace(context, on_outcome=on_outcome))
        except Exception as error:  # noqa: BLE001 - a bug must not hide finished changes
            self._crashed(error)
            finished_keys = {outcome.change.key for outcome in finished}
            reason = f"not started: unexpected {type(error).__name__}"
            unstarted = (change for change in self._plan.changes if change.key not in finished_keys)
            return (*finished, *(Outcome(change, Result.SKIPPED, reason) for change in unstarted))

    def _context(self, journal: Journal, on_outcome: Callable[[Outcome], None]) -> ApplyContext:
        return ApplyContext(
            client=self._session.client,
            journal=journal,
            stop=self._stop,
            on_outcome=on_outcome,
            concurrency=self._request_options.concurrency,
            retry_policy=RetryPolicy(self._request_options.attempts, deadline=self._session.deadline),
            observed=len(self._observation.grants),
            on_crash=self._crashed,
        )

    @contextmanager
    def _deadline_timer(self) -> Iterator[None]:
        timer = asyncio.get_running_loop().call_at(self._session.deadline, self._stop_at_deadline)
        try:
            yield
        finally:
            timer.cancel()

    def _stop_at_deadline(self) -> None:
        self._stop.request_stop(TIME_LIMIT_EXCEEDED)
        asyncio.get_running_loop().call_later(GRACE_SECONDS, self._stop.abort.set)

    async def _verify(self, outcomes: tuple[Outcome, ...]) -> ApplyReport:
        """Read the tenant again, because a 200 does not prove that a change took effect.

        If reading fails, the report still has the outcomes.
        """
        all_applied = all(outcome.result is Result.APPLIED for outcome in outcomes)
        reads_left = READS_AFTER_APPLY if all_applied else 1
        report = await self._read_again(outcomes)
        while (
            report.remaining and report.remaining.changes and (reads_left := reads_left - 1) and not self._stop.reason
        ):
            await run_unless(self._interruption.abandoned, asyncio.sleep(REREAD_DELAY_SECONDS))
            report = await self._read_again(outcomes)
        return report

    async def _read_again(self, outcomes: tuple[Outcome, ...]) -> ApplyReport:
        try:
            observation = await self._session.observe_again(self._observation, self._interruption.abandoned)
            if observation is None:
                return ApplyReport(outcomes, None, "interrupted before the tenant was read again")
            return ApplyReport(outcomes, self._session.plan(observation))
        except ReconcilerError as error:
            return ApplyReport(outcomes, None, f"the tenant could not be read again: {error}")
        except Exception as error:  # noqa: BLE001 - a bug must not hide finished changes
            self._crashed(error)
            return ApplyReport(outcomes, None, f"the tenant could not be read again: unexpected {type(error).__name__}")

    def _exit_code(self, report: ApplyReport) -> Exit:
        if self._interruption.exit_code is not None:
            return self._interruption.exit_code
        is_done = report.converged and all(outcome.result is Result.APPLIED for outcome in report.outcomes)
        return Exit.DONE if is_done else Exit.INCOMPLETE


async def _end_journal(journal: Journal, report: ApplyReport, console: Console) -> None:
    """Record the end in the journal. A failure is only printed, so that the outcomes are still reported."""
    try:
        await journal.end(converged=report.converged)
    except JournalError as error:
        console.error(str(error))


PlannedTenant = TenantResult[TenantPlan]


class ApplyCommand:
    """Applies plans. The questions come one after the other. Then all tenants are changed at the same time."""

    def __init__(  # noqa: PLR0913 - the options of the command
        self,
        tenants: TenantRuns,
        approval: ApprovedPlan,
        console: Console,
        *,
        asks: bool,
        stdout_has_data: bool,
        verbose: bool,
    ) -> None:
        self._tenants = tenants
        self._approval = approval
        self._console = console
        self._asks = asks and not approval.kind
        self._approved_by = approval.kind or ("answer" if asks else "--yes")
        self._stdout_has_data = stdout_has_data
        self._verbose = verbose
        self._finished: list[tuple[RunResult, Exit]] = []

    def confirm(self, planned_tenants: Sequence[PlannedTenant]) -> list[PlannedTenant]:
        """Show the plans and ask for confirmation. Return the confirmed plans that have changes."""
        confirmed = []
        for number, planned_tenant in enumerate(planned_tenants):
            if number:
                self._console.plan([line()], stdout_has_data=self._stdout_has_data, before_question=False)
            with self._tenants.isolate(planned_tenant.session.tenant):
                tenant_plan = self._approval.with_notes(planned_tenant.result)
                if self._confirm_plan(planned_tenant.session, tenant_plan):
                    confirmed.append(TenantResult(planned_tenant.session, tenant_plan))
        return confirmed

    def _confirm_plan(self, session: TenantSession, tenant_plan: TenantPlan) -> bool:
        """Show a plan, ask, and return whether to apply it. Raises ReconcilerError if the plan must not be applied."""
        plan = tenant_plan.plan
        self._console.problems(session.warnings(plan), session.declared.texts)
        asks = self._asks and bool(plan.changes) and not plan.blocked
        self._console.plan(
            plan_lines(plan, verbose=self._verbose), stdout_has_data=self._stdout_has_data, before_question=asks
        )
        if plan.blocked or not plan.changes:
            self._finished.append((RunResult(plan, ApplyReport((), plan)), _exit_code_without_writes(plan)))
            return False
        self._approval.check_changes(tenant_plan, self._console, stdout_has_data=self._stdout_has_data)
        _refuse_without_permissions(session, plan)
        if asks:
            _ask(plan, self._console)
        return True

    def apply(
        self, confirmed: Sequence[PlannedTenant], request_options: RequestOptions
    ) -> list[tuple[RunResult, Exit]]:
        """Apply the confirmed plans. Return the result and exit code of each tenant, in any order."""
        interruption = Interruption(self._console)
        total = sum(len(planned_tenant.result.plan.changes) for planned_tenant in confirmed)
        saved = self._approval.saved
        runs = {
            planned_tenant.session.tenant.name: ApplyRun(
                planned_tenant,
                request_options,
                interruption,
                saved_plan=saved.checksum if saved else None,
                evidence={**ci.run_evidence(), "approval": self._approved_by},
            )
            for planned_tenant in confirmed
        }
        with (
            interruption.handle_signals(self._tenants.runner.get_loop()),
            progress(total, self._console) as report_progress,
        ):
            sessions = [planned_tenant.session for planned_tenant in confirmed]
            results = self._tenants.run(
                sessions, lambda session: runs[session.tenant.name].execute(self._console, report_progress)
            )
        plans = {planned_tenant.session.tenant.name: planned_tenant.result.plan for planned_tenant in confirmed}
        reports = [(plans[tenant_result.session.tenant.name], *tenant_result.result) for tenant_result in results]
        return [
            *self._finished,
            *(
                (RunResult(plan, report, runs[plan.tenant.name].rollback), exit_code)
                for plan, report, exit_code in reports
            ),
        ]


def _exit_code_without_writes(plan: Plan) -> Exit:
    if plan.blocked:
        return Exit.REFUSED
    return Exit.DONE if plan.converged else Exit.INCOMPLETE


def _refuse_without_permissions(session: TenantSession, plan: Plan) -> None:
    missing = missing_permissions(plan, session.client.permissions())
    if missing:
        raise ReconcilerError(
            f"nothing was written: the access token lacks {', '.join(missing)}; add them to the grant of "
            "reconciler's own application on the Management API",
        )


def _ask(plan: Plan, console: Console) -> None:
    """Ask the user to type "yes", or the number of grants that are deleted or lose all scopes, if there are any."""
    if not sys.stdin.isatty():
        raise ReconcilerError("nothing was written: there is no terminal for the question; use --yes")
    deletes = sum(map(removes_all_scopes, plan.changes))
    expected, description = (str(deletes), "the number of deletes") if deletes else ("yes", "yes")
    question = f"Apply this to {plan.tenant}? Only {description} is accepted: "
    try:
        answer = console.ask(question)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt("nothing was written") from error
    if answer != expected:
        raise ReconcilerError(f"nothing was written: the answer was not {description}")
