"""`reconciler why`: explain one grant."""

import click

from reconciler.app.access import explain_grants
from reconciler.app.console import Console
from reconciler.app.options import RequestOptions
from reconciler.cli.option_groups import format_option, request_options
from reconciler.cli.options import TENANT_OPTIONS, current_options, global_options
from reconciler.errors import Exit
from reconciler.output.access.tables import explanation_lines, explanations_json


@global_options(*TENANT_OPTIONS, examples=("reconciler why 'Billing Worker' 'Payments API'",))
@click.command("why")
@click.argument("client")
@click.argument("api")
@click.option("--offline", is_flag=True, help="Explain the declaration without reading the tenant.")
@format_option()
@request_options
def command(*, client: str, api: str, offline: bool, stdout_format: str, request_options: RequestOptions) -> Exit:
    """Explain a grant: its lines in the files, the commits of these lines, past runs, and risks.

    CLIENT and API are names, ids or patterns.
    """
    options = current_options()
    console = Console(options)
    found = explain_grants(options, client, api, request_options, console, offline=offline)
    if stdout_format == "json":
        console.data(explanations_json(found))
    else:
        console.result(explanation_lines(found))
    return Exit.DONE
