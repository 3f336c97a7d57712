"""The access report.

The report lists the access of applications to APIs, and the data that reconciler could not read.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.core.characters import shorten
from reconciler.core.declared_history import Commit
from reconciler.core.diff import FieldChange
from reconciler.core.directory import MAX_ID_LENGTH, Application, Directory, TenantList
from reconciler.core.fields import SUBJECT_CLIENT
from reconciler.core.grant import ClientGrant
from reconciler.core.identity import TenantName
from reconciler.core.plan import Reason
from reconciler.core.problems import Level, Risk, Source


class AccessState(StrEnum):
    """The result of comparing a grant of the tenant with the grant files.

    The states are sorted by urgency, the most urgent state first.

    For an undeclared grant, the state says why a plan does not delete the grant.
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
    AccessState.EXPIRED: "in the tenant, although the grant has expired",
    AccessState.MISSING: "declared, but not in the tenant",
    AccessState.UNKNOWN: "not known, because the files and the tenant could not be compared",
    AccessState.NOT_EXPRESSIBLE: "undeclared, and not expressible in a grant file",
    AccessState.OUTSIDE: "undeclared, and outside `manage`",
    AccessState.PROTECTED: "undeclared, and protected by `protect`",
    AccessState.OWN: "undeclared grant of an application that runs reconciler",
    AccessState.SYSTEM: "created by Auth0",
    AccessState.AS_DECLARED: "the tenant matches the files",
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
    """The level of a grant's most dangerous risk. UNKNOWN means that reconciler could not determine the risk level."""

    CRITICAL = "critical"
    HIGH = "high"
    UNKNOWN = "unknown"
    LOW = "low"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class GrantedScope:
    """A scope of a grant.

    `is_defined` is true if the API defines the scope, or None if the scopes of the API are unknown.
    """

    name: str
    level: Level
    is_defined: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """The git commits that added or changed a grant declaration, and the pull request of the newest commit."""

    changed: Commit | None = None
    """The newest commit that changed a line of the declaration, or None if the commit is unknown."""
    since: Commit | None = None
    """The commit that last added the grant to the grant files, or None if the commit is unknown."""
    pull_request: str = ""
    """The number of the pull request in the commit message, such as `#12`, or an empty string."""
    pull_request_link: str = ""
    """The web address of the pull request, or an empty string."""
    unknown: str = ""
    """The reason why `changed` is None, or an empty string if `changed` is not None."""
    lines: tuple[tuple[int, Commit | None], ...] = ()
    """Pairs of a line number in the declaration and the newest commit that changed the line.

    The second element of a pair is None if the newest commit that changed the line is unknown.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessGrant:
    """A grant in the access report.

    The scopes and settings come from the tenant, or from the files if the tenant does not have the grant.
    """

    application: str
    """The name of the application, followed by the client id if the name is ambiguous.

    For a default grant, the application name is `default for third_party_clients`.
    """
    api: str
    """The name of the API, followed by the identifier if the name is ambiguous."""
    grant: ClientGrant
    """The settings of the grant. If the ids of the application and the API are unknown, `key` contains names."""
    client_id: str | None = None
    """The client id of the application, or None if only the name is known."""
    default_for: str | None = None
    """The value of `default_for`, or None if the grant belongs to an application."""
    third_party: bool | None = None
    """True if a third party owns the application, or None if the owner is unknown."""
    audience: str | None = None
    """The identifier of the API, or None if only the name is known."""
    subject_type: str = SUBJECT_CLIENT
    """The subject type of the grant, such as `client` or `user`."""
    scopes: tuple[GrantedScope, ...] = ()
    """The scopes of the grant, the most dangerous scope first.

    If the grant allows all scopes, `scopes` contains the scopes that the API defines.
    """
    scopes_known: bool = True
    """True if `scopes` contains all scopes of the grant.

    For a grant that allows all scopes, `scopes` is complete only if reconciler has read the API.
    """
    organizations: tuple[str, ...] | None = None
    """The names of the assigned organizations, or None if reconciler has not read the organizations."""
    state: AccessState = AccessState.AS_DECLARED
    """The result of comparing the tenant's grant with the grant files."""
    detail: str = ""
    """An explanation of the value in `state`, or an empty string."""
    differences: tuple[FieldChange, ...] = ()
    """For a grant with the state `drifted`, the fields in which the tenant differs from the files."""
    guard: str = ""
    """The reason why reconciler must not change the grant, or an empty string if changes are allowed."""
    risks: tuple[Risk, ...] = ()
    """The risks of the grant, the most dangerous risk first."""
    level: GrantLevel = GrantLevel.NONE
    """The level of the most dangerous risk of the grant."""
    token_lifetime: int | None = None
    """The lifetime of access tokens in seconds, or None if the lifetime is unknown."""
    source: Source | None = None
    """The position of the declaration in the files, or None if no file declares the grant."""
    link: str = ""
    """The web address of the declaration, or an empty string if the web address is unknown."""
    description: str = ""
    """The value of the field `description` in the grant file."""
    expires: str = ""
    """The value of the field `expires` in the grant file, or an empty string."""
    last_use: str = ""
    """The time when Auth0 last issued a token for the grant, according to the logs, or an empty string."""
    use: str = ""
    """A description of the last use of the grant, or an empty string if reconciler has not collected logs."""
    provenance: Provenance = field(default_factory=Provenance)
    """The git commits that added or changed the declaration, and the pull request of the newest commit."""
    grant_id: str = ""
    """The id of the grant in the tenant, or an empty string."""
    default_holders: tuple[Application, ...] | None = ()
    """For a default grant, the applications that the grant applies to, or None if they are unknown.

    Otherwise, `default_holders` is empty.
    """
    no_effect: str = ""
    """The reason why the tenant's grant gives no access, or an empty string."""
    is_unresolved: bool = False
    """True if the application or the API of the declaration is unknown or ambiguous in the tenant."""

    @property
    def all_scopes(self) -> bool:
        """True if the grant allows every scope of the API, including scopes that the API defines later."""
        return self.grant.allow_all_scopes

    @property
    def is_present(self) -> bool:
        """True if the tenant may have the grant now, according to the data that reconciler read."""
        return self.state is not AccessState.MISSING and not self.is_unresolved

    @property
    def is_unread(self) -> bool:
        """True if only a file contains the grant, because reconciler has not read the tenant."""
        return self.state is AccessState.UNKNOWN and not self.grant_id and not self.is_unresolved

    @property
    def undefined_scopes(self) -> tuple[str, ...]:
        """The grant's scopes that are not among the defined scopes of the API."""
        return tuple(scope.name for scope in self.scopes if scope.is_defined is False)

    @property
    def order(self) -> tuple[str, ...]:
        """The key for sorting grants by application, and then by API."""
        return (self.application, self.api, self.subject_type, self.client_id or "", self.audience or "")


@dataclass(frozen=True, slots=True)
class ListingStatus:
    """The number of items that reconciler read from a list of the tenant, such as the list of applications.

    If reconciler did not read the list, `count` is None, and `reason` explains why the list was not read.
    """

    name: str
    count: int | None
    reason: str = ""

    @property
    def is_read(self) -> bool:
        """True if reconciler read the list `name` (such as the list of APIs) from the tenant."""
        return self.count is not None


@dataclass(frozen=True, slots=True)
class AccessApplication:
    """An application of the tenant. `third_party` is None if the owner of the application is unknown."""

    name: str
    client_id: str
    third_party: bool | None
    app_type: str


@dataclass(frozen=True, slots=True)
class AccessApi:
    """An API of the tenant.

    `token_lifetime` is the lifetime of access tokens in seconds, or None if the lifetime is unknown.
    """

    name: str
    identifier: str
    scopes: tuple[str, ...]
    token_lifetime: int | None
    is_system: bool


GRANTS_LISTING = "grants"


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantAccess:
    """The access report of a single tenant."""

    tenant: TenantName
    """The name and domain of the tenant."""
    listings: tuple[ListingStatus, ...]
    """For each list (grants, applications, APIs, organizations), the status: read from the tenant or not read."""
    applications: tuple[AccessApplication, ...] = ()
    """The applications that reconciler read from the tenant."""
    apis: tuple[AccessApi, ...] = ()
    """The APIs that reconciler read from the tenant."""
    grants: tuple[AccessGrant, ...] = ()
    """The grants of the tenant, sorted by application and API."""
    notes: tuple[str, ...] = ()
    """Messages about the data that reconciler read from the tenant."""

    @property
    def is_read(self) -> bool:
        """True if reconciler read the list of the tenant's grants."""
        return any(each.name == GRANTS_LISTING and each.is_read for each in self.listings)

    @property
    def unread_names(self) -> tuple[ListingStatus, ...]:
        """The lists of names (applications, APIs) that reconciler could not read."""
        needed = (TenantList.APPLICATIONS, TenantList.APIS)
        return tuple(each for each in self.listings if each.name in needed and not each.is_read)


def plain_name(label: str, identity: str | None) -> str:
    """Remove the id from a label of the form `name (id)`. If the label contains no id, return the label unchanged."""
    return label.removesuffix(f" ({shorten(identity, MAX_ID_LENGTH)})") if identity else label


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessReport:
    """The access report."""

    time: str
    """The time at which reconciler created the access report, in UTC, as `YYYY-MM-DDTHH:MM:SSZ`."""
    commit: str
    """The hash of the git commit of the grant files, or an empty string."""
    history: str
    """The reason why reconciler could not read the whole git history, or an empty string."""
    tenants: tuple[TenantAccess, ...]
    """The tenants in the report. If reconciler could not read a tenant, the tenant has no grants in the report."""
    selection: str = ""
    """A description of the filter, or an empty string if the report contains all grants."""

    @property
    def grants(self) -> Iterator[tuple[TenantAccess, AccessGrant]]:
        """All grants in the report, each with the tenant of the grant."""
        return ((tenant, grant) for tenant in self.tenants for grant in tenant.grants)


def unread_tenant(tenant: TenantName, reason: str) -> TenantAccess:
    """Return a report for a tenant that reconciler could not read.

    `reason` explains why reconciler could not read the tenant.
    """
    return TenantAccess(tenant=tenant, listings=(ListingStatus(GRANTS_LISTING, None, reason),))


def listed_applications(directory: Directory) -> tuple[AccessApplication, ...]:
    """Return the applications that reconciler read from the tenant, sorted by name."""
    found = (
        AccessApplication(each.name, each.client_id, each.is_third_party, each.app_type)
        for each in directory.applications or ()
    )
    return tuple(sorted(found, key=lambda each: (each.name, each.client_id)))


def listed_apis(directory: Directory) -> tuple[AccessApi, ...]:
    """Return the APIs that reconciler read from the tenant, sorted by name."""
    found = (
        AccessApi(each.name, each.identifier, tuple(sorted(each.scopes)), each.token_lifetime, each.is_system)
        for each in directory.apis or ()
    )
    return tuple(sorted(found, key=lambda each: (each.name, each.identifier)))


def grant_level(risks: Sequence[Risk]) -> GrantLevel:
    """Return the level of the most dangerous risk in `risks`.

    Return UNKNOWN if reconciler cannot determine whether the grant has the most dangerous risk in `risks`.
    """
    known = min((risk.level.order for risk in risks if risk.is_known), default=len(Level))
    possible = min((risk.level.order for risk in risks), default=len(Level))
    if possible < known:
        return GrantLevel.UNKNOWN
    return GrantLevel(list(Level)[known]) if known < len(Level) else GrantLevel.NONE


LinkTo = Callable[[Source], str]
"""A function that returns the web address of a line in a grant file, or an empty string."""
