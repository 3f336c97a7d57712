"""`reconciler diff`: compare the grants of two tenants by name."""

from pathlib import Path

import click

from reconciler.app.access import diff_tenants
from reconciler.app.console import Console
from reconciler.app.options import RequestOptions
from reconciler.app.outputs import OutputFile, check_outputs, write_text
from reconciler.artifacts.atomic_files import empty_output
from reconciler.cli.option_groups import format_option, request_options
from reconciler.cli.options import current_options, global_options
from reconciler.errors import Exit
from reconciler.output.access.diff import diff_lines
from reconciler.output.formats import OutputView, render


@global_options("config", "grants", examples=("reconciler diff staging prod --declared",))
@click.command("diff")
@click.argument("first", metavar="TENANT")
@click.argument("second", metavar="TENANT")
@click.option("--declared", is_flag=True, help="Compare the declared grants, without reading the tenants.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if the tenants differ.")
@format_option("html", "csv", "markdown")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the differences to FILE instead of stdout."
)
@request_options
def command(  # noqa: PLR0913 - each parameter is an option of the command
    *,
    first: str,
    second: str,
    declared: bool,
    detailed_exitcode: bool,
    stdout_format: str,
    out: Path | None,
    request_options: RequestOptions,
) -> Exit:
    """Compare the grants of two tenants by the names of applications and APIs."""
    options = current_options()
    console = Console(options)
    if out:
        check_outputs(options, [OutputFile("--out", out, clear=empty_output)])
    diff = diff_tenants(options, first, second, request_options, console, declared=declared)
    if out:
        write_text(out, render(diff, stdout_format, OutputView()))
    elif stdout_format == "text":
        console.result(diff_lines(diff))
    else:
        console.text(render(diff, stdout_format, OutputView()))
    return Exit.CHANGES if detailed_exitcode and diff.differences else Exit.DONE
