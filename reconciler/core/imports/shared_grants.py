"""Combine equal grants of several tenants into shared declarations."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.core.fields import APIS, HOLDERS, SUBJECT_CLIENT, grant_order
from reconciler.core.imports.selection import file_stem

FieldValue = str | bool | tuple[str, ...]
"""The value of a field in a grant file."""
CommentKey = tuple[str, str]
"""The position of a comment in a declaration: the name of the field, and the list item or an empty string.

The second string is empty if the comment belongs to the whole field.
"""


@dataclass(frozen=True, slots=True)
class Comments:
    """The comments of a field or list item in a grant file: the lines above and the trailing comment."""

    above: tuple[str, ...] = ()
    trailing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedGrant:
    """A tenant's grant in the form of a declaration, with the names of the application and the API."""

    fields: Mapping[str, FieldValue]
    """The values of the declaration's fields, by field name. `fields` omits fields that have their default value."""
    above: tuple[str, ...] = ()
    """The comment lines above the declaration."""
    after: tuple[str, ...] = ()
    """The comment lines after the declaration."""
    comments: Mapping[CommentKey, Comments] = field(default_factory=dict)
    """The comments inside the declaration."""

    @property
    def identity(self) -> tuple[str, ...]:
        """The names and values of the grant's identifying fields: application (or `default_for`), API, subject type."""
        return identity_of(self.fields)

    @property
    def holder(self) -> str:
        """The name or id of the application, or the value of `default_for`."""
        return self.identity[1]


@dataclass(frozen=True, slots=True)
class SharedGrant:
    """A grant declaration, and the tenants to which the declaration applies.

    If `tenants` is None, the declaration applies to every tenant.
    """

    grant: NamedGrant
    tenants: tuple[str, ...] | None = None


def identity_of(fields: Mapping[str, FieldValue]) -> tuple[str, ...]:
    """Return the names and values of the identifying fields: application (or `default_for`), API, subject type."""
    holder = next(name for name in HOLDERS if name in fields)
    api = next(name for name in APIS if name in fields)
    return (holder, str(fields[holder]), api, str(fields[api]), str(fields.get("subject_type", SUBJECT_CLIENT)))


def merge_tenants(
    by_tenant: Mapping[str, Sequence[NamedGrant]], every_tenant: Collection[str]
) -> tuple[SharedGrant, ...]:
    """Combine the grants of all tenants into shared declarations.

    Equal grants of several tenants become a single declaration.

    `every_tenant` contains the names of all tenants in reconciler.yaml. A declaration that applies to all tenants needs
    no list of tenants.
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
    """Combine equal grants into a single grant that has the comments of all the grants."""
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

    The function may yield a file name twice, because the names of two applications may be similar.
    """
    groups: dict[tuple[str, str], list[SharedGrant]] = defaultdict(list)
    for each in declarations:
        kind, holder, *_ = each.grant.identity
        name = f"default for {holder}" if kind == "default_for" else holder
        groups[file_stem(name), holder].append(each)
    for (stem, _), group in sorted(groups.items(), key=lambda item: item[0]):
        yield stem, tuple(sorted(group, key=lambda each: (grant_order(each.grant.fields), each.tenants or ())))
