"""Pure: a grant as a file declares it: by name or by id, not yet tied to a tenant."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.core.grant import SUBJECT_CLIENT, USAGE_DENY
from reconciler.core.problems import Source

Mark = tuple[int, int]  # line and column, both from 1


@dataclass(frozen=True, slots=True)
class TenantPattern:
    """A tenant's name, or a pattern of such names, and where a file says it."""

    text: str
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantSpec:
    """One item under `grants:`; it has passed the schema, so exactly one of each alternative is set.

    `tenants` has the lists that say where it applies, the file's and its own: each has to fit; none, and it applies
    everywhere. `is_snapshot` says that a run wrote the file to roll back to.
    `organizations` is None where the file says nothing about them; an empty one says that there are none.
    `marks` tells where the value of each field stands, `scope_marks` and `organization_marks` where each item of these
    lists does.
    """

    file: str
    mark: Mark
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
    marks: Mapping[str, Mark] = field(default_factory=dict, repr=False, compare=False)
    scope_marks: Iterable[Mark] = field(default=(), repr=False, compare=False)
    organization_marks: Iterable[Mark] = field(default=(), repr=False, compare=False)

    @property
    def source(self) -> Source:
        """Where the grant stands."""
        return Source(self.file, *self.mark)

    def source_of(self, name: str) -> Source:
        """Where the value of the field `name` stands; the grant itself where the file does not say it."""
        return Source(self.file, *self.marks.get(name, self.mark))

    def placed_texts(self) -> Iterator[tuple[str, Source]]:
        """Yield each text that may hold the name of a variable, with the place where it stands."""
        for name in ("client", "client_id", "api", "audience"):
            if text := getattr(self, name):
                yield text, self.source_of(name)
        yield from self.placed_scopes()
        yield from self.placed_organizations()

    def placed_scopes(self) -> Iterator[tuple[str, Source]]:
        """Yield each scope with the place where it stands."""
        for scope, mark in zip(self.scope, self.scope_marks, strict=True):
            yield scope, Source(self.file, *mark)

    def placed_organizations(self) -> Iterator[tuple[str, Source]]:
        """Yield each organization, as the file names it, with the place where it stands."""
        for organization, mark in zip(self.organizations or (), self.organization_marks, strict=True):
            yield organization, Source(self.file, *mark)
