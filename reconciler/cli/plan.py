"""`reconciler plan`: show the changes without writing."""

from collections.abc import Sequence
from datetime import UTC, datetime

import click

from reconciler.app import ci
from reconciler.app.console import Console
from reconciler.app.options import GlobalOptions, PlanOptions, RequestOptions
from reconciler.app.outputs import TENANT, OutputFile, OutputOptions, check_outputs, files_for
from reconciler.app.session import TenantSession
from reconciler.app.tenant_runs import TenantRuns, expected_tenant_names, select_tenants, tenant_failures, tenant_runs
from reconciler.artifacts.saved_plan import discard_plan, write_plan
from reconciler.cli.option_groups import output_options, plan_options, request_options
from reconciler.cli.options import current_options, hidden_global_options, shard_option
from reconciler.core.plan import Plan
from reconciler.errors import Exit, ReconcilerError
from reconciler.output.formats import OutputView, PlanResults, outputs_of, render
from reconciler.output.styled import line
from reconciler.output.text.plan import plan_lines
from reconciler.output.words import refusal

Plans = Sequence[tuple[TenantSession, Plan]]


@hidden_global_options
@click.command("plan")
@plan_options
@request_options
@shard_option
@click.option("--out", metavar="FILE", help="Save the plan to FILE. {tenant} in FILE is replaced by the tenant's name.")
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
    options = current_options()
    console = Console(options)
    _check_outputs(options, out, output_options)
    try:
        plans, tenants = _make_plans(options, plan_options, request_options, out, console)
    except ReconcilerError as error:
        error.tenants = error.tenants or dict.fromkeys(options.tenants, False)
        if error.tenants:
            _write_reports(PlanResults([], tenant_failures(error)), output_options, options)
        raise
    _print_plans(PlanResults([plan for _, plan in plans], tenants.failures), output_options, console, options)
    for _, plan in plans:
        if plan.blocked:
            console.error(refusal(plan), plan.tenant.name if tenants.are_several else "")
    return tenants.worst_exit_code(_exit_code(plan, detailed=detailed_exitcode) for _, plan in plans)


def _make_plans(
    options: GlobalOptions,
    plan_options: PlanOptions,
    request_options: RequestOptions,
    out: str | None,
    console: Console,
) -> tuple[Plans, TenantRuns]:
    """Make the plans and save them if `out` is set."""
    if out:
        _discard_old_plans(out, options, console)
    with tenant_runs(options, plan_options, request_options, console) as (tenants, sessions):
        if out and tenants.are_several and TENANT not in out:
            raise ReconcilerError(f"--out {out}: each tenant needs its own plan file; add {TENANT} to the name")
        plans = [(tenant_result.session, tenant_result.result.plan) for tenant_result in tenants.plan_all(sessions)]
        for session, plan in plans:
            console.problems(session.warnings(plan), session.declared.texts)
            if out:
                _save(out, plan, session)
        return plans, tenants


def _check_outputs(options: GlobalOptions, out: str | None, output_options: OutputOptions) -> None:
    """Raise ReconcilerError if an output file cannot be written."""
    paths = [*([out] if out else []), *(file.path for file in output_options.reports)]
    names = expected_tenant_names(options) if any(TENANT in path for path in paths) else []
    plans = [OutputFile("--out", path) for path, _ in (files_for(out, names) if out else ())]
    check_outputs(options, [*plans, *output_options.outputs(names)])


def _discard_old_plans(out: str, options: GlobalOptions, console: Console) -> None:
    """Remove the saved plans of an earlier run, so that nobody applies them if this run fails."""
    names = [tenant.name for tenant in select_tenants(options)[1]] if TENANT in out else []
    for path, _ in files_for(out, names):
        if discard_plan(path):
            console.note(f"{path}: the plan of an earlier run was removed")


def _save(out: str, plan: Plan, session: TenantSession) -> None:
    ((path, _),) = files_for(out, [plan.tenant.name])
    write_plan(path, plan, session.plan_options.selection(), datetime.now(UTC))


def _view(output_options: OutputOptions, options: GlobalOptions) -> OutputView:
    return OutputView(
        verbose=options.verbose, links=ci.source_links(options.config), max_bytes=output_options.max_bytes
    )


def _write_reports(results: PlanResults, output_options: OutputOptions, options: GlobalOptions) -> None:
    """Write the report files, the step summary and the step outputs."""
    view = _view(output_options, options)
    names = [*(plan.tenant.name for plan in results.plans), *results.failed]
    output_options.write(names, lambda name, selected: render(results.of(selected), name, view))
    summary = OutputView(links=view.links, max_bytes=ci.SUMMARY_BYTES)
    ci.write_step_summary(lambda: render(results, "markdown", summary))
    if results.plans:
        ci.write_step_outputs(lambda: outputs_of(results))


def _print_plans(results: PlanResults, output_options: OutputOptions, console: Console, options: GlobalOptions) -> None:
    _write_reports(results, output_options, options)
    if output_options.stdout_format == "text":
        for number, plan in enumerate(results.plans):
            console.result([line()] * bool(number))
            console.result(plan_lines(plan, verbose=options.verbose))
        return
    for plan in results.plans:
        for note in plan.notes:
            console.note(f"Note: {note}")
    console.text(render(results, output_options.stdout_format, _view(output_options, options)))


def _exit_code(plan: Plan, *, detailed: bool) -> Exit:
    if plan.blocked:
        return Exit.REFUSED
    if plan.skipped:
        return Exit.INCOMPLETE
    return Exit.CHANGES if detailed and plan.has_differences else Exit.DONE
