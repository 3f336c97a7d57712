"""Pure: the fields in which two grants differ. The only home of deepdiff."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.fields import CHANGEABLE, ORGANIZATIONS, SETS
from reconciler.core.grant import ClientGrant

if TYPE_CHECKING:
    from deepdiff import DeepDiff
    from deepdiff.model import DiffLevel


@dataclass(frozen=True, slots=True)
class SetChange:
    """Items that a set gains and loses; both sorted."""

    field: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A setting that changes; a side is None where the grant does not exist on that side."""

    field: str
    before: str | bool | None
    after: str | bool | None


FieldChange = SetChange | ValueChange


def changed_fields(before: ClientGrant, after: ClientGrant) -> tuple[FieldChange, ...]:
    """Return the fields in which two grants with one key differ, in the order of a plan; none exactly if equal.

    Both say something about organizations, or neither does. DeepDiff takes about a millisecond a pair even where
    nothing differs: compare with `==` first.
    """
    if before == after:
        return ()
    from deepdiff import DeepDiff  # heavy, and of no use before two grants differ

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
    """Return what a grant says beyond its defaults, as changes from nothing."""
    says, nothing = _values(grant), _values(ClientGrant(grant.key))
    return tuple(
        SetChange(field, added=tuple(sorted(getattr(grant, field))))
        if field in SETS
        else ValueChange(field, None, getattr(grant, field))
        for field in (each.name for each in CHANGEABLE)
        if says[field] != nothing[field]
    )


def revoked_fields(grant: ClientGrant) -> tuple[FieldChange, ...]:
    """Return what a grant says beyond its defaults, as changes to nothing."""
    return tuple(_reversed(change) for change in granted_fields(grant))


def _reversed(change: FieldChange) -> FieldChange:
    match change:
        case SetChange():
            return SetChange(change.field, added=change.removed, removed=change.added)
        case ValueChange():
            return ValueChange(change.field, before=change.after, after=change.before)


def _values(grant: ClientGrant) -> dict[str, frozenset[str] | str | bool]:
    values = {each.name: getattr(grant, each.name) for each in CHANGEABLE}
    return {**values, ORGANIZATIONS: grant.organizations or frozenset()}
