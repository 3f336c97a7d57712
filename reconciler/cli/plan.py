"""`reconciler plan`: show the changes without writing."""

import shlex
from functools import partial
from pathlib import Path

import click

from reconciler.app import ci
from reconciler.app.console import Console
from reconciler.app.interruption import Interruption
from reconciler.app.options import GlobalOptions, PlanOptions, RequestOptions, ResultOptions
from reconciler.app.outputs import (
    TENANT,
    InputFile,
    OutputFile,
    OutputOptions,
    check_outputs,
    files_for,
    plan_inputs,
)
from reconciler.app.run_context import expected_tenant_names
from reconciler.app.session import TenantSession
from reconciler.app.tenant_reports import TenantReports, failed_plans, reporting_failure
from reconciler.app.tenant_runs import TenantRuns, tenant_runs
from reconciler.artifacts.serialization import SHORT_ID_LENGTH
from reconciler.cli.option_groups import (
    at_once_option,
    output_options,
    plan_options,
    request_options,
    result_listeners,
    result_options,
)
from reconciler.cli.options import TENANT_OPTIONS, current_options, global_options, shard_option, wave_option
from reconciler.core.characters import pluralize
from reconciler.core.fleet.rollout import PLAN, exit_code_of_plan
from reconciler.core.identity import IdentityClaims, SameTenantError
from reconciler.core.plan import Plan
from reconciler.core.selection import refuse_empty_selection
from reconciler.errors import Exit, ReconcilerError
from reconciler.output.formats import OutputView, outputs_of, render
from reconciler.output.results import PlanResults
from reconciler.output.text.plan import plan_lines
from reconciler.output.text.tenants import plans_lines
from reconciler.output.words import refusal


@global_options(
    *TENANT_OPTIONS,
    examples=(
        "reconciler plan",
        "reconciler plan --base origin/main --prune-removed",
        "reconciler plan --client 'Billing*' --out billing.json",
    ),
)
@click.command("plan")
@plan_options()
@request_options
@at_once_option
@wave_option
@shard_option
@click.option("--out", metavar="FILE", help="Save the plan to FILE. {tenant} in FILE is replaced by the tenant's name.")
@result_options
@output_options("markdown", "sarif", "github")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if the plan has changes.")
def command(  # noqa: PLR0913 - each parameter is an option of the command
    *,
    plan_options: PlanOptions,
    request_options: RequestOptions,
    out: str | None,
    result_options: ResultOptions,
    output_options: OutputOptions,
    detailed_exitcode: bool,
) -> Exit:
    """Show what would change in the tenant. Nothing is written.

    PATHs are grant files or folders. With PATHs, --client or --api, the plan contains only the selected grants. All
    files are still read, so --prune never deletes a grant that another file declares.

    With several tenants, the output starts with a summary, and equal plans are shown once. -v shows every plan.
    """
    options = current_options()
    console = Console(options)
    used = _check_outputs(plan_options, out, output_options, console)
    listeners = result_listeners(PLAN, options, plan_options, result_options, used)
    try:
        with reporting_failure(listeners):
            plan_options.check()
        with (
            reporting_failure(listeners),
            tenant_runs(options, plan_options, request_options, console) as tenants,
        ):
            _refuse_shared_plan_file(out, tenants)
            view = _view(output_options, options)
            reports: TenantReports[Plan] = TenantReports(PLAN, tenants, console, output_options, view, listeners)
            _plan_all(tenants, reports, out, console, detailed=detailed_exitcode)
    except ReconcilerError as error:
        error.tenants = error.tenants or dict.fromkeys(options.tenants, False)
        if error.tenants:
            _write_reports(failed_plans(error), output_options, options)
        raise
    results = PlanResults(reports.results, tenants.failures, reports.summary)
    if not results.failed:
        refuse_empty_selection(plan.selection for plan in results.plans)
    _write_reports(results, output_options.joint if tenants.are_several else output_options, options)
    _print_plans(results, output_options, console, options)
    for plan in results.plans if not tenants.are_several else ():
        if plan.blocked:
            console.error(refusal(plan))
    reports.raise_errors()
    return tenants.worst_exit_code(reports.exit_codes.values())


def _plan_all(
    tenants: TenantRuns, reports: TenantReports[Plan], out: str | None, console: Console, *, detailed: bool
) -> None:
    """Plan each tenant, and report the plans.

    If `out` is set, save the plan. If two tenants in the configuration are the same Auth0 tenant, the run of the second
    tenant fails.
    """
    claims = IdentityClaims()

    async def plan_one(session: TenantSession) -> None:
        try:
            reports.begin(session.tenant)
            planned = await interruption.unless_stopped(session.observe_and_plan())
        except SameTenantError as error:
            claims.record(error)
            raise
        name, plan = session.tenant.name, planned.plan
        if not tenants.are_several:
            refuse_empty_selection([plan.selection])
        claims.claim(name, session.identities(planned.observation))
        claims.check(name)
        reports.show_problems(session.warnings(plan), session.declared.texts)
        if out:
            _save(out, plan, session)
        reports.end_plan(plan, _exit_code(plan, detailed=detailed))

    interruption = Interruption(console)
    with tenants.report_signals(interruption):
        tenants.run(plan_one, interruption=interruption)
    for name in list(reports.exit_codes):
        with tenants.isolate(name):
            _refuse_same_tenant(claims, name, out)


def _refuse_same_tenant(claims: IdentityClaims, name: str, out: str | None) -> None:
    """Raise SameTenantError if a tenant was already planned under a different name."""
    try:
        claims.check(name)
    except SameTenantError:
        from reconciler.artifacts.saved_plan import discard_plan

        for path, _ in files_for(out, [name]) if out else ():
            discard_plan(path)
        raise


def _refuse_shared_plan_file(out: str | None, tenants: TenantRuns) -> None:
    if out and tenants.are_several and TENANT not in out:
        raise ReconcilerError(f"--out {out}: each tenant needs its own plan file; add {TENANT} to the file name")


def _check_outputs(
    plan_options: PlanOptions, out: str | None, output_options: OutputOptions, console: Console
) -> list[InputFile]:
    """Return the input and output files in the options. Remove the plans and reports of earlier runs.

    Raise ReconcilerError if an output file cannot be written.
    """
    options = current_options()
    paths = [*([out] if out else []), *(file.path for file in output_options.reports)]
    names = expected_tenant_names(options) if any(TENANT in path for path in paths) else []
    discard = partial(_discard_old_plan, console)
    plans = [OutputFile("--out", path, discard) for path, _ in (files_for(out, names) if out else ())]
    outputs, inputs = [*plans, *output_options.outputs(names)], plan_inputs(plan_options, names)
    check_outputs(options, outputs, inputs=inputs)
    return [*inputs, *(InputFile(each.option, each.path) for each in outputs)]


def _discard_old_plan(console: Console, path: Path) -> None:
    """Remove the saved plan of an earlier run, so that nobody applies an old plan if the current run fails."""
    from reconciler.artifacts.saved_plan import discard_plan

    if discard_plan(path):
        console.note(f"{path}: the plan of an earlier run was removed")


def _save(out: str, plan: Plan, session: TenantSession) -> None:
    from reconciler.artifacts.saved_plan import write_plan

    ((path, _),) = files_for(out, [plan.tenant.name])
    identity = write_plan(path, plan, session.plan_options.saved_options(), session.now)
    command = ["reconciler", *session.tenant_options, "apply", *session.plan_options.as_arguments(), str(path)]
    changes = pluralize(len(plan.changes), "change")
    saved = f"Saved plan {identity[:SHORT_ID_LENGTH]} with {changes} in {path}."
    session.note(f"{saved} To apply it: {shlex.join(command)}")


def _view(output_options: OutputOptions, options: GlobalOptions) -> OutputView:
    return OutputView(
        verbose=options.verbose, links=ci.source_links(options.config), max_bytes=output_options.max_bytes
    )


def _write_reports(results: PlanResults, output_options: OutputOptions, options: GlobalOptions) -> None:
    """Write the report files, the step summary and the step outputs."""
    view = _view(output_options, options)
    names = [*(plan.tenant.name for plan in results.plans), *results.failed]
    output_options.write(
        names, lambda name, selected: render(results if len(selected) > 1 else results.of(selected), name, view)
    )
    summary = OutputView(links=view.links, max_bytes=ci.SUMMARY_BYTES)
    ci.write_step_summary(lambda: render(results, "markdown", summary))
    if results.plans:
        ci.write_step_outputs(lambda: outputs_of(results))


def _print_plans(results: PlanResults, output_options: OutputOptions, console: Console, options: GlobalOptions) -> None:
    if output_options.stdout_format != "text":
        for note in dict.fromkeys(note for plan in results.plans for note in plan.notes):
            console.note(f"Note: {note}")
        console.text(render(results, output_options.stdout_format, _view(output_options, options)))
    elif results.summary:
        only_summary = output_options.summary
        console.result(plans_lines(results, results.summary, verbose=options.verbose, only_summary=only_summary))
    else:
        for plan in results.plans:
            console.result(plan_lines(plan, verbose=options.verbose, only_summary=output_options.summary))


def _exit_code(plan: Plan, *, detailed: bool) -> Exit:
    return exit_code_of_plan(
        is_blocked=bool(plan.blocked),
        is_incomplete=not plan.is_complete,
        has_differences=detailed and plan.has_differences,
    )
