"""Grant declarations, which are the items in grant files.

A declaration identifies applications and APIs by name or id, as spelled in the grant file.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, Protocol

from reconciler.core.fields import SUBJECT_CLIENT, USAGE_DENY
from reconciler.core.problems import Source

Mark = tuple[int, int]  # lines and columns start at 1


class TenantPattern(NamedTuple):
    """An item of a `tenants` list in a grant file: a tenant name or a pattern, with the position."""

    text: str
    source: Source


class PatternTexts(tuple[str, ...]):  # noqa: SLOT001 - a subclass of tuple stores attributes only without slots
    """The texts of a `tenants` list, used as a dictionary key.

    Before Python 3.14, tuples do not store their hash. The class stores the hash, because all grants of a file share
    the list of the file.
    """

    @cached_property
    def _hash(self) -> int:
        return super().__hash__()

    def __hash__(self) -> int:
        """Return the stored hash."""
        return self._hash


class TenantPatterns(tuple[TenantPattern, ...]):  # noqa: SLOT001 - as above
    """A `tenants` list of a grant file or of a declaration."""

    @cached_property
    def texts(self) -> PatternTexts:
        """The items of the list without positions."""
        return PatternTexts(each.text for each in self)


class GrantLocations(Protocol):
    """The line and column of a grant declaration, and of each value in the declaration."""

    @property
    def mark(self) -> Mark:
        """The line and column of the declaration."""

    @property
    def value_marks(self) -> Mapping[str, Mark]:
        """The line and column of the value of each field in the declaration."""

    def marks_within(self, name: str) -> Iterable[Mark]:
        """Return the line and column of each item in the list of the field `name`."""


@dataclass(frozen=True, slots=True)
class PartialLocations:
    """The known positions of a grant declaration and its values."""

    mark: Mark
    value_marks: Mapping[str, Mark] = field(default_factory=dict)
    item_marks: Mapping[str, tuple[Mark, ...]] = field(default_factory=dict)

    def marks_within(self, name: str) -> Iterable[Mark]:
        """Return the line and column of each item in the list of the field `name`."""
        return self.item_marks.get(name, ())


class GrantSpec(NamedTuple):
    """A grant declaration: an item under `grants:` in a grant file.

    An attribute without a description has the same name and value as a field in the grant file. The class is a subclass
    of tuple, because Python creates tuples faster than other objects.
    """

    file: str
    """The path of the grant file."""
    locations: GrantLocations
    """The positions of the declaration and the values in the file."""
    client: str | None = None
    client_id: str | None = None
    default_for: str | None = None
    api: str | None = None
    audience: str | None = None
    description: str = ""
    expires: str = ""
    subject_type: str = SUBJECT_CLIENT
    scope: tuple[str, ...] = ()
    organization_usage: str = USAGE_DENY
    allow_any_organization: bool = False
    authorization_details_types: tuple[str, ...] = ()
    allow_all_scopes: bool = False
    organizations: tuple[str, ...] | None = None
    """The names or ids of the organizations, or None if the declaration has no field `organizations`."""
    is_snapshot: bool = False
    """True if the file is a snapshot that reconciler wrote before a run."""
    clients: tuple[str, ...] = ()
    """The application names in the field `clients`, or an empty tuple if the declaration omits the field `clients`."""
    scope_items: tuple[int, ...] = ()
    """For each scope, the index of the list item that contains the scope.

    `scope_items` is empty for a grant file without scope sets.
    """
    scope_sets: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """The names of the scope sets in the declaration, with the scopes of each scope set."""
    tenants: tuple[TenantPatterns, ...] = ()
    """The `tenants` lists for this declaration: the list of the grant file, and the declaration's own list.

    The declaration applies only to tenants that every `tenants` list includes.
    """

    @property
    def source(self) -> Source:
        """The file, line and column of the declaration."""
        return Source(self.file, *self.locations.mark)

    def source_of(self, name: str) -> Source:
        """Return the position of a field's value in the grant file.

        Return the position of the declaration if the declaration omits the field.
        """
        return Source(self.file, *self.locations.value_marks.get(name, self.locations.mark))

    def is_declared_with(self, other: "GrantSpec | None") -> bool:
        """Return whether this grant and `other` belong to the same declaration, which has a list `clients`.

        The grants of such a declaration differ only in the application.
        """
        return bool(self.clients) and other is not None and self.clients is other.clients

    def texts_with_sources(self) -> Iterator[tuple[str, Source]]:
        """Yield each string of the declaration that may contain variables, with the position of the string."""
        for name in ("client", "client_id", "api", "audience"):
            if text := getattr(self, name):
                yield text, self.source_of(name)
        yield from self.scopes_with_sources()
        yield from self.organizations_with_sources()

    def scopes_with_sources(self) -> Iterator[tuple[str, Source]]:
        """Yield each scope of the declaration, with the position of the scope."""
        marks = list(self.locations.marks_within("scope"))
        if self.scope_items:
            marks = [marks[index] for index in self.scope_items]
        for scope, mark in zip(self.scope, marks, strict=True):
            yield scope, Source(self.file, *mark)

    def organizations_with_sources(self) -> Iterator[tuple[str, Source]]:
        """Yield each organization of the declaration, with the position of the organization."""
        for organization, mark in zip(
            self.organizations or (), self.locations.marks_within("organizations"), strict=True
        ):
            yield organization, Source(self.file, *mark)


def one_per_declaration(specs: Iterable[GrantSpec]) -> Iterator[GrantSpec]:
    """Yield the first grant of each declaration, because a declaration with a list `clients` has many grants."""
    previous: GrantSpec | None = None
    for spec in specs:
        if not spec.clients or not spec.is_declared_with(previous):
            yield spec
        previous = spec
