"""`reconciler list`: list the declared grants, or the grants of the tenants."""

import click

from reconciler.app.access import select_offline
from reconciler.app.console import Console
from reconciler.app.load import load_config, load_grants
from reconciler.app.options import GlobalOptions, PlanOptions, RequestOptions
from reconciler.app.session import TenantSession
from reconciler.app.tenant_runs import tenant_runs
from reconciler.cli.option_groups import format_option, option_group, request_options, selecting_options
from reconciler.cli.options import TENANT_OPTIONS, current_options, global_options
from reconciler.core.directory import Directory
from reconciler.core.expiry import split_expired
from reconciler.core.listing import Listing, as_declared, as_observed, as_resolved
from reconciler.core.problems import errors, one_per_cause
from reconciler.core.resolve import resolve
from reconciler.core.selection import refuse_empty_selection, select_grants, split_specs
from reconciler.errors import Exit, ProblemsError, ReconcilerError
from reconciler.output.styled import line
from reconciler.output.text.lists import listing_json, listing_lines, listings_csv

NOT_READ = Directory(applications=(), apis=())
"""The empty `Directory` (the names in a tenant) for `list --offline`, which does not read a tenant.

With --offline, --client and --api match the names and ids in the grant files.
"""


@global_options(
    *TENANT_OPTIONS,
    examples=("reconciler list --api 'Payments*'", "reconciler list --observed --all-tenants --format csv"),
)
@click.command("list")
@option_group("selecting", PlanOptions, *selecting_options())
@click.option("--observed", is_flag=True, help="List the grants of the tenants instead of the declared grants.")
@click.option("--offline", is_flag=True, help="Show names as written in the files, without reading a tenant.")
@request_options
@format_option("csv")
def command(
    *,
    selecting: PlanOptions,
    observed: bool,
    offline: bool,
    request_options: RequestOptions,
    stdout_format: str,
) -> Exit:
    """List the declared grants with the file and line of each grant, and with the values of variables.

    The output contains the name and the id of each application and API. PATHs are grant files or folders. With PATHs,
    --client or --api, only the selected grants are listed.
    """
    options = current_options()
    console = Console(options)
    if observed and (offline or selecting.paths):
        other = "--offline" if offline else "PATHs"
        raise ReconcilerError(
            f"the option --observed lists the tenant's grants and cannot be combined with {other}; use one of them"
        )
    if offline:
        listings, code = _list_offline(options, selecting), Exit.DONE
    else:
        work = _list_observed if observed else _list_declared
        with tenant_runs(options, selecting, request_options, console) as tenants, tenants.opened() as sessions:
            listings = [each.result for each in tenants.run_open(sessions, work)]
            code = tenants.worst_exit_code([])
    refuse_empty_selection(each.selection for each in listings)
    _print(listings, stdout_format, console, are_several=options.all_tenants or len(options.tenants) > 1)
    return code


async def _list_observed(session: TenantSession) -> Listing:
    """Return the selected grants of the tenant, with all names that the token may read. Raises Auth0Error."""
    observation = await session.observe_all()
    everything = split_specs((), session.selection, observation.directory)
    chosen = select_grants(observation.grants, (), everything, {}, observation.directory)
    return Listing(
        session.name,
        tuple(as_observed(each, observation.directory) for each in chosen.grants),
        session.now,
        observed=True,
        selection=chosen.result,
        notes=(*observation.notes, *chosen.notes),
    )


async def _list_declared(session: TenantSession) -> Listing:
    """Return the declared grants, with the tenant's ids in place of the names in the files.

    If an expired grant contains a name that does not exist in the tenant, the returned grant contains the name instead
    of an id.

    Raises Auth0Error, ReconcilerError.
    """
    declared, directory = session.declared, await session.read_names()
    split = split_specs(declared.specs, session.selection, directory, declared.of_all_tenants)
    valid, expired = split_expired(split.selected, session.now)
    desired, problems = resolve(valid, directory)
    problems += split.problems
    if errors(problems):
        raise ProblemsError(one_per_cause(problems), declared.texts)
    ended = [(spec, resolve([spec], directory)[0]) for spec in expired]
    chosen = select_grants((), desired, split, {}, directory)
    listed = (
        *(as_resolved(each, directory) for each in desired),
        *(as_resolved(found[0], directory) if found else as_declared(spec) for spec, found in ended),
    )
    return Listing(session.name, listed, session.now, selection=chosen.result, notes=chosen.notes)


def _list_offline(options: GlobalOptions, selecting: PlanOptions) -> list[Listing]:
    config = load_config(options.config)
    tenants = select_offline(options, config)
    grants, selection = load_grants(options, config, tenants), selecting.selection(options.grants)
    listings = []
    for tenant in tenants:
        split = split_specs(grants.at(tenant.target).specs, selection, NOT_READ, grants.specs)
        chosen = select_grants((), (), split, {}, NOT_READ)
        listed = tuple(map(as_declared, split.selected))
        result = Listing(tenant.title, listed, options.now, resolved=False, selection=chosen.result, notes=chosen.notes)
        listings.append(result)
    return listings


def _print(listings: list[Listing], stdout_format: str, console: Console, *, are_several: bool) -> None:
    """Print the lists of grants. For several tenants, the JSON format is `{"tenants": [the object of each tenant]}`."""
    if stdout_format == "csv":
        console.text(listings_csv(listings))
        return
    if stdout_format == "json":
        found = [listing_json(each) for each in listings]
        console.data({"tenants": found} if are_several else found[0])
        return
    for number, listing in enumerate(listings):
        console.result([line()] * bool(number))
        console.result(listing_lines(listing))
