"""`reconciler apply`: show the plan, ask, execute it, read the tenant again, and report the outcomes."""

from pathlib import Path

import click

from reconciler.app import ci
from reconciler.app.apply_command import ApplyCommand
from reconciler.app.approval import ApprovedPlan, approved_plan
from reconciler.app.console import Console
from reconciler.app.load import own_folder
from reconciler.app.options import PlanOptions, RequestOptions
from reconciler.app.outputs import check_outputs
from reconciler.app.reports import TENANT, OutputOptions
from reconciler.app.tenant_runs import expected_names, failures_of, tenant_runs
from reconciler.cli.option_groups import option_group, output_options, parse_duration, plan_options, request_options
from reconciler.cli.options import also_global_options, options
from reconciler.core.outcome import Result
from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.quoting import visible
from reconciler.errors import Exit, ReconcilerError, ReportLostError, reason
from reconciler.output.formats import OutputView, PlanResults, RunResults, outputs_of, render
from reconciler.output.source_links import SourceLinks
from reconciler.output.styled import line
from reconciler.output.text.outcomes import report_lines

approval_options = option_group(
    "approval",
    approved_plan,
    click.argument("planfile", required=False, type=click.Path(path_type=Path), metavar="[PLANFILE]"),
    click.option(
        "--max-plan-age",
        type=parse_duration,
        default="24h",
        show_default=True,
        metavar="TIME",
        help="Refuse an older saved plan.",
    ),
    click.option(
        "--require-tip",
        metavar="BRANCH",
        help="In a job of GitHub or GitLab, refuse to write (exit code 5) unless HEAD is the tip of this branch.",
    ),
)


@also_global_options
@click.command("apply")
@plan_options
@approval_options
@click.option("--yes", is_flag=True, help="Do not ask. Guards still apply.")
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

    Prints the plan, asks, applies the plan and reads the tenant again. Exits with 0 only if the tenant equals the
    files.

    With PLANFILE from plan --out, it does not ask. The plan is recomputed, and any change that is not in PLANFILE
    aborts with exit code 5 before writing.
    """
    console = Console(options())
    _check_outputs(output_options)
    approval.check_options(plan_options)
    approval.check_not_applied(own_folder(options().config))
    try:
        with tenant_runs(options(), plan_options, request_options, console, names=approval.shows_names) as (
            tenants,
            sessions,
        ):
            approval.check_tenants(sessions)
            applying = ApplyCommand(
                tenants,
                approval,
                console,
                asks=not yes,
                data=output_options.stdout_format != "text",
                verbose=options().verbose,
            )
            agreed = applying.agreed(tenants.planned(sessions))
            if agreed:
                approval.check_tip(options().config)
            ended = applying.carried_out(agreed, request_options)
    except ReconcilerError as error:
        error.tenants = error.tenants or dict.fromkeys(options().tenants, False)
        if error.tenants:
            _report(RunResults([], failures_of(error)), output_options, ci.source_links(options().config))
        raise
    ended.sort(key=lambda each: tenants.names.index(each[0].plan.tenant.name))
    ends = RunResults([end for end, _ in ended], tenants.failures)
    try:
        _tell(ends, output_options, console)
    except OSError as error:
        raise ReportLostError(reason(error)) from error
    code = tenants.worst(exit_code for _, exit_code in ended)
    wrote = any(outcome.result is not Result.SKIPPED for end in ends.runs for outcome in end.report.outcomes)
    try:
        _report(ends, output_options, ci.source_links(options().config))
        ci.tell_outputs(lambda: outputs_of(PlanResults([end.plan for end in ends.runs])))
    except ReconcilerError as error:
        if not wrote:
            raise
        console.problems([Problem(Source("--report"), str(error), severity=Severity.WARNING)], {})
    return Exit.INCOMPLETE if wrote and code in NOTHING_WRITTEN else code


NOTHING_WRITTEN = frozenset({Exit.FAILED, Exit.REFUSED, Exit.STALE})
"""Exit codes that claim this. They are wrong after a write to one of several tenants."""


def _tell(ends: RunResults, output_options: OutputOptions, console: Console) -> None:
    links = ci.source_links(options().config)
    if output_options.stdout_format != "text":
        console.text(
            render(ends, output_options.stdout_format, OutputView(links=links, max_bytes=output_options.max_bytes))
        )
    for end in ends.runs:
        if output_options.stdout_format == "text" and end.report.outcomes:
            name = [line(f"Tenant {visible(end.plan.tenant.label)}")] if len(ends.runs) + len(ends.failed) > 1 else []
            console.result([line(), *name, *report_lines(end.report, end.plan.directory)])


def _check_outputs(output_options: OutputOptions) -> None:
    """Raise ReconcilerError if a report file or the journal cannot be written."""
    named = any(TENANT in file.path for file in output_options.reports)
    names = expected_names(options()) if named else []
    check_outputs(options(), output_options.outputs(names), journal=True)


def _report(ends: RunResults, output_options: OutputOptions, links: SourceLinks) -> None:
    """Write report files and the step summary. They replace older reports."""
    view = OutputView(links=links, max_bytes=output_options.max_bytes)
    names = [*(end.plan.tenant.name for end in ends.runs), *ends.failed]
    output_options.write(names, lambda name, some: render(ends.of(some), name, view))
    ci.tell_summary(lambda: render(ends, "markdown", OutputView(links=links, max_bytes=ci.SUMMARY_BYTES)))
