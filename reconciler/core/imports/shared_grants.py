"""Combine the grants of several tenants into declarations that the tenants share."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.core.fields import APIS, HOLDERS, SUBJECT_CLIENT, grant_order
from reconciler.core.imports.selection import file_stem

FieldValue = str | bool | tuple[str, ...]
"""The value of a field, in the form that a grant file contains."""
CommentKey = tuple[str, str]
"""The position of a comment in a declaration: the name of a field, and an item if the field is a list.

If the comment belongs to the whole field, the item is an empty string.
"""


@dataclass(frozen=True, slots=True)
class Comments:
    """The comments of a field or an item: the comment lines above, and the comment at the end of the line."""

    above: tuple[str, ...] = ()
    trailing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedGrant:
    """A grant of a tenant in the form of a declaration: with names of applications and APIs, not only with ids."""

    fields: Mapping[str, FieldValue]
    """The fields of the declaration, by name. Fields with their default value are left out."""
    above: tuple[str, ...] = ()
    """The comment lines above the declaration."""
    after: tuple[str, ...] = ()
    """The comment lines after the declaration."""
    comments: Mapping[CommentKey, Comments] = field(default_factory=dict)
    """The comments inside the declaration."""

    @property
    def identity(self) -> tuple[str, ...]:
        """The application (or `default_for`), the API and the subject type, each with the name of the field."""
        return identity_of(self.fields)

    @property
    def holder(self) -> str:
        """The name or id of the application, or the value of `default_for`."""
        return self.identity[1]


@dataclass(frozen=True, slots=True)
class SharedGrant:
    """A declaration and the tenants to which the declaration applies.

    If `tenants` is None, the declaration applies to every tenant.
    """

    grant: NamedGrant
    tenants: tuple[str, ...] | None = None


def identity_of(fields: Mapping[str, FieldValue]) -> tuple[str, ...]:
    """Return the application (or `default_for`), the API and the subject type, each with the name of the field."""
    holder = next(name for name in HOLDERS if name in fields)
    api = next(name for name in APIS if name in fields)
    return (holder, str(fields[holder]), api, str(fields[api]), str(fields.get("subject_type", SUBJECT_CLIENT)))


def merge_tenants(
    by_tenant: Mapping[str, Sequence[NamedGrant]], every_tenant: Collection[str]
) -> tuple[SharedGrant, ...]:
    """Return the shared declarations for the grants of all tenants.

    If several tenants have equal grants, the grants become a single declaration.

    Args:
        by_tenant: The grants of each tenant, by the name of the tenant.
        every_tenant: The names of all tenants in the configuration. A declaration for all tenants needs no list of
    tenants.
    """
    groups: dict[tuple[tuple[str, FieldValue], ...], dict[str, NamedGrant]] = defaultdict(dict)
    for tenant, grants in by_tenant.items():
        for grant in grants:
            groups[tuple(sorted(grant.fields.items()))][tenant] = grant
    return tuple(
        SharedGrant(
            _with_all_comments(tuple(group.values())), None if group.keys() >= set(every_tenant) else tuple(group)
        )
        for group in groups.values()
    )


def _with_all_comments(grants: Sequence[NamedGrant]) -> NamedGrant:
    """Combine equal grants: return the first grant, with the comments of all the grants."""
    positions = dict.fromkeys(key for grant in grants for key in grant.comments)
    return NamedGrant(
        fields=grants[0].fields,
        above=tuple(dict.fromkeys(line for grant in grants for line in grant.above)),
        after=tuple(dict.fromkeys(line for grant in grants for line in grant.after)),
        comments={key: _join(grant.comments[key] for grant in grants if key in grant.comments) for key in positions},
    )


def _join(found: Iterable[Comments]) -> Comments:
    comments = list(found)
    trailing = dict.fromkeys(each.trailing for each in comments if each.trailing)
    return Comments(tuple(dict.fromkeys(line for each in comments for line in each.above)), ", ".join(trailing))


def by_file(declarations: Iterable[SharedGrant]) -> Iterator[tuple[str, tuple[SharedGrant, ...]]]:
    """Group the declarations by application.

    For each application, yield a file name without suffix and the declarations of the application.

    A file name may occur twice, because the names of two applications may be similar.
    """
    groups: dict[tuple[str, str], list[SharedGrant]] = defaultdict(list)
    for each in declarations:
        kind, holder, *_ = each.grant.identity
        name = f"default for {holder}" if kind == "default_for" else holder
        groups[file_stem(name), holder].append(each)
    for (stem, _), group in sorted(groups.items(), key=lambda item: item[0]):
        yield stem, tuple(sorted(group, key=lambda each: (grant_order(each.grant.fields), each.tenants or ())))
