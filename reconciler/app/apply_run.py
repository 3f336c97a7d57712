"""Apply a plan to one tenant: write the journal and a snapshot, make the changes, and read the tenant again."""

import asyncio
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from reconciler.app.console import Console
from reconciler.app.interruption import GRACE_SECONDS, Interruption
from reconciler.app.options import RequestOptions
from reconciler.app.session import TenantPlan, TenantSession
from reconciler.app.time_limit import TIME_LIMIT_EXCEEDED
from reconciler.apply import ApplyContext, execute_plan, reraise
from reconciler.artifacts.journal import Journal, JournalError, open_journal
from reconciler.artifacts.snapshot import write_snapshot
from reconciler.concurrency import run_unless
from reconciler.core.outcome import ApplyReport, Outcome, Result
from reconciler.errors import CrashError, Exit, ReconcilerError
from reconciler.http.retry import RetryPolicy
from reconciler.output.markdown import tenants as _  # noqa: F401 - a report after a write must not need an import

READS_AFTER_APPLY = 3
REREAD_DELAY_SECONDS = 1.5
"""The pause in seconds between the last write to a tenant and the read that verifies the changes.

A tenant may return old data shortly after a write.
"""


class ApplyRun:
    """Applies a plan to one tenant.

    The run begins the journal, writes the snapshot, makes the changes, and reads the tenant again.

    `saved_plan` is the checksum of the saved plan that the run applies, or None. `evidence` contains facts that the
    journal records, for example the user and the commit. If `is_announced` is true, the run prints the name of the run
    and the path of the journal.
    """

    def __init__(  # noqa: PLR0913 - each parameter is a separate object
        self,
        session: TenantSession,
        planned: TenantPlan,
        request_options: RequestOptions,
        interruption: Interruption,
        *,
        saved_plan: str | None,
        evidence: Mapping[str, str],
        is_announced: bool = True,
    ) -> None:
        self._saved_plan = saved_plan
        self._evidence = evidence
        self._is_announced = is_announced
        self._session = session
        self._plan = planned.plan
        self._observation = planned.observation
        self._request_options = request_options
        self._interruption = interruption
        self._stop = interruption.new_stop_signal()
        self._crashed: Callable[[Exception], None] = reraise
        self.rollback = ""
        """The command that undoes the run, or an empty string until the snapshot is written."""
        self.may_have_written = False
        """True if the run may have sent its first change."""

    async def execute(self, console: Console, on_outcome: Callable[[Outcome], None]) -> tuple[ApplyReport, Exit]:
        """Execute the plan and read the tenant again. `on_outcome` is called with the outcome of each change.

        Raises:
            ReconcilerError: if the journal or the snapshot cannot be written. A ReconcilerError means that the tenant
                is unchanged.
        """
        session, plan = self._session, self._plan
        with closing(open_journal(session.folder)) as journal:
            snapshot = await self._begin(journal)
            if self._is_announced:
                session.note(f"Run {journal.run}, journal {journal.path}")
            rollback_command = shlex.join(["reconciler", *session.tenant_options, "--grants", str(snapshot), "apply"])
            self.rollback = rollback_command
            self._crashed = lambda error: console.failure(CrashError(error), plan.tenant.name)
            self.may_have_written = True
            with self._deadline_timer():
                outcomes = await self._execute_plan(self._context(journal, on_outcome))
                report = await self._verify(outcomes)
            await _end_journal(journal, report, console)
        return report, self._exit_code(report)

    async def _begin(self, journal: Journal) -> Path:
        """Write the first line of the journal and the snapshot. Return the path of the snapshot.

        Raise ReconcilerError, and remove the journal, if one of them cannot be written.
        """
        session, plan = self._session, self._plan
        only_for = plan.tenant.name if session.is_declared else None
        try:
            await journal.begin(plan, self._saved_plan, self._evidence)
            return write_snapshot(session.folder, journal.run, plan, self._observation.directory, only_for)
        except ReconcilerError:
            journal.discard()
            raise

    async def _execute_plan(self, context: ApplyContext) -> tuple[Outcome, ...]:
        """Execute the plan.

        After an unexpected exception, keep the known outcomes of changes and skip the remaining changes.
        """
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
        """Read the tenant after the changes. A response with status 200 does not prove that a change took effect.

        If reading the tenant again fails, the report still contains the outcome of each change.
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
    """Record the end of the run in the journal.

    If the journal cannot be written, print the error, so that the outcomes are still reported.
    """
    try:
        await journal.end(converged=report.converged)
    except JournalError as error:
        console.error(str(error))
