"""Write the grants of several tenants to shared grant files, and the required settings to reconciler.yaml."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.app.import_grants import SCHEMA, relative_path
from reconciler.app.load import workspace_of
from reconciler.app.options import GlobalOptions
from reconciler.artifacts.atomic_files import rewrite_text, write_new_files
from reconciler.config.file import parse_config
from reconciler.config.tenants import DEFAULT_FILE, Config
from reconciler.contract import stored
from reconciler.core.fields import FIELDS, FieldRole
from reconciler.core.imports.selection import UniqueNames
from reconciler.core.imports.shared_grants import (
    FieldValue,
    NamedGrant,
    SharedGrant,
    by_file,
    identity_of,
    merge_tenants,
)
from reconciler.core.imports.variable_offers import VariableOffer, find_offers, texts_of
from reconciler.core.problems import Source, errors
from reconciler.core.scope_sets import expand_scopes
from reconciler.core.spec import GrantSpec
from reconciler.core.tenant_filter import (
    FIELDS_WITH_VARIABLES,
    TargetTenant,
    select_for_tenant,
    substitute,
    variable_names,
)
from reconciler.errors import ProblemsError, ReconcilerError
from reconciler.files.config_edit import add_settings, write_settings
from reconciler.files.discover import name_of, read
from reconciler.files.read import LoadedGrants, check_texts, validate_file
from reconciler.files.update import NotEditableError
from reconciler.files.write import shared_file, split_declarations
from reconciler.foreign.grants import LeftOut

DECLARED_FIELDS = tuple(each for each in FIELDS if each.role is not FieldRole.FILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedImport:
    """The grants that an import writes for each tenant, and the settings that the import adds to reconciler.yaml.

    `title` is the comment at the top of each new grant file.
    """

    folder: Path
    title: str
    by_tenant: Mapping[str, Sequence[NamedGrant]]
    settings: Mapping[str, Any] = field(default_factory=dict)


def offer_variables(config: Config, by_tenant: Mapping[str, Sequence[NamedGrant]]) -> tuple[VariableOffer, ...]:
    """Find strings that differ between tenants, and return a proposed variable for each string."""
    if len(by_tenant) < len(("one", "another")):
        return ()
    tenants = [config.tenants[name] for name in by_tenant if name in config.tenants]
    names = {name: [name] for name in by_tenant} | {each.name: [each.name, each.host] for each in tenants}
    taken = {variable for each in config.tenants.values() for variable in each.variables}
    taken |= {
        variable for grants in by_tenant.values() for text in texts_of(grants) for variable in variable_names(text)
    }
    return find_offers({name: set(texts_of(grants)) for name, grants in by_tenant.items()}, names, taken)


def settings_of_offers(offers: Iterable[VariableOffer]) -> dict[str, dict[str, str]]:
    """Return the value of each proposed variable, grouped by tenant."""
    found: dict[str, dict[str, str]] = {}
    for offer in offers:
        for tenant, value in offer.values.items():
            found.setdefault(tenant, {})[offer.name] = value
    return found


@dataclass(frozen=True, slots=True)
class WrittenImport:
    """The result of an import: the written files, the number of declarations, and the number of grants.

    `grants` is the total number of imported grants in all tenants.
    """

    files: tuple[Path, ...]
    declarations: int
    grants: int
    has_new_settings: bool


def write_shared(options: GlobalOptions, config: Config, shared: SharedImport) -> WrittenImport:
    """Write the grant files and reconciler.yaml. If writing fails, no file is changed.

    Raises:
        ReconcilerError: if a file cannot be written, or if the new files would not declare exactly the imported grants.
    """
    file = Path(options.config or DEFAULT_FILE)
    workspace_of(options.config).refuse_outside_links([shared.folder, file])
    config_text, new_config = config_with(file, config, shared.settings)
    every_tenant = tuple(new_config.tenants)
    declarations = merge_tenants(shared.by_tenant, every_tenant or tuple(shared.by_tenant))
    texts = _texts(options, shared, declarations)
    _check(texts, new_config, shared.by_tenant)
    _write(shared.folder, texts, file, config_text)
    return WrittenImport(
        tuple(texts), len(declarations), sum(map(len, shared.by_tenant.values())), config_text is not None
    )


def config_with(file: Path, config: Config, settings: Mapping[str, Any]) -> tuple[str | None, Config]:
    """Return the new content of reconciler.yaml, and the parsed configuration.

    If reconciler.yaml does not change, return None instead of the new content.
    """
    if not settings:
        return None, config
    name = name_of(file)
    if not file.exists():
        text = write_settings(settings)
    else:
        content = read(file)
        before = content.decode("utf-8-sig") if isinstance(content, bytes) else ""
        try:
            text = add_settings(before, settings)
        except NotEditableError as error:
            raise ReconcilerError(
                f"nothing was written: {name} cannot be changed: {error}; add these settings by hand and run the "
                f"command again:\n{write_settings(settings)}"
            ) from error
        if text == before:
            return None, config
    loaded = validate_file(name, text.encode(), stored.load(stored.CONFIG))
    if errors(loaded.problems):
        raise ProblemsError(loaded.problems, {name: text})
    try:
        return text, parse_config(loaded.data, str(file))
    except ProblemsError as error:
        raise ProblemsError(error.problems, {name: text}) from error


def _texts(options: GlobalOptions, shared: SharedImport, declarations: Iterable[SharedGrant]) -> dict[Path, str]:
    schema = Path(options.config or DEFAULT_FILE).parent / SCHEMA
    editor = f"yaml-language-server: $schema={relative_path(schema, shared.folder)}"
    comments = [*([editor] if schema.exists() else []), shared.title]
    folder = shared.folder
    unique_name = UniqueNames(path.stem for path in folder.iterdir()) if folder.is_dir() else UniqueNames(())
    return {
        folder / f"{unique_name(stem)}.yaml": shared_file(part, comments)
        for stem, group in by_file(declarations)
        for part in split_declarations(group)
    }


def _check(texts: Mapping[Path, str], config: Config, by_tenant: Mapping[str, Sequence[NamedGrant]]) -> None:
    """Check that the new files are valid and declare exactly the grants of each tenant.

    Raises:
        ProblemsError: if a file is not valid.
        ReconcilerError: if the declared grants differ from the grants of a tenant.
    """
    targets = config.targets(*(config.tenants[name] for name in by_tenant if name in config.tenants))
    loaded = check_texts({name_of(path): text for path, text in texts.items()}, targets)
    if errors(loaded.problems):
        raise ProblemsError(loaded.problems, loaded.texts)
    for target in targets.targets:
        wanted = sorted(_filled(grant.fields, target) for grant in by_tenant.get(target.name, ()))
        found = sorted(_declared(spec) for spec in select_for_tenant(loaded.specs, target))
        if wanted != found:
            raise ReconcilerError(
                f"nothing was written: the files would not declare exactly the grants of {target.name or 'the tenant'}"
                "; this is a bug, please report it"
            )


def _filled(fields: Mapping[str, FieldValue], target: TargetTenant) -> tuple[tuple[str, str], ...]:
    """Return the fields of an imported grant as sorted pairs of name and text.

    Variables and scope sets are replaced with their values.
    """

    def fill(name: str, value: FieldValue) -> str:
        values = target.values if name in FIELDS_WITH_VARIABLES else None
        if isinstance(value, tuple):
            items = [each.text for each in expand_scopes(value, target.scope_sets)] if name == "scope" else value
            return repr(sorted({text if values is None else substitute(text, values) for text in items}))
        return substitute(value, values) if isinstance(value, str) and values is not None else str(value)

    return tuple(sorted((name, fill(name, value)) for name, value in fields.items()))


def _declared(spec: GrantSpec) -> tuple[tuple[str, str], ...]:
    """Return the fields of a declared grant that differ from the default, as sorted pairs of name and text."""
    values = {each.name: (getattr(spec, each.name), each.default) for each in DECLARED_FIELDS}
    return tuple(
        sorted(
            (name, repr(sorted(set(value))) if isinstance(value, tuple) else str(value))
            for name, (value, default) in values.items()
            if value is not None and value != default and not (value == () and default is not None)
        )
    )


@dataclass(frozen=True, slots=True)
class DeclaredComparison:
    """The result of comparing the imported grants of each tenant with the existing declarations."""

    new: Mapping[str, list[NamedGrant]]
    """The grants that no file declares, by the name of the tenant."""
    declared: int
    """The number of grants that the files already declare."""
    different: tuple[LeftOut, ...]
    """The declarations whose values differ from the values of the imported grant."""
    other: Mapping[str, list[GrantSpec]]
    """The existing declarations that match no imported grant, by the name of the tenant."""


def compare_with_declared(
    by_tenant: Mapping[str, Sequence[NamedGrant]], loaded: LoadedGrants, targets: Iterable[TargetTenant]
) -> DeclaredComparison:
    """Compare the imported grants of each tenant with the existing declarations."""
    new = {name: list(grants) for name, grants in by_tenant.items()}
    different: dict[tuple[Source, str], list[str]] = {}
    other: dict[str, list[GrantSpec]] = {}
    for target in targets:
        declared = {identity_of(_key_fields(spec)): spec for spec in select_for_tenant(loaded.specs, target)}
        new[target.name] = []
        for grant in by_tenant.get(target.name, ()):
            identity = tuple(substitute(text, target.values) for text in grant.identity)
            spec = declared.pop(identity, None)
            if spec is None:
                new[target.name].append(grant)
            elif _declared(spec) != _filled(grant.fields, target):
                different.setdefault((spec.source, f"{identity[1]} -> {identity[3]}"), []).append(target.name)
        other[target.name] = list(declared.values())
    reason = "this file declares the grant with other values than the imported files"
    return DeclaredComparison(
        new,
        sum(map(len, by_tenant.values())) - sum(map(len, new.values())),
        tuple(LeftOut(*key, reason, tuple(filter(None, names))) for key, names in different.items()),
        other,
    )


def _key_fields(spec: GrantSpec) -> Mapping[str, FieldValue]:
    keys = (each.name for each in FIELDS if each.role is FieldRole.KEY)
    return {name: value for name in keys if (value := getattr(spec, name)) is not None}


def _write(folder: Path, texts: Mapping[Path, str], file: Path, config_text: str | None) -> None:
    """Write reconciler.yaml and the grant files. If writing a grant file fails, restore reconciler.yaml."""
    is_new, before = not file.exists(), b""
    try:
        if config_text is not None and is_new:
            write_new_files({file: config_text})
        elif config_text is not None:
            before = file.read_bytes()
            rewrite_text(file, config_text)
        try:
            write_new_files(dict(texts))
        except OSError:
            if config_text is not None and is_new:
                file.unlink()
            elif config_text is not None:
                rewrite_text(file, before.decode("utf-8-sig"))
            raise
    except OSError as error:
        raise ReconcilerError(
            f"nothing was written: {name_of(Path(error.filename or folder))}: {error.strerror}"
        ) from error
