"""`reconciler list`: what the files declare for a tenant, and where each grant comes from."""

import os

import click

from reconciler.app.console import Console
from reconciler.app.load import read_declared, read_settings
from reconciler.app.options import GlobalOptions, PlanOptions, RequestOptions
from reconciler.app.session import TenantSession
from reconciler.app.tenant_runs import tenant_runs
from reconciler.cli.option_groups import format_option, request_options
from reconciler.cli.options import also_global_options, options
from reconciler.config.tenants import meant
from reconciler.core.plan import TenantName
from reconciler.core.resolve import ListedGrant, as_declared
from reconciler.errors import Exit
from reconciler.output.text.grants import listing_json, listing_lines


@also_global_options
@click.command("list")
@click.option("--offline", is_flag=True, help="Name grants as the files do, and ask no tenant.")
@request_options
@format_option()
def command(*, offline: bool, request_options: RequestOptions, stdout_format: str) -> Exit:
    """List the grants that the files declare for a tenant, with its values in them, and where each comes from.

    Names are looked up in the tenant: each grant is shown with its ids. The grants that it has are not read.
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
    tenant = meant(config, given.tenant, os.environ, allow_unnamed=given.allow_unnamed_tenant)
    specs = read_declared(given, config, [tenant]).at(tenant.target).specs
    return tenant.title, [as_declared(spec) for spec in specs]


def _as_resolved(
    given: GlobalOptions, request_options: RequestOptions, console: Console
) -> tuple[TenantName, list[ListedGrant]]:
    with tenant_runs(given, PlanOptions(), request_options, console) as (tenants, sessions):
        (done,) = tenants.each(sessions, TenantSession.listed)
        return done.session.name, done.result
