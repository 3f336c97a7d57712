"""Pure: the access report, which says who may call which API, why, and whether the answer is complete."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from reconciler.core.characters import shorten
from reconciler.core.diff import FieldChange
from reconciler.core.directory import MAX_ID_LENGTH, Directory
from reconciler.core.fields import SUBJECT_CLIENT
from reconciler.core.grant import ClientGrant
from reconciler.core.pattern import matches
from reconciler.core.plan import Reason, TenantName
from reconciler.core.problems import Level, Risk, Source
from reconciler.core.removals import Commit


class AccessState(StrEnum):
    """How a grant in the tenant relates to the files. The first values need the most attention.

    The values for undeclared grants are the reasons why a plan leaves such a grant alone.
    """

    DRIFTED = "drifted"
    UNDECLARED = "undeclared"
    REMOVED = "removed"
    EXPIRED = "expired"
    MISSING = "missing"
    UNKNOWN = "unknown"
    NOT_EXPRESSIBLE = "not-expressible"
    OUTSIDE = "outside"
    PROTECTED = "protected"
    OWN = "own"
    SYSTEM = "system"
    AS_DECLARED = "as-declared"


STATE_MEANINGS: Mapping[AccessState, str] = {
    AccessState.DRIFTED: "the tenant differs from the files",
    AccessState.UNDECLARED: "in the tenant, and no file declares it",
    AccessState.REMOVED: "in the tenant; an earlier commit declared it, and the files no longer do",
    AccessState.EXPIRED: "in the tenant, although the end that the files declare has passed",
    AccessState.MISSING: "declared, and not in the tenant",
    AccessState.UNKNOWN: "not known, because the files and the tenant could not be compared",
    AccessState.NOT_EXPRESSIBLE: "undeclared, and a grant file cannot express it",
    AccessState.OUTSIDE: "undeclared, and outside `manage`",
    AccessState.PROTECTED: "undeclared, and protected by `protect`",
    AccessState.OWN: "undeclared grant of an application that runs reconciler",
    AccessState.SYSTEM: "created by Auth0",
    AccessState.AS_DECLARED: "the tenant equals the files",
}
STATE_OF_REASON: Mapping[Reason, AccessState] = {
    Reason.UNMANAGED: AccessState.UNDECLARED,
    Reason.REMOVED: AccessState.REMOVED,
    Reason.EXPIRED: AccessState.EXPIRED,
    Reason.OUTSIDE: AccessState.OUTSIDE,
    Reason.THIRD_PARTY: AccessState.UNDECLARED,
    Reason.SYSTEM: AccessState.SYSTEM,
    Reason.OWN: AccessState.OWN,
    Reason.PROTECTED: AccessState.PROTECTED,
    Reason.NOT_EXPRESSIBLE: AccessState.NOT_EXPRESSIBLE,
}


class GrantLevel(StrEnum):
    """The highest risk of a grant. UNKNOWN means that a risk that is not known may be the highest."""

    CRITICAL = "critical"
    HIGH = "high"
    UNKNOWN = "unknown"
    LOW = "low"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class GrantedScope:
    """A scope of a grant. `is_defined` says whether the API defines the scope. None means not known."""

    name: str
    level: Level
    is_defined: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a declaration comes from, according to git.

    Attributes:
        changed: The newest commit that changed the lines of the grant, or None if it is not known.
        since: The commit since which the grant is declared without interruption, or None if it is not known.
        pull_request: The number of the pull or merge request in the message of `changed`, such as `#12`. It may be
            empty.
        pull_request_link: The URL of the request, or an empty text.
        unknown: The reason why `changed` is None, or an empty text.
        lines: The numbers of the lines that declare the grant, each with its newest commit. None means not known.
    """

    changed: Commit | None = None
    since: Commit | None = None
    pull_request: str = ""
    pull_request_link: str = ""
    unknown: str = ""
    lines: tuple[tuple[int, Commit | None], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessGrant:
    """One grant of the report. Scopes and settings are those of the tenant if the tenant has the grant.

    Attributes:
        application: The label of the holder: a name, with the id if the name is ambiguous.
        client_id: The id of the application, or None.
        default_for: The group of applications that a default grant applies to, or None.
        third_party: Whether the application belongs to a third party. None means not known.
        api: The label of the API.
        audience: The identifier of the API, or None if only the name is known.
        subject_type: Who acts: client, user or another type.
        scopes: The scopes, the highest risk first. If `all_scopes` is set, they are the scopes that the API defines.
        grant: The grant with its settings. Its key contains names if the ids are not known.
        scopes_known: Whether `scopes` is complete. It is false if `all_scopes` is set and the API was not read.
        organizations: The labels of the assigned organizations. None means not known.
        state: How the grant relates to the files.
        detail: An explanation of the state, or an empty text.
        differences: The changes from the tenant to the files, for a drifted grant.
        guard: The reason why reconciler would not change the grant, or an empty text.
        risks: The risks, the highest first.
        level: The highest risk.
        token_lifetime: The lifetime of access tokens in seconds. None means not known.
        source: The declaration, or None.
        link: The URL of the declaration at the commit, or an empty text.
        description: The description in the file.
        expires: The end of the grant in the file, or an empty text.
        last_use: When a token was last issued for the grant, as a time. An empty text means that no use was seen.
        use: The last use for people, or what is known instead. It is empty if no logs were collected.
        provenance: The commits behind the declaration.
        grant_id: The id of the grant in the tenant, or an empty text.
        is_unresolved: Whether this is a declaration whose names the tenant does not have exactly once.
    """

    application: str
    api: str
    grant: ClientGrant
    client_id: str | None = None
    default_for: str | None = None
    third_party: bool | None = None
    audience: str | None = None
    subject_type: str = SUBJECT_CLIENT
    scopes: tuple[GrantedScope, ...] = ()
    scopes_known: bool = True
    organizations: tuple[str, ...] | None = None
    state: AccessState = AccessState.AS_DECLARED
    detail: str = ""
    differences: tuple[FieldChange, ...] = ()
    guard: str = ""
    risks: tuple[Risk, ...] = ()
    level: GrantLevel = GrantLevel.NONE
    token_lifetime: int | None = None
    source: Source | None = None
    link: str = ""
    description: str = ""
    expires: str = ""
    last_use: str = ""
    use: str = ""
    provenance: Provenance = field(default_factory=Provenance)
    grant_id: str = ""
    is_unresolved: bool = False

    @property
    def all_scopes(self) -> bool:
        """Whether the grant contains every scope of the API, including future scopes."""
        return self.grant.allow_all_scopes

    @property
    def is_present(self) -> bool:
        """Whether the grant gives access now, as far as is known."""
        return self.state is not AccessState.MISSING and not self.is_unresolved

    @property
    def undefined_scopes(self) -> tuple[str, ...]:
        """The scopes that the API does not define."""
        return tuple(scope.name for scope in self.scopes if scope.is_defined is False)

    @property
    def order(self) -> tuple[str, ...]:
        """The sort key of grants."""
        return (self.application, self.api, self.subject_type, self.client_id or "", self.audience or "")


@dataclass(frozen=True, slots=True)
class ListingStatus:
    """Whether a list of the tenant was read. `count` is None if it was not read, and `reason` says why."""

    name: str
    count: int | None
    reason: str = ""

    @property
    def is_read(self) -> bool:
        """Whether the whole list was read."""
        return self.count is not None


@dataclass(frozen=True, slots=True)
class AccessApplication:
    """An application of the tenant. `third_party` is None if that is not known."""

    name: str
    client_id: str
    third_party: bool | None
    app_type: str


@dataclass(frozen=True, slots=True)
class AccessApi:
    """An API of the tenant with the lifetime of its tokens in seconds. None means not known."""

    name: str
    identifier: str
    scopes: tuple[str, ...]
    token_lifetime: int | None
    is_system: bool


GRANTS_LISTING = "grants"


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantAccess:
    """The access of one tenant.

    Attributes:
        tenant: The name and domain.
        listings: Whether each list was read.
        applications: The applications that were listed.
        apis: The APIs that were listed.
        grants: The grants, sorted by name.
        notes: Facts about the reading.
    """

    tenant: TenantName
    listings: tuple[ListingStatus, ...]
    applications: tuple[AccessApplication, ...] = ()
    apis: tuple[AccessApi, ...] = ()
    grants: tuple[AccessGrant, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_read(self) -> bool:
        """Whether the grants of the tenant were read."""
        return any(each.name == GRANTS_LISTING and each.is_read for each in self.listings)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessFilter:
    """Patterns that select grants. A pattern matches a name or an id. None selects every grant."""

    application: str | None = None
    api: str | None = None
    scope: str | None = None

    def __str__(self) -> str:
        """Return the patterns for people, or an empty text."""
        parts = (("application", self.application), ("API", self.api), ("scope", self.scope))
        return ", ".join(f'{name} "{pattern}"' for name, pattern in parts if pattern is not None)

    def selects(self, grant: AccessGrant) -> bool:
        """Return whether all patterns match the grant. An unknown name or scope counts as a match."""
        return (
            _any_matches(_names(grant.application, grant.client_id), self.application)
            and _any_matches(_names(grant.api, grant.audience), self.api)
            and (not grant.scopes_known or _any_matches([each.name for each in grant.scopes], self.scope))
        )


def plain_name(label: str, identity: str | None) -> str:
    """Return the name in the label `name (id)` of an ambiguous name. Other labels are returned unchanged."""
    return label.removesuffix(f" ({shorten(identity, MAX_ID_LENGTH)})") if identity else label


def _names(label: str, identity: str | None) -> tuple[str | None, ...]:
    return label, identity, plain_name(label, identity)


def _any_matches(texts: Iterable[str | None], pattern: str | None) -> bool:
    return pattern is None or any(text is not None and matches(text, pattern) for text in texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessReport:
    """The access report.

    Attributes:
        time: The time of the report in UTC, as `YYYY-MM-DDTHH:MM:SSZ`.
        commit: The hash of the commit whose files were read, or an empty text.
        history: The reason why the git history is unknown or incomplete, or an empty text.
        tenants: The tenants. A tenant that could not be read has no grants.
        selection: The filter for people, or an empty text.
    """

    time: str
    commit: str
    history: str
    tenants: tuple[TenantAccess, ...]
    selection: str = ""

    @property
    def grants(self) -> Iterator[tuple[TenantAccess, AccessGrant]]:
        """All grants with their tenants."""
        return ((tenant, grant) for tenant in self.tenants for grant in tenant.grants)

    def select(self, chosen: AccessFilter) -> "AccessReport":
        """Return the report with the grants that the filter selects."""
        if not str(chosen):
            return self
        tenants = (
            replace(tenant, grants=tuple(each for each in tenant.grants if chosen.selects(each)))
            for tenant in self.tenants
        )
        return replace(self, tenants=tuple(tenants), selection=str(chosen))


def unread_tenant(tenant: TenantName, reason: str) -> TenantAccess:
    """Return a tenant without grants, because it could not be read."""
    return TenantAccess(tenant=tenant, listings=(ListingStatus(GRANTS_LISTING, None, reason),))


def listed_applications(directory: Directory) -> tuple[AccessApplication, ...]:
    """Return the listed applications, sorted by name."""
    found = (
        AccessApplication(each.name, each.client_id, each.is_third_party, each.app_type)
        for each in directory.applications or ()
    )
    return tuple(sorted(found, key=lambda each: (each.name, each.client_id)))


def listed_apis(directory: Directory) -> tuple[AccessApi, ...]:
    """Return the listed APIs, sorted by name."""
    found = (
        AccessApi(each.name, each.identifier, tuple(sorted(each.scopes)), each.token_lifetime, each.is_system)
        for each in directory.apis or ()
    )
    return tuple(sorted(found, key=lambda each: (each.name, each.identifier)))


def grant_level(risks: Sequence[Risk]) -> GrantLevel:
    """Return the highest level of `risks`. It is UNKNOWN if a risk that is not known has a higher level."""
    known = min((risk.level.order for risk in risks if risk.is_known), default=len(Level))
    possible = min((risk.level.order for risk in risks), default=len(Level))
    if possible < known:
        return GrantLevel.UNKNOWN
    return GrantLevel(list(Level)[known]) if known < len(Level) else GrantLevel.NONE


LinkTo = Callable[[Source], str]
"""Returns the URL of a line at the commit, or an empty text."""
