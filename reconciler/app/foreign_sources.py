"""Read the files of auth0-deploy-cli and Terraform from disk for `import --from`."""

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from reconciler.app.load import workspace_of
from reconciler.app.options import GlobalOptions
from reconciler.config.tenants import Config, choose_tenants, select_tenant
from reconciler.core.characters import join_some, quote_text
from reconciler.core.fields import ORGANIZATIONS
from reconciler.core.identity import host_of, is_same_host
from reconciler.core.imports.selection import ImportFilter
from reconciler.core.imports.shared_grants import NamedGrant
from reconciler.core.problems import Problem
from reconciler.core.tenant import Tenant, TenantKind
from reconciler.core.tenant_filter import BUILT_IN, TargetTenant, substitute
from reconciler.errors import ProblemsError, ReconcilerError
from reconciler.files.discover import name_of, read
from reconciler.foreign.deploy_cli import read_deploy_cli
from reconciler.foreign.deploy_files import DeployFile, FileKind
from reconciler.foreign.deploy_settings import MAPPINGS, DeployTenant
from reconciler.foreign.document import is_nested_deeper
from reconciler.foreign.grants import ForeignGrants, join_results
from reconciler.foreign.terraform import SHOW, read_terraform, wrong_document

MAX_BYTES = 64_000_000
MAX_JSON_LEVELS = 200
ANY_TENANT = ""
"""The placeholder for the tenant name in an import without a configured tenant."""
FOLDERS: Mapping[str, FileKind] = {
    "grants": FileKind.GRANT,
    "clients": FileKind.CLIENT,
    "organizations": FileKind.ORGANIZATION,
}
"""The folders of auth0-deploy-cli that an import reads, with the kind of file in each folder."""
YAML_SUFFIXES = frozenset({".yaml", ".yml"})
TENANT_FILES = ("tenant.yaml", "tenant.yml")
MAPPING = re.compile(r".*\.json=[^=/]+")
SETTING_PREFIXES = ("AUTH0_", "EXCLUDED_", "INCLUDED_")


@dataclass(frozen=True, slots=True)
class ForeignSource:
    """The files that `import --from` reads.

    `paths` maps tenant names to file paths. The paths under the key None apply to all tenants. `mappings` maps tenant
    names to files with the settings of auth0-deploy-cli.
    """

    paths: Mapping[str | None, Sequence[Path]]
    mappings: Mapping[str, Path] = field(default_factory=dict)


def parse_source(paths: Sequence[str], mappings: Sequence[str]) -> ForeignSource:
    """Parse the arguments of `import --from` (PATH or PATH=TENANT) and the values of --mappings (FILE=TENANT).

    Raises ReconcilerError.

    If --mappings is set, an argument such as config-dev.json=dev is an additional value of --mappings.
    """
    if mappings:
        more = [text for text in paths if MAPPING.fullmatch(text) and not Path(text).exists()]
        paths, mappings = [text for text in paths if text not in more], [*mappings, *more]
    by_tenant: dict[str | None, list[Path]] = defaultdict(list)
    for text in paths:
        path, is_named, tenant = text.rpartition("=")
        if is_named and tenant and not Path(text).exists():
            by_tenant[tenant].append(Path(path))
        else:
            by_tenant[None].append(Path(text))
    if None in by_tenant and len(by_tenant) > 1:
        raise ReconcilerError(
            "only some PATHs have a tenant; add a tenant to every PATH (PATH=TENANT), or remove all tenants"
        )
    files: dict[str, Path] = {}
    for text in mappings:
        path, is_named, tenant = text.rpartition("=")
        if not is_named or not path or not tenant:
            raise ReconcilerError(
                f"--mappings {text}: write the file and its tenant as FILE=TENANT, for example config-dev.json=dev"
            )
        if tenant in files:
            raise ReconcilerError(
                f"--mappings contains two files for the tenant {quote_text(tenant)}; use one file per tenant"
            )
        files[tenant] = Path(path)
    if None not in by_tenant and (unused := [name for name in files if name not in by_tenant]):
        raise ReconcilerError(
            f"--mappings contains the tenant {quote_text(unused[0])}, but no PATH has this tenant; add a PATH"
        )
    return ForeignSource(by_tenant, files)


def tenant_names(options: GlobalOptions, config: Config, source: ForeignSource) -> list[str]:
    """Return the names of the tenants that `import --from` imports.

    If no tenant is configured or selected, the result contains only ANY_TENANT.

    Raises:
        ReconcilerError: if a file does not exist, or if the options and the configuration select no tenant.
    """
    if None not in source.paths:
        return [name for name in source.paths if name is not None]
    if source.mappings:
        return list(source.mappings)
    if not config.tenants and not options.tenants:
        return [ANY_TENANT]
    missing = next((path for path in chain.from_iterable(source.paths.values()) if not os.path.lexists(path)), None)
    if missing is not None:
        raise ReconcilerError(f"{name_of(missing)} does not exist; check the path")
    if len(options.tenants) < len(("one", "another")) and not options.all_tenants:
        return [select_tenant(config, next(iter(options.tenants), None), {}).name]
    return [each.name for each in choose_tenants(config, options.tenants, {}, every=options.all_tenants)]


def read_deploy_source(
    options: GlobalOptions, config: Config, source: ForeignSource, choice: ImportFilter
) -> ForeignGrants:
    """Read files of auth0-deploy-cli, and return the selected grants.

    Raises ReconcilerError if a file cannot be read.
    """
    names = tenant_names(options, config, source)
    tenants = {name: _deploy_tenant(config, name, source.mappings.get(name)) for name in names}
    results = []
    for name, paths in source.paths.items():
        workspace_of(options.config).refuse_outside_links(paths)
        files = [file for path in paths for file in _deploy_files(path)]
        results.append(read_deploy_cli(files, [tenants[name]] if name is not None else list(tenants.values())))
    found = join_results(results)
    values = {name: {**found.variables[name], BUILT_IN: found.domains.get(name, "")} for name in found.by_tenant}
    selected = {
        name: [grant for grant in grants if choice.selects(*_filled(grant, values[name]))]
        for name, grants in found.by_tenant.items()
    }
    holders = {
        _filled(grant, values[name])[0][0]: None
        for name, grants in selected.items()
        for grant in grants
        if ORGANIZATIONS in grant.fields
    }
    return replace(found, by_tenant=selected, notes=(*found.notes, *_notes_on_organizations(list(holders))))


def _notes_on_organizations(holders: Sequence[str]) -> Iterator[str]:
    """Yield a note if the import declares the organizations of grants. `holders` contains the applications."""
    if holders:
        yield (
            f"organizations: for the grants of {join_some(holders)}, the import declares the organizations in the "
            "files. reconciler removes all other organizations from these grants, but auth0-deploy-cli keeps them. "
            "Check the plan, or remove the field organizations from the grant files"
        )


def _filled(grant: NamedGrant, values: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the application and the API of a grant, with values instead of variables."""
    _, holder, _, api, _ = grant.identity
    return [substitute(holder, values)], [substitute(api, values)]


def _deploy_tenant(config: Config, name: str, file: Path | None) -> DeployTenant:
    settings = _settings(file) if file else {}
    declared = config.tenants.get(name)
    return DeployTenant(
        name=name,
        file=name_of(file) if file else "",
        domain=tenant_domain(declared, settings.get("AUTH0_DOMAIN"), name, name_of(file) if file else ""),
        settings=settings,
    )


def tenant_domain(declared: Tenant | None, domain: object, name: str, file: str) -> str | None:
    """Return the domain in the identifiers of the tenant's system APIs, or None if the domain is unknown.

    `declared` is the tenant in the configuration, or None. `domain` is the domain in the imported file. `name` is the
    name of the tenant. `file` is the name of the imported file.

    Raises:
        ReconcilerError: if the domain in the configuration differs from `domain`.
    """
    host = host_of(domain) if isinstance(domain, str) and domain else None
    if declared is None or (declared.kind is TenantKind.SANDBOX and host):
        return host
    if host and not any(is_same_host(host, each) for each in declared.hosts):
        raise ReconcilerError(
            f"{file} is for {host}, but the domain of the tenant {quote_text(name)} is {declared.host}; use "
            f"the file for {declared.host}"
        )
    return declared.identity_host


def _settings(file: Path) -> Mapping[str, object]:
    """Return the settings in a configuration file of auth0-deploy-cli.

    If the file contains only values for `##KEY##` placeholders, return these values as the setting
    AUTH0_KEYWORD_REPLACE_MAPPINGS.
    """
    data = read_json(file)
    if not isinstance(data, dict):
        raise ReconcilerError(f"{name_of(file)} is not a configuration of auth0-deploy-cli: it is not a JSON object")
    if any(name.startswith(SETTING_PREFIXES) for name in data):
        return data
    return {MAPPINGS: data}


def read_json(file: Path) -> object:
    """Return the content of a JSON file.

    Raises:
        ReconcilerError: if the file cannot be read, is not valid JSON, or is nested too deeply.
    """
    try:
        data = json.loads(read_text(file))
    except (RecursionError, ValueError) as error:
        raise ReconcilerError(f"{name_of(file)} is not valid JSON: {error}") from error
    if is_nested_deeper(data, MAX_JSON_LEVELS):
        raise ReconcilerError(f"{name_of(file)} is nested more than {MAX_JSON_LEVELS} levels deep; reduce the nesting")
    return data


def read_text(file: Path) -> str:
    """Return the text of a file. Raises ReconcilerError if the file cannot be read or is too large."""
    if not file.exists():
        raise ReconcilerError(f"{name_of(file)} does not exist; check the path")
    content = read(file, MAX_BYTES)
    if isinstance(content, Problem):
        raise ProblemsError((content,))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReconcilerError(f"{name_of(file)} is not UTF-8 text") from error


def _deploy_files(path: Path) -> Iterator[DeployFile]:
    """Yield the files of auth0-deploy-cli at a path.

    Raises ReconcilerError if the path does not contain files of auth0-deploy-cli.
    """
    if path.suffix.lower() in YAML_SUFFIXES and not path.is_dir():
        yield DeployFile(name_of(path), read_text(path))
    elif path.suffix.lower() == ".json" and not path.is_dir():
        yield DeployFile(name_of(path), read_text(path), FileKind.GRANT)
    elif not path.is_dir():
        read_text(path)
        raise ReconcilerError(
            f"{name_of(path)} is not a file of auth0-deploy-cli; use tenant.yaml or the folder that contains "
            "tenant.yaml"
        )
    elif (path / "grants").is_dir():
        for folder, kind in FOLDERS.items():
            for file in sorted((path / folder).glob("*.json")):
                yield DeployFile(name_of(file), read_text(file), kind)
    elif whole := next((path / name for name in TENANT_FILES if (path / name).exists()), None):
        yield DeployFile(name_of(whole), read_text(whole))
    else:
        raise ReconcilerError(
            f"{name_of(path)} contains neither a folder named grants nor a file tenant.yaml; check the path"
        )


def read_terraform_source(
    options: GlobalOptions, config: Config, source: ForeignSource, choice: ImportFilter
) -> ForeignGrants:
    """Return the selected grants in Terraform states.

    Raises ReconcilerError if a file cannot be read.
    """
    names = tenant_names(options, config, source)
    results = []
    for name, paths in source.paths.items():
        workspace_of(options.config).refuse_outside_links(paths)
        tenants = [name] if name is not None else names
        if len(paths) > 1 or len(tenants) > 1:
            raise ReconcilerError(
                "a Terraform state belongs to one tenant; add a tenant to each file, for example state.json=dev"
            )
        results.append(_read_state(config, tenants[0], paths[0], choice))
    return join_results(results)


def _read_state(config: Config, name: str, path: Path, choice: ImportFilter) -> ForeignGrants:
    if path.is_dir():
        raise ReconcilerError(f"{name_of(path)} is a folder; run `{SHOW}` in the folder and import state.json")
    text = read_text(path)
    if path.suffix == ".tf" or (reason := wrong_document(text)):
        reason = wrong_document(text) or f"is not a Terraform state; run `{SHOW}` and import state.json"
        raise ReconcilerError(f"{name_of(path)} {reason}")
    declared = config.tenants.get(name)
    target = declared.target if declared else TargetTenant(name, {})
    domain = declared.identity_host if declared else None
    return read_terraform(read_json(path), name_of(path), target, domain, choice)


SourceReader = Callable[[GlobalOptions, Config, ForeignSource, ImportFilter], ForeignGrants]
READERS: Mapping[str, SourceReader] = {"deploy-cli": read_deploy_source, "terraform": read_terraform_source}
"""For each tool, the function that reads the exported files of the tool."""
TITLES: Mapping[str, str] = {"deploy-cli": "auth0-deploy-cli", "terraform": "Terraform"}
