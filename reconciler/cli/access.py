"""`reconciler access`: report the access of applications to APIs, and the reasons for the access."""

from pathlib import Path

import click

from reconciler.app.access import AccessOptions, make_access_report
from reconciler.app.console import Console
from reconciler.app.load import data_folder
from reconciler.app.options import GlobalOptions, RequestOptions
from reconciler.app.outputs import InputFile, OutputFile, check_outputs, write_text
from reconciler.app.usage import FOLDER
from reconciler.artifacts.atomic_files import empty_output
from reconciler.cli.option_groups import format_option, request_options
from reconciler.cli.options import TENANT_OPTIONS, current_options, global_options
from reconciler.core.access.access_filter import AccessFilter
from reconciler.core.access.report import AccessReport
from reconciler.errors import Exit
from reconciler.output.access.tables import access_lines
from reconciler.output.formats import OutputView, render


@global_options(
    *TENANT_OPTIONS,
    examples=(
        "reconciler access --all-tenants --format html --out access.html",
        "reconciler access 'Billing*' --scope 'write:*'",
    ),
)
@click.command("access")
@click.argument("application", required=False)
@click.option("--api", metavar="PATTERN", help="Show only grants for APIs with a matching name or identifier.")
@click.option("--scope", metavar="PATTERN", help="Show only grants with a matching scope, such as 'write:*'.")
@click.option(
    "--usage",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Show the last use from this usage file.  [default: .reconciler/usage/TENANT.json, if it exists]",
)
@click.option("--offline", is_flag=True, help="Show the declared grants without reading a tenant.")
@format_option("html", "csv", "markdown")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the report to FILE instead of stdout."
)
@request_options
def command(  # noqa: PLR0913 - each parameter is an option of the command
    *,
    application: str | None,
    api: str | None,
    scope: str | None,
    usage: Path | None,
    offline: bool,
    stdout_format: str,
    out: Path | None,
    request_options: RequestOptions,
) -> Exit:
    """Report who may call what: applications, APIs, scopes, risks, and the declaration of each grant.

    APPLICATION is a pattern for the name or id of applications. If the token of a tenant cannot read a list, such as
    the list of applications, the report names the missing list. Nothing is written to a tenant.
    """
    options = current_options()
    console = Console(options)
    if out:
        used = InputFile("--usage", usage or data_folder(options.config) / FOLDER, (".json",))
        check_outputs(options, [OutputFile("--out", out, clear=empty_output)], inputs=[used])
    selection = AccessFilter(application=application, api=api, scope=scope)
    result = make_access_report(options, AccessOptions(offline, selection, usage), request_options, console)
    _show(result.report, stdout_format, out, options, console)
    return result.exit_code


def _show(report: AccessReport, name: str, out: Path | None, options: GlobalOptions, console: Console) -> None:
    """Write the report to the file `out`. If `out` is None, write the report to stdout."""
    view = OutputView(verbose=options.verbose)
    if out:
        write_text(out, render(report, name, view))
    elif name == "text":
        console.result(access_lines(report, verbose=options.verbose))
    else:
        console.text(render(report, name, view))
