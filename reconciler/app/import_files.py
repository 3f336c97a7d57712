"""`import --from`: write grant files for the grants in files of auth0-deploy-cli or Terraform."""

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os.path import lexists
from pathlib import Path
from typing import Any, TypeVar

from reconciler.app.console import Console
from reconciler.app.foreign_sources import ANY_TENANT, READERS, TITLES, parse_source
from reconciler.app.load import load_config, load_grants
from reconciler.app.options import GlobalOptions, PlanOptions, RequestOptions
from reconciler.app.session import TenantSession
from reconciler.app.shared_import import (
    DeclaredComparison,
    SharedImport,
    compare_with_declared,
    config_with,
    offer_variables,
    settings_of_offers,
    write_shared,
)
from reconciler.app.tenant_runs import tenant_runs
from reconciler.app.time_limit import time_limit
from reconciler.config.tenants import DEFAULT_FILE, Config, check_environment
from reconciler.connect import route_to
from reconciler.core.characters import join_some, quote_text, visible
from reconciler.core.identity import host_of, is_same_host
from reconciler.core.imports.selection import ImportFilter
from reconciler.core.imports.variable_offers import apply_offers
from reconciler.core.pattern import PATTERN_FIELDS
from reconciler.core.problems import errors
from reconciler.core.tenant import Tenant, TenantKind
from reconciler.errors import Exit, ProblemsError, ReconcilerError
from reconciler.files.discover import name_of
from reconciler.foreign.grants import ForeignGrants, ProtectItem
from reconciler.output.styled import line
from reconciler.output.text.lists import ImportCounts, import_lines, not_imported_lines, offer_lines
from reconciler.output.text.plan import plan_lines

T = TypeVar("T")
SCOPE_SETS = "scope_sets"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileImportOptions:
    """The options of `import --from`."""

    tool: str
    """The tool that exported the files: auth0-deploy-cli or Terraform."""
    paths: tuple[str, ...]
    """The files or folders to import. An argument `PATH=TENANT` applies only to one tenant."""
    mappings: tuple[str, ...] = ()
    """Arguments `FILE=TENANT`. Each FILE is a configuration file of auth0-deploy-cli."""
    folder: Path
    """The folder for the new files."""
    grant_filter: ImportFilter = field(default_factory=ImportFilter)
    """The grants to import."""
    variables: bool = False
    """True if the import uses a variable in place of each string that differs between tenants."""


def import_files(
    options: GlobalOptions, console: Console, file_options: FileImportOptions, request_options: RequestOptions
) -> Exit:
    """Write grant files, and add the required settings to reconciler.yaml.

    If the environment contains credentials, also print the plan.

    Raises:
        ReconcilerError: if the files have problems. A ReconcilerError means that no file was written.
    """
    config = load_config(options.config)
    source = parse_source(file_options.paths, file_options.mappings)
    with time_limit(request_options.timeout):
        found = READERS[file_options.tool](options, config, source, file_options.grant_filter)
    if errors(found.problems):
        raise ProblemsError(found.problems)
    compared = _compare_with_declared(options, file_options, config, found)
    new, left_out = compared.new, (*found.left_out, *compared.different)
    offers = offer_variables(config, new)
    if file_options.variables:
        new = apply_offers(new, offers)
        found = _with_variables(found, settings_of_offers(offers))
    settings = _settings(config, found)
    title = f"Imported from {TITLES[file_options.tool]}."
    shared = SharedImport(folder=file_options.folder, title=title, by_tenant=new, settings=settings)
    written = write_shared(options, config, shared)
    console.info(not_imported_lines(left_out, verbose=options.verbose))
    counts = ImportCounts(written.grants, compared.declared, len(left_out), len(found.by_tenant), written.declarations)
    files = [name_of(path) for path in written.files]
    changed = name_of(Path(config.file)) if written.has_new_settings else ""
    console.result(import_lines(counts, files, changed, verbose=options.verbose))
    console.result(offer_lines(offers, is_applied=file_options.variables))
    if notes := [*found.notes, *_notes_on_new_tenants(config, compared)]:
        console.result([line(), line("Notes on the imported files:"), *(line("    ", visible(each)) for each in notes)])
    for paragraph in found.handover:
        console.result(line(visible(text)) for text in ("", *paragraph.split("\n")))
    return plan_imported(options, console, list(found.by_tenant), file_options.folder, request_options)


def _with_variables(found: ForeignGrants, variables: Mapping[str, Mapping[str, str]]) -> ForeignGrants:
    names = dict.fromkeys([*found.variables, *variables])
    return replace(
        found, variables={name: {**found.variables.get(name, {}), **variables.get(name, {})} for name in names}
    )


def _compare_with_declared(
    options: GlobalOptions, file_options: FileImportOptions, config: Config, found: ForeignGrants
) -> DeclaredComparison:
    """Compare the imported grants with the existing declarations, which may also apply to new tenants."""
    folders = [path for path in (Path(options.grants), file_options.folder) if lexists(path)]
    if not folders:
        return DeclaredComparison({name: list(grants) for name, grants in found.by_tenant.items()}, 0, (), {})
    _, new_config = config_with(Path(options.config or DEFAULT_FILE), config, _settings(config, found))
    tenants = [new_config.tenants[name] for name in found.by_tenant if name in new_config.tenants]
    loaded = load_grants(options, new_config, tenants, folders)
    return compare_with_declared(found.by_tenant, loaded, new_config.targets(*tenants).targets)


def _notes_on_new_tenants(config: Config, compared: DeclaredComparison) -> Iterator[str]:
    for tenant, specs in compared.other.items():
        if specs and tenant not in config.tenants and tenant != ANY_TENANT:
            places = join_some([str(spec.source) for spec in specs])
            yield (
                f"{places} also apply to the new tenant {quote_text(tenant)}, but the import has no such grants for "
                "this tenant. Limit the declarations with the field tenants, or check the plan"
            )


def _settings(config: Config, found: ForeignGrants) -> dict[str, Any]:
    """Return the settings to add to reconciler.yaml: new tenants, variables and protected grants.

    Raises:
        ReconcilerError: if the domain of a new tenant is unknown, or if reconciler.yaml contains a different value for
            a variable.
    """
    tenants: dict[str, Any] = {}
    prefixes = _credential_prefixes([name for name in found.by_tenant if name not in config.tenants])
    for name in found.by_tenant:
        declared = config.tenants.get(name)
        settings = {
            **_domain(name, declared, found),
            **({"credentials": prefixes[name]} if name in prefixes else {}),
            **_variables(name, declared, found),
            **_protect(name, declared, found),
        }
        if settings:
            tenants[name] = settings
    if ANY_TENANT in tenants:
        return dict(tenants[ANY_TENANT])
    settings = {"tenants": tenants} if tenants else {}
    return _with_shared_sets(settings, {*config.tenants, *found.by_tenant})


def _with_shared_sets(settings: dict[str, Any], every_tenant: Collection[str]) -> dict[str, Any]:
    """If all tenants have the same scope set, move the scope set from the tenants to the shared settings."""
    by_tenant = {name: each.get(SCOPE_SETS, {}) for name, each in settings.get("tenants", {}).items()}
    shared = {
        name: scopes
        for name, scopes in next(iter(by_tenant.values()), {}).items()
        if all(by_tenant.get(tenant, {}).get(name) == scopes for tenant in every_tenant)
    }
    if not shared:
        return settings
    tenants: dict[str, Any] = {}
    for name, each in settings["tenants"].items():
        own = {key: scopes for key, scopes in each[SCOPE_SETS].items() if key not in shared}
        rest = {key: value for key, value in each.items() if key != SCOPE_SETS} | ({SCOPE_SETS: own} if own else {})
        tenants |= {name: rest} if rest else {}
    return {SCOPE_SETS: shared, **({"tenants": tenants} if tenants else {})}


def _credential_prefixes(names: Sequence[str]) -> dict[str, str]:
    """Return a prefix for the credentials of each new tenant, such as AUTH0_PROD_.

    If only one tenant is added, return an empty dict, because a single tenant can use the default prefix.
    """
    prefixes = {name: f"AUTH0_{re.sub('[^A-Z0-9]+', '_', name.upper()).strip('_')}_" for name in names}
    are_unique = len(set(prefixes.values())) == len(names) > 1 and "AUTH0__" not in prefixes.values()
    return prefixes if are_unique else {}


def _domain(name: str, declared: Tenant | None, found: ForeignGrants) -> dict[str, Any]:
    if declared is not None or name == ANY_TENANT:
        return {}
    domain = found.domains.get(name)
    if domain is None:
        raise ReconcilerError(
            f"the domain of the tenant {quote_text(name)} is unknown: declare the tenant in {DEFAULT_FILE}, or "
            "add AUTH0_DOMAIN to the file of the tenant in --mappings"
        )
    return {"domain": domain}


def _variables(name: str, declared: Tenant | None, found: ForeignGrants) -> dict[str, Any]:
    known = declared.variables if declared else {}
    sets = {key: tuple(sorted(scopes)) for key, scopes in declared.scope_sets.items()} if declared else {}
    variables = _missing(name, "variables", found.variables.get(name, {}), known)
    scope_sets = _missing(name, SCOPE_SETS, found.scope_sets.get(name, {}), sets)
    return {
        **({"variables": variables} if variables else {}),
        **({SCOPE_SETS: {key: list(scopes) for key, scopes in scope_sets.items()}} if scope_sets else {}),
    }


def _missing(tenant: str, setting: str, wanted: Mapping[str, T], known: Mapping[str, T]) -> dict[str, T]:
    """Return the items of `wanted` that `known` does not contain.

    Raises ReconcilerError if an item has different values in `wanted` and `known`.
    """
    if different := [each for each, value in wanted.items() if known.get(each, value) != value]:
        raise ReconcilerError(
            f"reconciler.yaml already defines {join_some(different)} with another value under {setting} of the tenant "
            f"{quote_text(tenant)}; rename the entry in reconciler.yaml, or rename the keyword of auth0-deploy-cli"
        )
    return {each: value for each, value in wanted.items() if each not in known}


def _protect(name: str, declared: Tenant | None, found: ForeignGrants) -> dict[str, Any]:
    known = [
        {name: value for name in PATTERN_FIELDS if (value := getattr(each, name)) is not None}
        for each in (declared.protect if declared else ())
    ]
    items: list[ProtectItem] = []
    for item in found.protect.get(name, ()):
        if _without_reason(item) not in [*known, *map(_without_reason, items)]:
            items.append(dict(item))
    return {"protect": items} if items else {}


def _without_reason(item: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in item.items() if name != "reason"}


def plan_imported(
    options: GlobalOptions, console: Console, names: Sequence[str], folder: Path, request_options: RequestOptions
) -> Exit:
    """Print the plan of each tenant whose credentials are in the environment.

    For tenants without credentials in the environment, print the next steps.
    """
    config = load_config(options.config)
    tenants = [config.tenants[name] for name in names if name in config.tenants]
    ready = [tenant for tenant in tenants if _has_credentials(tenant, is_only=len(tenants) == 1)]
    others = [tenant.name for tenant in tenants if tenant not in ready]
    if others or not tenants:
        console.result(line(visible(text)) for text in ["", *_next_steps(options, others, tenants)])
    if not ready:
        return Exit.DONE
    options = replace(options, tenants=tuple(tenant.name for tenant in ready), all_tenants=False)
    folders = [path for path in dict.fromkeys((Path(options.grants), folder)) if lexists(path)]
    with tenant_runs(options, PlanOptions(), request_options, console, folders) as runs, runs.opened() as sessions:
        for result in runs.run_open(sessions, TenantSession.observe_and_plan):
            plan = result.result.plan
            console.problems(result.session.warnings(plan), result.session.declared.texts)
            console.result([line()])
            console.result(plan_lines(plan, verbose=options.verbose))
        return runs.worst_exit_code([Exit.DONE])


def _has_credentials(tenant: Tenant, *, is_only: bool) -> bool:
    """Return whether the environment has credentials for `tenant`.

    If the command has several tenants, the environment must also contain the tenant's domain.
    """
    try:
        check_environment(tenant, os.environ)
        with route_to(tenant, os.environ) as route:
            route.credentials()
        domain = os.environ.get(tenant.domain_variable, "").strip()
        is_confirmed = bool(domain) and is_same_host(host_of(domain), tenant.host)
    except ReconcilerError:
        return False
    return tenant.kind is TenantKind.SANDBOX or is_only or is_confirmed


def _next_steps(options: GlobalOptions, names: Sequence[str], tenants: Sequence[Tenant]) -> Iterator[str]:
    config = f" --config {options.config}" if options.config else ""
    if not tenants:
        yield "To plan, set AUTH0_DOMAIN, AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET, then run reconciler plan"
        return
    yield "To plan, set the credentials of each tenant, then:"
    for name in names:
        yield f"    reconciler{config} plan --tenant {name}"
