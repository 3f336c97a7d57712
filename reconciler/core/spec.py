"""Pure: grant specs. A grant spec is a grant as a file declares the grant, before names are replaced by ids."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from reconciler.core.fields import SUBJECT_CLIENT, USAGE_DENY
from reconciler.core.problems import Source

Mark = tuple[int, int]  # line and column, both starting at 1


@dataclass(frozen=True, slots=True)
class TenantPattern:
    """The name of a tenant, or a pattern for tenant names, with its source."""

    text: str
    source: Source


class GrantLocations(Protocol):
    """The line and column of a grant and its values in a file."""

    @property
    def mark(self) -> Mark:
        """The line and column of the grant."""

    @property
    def value_marks(self) -> Mapping[str, Mark]:
        """The line and column of each field's value. The mapping lacks fields that the file omits."""

    def marks_within(self, name: str) -> Iterable[Mark]:
        """Return the line and column of each item of the list `name`."""


@dataclass(frozen=True, slots=True)
class PartialLocations:
    """The known positions of a grant in a file. The mappings lack unknown positions."""

    mark: Mark
    value_marks: Mapping[str, Mark] = field(default_factory=dict)
    item_marks: Mapping[str, tuple[Mark, ...]] = field(default_factory=dict)

    def marks_within(self, name: str) -> Iterable[Mark]:
        """Return the line and column of each item of the list `name`."""
        return self.item_marks.get(name, ())


class GrantSpec(NamedTuple):
    """An item under `grants:` in a valid file.

    The other attributes are the fields of the grant. The class is a tuple because Python creates tuples faster than
    other objects.
    """

    file: str
    """The path of the file."""
    locations: GrantLocations
    """The positions of the grant and its values."""
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
    """The names or ids of organizations, or None if the file has no `organizations` field."""
    is_snapshot: bool = False
    """Whether the file is a snapshot."""
    clients: tuple[str, ...] = ()
    """The names of all applications of the declaration, if the declaration has several applications."""
    scope_items: tuple[int, ...] = ()
    """The index in the file of each scope's item, if scope sets were expanded."""
    scope_sets: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """The names and scopes of the expanded scope sets."""
    tenants: tuple[tuple[TenantPattern, ...], ...] = ()
    """The lists of tenants of the file and of the grant, if present, which a tenant must all match."""

    @property
    def source(self) -> Source:
        """The file, line and column of the grant."""
        return Source(self.file, *self.locations.mark)

    def source_of(self, name: str) -> Source:
        """Return the source of a field's value, or the source of the grant if the file omits the field."""
        return Source(self.file, *self.locations.value_marks.get(name, self.locations.mark))

    def texts_with_sources(self) -> Iterator[tuple[str, Source]]:
        """Yield each text that may contain variables, with its source."""
        for name in ("client", "client_id", "api", "audience"):
            if text := getattr(self, name):
                yield text, self.source_of(name)
        yield from self.scopes_with_sources()
        yield from self.organizations_with_sources()

    def scopes_with_sources(self) -> Iterator[tuple[str, Source]]:
        """Yield each scope with its source."""
        marks = list(self.locations.marks_within("scope"))
        if self.scope_items:
            marks = [marks[index] for index in self.scope_items]
        for scope, mark in zip(self.scope, marks, strict=True):
            yield scope, Source(self.file, *mark)

    def organizations_with_sources(self) -> Iterator[tuple[str, Source]]:
        """Yield each organization with its source."""
        for organization, mark in zip(
            self.organizations or (), self.locations.marks_within("organizations"), strict=True
        ):
            yield organization, Source(self.file, *mark)
