"""Show plans, ask for confirmation, and apply the plans to all tenants at the same time."""

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
        self._asks = asks and not approval.saved
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
        return [*self._finished, *((RunResult(plan, report), exit_code) for plan, report, exit_code in reports)]


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
    if console.ask(question) != expected:
        raise ReconcilerError(f"nothing was written: the answer was not {description}")
