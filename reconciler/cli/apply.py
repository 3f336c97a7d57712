"""`reconciler apply`: show the plan, ask, execute the plan, read the tenant again, and report the outcomes."""

from collections.abc import Sequence
from functools import partial

import click

from reconciler.app import ci
from reconciler.app.apply_tenants import ApplyCommand, ApplyOptions
from reconciler.app.approval import ApprovalOptions, Approvals
from reconciler.app.console import Console
from reconciler.app.load import data_folder, refuse_shards_of_waves
from reconciler.app.options import PlanOptions, RequestOptions, ResultOptions
from reconciler.app.outputs import TENANT, InputFile, OutputOptions, check_outputs, plan_inputs
from reconciler.app.run_context import expected_tenant_names
from reconciler.app.tenant_reports import TenantReports, failed_runs, reporting_failure
from reconciler.app.tenant_runs import tenant_runs
from reconciler.cli.option_groups import (
    at_once_option,
    option_group,
    output_options,
    parse_duration,
    plan_options,
    request_options,
    result_listeners,
    result_options,
)
from reconciler.cli.options import TENANT_OPTIONS, current_options, global_options, shard_option, wave_option
from reconciler.core.fleet.rollout import APPLY
from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.selection import refuse_empty_selection
from reconciler.errors import Exit, ReconcilerError, ReportLostError, reason
from reconciler.output.formats import OutputView, outputs_of, render
from reconciler.output.results import PlanResults, RunResult, RunResults
from reconciler.output.source_links import SourceLinks
from reconciler.output.styled import Line, line
from reconciler.output.text.plan import report_lines
from reconciler.output.text.tenants import runs_lines
from reconciler.output.words import refusal

approval_options = option_group(
    "approval_options",
    ApprovalOptions,
    click.option(
        "--approval-id",
        metavar="ID",
        help="Apply without asking if the plan has this approval id. Otherwise, exit with 5.",
    ),
    click.option(
        "--max-plan-age",
        type=parse_duration,
        default="24h",
        show_default=True,
        metavar="TIME",
        help="Refuse a saved plan that is older than this duration.",
    ),
    click.option(
        "--require-tip",
        metavar="BRANCH",
        help="Exit with 5 before writing unless HEAD is the tip of this branch. Works in jobs of GitHub, GitLab, Azure "
        "Repos and Bitbucket.",
    ),
)


@global_options(
    *TENANT_OPTIONS,
    examples=(
        "reconciler apply",
        "reconciler apply plan.json",
        "reconciler --tenant prod apply --client 'Billing Worker' --yes",
    ),
)
@click.command("apply")
@plan_options("[PLANFILE | PATH...]")
@approval_options
@click.option("--yes", is_flag=True, help="Apply without asking. Guards still apply.")
@request_options
@at_once_option
@wave_option
@shard_option
@result_options
@output_options("markdown")
def command(  # noqa: PLR0913 - each parameter is an option of the command
    *,
    plan_options: PlanOptions,
    request_options: RequestOptions,
    approval_options: ApprovalOptions,
    yes: bool,
    result_options: ResultOptions,
    output_options: OutputOptions,
) -> Exit:
    """Change the tenant to match the files.

    Print the plan, ask for confirmation, apply the plan, and read the tenant again. The exit code is 0 only if the
    tenant matches the files.

    With PLANFILE from plan --out, apply without asking. The plan is recomputed. If the new plan has a change that
    PLANFILE lacks, the command writes nothing and exits with 5. If PLANFILE contains {tenant}, each tenant has its own
    saved plan. With --approval-id ID, the command needs no PLANFILE, and applies without asking if the new plan has the
    approval id ID.

    PATHs are grant files or folders. With PATHs, --client or --api, only the selected grants are changed.

    Several tenants are changed at the same time, or one rollout wave after the other if the configuration has waves.
    With several tenants, the output starts with a summary.
    """
    options = current_options()
    console = Console(options)
    used = _check_outputs(plan_options, output_options)
    approvals, plan_options = approval_options.load(plan_options)
    listeners = result_listeners(APPLY, options, plan_options, result_options, used)
    with reporting_failure(listeners):
        plan_options.check()
        _check_single_plan(approvals, plan_options)
    links = ci.source_links(options.config)
    view = OutputView(verbose=options.verbose, links=links, max_bytes=output_options.max_bytes)
    has_data = output_options.stdout_format != "text"
    try:
        with (
            reporting_failure(listeners),
            tenant_runs(options, plan_options, request_options, console, has_names=approvals.have_names) as tenants,
        ):
            refuse_shards_of_waves(tenants.config, options)
            approvals.check_count(tenants.names)
            reports: TenantReports[RunResult] = TenantReports(APPLY, tenants, console, output_options, view, listeners)
            apply_options = ApplyOptions(
                plan_options=plan_options,
                request_options=request_options,
                config=options.config,
                grants=options.grants,
                asks=not yes,
                stdout_has_data=has_data,
                verbose=options.verbose,
                only_summary=output_options.summary,
            )
            apply_command = ApplyCommand(tenants, reports, approvals, console, apply_options)
            apply_command.run()
    except ReconcilerError as error:
        error.tenants = error.tenants or dict.fromkeys(options.tenants, False)
        if error.tenants:
            _write_reports(failed_runs(error), output_options, links)
        raise
    results = RunResults(reports.results, tenants.failures, reports.summary)
    if not results.failed:
        refuse_empty_selection(run_result.plan.selection for run_result in results.runs)
    print_error = _print_results(results, output_options, console, with_plans=not apply_command.asks)
    code = tenants.worst_exit_code(reports.exit_codes.values())
    try:
        _write_reports(results, output_options.joint if tenants.are_several else output_options, links)
        ci.write_step_outputs(lambda: outputs_of(PlanResults([run_result.plan for run_result in results.runs])))
        reports.raise_errors()
    except ReconcilerError as error:
        if not reports.has_written:
            raise
        console.problems([Problem(Source("--report"), str(error), severity=Severity.WARNING)], {})
    if print_error and not reports.has_written:
        raise print_error
    if print_error:
        lost = f"cannot write to stdout ({reason(print_error)}); the outcomes were printed to stderr"
        raise ReportLostError(lost, tenants.worst_exit_code([code, Exit.INCOMPLETE]))
    return Exit.INCOMPLETE if reports.has_written and code in NOTHING_WRITTEN else code


NOTHING_WRITTEN = frozenset({Exit.FAILED, Exit.REFUSED, Exit.STALE})
"""The exit codes of runs that wrote nothing.

If `apply` changed a tenant, the exit code must not be in NOTHING_WRITTEN.
"""


def _check_single_plan(approvals: Approvals, plan_options: PlanOptions) -> None:
    """Check that the options match the saved plan, and that no earlier run has applied the saved plan.

    Raises StalePlanError.
    """
    approvals.only.check_options(plan_options)
    approvals.only.check_not_applied(data_folder(current_options().config))


def _print_results(
    results: RunResults, output_options: OutputOptions, console: Console, *, with_plans: bool
) -> OSError | None:
    """Print the results to stdout, and the roll-back commands to stderr.

    If stdout cannot be written, print the results as text to stderr, and return the error.
    """
    name, print_error = output_options.stdout_format, None
    result_lines = partial(_result_lines, results, with_plans=with_plans, only_summary=output_options.summary)
    try:
        if name != "text":
            view = OutputView(links=ci.source_links(current_options().config), max_bytes=output_options.max_bytes)
            console.text(render(results, name, view))
        else:
            console.result(result_lines())
    except OSError as error:
        print_error = error
        console.lost_result(result_lines())
    _print_advice(results, console)
    return print_error


def _result_lines(results: RunResults, *, with_plans: bool, only_summary: bool) -> Sequence[Line]:
    """Return the text lines about the results of one or several tenants.

    For one tenant, the lines contain the outcomes but not the plan, because `apply` printed the plan before the writes.
    """
    verbose = current_options().verbose
    if results.summary:
        return list(
            runs_lines(results, results.summary, verbose=verbose, with_plans=with_plans, only_summary=only_summary)
        )
    lines: list[Line] = []
    for run_result in results.runs:
        report, directory = run_result.report, run_result.plan.directory
        if report.outcomes:
            lines += [line(), *report_lines(report, directory, verbose=verbose, only_summary=only_summary)]
    return lines


def _print_advice(results: RunResults, console: Console) -> None:
    """Print the commands that roll back the runs, and the reason for each blocked plan."""
    if results.summary and not current_options().verbose:
        if any(run_result.rollback for run_result in results.runs):
            console.note("To roll back a tenant, use the command that `reconciler journal` shows for the run")
        return
    for run_result in results.runs:
        if run_result.rollback:
            console.note(f"To roll back: {run_result.rollback}")
        if run_result.plan.blocked and not results.summary:
            console.error(refusal(run_result.plan))


def _check_outputs(plan_options: PlanOptions, output_options: OutputOptions) -> list[InputFile]:
    """Return the input and output files in the options.

    Raise ReconcilerError if a report file or the journal cannot be written.
    """
    paths = [*plan_options.paths, *(file.path for file in output_options.reports)]
    names = expected_tenant_names(current_options()) if any(TENANT in path for path in paths) else []
    outputs, inputs = output_options.outputs(names), plan_inputs(plan_options, names)
    check_outputs(current_options(), outputs, inputs=inputs, journal=True)
    return [*inputs, *(InputFile(each.option, each.path) for each in outputs)]


def _write_reports(results: RunResults, output_options: OutputOptions, links: SourceLinks) -> None:
    """Write the report files and the step summary."""
    view = OutputView(links=links, max_bytes=output_options.max_bytes)
    names = [*(run_result.plan.tenant.name for run_result in results.runs), *results.failed]
    output_options.write(
        names, lambda name, selected: render(results if len(selected) > 1 else results.of(selected), name, view)
    )
    ci.write_step_summary(lambda: render(results, "markdown", OutputView(links=links, max_bytes=ci.SUMMARY_BYTES)))
