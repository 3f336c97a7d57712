"""`reconciler apply`: show the plan, ask, carry it out, read the tenant again, and tell what became of it."""

import sys
from collections.abc import Sequence

import click

from reconciler.app import ci
from reconciler.app.apply_run import ApplyRun
from reconciler.app.console import Console, progress
from reconciler.app.interruption import Interruption
from reconciler.app.load import own_folder
from reconciler.app.outputs import check_outputs
from reconciler.app.session import TenantPlan, TenantSession
from reconciler.app.tenant_runs import TenantResult, TenantRuns, expected_names, failures_of, tenant_runs
from reconciler.cli.approving import ApprovedPlan, approval_options
from reconciler.cli.options import also_global_options, options
from reconciler.cli.reaching import RequestOptions, reaching_options
from reconciler.cli.reports import TENANT, OutputOptions, forms_options
from reconciler.cli.shaping import PlanOptions, shaping_options
from reconciler.core.outcome import ApplyReport, Result
from reconciler.core.permissions import missing_permissions
from reconciler.core.plan import Plan, takes_everything
from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.quoting import visible
from reconciler.errors import Exit, ReconcilerError, ReportLostError, reason
from reconciler.output.formats import PlanResults, RunResult, RunResults, ends_as, outputs_of
from reconciler.output.source_links import SourceLinks
from reconciler.output.styled import line
from reconciler.output.text.outcomes import report_lines
from reconciler.output.text.plan import plan_lines


@also_global_options
@click.command("apply")
@shaping_options
@approval_options
@click.option("--yes", is_flag=True, help="Do not ask. No guard is lifted by this.")
@reaching_options
@forms_options("markdown")
def command(
    *, shape: PlanOptions, reach: RequestOptions, approval: ApprovedPlan, yes: bool, forms: OutputOptions
) -> Exit:
    """Change the tenant to what the files declare.

    Prints the plan, asks, carries it out, reads the tenant again, and exits with 0 only if it equals the files.

    PLANFILE, from plan --out, stands in for the question: it is planned afresh, and what does not stand in the file
    with the same before and after ends the run with exit code 5 before anything is written.
    """
    console = Console(options())
    _check_outputs(forms)
    approval.check_options(shape)
    approval.check_not_applied(own_folder(options().config))
    try:
        with tenant_runs(options(), shape, reach, console, names=approval.shows_names) as (tenants, sessions):
            approval.check_tenants(sessions)
            applying = ApplyCommand(tenants, approval, console, asks=not yes, data=forms.stdout != "text")
            agreed = applying.agreed(tenants.planned(sessions))
            if agreed:
                approval.check_tip(options().config)
            ended = applying.carried_out(agreed, reach)
    except ReconcilerError as error:
        error.tenants = error.tenants or dict.fromkeys(options().tenants, False)
        if error.tenants:
            _report(RunResults([], failures_of(error)), forms, ci.checkout(options().config))
        raise
    ended.sort(key=lambda each: tenants.names.index(each[0].plan.tenant.name))
    ends = RunResults([end for end, _ in ended], tenants.failures)
    try:
        _tell(ends, forms, console)
    except OSError as error:
        raise ReportLostError(reason(error)) from error
    code = tenants.worst(exit_code for _, exit_code in ended)
    wrote = any(outcome.result is not Result.SKIPPED for end in ends.ends for outcome in end.report.outcomes)
    try:
        _report(ends, forms, ci.checkout(options().config))
        ci.tell_outputs(lambda: outputs_of(PlanResults([end.plan for end in ends.ends])))
    except ReconcilerError as error:
        if not wrote:
            raise
        console.problems([Problem(Source("--report"), str(error), severity=Severity.WARNING)], {})
    return Exit.INCOMPLETE if wrote and code in NOTHING_WRITTEN else code


Agreed = TenantResult[TenantPlan]
NOTHING_WRITTEN = frozenset({Exit.FAILED, Exit.REFUSED, Exit.STALE})
"""Exit codes that say so. Once one tenant was changed, they are not true of the run."""


class ApplyCommand:
    """From plans to what became of them, tenant by tenant as far as a person is asked, all at once behind that."""

    def __init__(
        self, tenants: TenantRuns, approval: ApprovedPlan, console: Console, *, asks: bool, data: bool
    ) -> None:
        self._tenants = tenants
        self._approval = approval
        self._console = console
        self._asks = asks and not approval.saved
        self._data = data
        self._ended: list[tuple[RunResult, Exit]] = []

    def agreed(self, planned: Sequence[Agreed]) -> list[Agreed]:
        """Show the plans, and return those to be carried out."""
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
        """Show a plan and return whether it is to be carried out. Raises ReconcilerError if that is not allowed."""
        plan = planning.plan
        self._console.problems(session.warnings(plan), session.declared.texts)
        asks = self._asks and bool(plan.changes) and not plan.blocked
        self._console.plan(plan_lines(plan, every=options().verbose), data=self._data, asks=asks)
        if plan.blocked or not plan.changes:
            self._ended.append((RunResult(plan, ApplyReport((), plan)), _nothing_done(plan)))
            return False
        self._approval.check_changes(planning, self._console, data=self._data)
        _refuse_without_permissions(session, plan)
        if asks:
            _ask(plan, self._console)
        return True

    def carried_out(self, agreed: Sequence[Agreed], reach: RequestOptions) -> list[tuple[RunResult, Exit]]:
        """Carry the plans out, and return how each tenant ended, in no order."""
        interruption = Interruption(self._console)
        total = sum(len(done.result.plan.changes) for done in agreed)
        saved = self._approval.saved
        runs = {
            done.session.tenant.name: ApplyRun(
                done,
                reach,
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


def _tell(ends: RunResults, forms: OutputOptions, console: Console) -> None:
    checkout = ci.checkout(options().config)
    if forms.stdout != "text":
        console.text(ends_as(forms.stdout, ends, checkout, forms.most_bytes))
    for end in ends.ends:
        if forms.stdout == "text" and end.report.outcomes:
            name = [line(f"Tenant {visible(end.plan.tenant.label)}")] if len(ends.ends) + len(ends.failed) > 1 else []
            console.result([line(), *name, *report_lines(end.report, end.plan.directory)])


def _check_outputs(forms: OutputOptions) -> None:
    """Raise ReconcilerError if a file or the journal cannot take what the run has to record."""
    named = any(TENANT in file.path for file in forms.files)
    names = expected_names(options()) if named else []
    check_outputs(options(), forms.outputs(names), journal=True)


def _report(ends: RunResults, forms: OutputOptions, checkout: SourceLinks) -> None:
    """Write report files and the summary of a step; an older report must not outlive what it tells of."""
    names = [*(end.plan.tenant.name for end in ends.ends), *ends.failed]
    forms.write(names, lambda form, some: ends_as(form, ends.of(some), checkout, forms.most_bytes))
    ci.tell_summary(lambda: ends_as("markdown", ends, checkout, ci.SUMMARY_BYTES))


def _refuse_without_permissions(session: TenantSession, plan: Plan) -> None:
    missing = missing_permissions(plan, session.client.permissions())
    if missing:
        raise ReconcilerError(
            f"nothing was written: the access token lacks {', '.join(missing)}; add them to the grant of "
            "reconciler's own application on the Management API",
        )


def _ask(plan: Plan, console: Console) -> None:
    """Ask for yes, or for the number of grants that are deleted or lose all scopes: who types it has read it."""
    if not sys.stdin.isatty():
        raise ReconcilerError("nothing was written: there is no terminal to ask on; --yes answers beforehand")
    deletes = sum(map(takes_everything, plan.changes))
    expected, what = (str(deletes), "the number of deletes") if deletes else ("yes", "yes")
    question = f"Apply this to {plan.tenant}? Only {what} is accepted: "
    if console.asked(question) != expected:
        raise ReconcilerError(f"nothing was written: the answer was not {what}")
