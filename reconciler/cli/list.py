"""`reconciler list`: list the declared grants of a tenant with their sources."""

import os

import click

from reconciler.app.console import Console
from reconciler.app.load import load_config, load_grants
from reconciler.app.options import GlobalOptions, PlanOptions, RequestOptions
from reconciler.app.session import TenantSession
from reconciler.app.tenant_runs import tenant_runs
from reconciler.cli.option_groups import format_option, request_options
from reconciler.cli.options import current_options, hidden_global_options
from reconciler.config.tenants import select_tenant
from reconciler.core.plan import TenantName
from reconciler.core.resolve import ListedGrant, as_declared
from reconciler.errors import Exit
from reconciler.output.text.lists import listing_json, listing_lines


@hidden_global_options
@click.command("list")
@click.option("--offline", is_flag=True, help="Show the names in the files without reading the tenant.")
@request_options
@format_option()
def command(*, offline: bool, request_options: RequestOptions, stdout_format: str) -> Exit:
    """List the declared grants of a tenant, with variables replaced and the source of each grant.

    Names are shown with their ids in the tenant. The tenant's grants are not read.
    """
    options = current_options().require_one_tenant()
    console = Console(options)
    tenant, grants = _list_offline(options) if offline else _list_online(options, request_options, console)
    if stdout_format == "json":
        console.data(listing_json(tenant, grants, resolved=not offline))
    else:
        console.result(listing_lines(tenant, grants))
    return Exit.DONE


def _list_offline(options: GlobalOptions) -> tuple[TenantName, list[ListedGrant]]:
    config = load_config(options.config)
    tenant = select_tenant(config, options.tenant, os.environ, allow_unnamed=options.allow_unnamed_tenant)
    specs = load_grants(options, config, [tenant]).at(tenant.target).specs
    return tenant.title, [as_declared(spec) for spec in specs]


def _list_online(
    options: GlobalOptions, request_options: RequestOptions, console: Console
) -> tuple[TenantName, list[ListedGrant]]:
    with tenant_runs(options, PlanOptions(), request_options, console) as tenants, tenants.opened() as sessions:
        (tenant_result,) = tenants.run_open(sessions, TenantSession.list_grants)
        return tenant_result.session.name, tenant_result.result
