"""`reconciler import`: write grant files for undeclared grants of a tenant, or update the declared grants in files."""

from pathlib import Path

import click

from reconciler.app.console import Console
from reconciler.app.foreign_sources import READERS
from reconciler.app.import_files import FileImportOptions, import_files
from reconciler.app.import_grants import ImportOptions, import_grants
from reconciler.app.import_tenants import import_tenants
from reconciler.app.options import RequestOptions
from reconciler.app.run_context import select_tenants
from reconciler.app.update_grants import UpdateOptions, update_grants
from reconciler.cli.option_groups import request_options
from reconciler.cli.options import ListedName, current_options, global_options
from reconciler.core.imports.selection import ImportFilter
from reconciler.errors import Exit


@global_options(
    "config",
    "grants",
    "tenants",
    "all_tenants",
    "allow_unnamed_tenant",
    examples=(
        "reconciler import",
        "reconciler import --all-tenants --variables",
        "reconciler import --from deploy-cli tenant.yaml --mappings dev.json=dev",
        "reconciler import --update --diff",
    ),
)
@click.command("import")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option(
    "--from",
    "tool",
    type=click.Choice(tuple(READERS)),
    help="Import the grants in files (PATH, or PATH=TENANT) of another tool. Needs no tenant.",
)
@click.option(
    "--mappings",
    type=ListedName(),
    metavar="FILE=TENANT",
    multiple=True,
    help=(
        "With --from deploy-cli: a tenant's configuration file of auth0-deploy-cli, with the values of ##KEY## "
        "placeholders. Repeatable."
    ),
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write new files to this folder.  [default: the folder of --grants]",
)
@click.option(
    "--update",
    is_flag=True,
    help="Update existing files (PATH) to match the grants of the tenant. Write no new files.",
)
@click.option(
    "--variables",
    is_flag=True,
    help="With several tenants, write tenant-specific parts of values, such as stages and hosts, as variables.",
)
@click.option("--diff", is_flag=True, help="With --update, print the changes of the files and write nothing.")
@click.option(
    "--client",
    "clients",
    type=ListedName(),
    metavar="PATTERN",
    multiple=True,
    help="Import only grants of applications with a matching name or id.",
)
@click.option(
    "--audience",
    "--api",
    "audiences",
    type=ListedName(),
    metavar="PATTERN",
    multiple=True,
    help="Import only grants for APIs with a matching identifier or name.",
)
@request_options
def command(  # noqa: PLR0913 - each parameter is an option of the command
    *,
    paths: tuple[str, ...],
    tool: str | None,
    mappings: tuple[str, ...],
    out: Path | None,
    update: bool,
    diff: bool,
    variables: bool,
    clients: tuple[str, ...],
    audiences: tuple[str, ...],
    request_options: RequestOptions,
) -> Exit:
    """Write grant files for the undeclared grants of the tenant.

    With several tenants (--all-tenants), equal grants become one declaration.

    Each application gets its own file. Existing files are never overwritten. A final plan confirms that the files match
    the tenant.

    With --from, the command reads files of auth0-deploy-cli (tenant.yaml or its folder) or the output of `terraform
    show -json`, for one or several tenants. Equal grants of several tenants share one declaration. The ##KEY##
    placeholders of auth0-deploy-cli become variables in reconciler.yaml.

    --update writes drift into the files: declared grants get the tenant's values, and declarations of missing grants
    are removed. Comments, order, formatting and variables are kept. --update splits a declaration that also applies to
    other tenants.
    """
    if update and out is not None:
        raise click.UsageError(
            "--out cannot be combined with --update, because --update writes no new files; use one of them"
        )
    if diff and not update:
        raise click.UsageError("--diff has no effect without --update; add --update")
    if paths and not (update or tool):
        raise click.UsageError("PATH cannot be used alone; add --update or --from")
    if tool and (update or not paths):
        raise click.UsageError(
            "the option --from needs PATH and cannot be combined with --update; omit --update, and add PATH"
        )
    if mappings and tool != "deploy-cli":
        raise click.UsageError("--mappings has no effect without --from deploy-cli; add --from deploy-cli")
    options = current_options()
    if tool:
        file_options = FileImportOptions(
            tool=tool,
            paths=paths,
            mappings=mappings,
            folder=out or Path(options.grants),
            grant_filter=ImportFilter(clients, audiences),
            variables=variables,
        )
        return import_files(options, Console(options), file_options, request_options)
    if update:
        update_options = UpdateOptions(tuple(map(Path, paths)), ImportFilter(clients, audiences), only_diff=diff)
        return update_grants(options, Console(options), update_options, request_options)
    import_options = ImportOptions(out or Path(options.grants), ImportFilter(clients, audiences), variables=variables)
    if (options.all_tenants or options.tenants) and len(select_tenants(options)[1]) > 1:
        return import_tenants(options, Console(options), import_options, request_options)
    return import_grants(options, Console(options), import_options, request_options)
