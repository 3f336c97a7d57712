"""`reconciler plan`: show the changes without writing."""

from collections.abc import Sequence
from datetime import UTC, datetime

import click

from reconciler.app import ci
from reconciler.app.console import Console
from reconciler.app.options import GlobalOptions, PlanOptions, RequestOptions
from reconciler.app.outputs import OutputFile, check_outputs
from reconciler.app.reports import TENANT, OutputOptions, files_for
from reconciler.app.session import TenantSession
from reconciler.app.tenant_runs import TenantRuns, chosen, expected_names, failures_of, tenant_runs
from reconciler.artifacts.saved_plan import discard_plan, write_plan
from reconciler.cli.option_groups import output_options, plan_options, request_options
from reconciler.cli.options import also_global_options, options
from reconciler.core.plan import Plan
from reconciler.errors import Exit, ReconcilerError
from reconciler.output.formats import OutputView, PlanResults, outputs_of, render
from reconciler.output.styled import line
from reconciler.output.text.plan import plan_lines

Plans = Sequence[tuple[TenantSession, Plan]]


@also_global_options
@click.command("plan")
@plan_options
@request_options
@click.option("--out", metavar="FILE", help="Save the plan. {tenant} in the name stands for the tenant's name.")
@output_options("markdown", "sarif", "github")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if there are changes.")
def command(
    *,
    plan_options: PlanOptions,
    request_options: RequestOptions,
    out: str | None,
    output_options: OutputOptions,
    detailed_exitcode: bool,
) -> Exit:
    """Show what would change in the tenant. Nothing is written."""
    given = options()
    console = Console(given)
    _check_outputs(given, out, output_options)
    try:
        plans, tenants = _planned(given, plan_options, request_options, out, console)
    except ReconcilerError as error:
        error.tenants = error.tenants or dict.fromkeys(given.tenants, False)
        if error.tenants:
            _report(PlanResults([], failures_of(error)), output_options, given)
        raise
    _tell(PlanResults([plan for _, plan in plans], tenants.failures), output_options, console, given)
    return tenants.worst(_exit_code(plan, detailed=detailed_exitcode) for _, plan in plans)


def _planned(
    given: GlobalOptions, plan_options: PlanOptions, request_options: RequestOptions, out: str | None, console: Console
) -> tuple[Plans, TenantRuns]:
    """Plan and save the plans."""
    if out:
        _discard_older(out, given, console)
    with tenant_runs(given, plan_options, request_options, console) as (tenants, sessions):
        if out and tenants.are_several and TENANT not in out:
            raise ReconcilerError(f"--out {out}: each tenant needs its own plan file; add {TENANT} to the name")
        plans = [(done.session, done.result.plan) for done in tenants.planned(sessions)]
        for session, plan in plans:
            console.problems(session.warnings(plan), session.declared.texts)
            if out:
                _save(out, plan, session)
        return plans, tenants


def _check_outputs(given: GlobalOptions, out: str | None, output_options: OutputOptions) -> None:
    """Raise ReconcilerError if an output file cannot be written."""
    paths = [*([out] if out else []), *(file.path for file in output_options.reports)]
    names = expected_names(given) if any(TENANT in path for path in paths) else []
    plans = [OutputFile("--out", path) for path, _ in (files_for(out, names) if out else ())]
    check_outputs(given, [*plans, *output_options.outputs(names)])


def _discard_older(out: str, given: GlobalOptions, console: Console) -> None:
    """Remove the plans of an earlier run, so that nobody applies them if this run fails."""
    names = [tenant.name for tenant in chosen(given)[1]] if TENANT in out else []
    for path, _ in files_for(out, names):
        if discard_plan(path):
            console.note(f"{path}: the plan of an earlier run was removed")


def _save(out: str, plan: Plan, session: TenantSession) -> None:
    ((path, _),) = files_for(out, [plan.tenant.name])
    write_plan(path, plan, session.plan_options.selection(), datetime.now(UTC))


def _view(output_options: OutputOptions, given: GlobalOptions) -> OutputView:
    return OutputView(verbose=given.verbose, links=ci.source_links(given.config), max_bytes=output_options.max_bytes)


def _report(planned: PlanResults, output_options: OutputOptions, given: GlobalOptions) -> None:
    """Write report files, the step summary and step outputs. They replace older reports."""
    view = _view(output_options, given)
    names = [*(plan.tenant.name for plan in planned.plans), *planned.failed]
    output_options.write(names, lambda name, some: render(planned.of(some), name, view))
    summary = OutputView(links=view.links, max_bytes=ci.SUMMARY_BYTES)
    ci.tell_summary(lambda: render(planned, "markdown", summary))
    if planned.plans:
        ci.tell_outputs(lambda: outputs_of(planned))


def _tell(planned: PlanResults, output_options: OutputOptions, console: Console, given: GlobalOptions) -> None:
    _report(planned, output_options, given)
    if output_options.stdout_format == "text":
        for number, plan in enumerate(planned.plans):
            console.result([line()] * bool(number))
            console.result(plan_lines(plan, verbose=given.verbose))
        return
    for plan in planned.plans:
        for note in plan.notes:
            console.note(f"Note: {note}")
    console.text(render(planned, output_options.stdout_format, _view(output_options, given)))


def _exit_code(plan: Plan, *, detailed: bool) -> Exit:
    if plan.blocked:
        return Exit.REFUSED
    if plan.skipped:
        return Exit.INCOMPLETE
    return Exit.CHANGES if detailed and plan.changes else Exit.DONE
