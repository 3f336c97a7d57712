"""`reconciler apply`: show the plan, ask, execute it, read the tenant again, and report the outcomes."""

import click

from reconciler.app import ci
from reconciler.app.apply_run import ApplyCommand
from reconciler.app.approval import ApprovedPlan, load_approved_plan
from reconciler.app.console import Console
from reconciler.app.load import data_folder
from reconciler.app.options import PlanOptions, RequestOptions
from reconciler.app.outputs import TENANT, OutputOptions, check_outputs
from reconciler.app.tenant_runs import expected_tenant_names, tenant_failures, tenant_runs
from reconciler.cli.option_groups import option_group, output_options, parse_duration, plan_options, request_options
from reconciler.cli.options import TENANT_OPTIONS, current_options, global_options
from reconciler.core.characters import visible
from reconciler.core.outcome import Result
from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.selection import refuse_empty_selection
from reconciler.errors import Exit, ReconcilerError, ReportLostError, reason
from reconciler.output.formats import OutputView, PlanResults, RunResults, outputs_of, render
from reconciler.output.source_links import SourceLinks
from reconciler.output.styled import line
from reconciler.output.text.plan import report_lines
from reconciler.output.words import refusal

approval_options = option_group(
    "approval",
    load_approved_plan,
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
        help="Refuse a saved plan that is older than this.",
    ),
    click.option(
        "--require-tip",
        metavar="BRANCH",
        help="In a GitHub or GitLab job, exit with 5 before writing unless HEAD is the tip of this branch.",
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
@output_options("markdown")
def command(
    *,
    plan_options: PlanOptions,
    request_options: RequestOptions,
    approval: ApprovedPlan,
    yes: bool,
    output_options: OutputOptions,
) -> Exit:
    """Change the tenant to what the files declare.

    Print the plan, ask, apply the plan and read the tenant again. The exit code is 0 only if the tenant equals the
    files.

    With PLANFILE from plan --out, apply without asking. The plan is recomputed, and any change that is not in PLANFILE
    aborts with exit code 5 before writing. --approval-id is the same without a file: it names a plan that was reviewed.

    PATHs are grant files or folders. With PATHs, --client or --api, only the selected grants are changed.
    """
    console = Console(current_options())
    approval, plan_options = approval.with_plan_file(plan_options, current_options().grants)
    _check_outputs(output_options)
    approval.check_options(plan_options)
    approval.check_not_applied(data_folder(current_options().config))
    try:
        with tenant_runs(current_options(), plan_options, request_options, console, names=approval.shows_names) as (
            tenants,
            sessions,
        ):
            approval.check_tenants(sessions)
            apply_command = ApplyCommand(
                tenants,
                approval,
                console,
                asks=not yes,
                stdout_has_data=output_options.stdout_format != "text",
                verbose=current_options().verbose,
            )
            planned = tenants.plan_all(sessions)
            refuse_empty_selection(each.result.plan.selection for each in planned)
            confirmed = apply_command.confirm(planned)
            if confirmed:
                approval.check_tip(current_options().config)
            finished = apply_command.apply(confirmed, request_options)
    except ReconcilerError as error:
        error.tenants = error.tenants or dict.fromkeys(current_options().tenants, False)
        if error.tenants:
            _write_reports(
                RunResults([], tenant_failures(error)), output_options, ci.source_links(current_options().config)
            )
        raise
    finished.sort(key=lambda each: tenants.names.index(each[0].plan.tenant.name))
    results = RunResults([run_result for run_result, _ in finished], tenants.failures)
    try:
        _print_results(results, output_options, console)
    except OSError as error:
        raise ReportLostError(reason(error)) from error
    code = tenants.worst_exit_code(exit_code for _, exit_code in finished)
    has_written = any(
        outcome.result is not Result.SKIPPED for run_result in results.runs for outcome in run_result.report.outcomes
    )
    try:
        _write_reports(results, output_options, ci.source_links(current_options().config))
        ci.write_step_outputs(lambda: outputs_of(PlanResults([run_result.plan for run_result in results.runs])))
    except ReconcilerError as error:
        if not has_written:
            raise
        console.problems([Problem(Source("--report"), str(error), severity=Severity.WARNING)], {})
    return Exit.INCOMPLETE if has_written and code in NOTHING_WRITTEN else code


NOTHING_WRITTEN = frozenset({Exit.FAILED, Exit.REFUSED, Exit.STALE})
"""Exit codes that mean nothing was written. They must not be returned if one of several tenants was changed."""


def _print_results(results: RunResults, output_options: OutputOptions, console: Console) -> None:
    links = ci.source_links(current_options().config)
    if output_options.stdout_format != "text":
        console.text(
            render(results, output_options.stdout_format, OutputView(links=links, max_bytes=output_options.max_bytes))
        )
    for run_result in results.runs:
        if output_options.stdout_format == "text" and run_result.report.outcomes:
            name = (
                [line(f"Tenant {visible(run_result.plan.tenant.label)}")]
                if len(results.runs) + len(results.failed) > 1
                else []
            )
            console.result(
                [
                    line(),
                    *name,
                    *report_lines(run_result.report, run_result.plan.directory, verbose=current_options().verbose),
                ]
            )
        if run_result.rollback:
            console.note(f"To roll back: {run_result.rollback}")
    for run_result in results.runs:
        if run_result.plan.blocked:
            console.error(refusal(run_result.plan), run_result.plan.tenant.name if len(results.runs) > 1 else "")


def _check_outputs(output_options: OutputOptions) -> None:
    """Raise ReconcilerError if a report file or the journal cannot be written."""
    has_tenant_names = any(TENANT in file.path for file in output_options.reports)
    names = expected_tenant_names(current_options()) if has_tenant_names else []
    check_outputs(current_options(), output_options.outputs(names), journal=True)


def _write_reports(results: RunResults, output_options: OutputOptions, links: SourceLinks) -> None:
    """Write the report files and the step summary."""
    view = OutputView(links=links, max_bytes=output_options.max_bytes)
    names = [*(run_result.plan.tenant.name for run_result in results.runs), *results.failed]
    output_options.write(names, lambda name, selected: render(results.of(selected), name, view))
    ci.write_step_summary(lambda: render(results, "markdown", OutputView(links=links, max_bytes=ci.SUMMARY_BYTES)))
