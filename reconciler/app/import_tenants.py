"""`import` for several tenants: write grant files that the tenants share, and print the plan of each tenant."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from reconciler.app.console import Console
from reconciler.app.import_grants import ImportOptions, check_folder, declared_keys, grant_folders, reload_grants
from reconciler.app.load import load_config
from reconciler.app.options import GlobalOptions, PlanOptions, RequestOptions
from reconciler.app.session import TenantSession
from reconciler.app.shared_import import SharedImport, offer_variables, settings_of_offers, write_shared
from reconciler.app.tenant_runs import TenantResult, TenantRuns, tenant_runs
from reconciler.core.imports.selection import GrantImport, select_grants
from reconciler.core.imports.shared_grants import NamedGrant
from reconciler.core.imports.variable_offers import apply_offers
from reconciler.core.planner import Observation
from reconciler.core.tenant_filter import insert_variables
from reconciler.errors import Exit, ReconcilerError
from reconciler.files.discover import name_of
from reconciler.files.write import named_grant
from reconciler.output.styled import line
from reconciler.output.text.lists import ImportCounts, import_lines, left_out_lines, offer_lines
from reconciler.output.text.plan import plan_lines


def import_tenants(
    options: GlobalOptions, console: Console, import_options: ImportOptions, request_options: RequestOptions
) -> Exit:
    """For several tenants, write new grant files for the selected grants that no file declares, and print the plans.

    Raises:
        ReconcilerError: if the existing files are invalid or if a tenant cannot be read. A ReconcilerError means that
            no file was written.
    """
    folder = import_options.folder
    check_folder(options, folder)
    folders = grant_folders(options, folder)
    with tenant_runs(options, PlanOptions(), request_options, console, folders) as runs, runs.opened() as sessions:
        config = load_config(options.config)
        if unnamed := [each.tenant.name for each in sessions if each.tenant.name not in config.tenants]:
            raise ReconcilerError(f"{unnamed[0]} is not a tenant of the configuration; add the tenant to {config.file}")
        results = runs.run_open(sessions, TenantSession.observe_all)
        imports = {each.session.tenant.name: _select(each, import_options) for each in results if not runs.failed}
        if runs.failed:
            console.error("nothing was written, because not every tenant could be read")
            return runs.worst_exit_code([])
        by_tenant = {each.session.tenant.name: _named(each, imports) for each in results}
        offers = offer_variables(config, by_tenant)
        variables = settings_of_offers(offers) if import_options.variables else {}
        written = write_shared(
            options,
            config,
            SharedImport(
                folder=folder,
                title="Imported from several tenants.",
                by_tenant=apply_offers(by_tenant, offers) if variables else by_tenant,
                settings=_settings(variables),
            ),
        )
        for each in results:
            _print_notes(console, each, imports[each.session.tenant.name], verbose=options.verbose)
        counts = ImportCounts(
            written.grants,
            sum(each.declared for each in imports.values()),
            sum(len(each.left_out) for each in imports.values()),
            len(by_tenant),
            written.declarations,
        )
        files = [name_of(path) for path in written.files]
        changed = name_of(Path(config.file)) if written.has_new_settings else ""
        console.result(import_lines(counts, files, changed, verbose=options.verbose))
        console.result(offer_lines(offers, is_applied=bool(variables)))
        _plan(runs, results, options, console, import_options)
        return runs.worst_exit_code([Exit.DONE])


def _select(each: TenantResult[Observation], import_options: ImportOptions) -> GrantImport:
    return select_grants(
        each.result.grants,
        each.result.directory,
        choice=import_options.grant_filter,
        protection=each.session.protection(),
        declared=declared_keys(each.session, each.result),
    )


def _named(each: TenantResult[Observation], imports: dict[str, GrantImport]) -> list[NamedGrant]:
    target = each.session.tenant.target
    convert = partial(insert_variables, values=target.values)
    grants = (grant for _, listed in imports[target.name].holders for grant in listed)
    return [named_grant(grant, each.result.directory, convert) for grant in grants]


def _settings(variables: dict[str, dict[str, str]]) -> dict[str, Any]:
    return {"tenants": {name: {"variables": values} for name, values in variables.items()}} if variables else {}


def _print_notes(
    console: Console, each: TenantResult[Observation], grant_import: GrantImport, *, verbose: bool
) -> None:
    name = each.session.tenant.name
    for note in each.result.notes:
        console.note(f"Note: {name}: {note}")
    if grant_import.left_out:
        console.info([line(f"Tenant {name}:")])
    console.info(left_out_lines(grant_import, each.result.directory, verbose=verbose))


def _plan(
    runs: TenantRuns,
    results: Sequence[TenantResult[Observation]],
    options: GlobalOptions,
    console: Console,
    import_options: ImportOptions,
) -> None:
    """Print the plan of each tenant, based on the grants that were read before `import` wrote the files."""
    observed = {each.session.tenant.name: each.result for each in results}
    folders = grant_folders(options, import_options.folder)
    if not folders:
        return
    config = load_config(options.config)
    sessions = [replace(each.session, tenant=config.tenants[each.session.tenant.name]) for each in results]
    reloaded = [reload_grants(each, options, folders) for each in sessions]
    for planned in runs.run_open(reloaded, lambda each: each.plan_from(observed[each.tenant.name])):
        plan = planned.result.plan
        console.problems(planned.session.warnings(plan), planned.session.declared.texts)
        console.result([line()])
        console.result(plan_lines(plan, verbose=options.verbose))
