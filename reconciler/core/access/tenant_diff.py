"""Compare the grants of two tenants. Applications and APIs are matched by name, because ids differ between tenants."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.core.access.report import AccessGrant, TenantAccess, plain_name
from reconciler.core.fields import IN_FILE_ORDER, ORGANIZATIONS, FieldKind, GrantField
from reconciler.core.identity import TenantName

UNKNOWN_VALUE = "not known"
NameKey = tuple[str, str, str]
"""The name of the application, the name of the API, and the subject type of a grant."""


class DiffKind(StrEnum):
    """The kind of a difference: only one of two tenants has a grant, the grants differ, or the grants may differ."""

    ONLY_FIRST = "only-first"
    ONLY_SECOND = "only-second"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FieldPair:
    """The values of a field in two tenants. An unknown value is None."""

    field: str
    first: tuple[str, ...] | None
    second: tuple[str, ...] | None

    @property
    def is_known(self) -> bool:
        """True if reconciler knows the value of the field in both tenants."""
        return self.first is not None and self.second is not None


@dataclass(frozen=True, slots=True)
class GrantDifference:
    """A grant that only one of two tenants has, or that differs between the two tenants.

    `fields` contains the fields whose values differ, or all fields of the grant if only one tenant has the grant.
    """

    kind: DiffKind
    application: str
    api: str
    subject_type: str
    fields: tuple[FieldPair, ...]


@dataclass(frozen=True, slots=True)
class TenantDiff:
    """The differences between two tenants."""

    first: TenantName
    """The first tenant."""
    second: TenantName
    """The second tenant."""
    is_declared: bool
    """True if reconciler compared the declared grants of two tenants, and not the grants that exist in the tenants."""
    differences: tuple[GrantDifference, ...]
    """The grants that differ between the two tenants, sorted by application name and API name."""
    equal: int
    """The number of grants that have the same settings in both tenants."""
    notes: tuple[str, ...] = ()
    """The reasons why the comparison of the two tenants may be incomplete."""


def compare_tenants(first: TenantAccess, second: TenantAccess, *, is_declared: bool) -> TenantDiff:
    """Compare the grants of two tenants. Ignore a declared grant that is missing in the tenant.

    Set `is_declared` if `first` and `second` contain declared grants.
    """
    notes: list[str] = []
    ours, theirs = _by_name(first, notes), _by_name(second, notes)
    found = [_difference(key, ours.get(key), theirs.get(key)) for key in sorted(ours.keys() | theirs.keys())]
    differences = tuple(each for each in found if each is not None)
    if is_declared and any(_is_unmatched_id(key, ours, theirs) for key in ours.keys() ^ theirs.keys()):
        notes.append(
            "some grants are declared by client_id or audience, so their names are not known; such a grant may "
            "exist in both tenants with different ids"
        )
    return TenantDiff(
        first.tenant, second.tenant, is_declared, differences, len(found) - len(differences), tuple(notes)
    )


def _is_unmatched_id(key: NameKey, *sides: Mapping[NameKey, AccessGrant]) -> bool:
    """Return whether the grant with the key `key` identifies its application or its API by id."""
    grant = next(side[key] for side in sides if key in side)
    return grant.client_id is not None or grant.audience is not None


def _by_name(access: TenantAccess, notes: list[str]) -> Mapping[NameKey, AccessGrant]:
    """Return the grants of a tenant, by application name and API name.

    If several grants have the same application name and API name, add the ids to the names.
    """
    groups: dict[NameKey, list[AccessGrant]] = {}
    for grant in access.grants:
        if grant.is_present:
            application, api = plain_name(grant.application, grant.client_id), plain_name(grant.api, grant.audience)
            groups.setdefault((application, api, grant.subject_type), []).append(grant)
    found: dict[NameKey, AccessGrant] = {}
    for key, group in groups.items():
        if len(group) == 1:
            found[key] = group[0]
            continue
        label = f"{key[0]} -> {key[1]}"
        notes.append(f"{access.tenant.name} has {len(group)} grants with the names {label}, so ids are compared")
        found.update({(grant.application, grant.api, grant.subject_type): grant for grant in group})
    return found


def _difference(key: NameKey, first: AccessGrant | None, second: AccessGrant | None) -> GrantDifference | None:
    if first is None or second is None:
        kind = DiffKind.ONLY_SECOND if first is None else DiffKind.ONLY_FIRST
        pairs = [pair for pair in _pairs(first, second) if pair.first or pair.second]
        return GrantDifference(kind, *key, tuple(pairs))
    unequal = [pair for pair in _pairs(first, second) if not pair.is_known or pair.first != pair.second]
    if not unequal:
        return None
    kind = DiffKind.DIFFERENT if any(pair.is_known for pair in unequal) else DiffKind.UNKNOWN
    return GrantDifference(kind, *key, tuple(unequal))


def _pairs(first: AccessGrant | None, second: AccessGrant | None) -> Iterator[FieldPair]:
    ours, theirs = dict(_values(first)), dict(_values(second))
    for name in dict.fromkeys((*ours, *theirs)):
        yield FieldPair(name, ours.get(name, ()), theirs.get(name, ()))


def _values(grant: AccessGrant | None) -> Iterator[tuple[str, tuple[str, ...] | None]]:
    """Yield the name and the value of each field of a grant.

    For a grant with `allow_all_scopes`, the value of the field `scope` is empty.
    """
    if grant is None:
        return
    for each in IN_FILE_ORDER:
        if each.name == "scope":
            yield each.name, () if grant.all_scopes else tuple(sorted(scope.name for scope in grant.scopes))
        elif each.name == ORGANIZATIONS:
            yield each.name, grant.organizations
        else:
            yield each.name, _texts(each, getattr(grant.grant, each.name))


def _texts(field: GrantField, value: Any) -> tuple[str, ...]:  # noqa: ANN401 - the function accepts any field's value
    match field.kind:
        case FieldKind.SET:
            return tuple(sorted(value))
        case FieldKind.FLAG:
            return ("yes",) if value else ()
        case FieldKind.TEXT:
            return (value,)
