"""Pure: the access report, which lists the access of applications to APIs, the reasons, and the unread data."""

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
    """The relation of a grant in the tenant to the files. The values that need the most attention come first.

    The values for undeclared grants are the reasons why a plan does not delete the grant.
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
    AccessState.UNDECLARED: "in the tenant, but not declared in any file",
    AccessState.REMOVED: "in the tenant, but removed from the files since an earlier commit",
    AccessState.EXPIRED: "in the tenant, although the end that the files declare has passed",
    AccessState.MISSING: "declared, but not in the tenant",
    AccessState.UNKNOWN: "not known, because the files and the tenant could not be compared",
    AccessState.NOT_EXPRESSIBLE: "undeclared, and not expressible in a grant file",
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
    """The highest risk of a grant. UNKNOWN means that the highest risk is uncertain."""

    CRITICAL = "critical"
    HIGH = "high"
    UNKNOWN = "unknown"
    LOW = "low"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class GrantedScope:
    """A scope of a grant.

    `is_defined` is true if the API defines the scope, or None if the API's scopes are not known.
    """

    name: str
    level: Level
    is_defined: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """The origin of a declaration according to git."""

    changed: Commit | None = None
    """The newest commit that changed the lines of the grant, or None if the commit is not known."""
    since: Commit | None = None
    """The first commit of the uninterrupted declaration of the grant, or None if the commit is not known."""
    pull_request: str = ""
    """The number of the pull or merge request in the message of `changed`, such as `#12`, or an empty string."""
    pull_request_link: str = ""
    """The URL of the pull or merge request, or an empty string."""
    unknown: str = ""
    """The reason why `changed` is None, or an empty string."""
    lines: tuple[tuple[int, Commit | None], ...] = ()
    """The line numbers of the declaration, each with the newest commit of the line. None means an unknown commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessGrant:
    """A grant in the access report.

    Scopes and settings come from the tenant, or from the files if the tenant lacks the grant.
    """

    application: str
    """The label of the application or of `default_for`: a name, with the id if the name is ambiguous."""
    api: str
    """The label of the API."""
    grant: ClientGrant
    """The grant with its settings, with names in the key if the ids are not known."""
    client_id: str | None = None
    """The id of the application, or None."""
    default_for: str | None = None
    """The group of applications to which a default grant applies, or None."""
    third_party: bool | None = None
    """Whether the application belongs to a third party, or None if the owner is not known."""
    audience: str | None = None
    """The identifier of the API, or None if only the name is known."""
    subject_type: str = SUBJECT_CLIENT
    """The subject type of the grant, such as `client` or `user`."""
    scopes: tuple[GrantedScope, ...] = ()
    """The scopes (with `all_scopes` the scopes that the API defines), the highest risk first."""
    scopes_known: bool = True
    """Whether `scopes` is complete, which is not the case if `all_scopes` is set and the API was not read."""
    organizations: tuple[str, ...] | None = None
    """The labels of the assigned organizations, or None if the organizations are not known."""
    state: AccessState = AccessState.AS_DECLARED
    """The relation of the grant to the files."""
    detail: str = ""
    """An explanation of the state, or an empty string."""
    differences: tuple[FieldChange, ...] = ()
    """For a drifted grant, the field changes from the tenant to the files."""
    guard: str = ""
    """The reason why reconciler would not change the grant, or an empty string."""
    risks: tuple[Risk, ...] = ()
    """The risks, the highest first."""
    level: GrantLevel = GrantLevel.NONE
    """The highest risk."""
    token_lifetime: int | None = None
    """The lifetime of access tokens in seconds, or None if the lifetime is not known."""
    source: Source | None = None
    """The source of the declaration, or None if the grant is undeclared."""
    link: str = ""
    """The URL of the declaration at the commit, or an empty string."""
    description: str = ""
    """The description in the file."""
    expires: str = ""
    """The end of the grant in the file, or an empty string."""
    last_use: str = ""
    """The time of the last token for the grant, or an empty string if the logs show no token."""
    use: str = ""
    """A description of the last use, or an empty string if no logs were collected."""
    provenance: Provenance = field(default_factory=Provenance)
    """The commits behind the declaration."""
    grant_id: str = ""
    """The id of the grant in the tenant, or an empty string."""
    is_unresolved: bool = False
    """Whether the declaration has an unknown or ambiguous application or API."""

    @property
    def all_scopes(self) -> bool:
        """Whether the grant contains every scope of the API, including future scopes."""
        return self.grant.allow_all_scopes

    @property
    def is_present(self) -> bool:
        """Whether the grant gives access now, as far as reconciler knows."""
        return self.state is not AccessState.MISSING and not self.is_unresolved

    @property
    def undefined_scopes(self) -> tuple[str, ...]:
        """The scopes of the grant that the API does not define."""
        return tuple(scope.name for scope in self.scopes if scope.is_defined is False)

    @property
    def order(self) -> tuple[str, ...]:
        """The sort key of a grant in the report."""
        return (self.application, self.api, self.subject_type, self.client_id or "", self.audience or "")


@dataclass(frozen=True, slots=True)
class ListingStatus:
    """The status of a listing. If the listing was not read, `count` is None and `reason` contains the reason."""

    name: str
    count: int | None
    reason: str = ""

    @property
    def is_read(self) -> bool:
        """Whether reconciler read the whole listing."""
        return self.count is not None


@dataclass(frozen=True, slots=True)
class AccessApplication:
    """An application of the tenant. `third_party` is None if the owner of the application is not known."""

    name: str
    client_id: str
    third_party: bool | None
    app_type: str


@dataclass(frozen=True, slots=True)
class AccessApi:
    """An API of the tenant.

    `token_lifetime` is the lifetime of access tokens in seconds, or None if the lifetime is not known.
    """

    name: str
    identifier: str
    scopes: tuple[str, ...]
    token_lifetime: int | None
    is_system: bool


GRANTS_LISTING = "grants"


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantAccess:
    """The access to the APIs of a tenant."""

    tenant: TenantName
    """The name and domain of the tenant."""
    listings: tuple[ListingStatus, ...]
    """The status of each listing."""
    applications: tuple[AccessApplication, ...] = ()
    """The listed applications."""
    apis: tuple[AccessApi, ...] = ()
    """The listed APIs."""
    grants: tuple[AccessGrant, ...] = ()
    """The grants, sorted by name."""
    notes: tuple[str, ...] = ()
    """Messages about the read data."""

    @property
    def is_read(self) -> bool:
        """Whether reconciler read the grants of the tenant."""
        return any(each.name == GRANTS_LISTING and each.is_read for each in self.listings)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessFilter:
    """Patterns that select grants. A pattern matches a name or an id. The pattern None matches every grant."""

    application: str | None = None
    api: str | None = None
    scope: str | None = None

    def __str__(self) -> str:
        """Return the patterns as text for people, or an empty string without patterns."""
        parts = (("application", self.application), ("API", self.api), ("scope", self.scope))
        return ", ".join(f'{name} "{pattern}"' for name, pattern in parts if pattern is not None)

    def selects(self, grant: AccessGrant) -> bool:
        """Return whether all patterns match the grant. Unknown scopes match every pattern."""
        return (
            _any_matches(_names(grant.application, grant.client_id), self.application)
            and _any_matches(_names(grant.api, grant.audience), self.api)
            and (not grant.scopes_known or _any_matches([each.name for each in grant.scopes], self.scope))
        )


def plain_name(label: str, identity: str | None) -> str:
    """Return the name in a label of the form `name (id)`. Return other labels unchanged."""
    return label.removesuffix(f" ({shorten(identity, MAX_ID_LENGTH)})") if identity else label


def _names(label: str, identity: str | None) -> tuple[str | None, ...]:
    return label, identity, plain_name(label, identity)


def _any_matches(texts: Iterable[str | None], pattern: str | None) -> bool:
    return pattern is None or any(text is not None and matches(text, pattern) for text in texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessReport:
    """The access report."""

    time: str
    """The time of the report in UTC, as `YYYY-MM-DDTHH:MM:SSZ`."""
    commit: str
    """The hash of the commit that contains the grant files, or an empty string."""
    history: str
    """The reason why the git history is unknown or incomplete, or an empty string."""
    tenants: tuple[TenantAccess, ...]
    """The tenants, without grants if reconciler could not read the tenant."""
    selection: str = ""
    """A description of the filter, or an empty string."""

    @property
    def grants(self) -> Iterator[tuple[TenantAccess, AccessGrant]]:
        """All grants of the report with their tenants."""
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
    """Return a tenant without grants. `reason` explains why the tenant could not be read."""
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
    """Return the highest level of `risks`.

    Return UNKNOWN if an uncertain risk has a higher level than all certain risks.
    """
    known = min((risk.level.order for risk in risks if risk.is_known), default=len(Level))
    possible = min((risk.level.order for risk in risks), default=len(Level))
    if possible < known:
        return GrantLevel.UNKNOWN
    return GrantLevel(list(Level)[known]) if known < len(Level) else GrantLevel.NONE


LinkTo = Callable[[Source], str]
"""A function that returns the URL of a line at the commit, or an empty string."""
