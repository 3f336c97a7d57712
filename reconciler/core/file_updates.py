"""Pure: decide how the declarations in grant files must change, so that they declare what the tenant has."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.core.directory import Directory
from reconciler.core.fields import BY_NAME, ORGANIZATIONS, FieldKind
from reconciler.core.grant import EMPTY_SET, ObservedGrant, index_by_key
from reconciler.core.import_selection import ImportFilter
from reconciler.core.organizations import may_have_organizations
from reconciler.core.plan import Update, compare
from reconciler.core.problems import Problem, Severity
from reconciler.core.resolve import DesiredGrant, resolve
from reconciler.core.spec import GrantSpec, Mark
from reconciler.core.tenant_filter import TargetTenant, applies_to_tenant, patterns_of, substitute, substitute_spec

ItemWriter = Callable[[str, str], str]
"""Receives the name of a field and an item of the tenant. Returns the item as a file should write it."""


@dataclass(frozen=True, slots=True)
class SetUpdate:
    """A change of a list: the items to remove, as the file writes them, and the items to add."""

    remove: frozenset[str]
    add: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GrantUpdate:
    """The new values of fields of one grant, by name."""

    fields: Mapping[str, str | bool | SetUpdate]


@dataclass(frozen=True, slots=True)
class GrantSplit:
    """The split of a declaration that several tenants share: it stays for `others`, and a copy is for `tenant`.

    `update` has the values of the copy. If it is None, there is no copy, because the tenant does not have the grant.
    """

    others: SetUpdate
    tenant: str
    update: GrantUpdate | None


FileUpdates = Mapping[Mark, GrantUpdate | GrantSplit | None]
"""The updates of one file by the position of the grant. None removes the grant."""


@dataclass(frozen=True, slots=True)
class SelectedUpdates:
    """The updates by file name, and a warning for each grant that differs and is not updated."""

    by_file: Mapping[str, FileUpdates] = field(default_factory=dict)
    not_updated: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRules:
    """The grants to update and how to write them.

    Attributes:
        target: The tenant.
        other_tenants: The names of the other tenants in the configuration.
        choice: The grants to update.
        write_item: Converts items of lists that may contain variables.
    """

    target: TargetTenant
    other_tenants: Sequence[str]
    choice: ImportFilter
    write_item: ItemWriter


def select_updates(
    specs: Iterable[GrantSpec], observed: Iterable[ObservedGrant], directory: Directory, rules: UpdateRules
) -> SelectedUpdates:
    """Return the updates of declarations that differ from the tenant.

    Args:
        specs: The declarations as the files write them, for all tenants.
        observed: The grants of the tenant, with the organizations that could be read.
        directory: The names and ids of the tenant.
        rules: The grants to update and how to write them.
    """
    by_key = index_by_key(observed)
    by_file: dict[str, dict[Mark, GrantUpdate | GrantSplit | None]] = {}
    not_updated: list[Problem] = []
    for spec in specs:
        if not applies_to_tenant(patterns_of(spec), rules.target.name):
            continue
        desired, problems = resolve([substitute_spec(spec, rules.target.values)], directory)
        if not desired:
            not_updated.extend(_warnings(problems))
            continue
        if not rules.choice.covers(desired[0].key, directory):
            continue
        found = _update_of(spec, desired[0], by_key.get(desired[0].key), directory, rules)
        if isinstance(found, str):
            not_updated.append(_warning(spec, found))
        elif found is None or found.fields:
            others = [name for name in rules.other_tenants if applies_to_tenant(patterns_of(spec), name)]
            update = _split(spec, found, others, rules.target.name) if others else found
            by_file.setdefault(spec.file, {})[spec.locations.mark] = update
    return SelectedUpdates(by_file, tuple(not_updated))


def _split(spec: GrantSpec, update: GrantUpdate | None, others: Sequence[str], tenant: str) -> GrantSplit:
    own = [pattern.text for pattern in spec.tenants[-1]] if spec.tenants else []
    return GrantSplit(SetUpdate(frozenset(own), tuple(others)), tenant, update)


def _warnings(problems: Iterable[Problem]) -> Iterator[Problem]:
    return (
        Problem(each.source, each.what, "correct the name, or remove the grant", Severity.WARNING) for each in problems
    )


def _warning(spec: GrantSpec, what: str) -> Problem:
    return Problem(spec.source, f"not updated: {what}", "edit it by hand", Severity.WARNING)


def _update_of(
    spec: GrantSpec, desired: DesiredGrant, observed: ObservedGrant | None, directory: Directory, rules: UpdateRules
) -> GrantUpdate | str | None:
    """Return the update of a declaration, None to remove it, or the reason why it cannot be updated."""
    if observed is None:
        return None
    if desired.grant.organizations is not None and observed.grant.organizations is None:
        if may_have_organizations(observed):
            return "the organizations of the grant were not read"
        observed = observed._replace(grant=observed.grant._replace(organizations=EMPTY_SET))
    updates = compare([desired], {desired.key: observed}).updates
    return GrantUpdate(dict(_fields(spec, updates[0], directory, rules)) if updates else {})


def _fields(
    spec: GrantSpec, update: Update, directory: Directory, rules: UpdateRules
) -> Iterator[tuple[str, str | bool | SetUpdate]]:
    """Yield the new value of each field that differs. `update.before` is the grant in the tenant."""
    for name in (change.field for change in update.fields):
        wanted = getattr(update.before.grant, name)
        if BY_NAME[name].kind is not FieldKind.SET:
            yield name, wanted
            continue
        written = {text: _value_of(name, text, directory, rules.target) for text in getattr(spec, name) or ()}
        new = wanted - set(written.values())
        add = [rules.write_item(name, item) for item in new] if BY_NAME[name].has_variables else new
        remove = frozenset(text for text, value in written.items() if value not in wanted)
        yield name, SetUpdate(remove, tuple(sorted(add)))


def _value_of(name: str, text: str, directory: Directory, target: TargetTenant) -> str:
    """Return the value of an item of a list: variables are substituted, and organizations become ids."""
    value = substitute(text, target.values) if BY_NAME[name].has_variables else text
    identities = directory.find_organizations(value) if name == ORGANIZATIONS else ()
    return identities[0] if len(identities) == 1 else value
