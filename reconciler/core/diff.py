"""Compare the fields of two grants. Only the module `diff` imports the library deepdiff."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from reconciler.core.fields import CHANGEABLE, ORGANIZATIONS, SETS
from reconciler.core.grant import ClientGrant

if TYPE_CHECKING:
    from deepdiff import DeepDiff
    from deepdiff.model import DiffLevel


class SetChange(NamedTuple):
    """The items that a change adds to a set, and the items that a change removes from the set.

    `added` and `removed` are sorted.
    """

    field: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class ValueChange(NamedTuple):
    """The old value and the new value of a grant's setting.

    If a change creates a grant, the old value is None. If a change deletes a grant, the new value is None.
    """

    field: str
    before: str | bool | None
    after: str | bool | None


FieldChange = SetChange | ValueChange


def changed_fields(before: ClientGrant, after: ClientGrant) -> tuple[FieldChange, ...]:
    """Return the fields that differ between two grants of the same application and API, in the order of plan output.

    The organizations must be known for both `before` and `after`, or for neither. To save time, the function uses
    DeepDiff only for unequal grants.
    """
    if before == after:
        return ()
    from deepdiff import DeepDiff  # importing DeepDiff is slow, and equal grants do not need DeepDiff

    found = DeepDiff(_values(before), _values(after), view="tree")
    added, removed = _items(found, "set_item_added"), _items(found, "set_item_removed")
    values = {str(level.path(output_format="list")[0]): level for level in found.get("values_changed", ())}
    return tuple(_in_order(added, removed, values))


def _in_order(
    added: dict[str, list[str]],
    removed: dict[str, list[str]],
    values: "dict[str, DiffLevel]",
) -> Iterator[FieldChange]:
    for field in (each.name for each in CHANGEABLE):
        if field in values:
            yield ValueChange(field, values[field].t1, values[field].t2)
        elif field in added or field in removed:
            yield SetChange(field, tuple(sorted(added.get(field, ()))), tuple(sorted(removed.get(field, ()))))


def _items(found: "DeepDiff", kind: str) -> dict[str, list[str]]:
    items: dict[str, list[str]] = {}
    for level in found.get(kind, ()):
        item = level.t2 if kind == "set_item_added" else level.t1
        items.setdefault(str(level.path(output_format="list")[0]), []).append(item)
    return items


def granted_fields(grant: ClientGrant) -> tuple[FieldChange, ...]:
    """Return the changes from the default settings to the settings of a new grant."""
    values, defaults = _values(grant), _values(ClientGrant(grant.key))
    return tuple(
        SetChange(field, added=tuple(sorted(getattr(grant, field))))
        if field in SETS
        else ValueChange(field, None, getattr(grant, field))
        for field in (each.name for each in CHANGEABLE)
        if values[field] != defaults[field]
    )


def revoked_fields(grant: ClientGrant) -> tuple[FieldChange, ...]:
    """Return the changes from the settings of a deleted grant to the default settings."""
    return tuple(_reverse(change) for change in granted_fields(grant))


def _reverse(change: FieldChange) -> FieldChange:
    match change:
        case SetChange():
            return SetChange(change.field, added=change.removed, removed=change.added)
        case ValueChange():
            return ValueChange(change.field, before=change.after, after=change.before)


def _values(grant: ClientGrant) -> dict[str, frozenset[str] | str | bool]:
    values = {each.name: getattr(grant, each.name) for each in CHANGEABLE}
    return {**values, ORGANIZATIONS: grant.organizations or frozenset()}
