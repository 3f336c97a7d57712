"""`reconciler import`: write grant files for undeclared grants of a tenant."""

from pathlib import Path

import click

from reconciler.app.console import Console
from reconciler.app.import_grants import ImportOptions, import_grants
from reconciler.app.options import RequestOptions
from reconciler.cli.option_groups import request_options
from reconciler.cli.options import ListedName, current_options, hidden_global_options
from reconciler.core.import_selection import ImportFilter
from reconciler.errors import Exit


@hidden_global_options
@click.command("import")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write files to this folder.  [default: the folder of --grants]",
)
@click.option(
    "--client",
    "clients",
    type=ListedName(),
    metavar="PATTERN",
    multiple=True,
    help="Import only grants of applications whose name or id matches.",
)
@click.option(
    "--audience",
    "audiences",
    type=ListedName(),
    metavar="PATTERN",
    multiple=True,
    help="Import only grants for APIs whose identifier or name matches.",
)
@request_options
def command(
    *, out: Path | None, clients: tuple[str, ...], audiences: tuple[str, ...], request_options: RequestOptions
) -> Exit:
    """Write grant files for the tenant's grants that no file declares.

    Each application gets its own file. Existing files are never overwritten. A plan at the end shows that the files
    match the tenant.
    """
    options = current_options()
    import_options = ImportOptions(out or Path(options.grants), ImportFilter(clients, audiences))
    return import_grants(options, Console(options), import_options, request_options)
