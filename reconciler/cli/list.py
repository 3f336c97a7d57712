"""`reconciler list`: list the declared grants of a tenant with their sources."""

import os

import click

from reconciler.app.console import Console
from reconciler.app.load import read_declared, read_settings
from reconciler.app.options import GlobalOptions, PlanOptions, RequestOptions
from reconciler.app.session import TenantSession
from reconciler.app.tenant_runs import tenant_runs
from reconciler.cli.option_groups import format_option, request_options
from reconciler.cli.options import also_global_options, options
from reconciler.config.tenants import select_tenant
from reconciler.core.plan import TenantName
from reconciler.core.resolve import ListedGrant, as_declared
from reconciler.errors import Exit
from reconciler.output.text.grants import listing_json, listing_lines


@also_global_options
@click.command("list")
@click.option("--offline", is_flag=True, help="Show names from the files without asking the tenant.")
@request_options
@format_option()
def command(*, offline: bool, request_options: RequestOptions, stdout_format: str) -> Exit:
    """List the declared grants of a tenant, with its variables and their sources.

    Each grant is shown with the tenant's ids for its names. The tenant's grants are not read.
    """
    given = options().of_one_tenant()
    console = Console(given)
    tenant, listed = _as_declared(given) if offline else _as_resolved(given, request_options, console)
    if stdout_format == "json":
        console.data(listing_json(tenant, listed, resolved=not offline))
    else:
        console.result(listing_lines(tenant, listed))
    return Exit.DONE


def _as_declared(given: GlobalOptions) -> tuple[TenantName, list[ListedGrant]]:
    config = read_settings(given.config)
    tenant = select_tenant(config, given.tenant, os.environ, allow_unnamed=given.allow_unnamed_tenant)
    specs = read_declared(given, config, [tenant]).at(tenant.target).specs
    return tenant.title, [as_declared(spec) for spec in specs]


def _as_resolved(
    given: GlobalOptions, request_options: RequestOptions, console: Console
) -> tuple[TenantName, list[ListedGrant]]:
    with tenant_runs(given, PlanOptions(), request_options, console) as (tenants, sessions):
        (done,) = tenants.each(sessions, TenantSession.listed)
        return done.session.name, done.result
