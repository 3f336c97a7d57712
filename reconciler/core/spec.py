"""Pure: a grant as a file declares it: by name or by id, not yet tied to a tenant."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from reconciler.core.fields import SUBJECT_CLIENT
from reconciler.core.organization_usage import USAGE_DENY
from reconciler.core.problems import Source

Mark = tuple[int, int]  # line and column, both from 1


@dataclass(frozen=True, slots=True)
class TenantPattern:
    """A tenant's name, or a pattern of such names, and where a file says it."""

    text: str
    source: Source


class GrantLocations(Protocol):
    """Where a grant stands in its file, and what it says of itself."""

    @property
    def mark(self) -> Mark:
        """Where the grant begins."""

    @property
    def value_marks(self) -> Mapping[str, Mark]:
        """Where the value of each field stands that the file has."""

    def marks_within(self, name: str) -> Iterable[Mark]:
        """Return where each item of the list `name` stands."""


@dataclass(frozen=True, slots=True)
class PartialLocations:
    """Where a grant stands, as far as that is known without its file."""

    mark: Mark
    value_marks: Mapping[str, Mark] = field(default_factory=dict)
    item_marks: Mapping[str, tuple[Mark, ...]] = field(default_factory=dict)

    def marks_within(self, name: str) -> Iterable[Mark]:
        """Return where each item of the list `name` stands."""
        return self.item_marks.get(name, ())


class GrantSpec(NamedTuple):
    """One item under `grants:`; it has passed the schema, so exactly one of each alternative is set.

    `tenants` has the lists that say where it applies, the file's and its own: each has to fit; none, and it applies
    everywhere. `is_snapshot` says that a run wrote the file to roll back to.
    `organizations` is None where the file says nothing about them; an empty one says that there are none.
    A tuple, because there is one for each item, and nothing that is frozen is made as fast.
    """

    file: str
    places: GrantLocations
    client: str | None = None
    client_id: str | None = None
    default_for: str | None = None
    api: str | None = None
    audience: str | None = None
    description: str = ""
    subject_type: str = SUBJECT_CLIENT
    scope: tuple[str, ...] = ()
    organization_usage: str = USAGE_DENY
    allow_any_organization: bool = False
    authorization_details_types: tuple[str, ...] = ()
    allow_all_scopes: bool = False
    organizations: tuple[str, ...] | None = None
    is_snapshot: bool = False
    tenants: tuple[tuple[TenantPattern, ...], ...] = ()

    @property
    def source(self) -> Source:
        """Where the grant stands."""
        return Source(self.file, *self.places.mark)

    def source_of(self, name: str) -> Source:
        """Where the value of the field `name` stands; the grant itself where the file does not say it."""
        return Source(self.file, *self.places.value_marks.get(name, self.places.mark))

    def placed_texts(self) -> Iterator[tuple[str, Source]]:
        """Yield each text that may hold the name of a variable, with the place where it stands."""
        for name in ("client", "client_id", "api", "audience"):
            if text := getattr(self, name):
                yield text, self.source_of(name)
        yield from self.placed_scopes()
        yield from self.placed_organizations()

    def placed_scopes(self) -> Iterator[tuple[str, Source]]:
        """Yield each scope with the place where it stands."""
        for scope, mark in zip(self.scope, self.places.marks_within("scope"), strict=True):
            yield scope, Source(self.file, *mark)

    def placed_organizations(self) -> Iterator[tuple[str, Source]]:
        """Yield each organization, as the file names it, with the place where it stands."""
        for organization, mark in zip(self.organizations or (), self.places.marks_within("organizations"), strict=True):
            yield organization, Source(self.file, *mark)
