"""`reconciler apply`: show the plan, ask, carry it out, read the tenant again, and tell what became of it."""

import sys

import click

from reconciler.cli.approving import Approval, approval_options
from reconciler.cli.console import Console
from reconciler.cli.options import also_global_options, format_option, options
from reconciler.cli.reaching import Reach, reaching_options
from reconciler.cli.run import Run
from reconciler.cli.session import Session, session
from reconciler.cli.shaping import Shape, shaping_options
from reconciler.core.outcome import Report
from reconciler.core.permissions import missing_permissions
from reconciler.core.plan import Delete, Plan
from reconciler.errors import Exit, ReconcilerError, ReportLostError
from reconciler.render.outcomes import report_json, report_lines
from reconciler.render.plan_text import plan_lines
from reconciler.render.styled import line


@also_global_options
@click.command("apply")
@shaping_options
@approval_options
@click.option("--yes", is_flag=True, help="Do not ask. No guard is lifted by this.")
@reaching_options
@format_option("apply")
def command(*, shape: Shape, reach: Reach, approval: Approval, yes: bool, form: str) -> Exit:
    """Change the tenant to what the files declare.

    Prints the plan, asks, carries it out, reads the tenant again, and exits with 0 only if it equals the files.

    PLANFILE, from plan --out, stands in for the question: it is planned afresh, and what does not stand in the file
    with the same before and after ends the run with exit code 5 before anything is written.
    """
    given = options()
    console = Console(given)
    approval.check_options(shape)
    with session(given, shape, reach, console) as reached:
        approval.check_tenant(reached.tenant.host)
        observation = reached.observe()
        plan = reached.plan(observation)
        console.problems(reached.warnings(plan), reached.declared.texts)
        asks = bool(plan.changes) and not (plan.blocked or yes or approval.saved)
        console.plan(plan_lines(plan, every=given.verbose), data=form == "json", asks=asks)
        if plan.blocked or not plan.changes:
            report, exit_code = Report((), plan), _nothing_done(plan)
        else:
            approval.check_changes(plan, console)
            _refuse_without_permissions(reached, plan)
            if asks:
                _ask(plan, console)
            report, exit_code = Run(reached, plan, observation, console, reach).done()
    try:
        _tell(report, plan, console, form)
    except OSError as error:
        raise ReportLostError(str(error)) from error
    return exit_code


def _nothing_done(plan: Plan) -> Exit:
    if plan.blocked:
        return Exit.REFUSED
    return Exit.DONE if plan.converged else Exit.INCOMPLETE


def _tell(report: Report, plan: Plan, console: Console, form: str) -> None:
    if form == "json":
        console.data(report_json(report))
    elif report.outcomes:
        console.result([line(), *report_lines(report, plan.directory)])


def _refuse_without_permissions(reached: Session, plan: Plan) -> None:
    missing = missing_permissions(plan, reached.client.permissions())
    if missing:
        raise ReconcilerError(
            f"nothing was written: the access token lacks {', '.join(missing)}; add them to the grant of "
            "reconciler's own application on the Management API",
        )


def _ask(plan: Plan, console: Console) -> None:
    """Ask for yes; where grants are deleted, for their number: who types it has read it."""
    if not sys.stdin.isatty():
        raise ReconcilerError("nothing was written: there is no terminal to ask on; --yes answers beforehand")
    deletes = sum(isinstance(change, Delete) for change in plan.changes)
    expected, what = (str(deletes), "the number of deletes") if deletes else ("yes", "yes")
    question = f"Apply this to {plan.tenant.name} ({plan.tenant.domain})? Only {what} is accepted: "
    if console.asked(question) != expected:
        raise ReconcilerError(f"nothing was written: the answer was not {what}")
