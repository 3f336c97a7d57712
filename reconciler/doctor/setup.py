"""Check the local setup: the configuration, the choice of a tenant, the grant files."""

from collections.abc import Callable
from pathlib import Path

from reconciler.config.tenants import Config, Tenant, TenantKind
from reconciler.core.characters import pluralize
from reconciler.core.problems import Finding, Problem, Status, errors
from reconciler.core.tenant_filter import NO_TENANTS
from reconciler.errors import ProblemsError, ReconcilerError
from reconciler.files.read import LoadedGrants, read_grants
from reconciler.files.workspace import Workspace
from reconciler.observe import RequiredListings, required_listings

EVERYTHING = RequiredListings(
    application_names=True, api_names=True, scopes=True, organizations=True, organization_names=True
)
"""All listings. They are assumed to be needed if the files cannot be read."""


def configuration(read: Callable[[], Config]) -> tuple[Finding, Config | None]:
    """Check reconciler.yaml. `read` returns the configuration or raises ReconcilerError."""
    try:
        config = read()
    except ReconcilerError as error:
        return Finding(
            "configuration", Status.FAILED, _first_message(error), "correct it; docs/configuration.md has an example"
        ), None
    if not config.tenants:
        return Finding("configuration", Status.OK, "contains no tenants"), config
    return Finding(
        "configuration", Status.OK, f"{config.file} names {pluralize(len(config.tenants), 'tenant')}"
    ), config


def tenant(config: Config | None, choose: Callable[[Config], Tenant]) -> tuple[Finding, Tenant | None]:
    """Check the choice of a tenant. `choose` returns the tenant or raises ReconcilerError."""
    if config is None:
        return Finding("tenant", Status.SKIPPED, "the configuration cannot be read"), None
    try:
        chosen = choose(config)
    except ReconcilerError as error:
        return Finding(
            "tenant", Status.FAILED, str(error), "`reconciler --help` explains the choice of the tenant"
        ), None
    location = "a sandbox in this process" if chosen.kind is TenantKind.SANDBOX else chosen.base_url
    return Finding("tenant", Status.OK, f"{chosen.title.label}: {location}"), chosen


def grants(
    folder: Path, config: Config | None, chosen: Tenant | None, workspace: Workspace
) -> tuple[Finding, RequiredListings]:
    """Check the grant files for the tenant `chosen`, and return the listings that they need."""
    tenants = [chosen] if chosen else []
    try:
        declared = read_grants([folder], config.targets(*tenants) if config else NO_TENANTS, workspace)
    except ReconcilerError as error:
        return Finding("grants", Status.FAILED, str(error), "set the folder of grant files with --grants"), EVERYTHING
    patterns = chosen.patterns if chosen else ()
    tenant_grants = declared.at(chosen.target) if chosen else declared
    return _grants(tenant_grants), required_listings(tenant_grants.specs, patterns)


def _grants(declared: LoadedGrants) -> Finding:
    file_errors = errors(declared.problems)
    if file_errors:
        return Finding("grants", Status.FAILED, _first_of(file_errors), "`reconciler validate` shows all problems")
    found = f"{pluralize(len(declared.specs), 'grant')} in {pluralize(len(declared.texts), 'file')}"
    if declared.problems:
        advice = "`reconciler validate` shows all problems"
        return Finding("grants", Status.WARNING, f"{found}; {_first_of(declared.problems)}", advice)
    return Finding("grants", Status.OK, found)


def _first_message(error: ReconcilerError) -> str:
    return _first_of(error.problems) if isinstance(error, ProblemsError) else str(error)


def _first_of(problems: tuple[Problem, ...]) -> str:
    first, *others = problems
    more = f" (and {len(others)} more)" if others else ""
    return f"{first.source}: {first.message}{more}"
