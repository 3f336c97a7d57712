"""`reconciler import`: write grant files for undeclared grants of a tenant."""

from pathlib import Path

import click

from reconciler.app.console import Console
from reconciler.app.import_grants import ImportOptions, import_grants
from reconciler.app.options import RequestOptions
from reconciler.cli.option_groups import request_options
from reconciler.cli.options import ListedName, also_global_options, options
from reconciler.core.import_selection import ImportFilter
from reconciler.errors import Exit


@also_global_options
@click.command("import")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder for the files.  [default: the folder of --grants]",
)
@click.option(
    "--client",
    "clients",
    type=ListedName(),
    metavar="PATTERN",
    multiple=True,
    help="Import only grants of applications with this name or id.",
)
@click.option(
    "--audience",
    "audiences",
    type=ListedName(),
    metavar="PATTERN",
    multiple=True,
    help="Import only grants for APIs with this identifier or name.",
)
@request_options
def command(
    *, out: Path | None, clients: tuple[str, ...], audiences: tuple[str, ...], request_options: RequestOptions
) -> Exit:
    """Write grant files for the tenant's grants that no file declares.

    Each application gets its own file. Existing files are never overwritten. A plan at the end shows that the files
    match the tenant.
    """
    given = options()
    import_options = ImportOptions(out or Path(given.grants), ImportFilter(clients, audiences))
    return import_grants(given, Console(given), import_options, request_options)
