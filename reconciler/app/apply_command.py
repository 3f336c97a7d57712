"""Apply: show the plans, ask, execute them at all tenants at the same time."""

import sys
from collections.abc import Sequence

from reconciler.app.apply_run import ApplyRun
from reconciler.app.approval import ApprovedPlan
from reconciler.app.console import Console, progress
from reconciler.app.interruption import Interruption
from reconciler.app.options import RequestOptions
from reconciler.app.session import TenantPlan, TenantSession
from reconciler.app.tenant_runs import TenantResult, TenantRuns
from reconciler.core.outcome import ApplyReport
from reconciler.core.permissions import missing_permissions
from reconciler.core.plan import Plan, removes_all_scopes
from reconciler.errors import Exit, ReconcilerError
from reconciler.output.formats import RunResult
from reconciler.output.styled import line
from reconciler.output.text.plan import plan_lines

Agreed = TenantResult[TenantPlan]


class ApplyCommand:
    """Applies plans: one tenant after the other asks, then all tenants apply at the same time."""

    def __init__(  # noqa: PLR0913 - the options of the command
        self, tenants: TenantRuns, approval: ApprovedPlan, console: Console, *, asks: bool, data: bool, verbose: bool
    ) -> None:
        self._tenants = tenants
        self._approval = approval
        self._console = console
        self._asks = asks and not approval.saved
        self._data = data
        self._verbose = verbose
        self._ended: list[tuple[RunResult, Exit]] = []

    def agreed(self, planned: Sequence[Agreed]) -> list[Agreed]:
        """Show the plans. Return the plans to apply."""
        agreed = []
        for number, done in enumerate(planned):
            if number:
                self._console.plan([line()], data=self._data, asks=False)
            with self._tenants.alone(done.session.tenant):
                planning = self._approval.with_notes(done.result)
                if self._is_agreed(done.session, planning):
                    agreed.append(TenantResult(done.session, planning))
        return agreed

    def _is_agreed(self, session: TenantSession, planning: TenantPlan) -> bool:
        """Show a plan and return whether to apply it. Raises ReconcilerError if that is not allowed."""
        plan = planning.plan
        self._console.problems(session.warnings(plan), session.declared.texts)
        asks = self._asks and bool(plan.changes) and not plan.blocked
        self._console.plan(plan_lines(plan, verbose=self._verbose), data=self._data, asks=asks)
        if plan.blocked or not plan.changes:
            self._ended.append((RunResult(plan, ApplyReport((), plan)), _nothing_done(plan)))
            return False
        self._approval.check_changes(planning, self._console, data=self._data)
        _refuse_without_permissions(session, plan)
        if asks:
            _ask(plan, self._console)
        return True

    def carried_out(self, agreed: Sequence[Agreed], request_options: RequestOptions) -> list[tuple[RunResult, Exit]]:
        """Apply the plans and return the result of each tenant, in any order."""
        interruption = Interruption(self._console)
        total = sum(len(done.result.plan.changes) for done in agreed)
        saved = self._approval.saved
        runs = {
            done.session.tenant.name: ApplyRun(
                done,
                request_options,
                interruption,
                saved_plan=saved.checksum if saved else None,
            )
            for done in agreed
        }
        with (
            interruption.listening(self._tenants.runner.get_loop()),
            progress(total, self._console) as tell,
        ):
            sessions = [done.session for done in agreed]
            carried = self._tenants.each(sessions, lambda session: runs[session.tenant.name].done(self._console, tell))
        plans = {done.session.tenant.name: done.result.plan for done in agreed}
        reported = [(plans[done.session.tenant.name], *done.result) for done in carried]
        return [*self._ended, *((RunResult(plan, report), exit_code) for plan, report, exit_code in reported)]


def _nothing_done(plan: Plan) -> Exit:
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
    """Ask for "yes", or for the number of grants that are deleted or lose all scopes, so that the user reads it."""
    if not sys.stdin.isatty():
        raise ReconcilerError("nothing was written: there is no terminal for the question; use --yes")
    deletes = sum(map(removes_all_scopes, plan.changes))
    expected, what = (str(deletes), "the number of deletes") if deletes else ("yes", "yes")
    question = f"Apply this to {plan.tenant}? Only {what} is accepted: "
    if console.asked(question) != expected:
        raise ReconcilerError(f"nothing was written: the answer was not {what}")
