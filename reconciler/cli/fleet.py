"""`reconciler fleet`: list the tenants of a run that is spread over several CI jobs, and collect the results."""

from collections.abc import Sequence
from pathlib import Path

import click

from reconciler.app import ci
from reconciler.app.console import Console
from reconciler.app.fleet import FleetSelection, collect_results, list_fleet, remaining_fleet
from reconciler.app.options import GlobalOptions
from reconciler.app.outputs import TENANT, InputFile, OutputOptions, check_outputs
from reconciler.cli.option_groups import output_options, run_option
from reconciler.cli.options import WholeNumber, current_options, global_options
from reconciler.core.characters import quote_text
from reconciler.core.fleet.run import Fleet
from reconciler.errors import Exit, ReconcilerError
from reconciler.output.fleet import fleet_lines, fleet_report_lines, matrix_jobs, names_text
from reconciler.output.formats import OutputView, render

MAX_GITHUB_JOBS = 256
"""The maximum number of jobs in one GitHub Actions matrix, from
https://docs.github.com/en/actions/reference/limits#existing-system-limits.
"""
JOB_FORMATS = ("github", "gitlab")


@global_options("config", "grants", "tenants", "all_tenants", tenant_default="all tenants")
@click.group("fleet")
def command() -> None:
    """Run many tenants in several jobs of a CI service."""


@global_options(
    "config",
    "grants",
    "tenants",
    "all_tenants",
    examples=("reconciler fleet list --base origin/main",),
    tenant_default="all tenants",
)
@command.command("list", short_help="List the tenants of a run, offline.")
@click.option("--base", metavar="REVISION", help="List only tenants that the changes since this git revision affect.")
@click.option("--wave", metavar="NAME", help="List only the tenants of this rollout wave.")
@click.option("--shards", type=WholeNumber(1, 999_999), metavar="N", help="Divide the tenants into N shards.")
@run_option
@output_options(*JOB_FORMATS)
def list_command(
    *, base: str | None, wave: str | None, shards: int | None, run: str | None, output_options: OutputOptions
) -> Exit:
    """List the tenants of a run and the reasons for their selection. Default: all tenants.

    The command sends no request to a tenant. --format json writes fleet.json for `fleet collect`. --format github
    writes the step outputs `any` and `matrix`. --format gitlab writes a child pipeline.

    If the files at --base cannot be compared, all tenants are listed.
    """
    options = current_options()
    _check_reports(options, output_options)
    formats = {output_options.stdout_format, *(file.format for file in output_options.reports)}
    fleet = list_fleet(options, FleetSelection(base, wave, shards, run), needs_run=bool(formats & {"json", "gitlab"}))
    for name in formats:
        _check_jobs(fleet, name)
    output_options.write([], lambda name, _: render(fleet, name, OutputView()))
    console = Console(options)
    if output_options.stdout_format == "text":
        console.result(fleet_lines(fleet))
    else:
        console.text(render(fleet, output_options.stdout_format, OutputView()))
    return Exit.DONE


@global_options("config", examples=("reconciler fleet collect fleet.json results",))
@command.command("collect", short_help="Report the state of each tenant.")
@click.argument("fleet_file", type=click.Path(path_type=Path), metavar="FLEET.JSON")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR...")
@click.option(
    "--wave",
    metavar="NAME",
    help="Name of the last started rollout wave. Tenants of later waves are reported as not started.",
)
@click.option("--resume", is_flag=True, help="Print the tenants that remain, one per line.")
@output_options("markdown", *JOB_FORMATS)
def collect_command(
    *, fleet_file: Path, folders: tuple[Path, ...], wave: str | None, resume: bool, output_options: OutputOptions
) -> Exit:
    """Read the results that the jobs wrote with --result, and report the state of each tenant.

    The state of a tenant is unknown if the tenant has no result, or if the result does not record the end of the
    tenant's run. Results of another run, commit or configuration are refused. If a tenant has several results, the
    latest attempt determines the state.

    The exit code is the most severe exit code of the tenants. A tenant with an unknown state has the exit code 3.

    With --resume, the formats text, json, github and gitlab list only the unfinished tenants, in the same form as
    `fleet list`. With --resume and --wave, tenants of later waves are omitted.
    """
    options = current_options()
    inputs = [InputFile("FLEET.JSON", fleet_file), *(InputFile("DIR", each, (".json",)) for each in folders)]
    _check_reports(options, output_options, inputs)
    _check_formats(output_options, resume=resume)
    report = collect_results(fleet_file, folders, wave)
    view = OutputView(
        verbose=options.verbose, links=ci.source_links(options.config), max_bytes=output_options.max_bytes
    )
    console = Console(options)
    remaining = remaining_fleet(report, wave)
    for name in {output_options.stdout_format, *(file.format for file in output_options.reports)}:
        _check_jobs(remaining, name)
    output_options.write([], lambda name, _: render(remaining if resume else report, name, view))
    if resume and output_options.stdout_format == "text":
        console.text(names_text(remaining))
    elif output_options.stdout_format == "text":
        console.result(fleet_report_lines(report, verbose=options.verbose))
    else:
        console.text(render(remaining if resume else report, output_options.stdout_format, view))
    if not resume:
        ci.write_step_summary(lambda: render(report, "markdown", view))
        ci.write_step_outputs(lambda: {"stopped": str(report.is_stopped).lower()})
    return report.exit_code


def _check_reports(options: GlobalOptions, output_options: OutputOptions, inputs: Sequence[InputFile] = ()) -> None:
    check_outputs(options, output_options.outputs([]), inputs=inputs)
    if any(TENANT in file.path for file in output_options.reports):
        raise ReconcilerError(f"--report: fleet writes one report for all tenants; remove {TENANT} from the file name")


def _check_formats(output_options: OutputOptions, *, resume: bool) -> None:
    """Raise ReconcilerError for --format github or gitlab without --resume, or for Markdown with --resume."""
    refused = ("markdown",) if resume else JOB_FORMATS
    for name in (output_options.stdout_format, *(file.format for file in output_options.reports)):
        if name in refused:
            why = (
                "cannot be combined with --resume; use a format that `fleet list` supports"
                if resume
                else "lists tenants; add --resume"
            )
            raise ReconcilerError(f"the format {name} {why}")


def _check_jobs(fleet: Fleet, name: str) -> None:
    """Raise ReconcilerError if a CI service cannot run the jobs of a fleet run."""
    if name not in JOB_FORMATS:
        return
    for tenant in (each.name for each in fleet.tenants):
        if "," in tenant or tenant != tenant.strip():
            raise ReconcilerError(
                f"the tenant name {quote_text(tenant)} cannot be passed to a job in RECONCILER_TENANT, because commas "
                "and spaces separate names there; rename the tenant"
            )
    if name == "github" and len(matrix_jobs(fleet)) > MAX_GITHUB_JOBS:
        raise ReconcilerError(
            f"GitHub runs at most {MAX_GITHUB_JOBS} jobs of a matrix, but this run has {len(fleet.tenants)}; divide "
            f"the tenants with --shards N, with N of at most {MAX_GITHUB_JOBS}"
        )
