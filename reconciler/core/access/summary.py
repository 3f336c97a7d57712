"""The totals of an access report, and the findings that need attention."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.core.access.report import AccessGrant, AccessReport, AccessState, GrantLevel, TenantAccess
from reconciler.core.problems import Level
from reconciler.core.token_lifetime import LONG_LIFETIME_SECONDS

Answer = bool | None
"""The answer to a question about a grant, such as "Is the grant undeclared?".

`Answer` is None if the answer is unknown.
"""


@dataclass(frozen=True, slots=True)
class AccessTotal:
    """A number in the summary of the access report, such as the number of undeclared grants."""

    name: str
    """The name of the number in JSON output, such as `third_party`."""
    label: str
    """The label of the number in human-readable output, such as `third-party`."""
    count: int
    """The number of grants, applications or APIs that reconciler counted."""
    unknown: int = 0
    """The number of grants that could not be counted, because reconciler lacks information."""
    is_complete: bool = True
    """True if reconciler read all tenants. If reconciler could not read a tenant, `count` may be too low."""

    @property
    def text(self) -> str:
        """The number in human-readable form, such as `at least 3`."""
        if not self.is_complete and not self.count:
            return "not known"
        start = f"{self.count}" if self.is_complete else f"at least {self.count}"
        return f"{start} ({self.unknown} not known)" if self.unknown else start


def _has_level(level: GrantLevel) -> Callable[[AccessGrant], Answer]:
    return lambda grant: None if grant.level is GrantLevel.UNKNOWN else grant.level is level


def _has_state(state: AccessState) -> Callable[[AccessGrant], Answer]:
    return lambda grant: None if grant.state is AccessState.UNKNOWN else grant.state is state


def _is_described(grant: AccessGrant) -> bool:
    return grant.source is None or bool(grant.description)


COUNTED: Mapping[str, tuple[str, Callable[[AccessGrant], Answer]]] = {
    "critical": ("critical", _has_level(GrantLevel.CRITICAL)),
    "high": ("high", _has_level(GrantLevel.HIGH)),
    "undeclared": ("undeclared", _has_state(AccessState.UNDECLARED)),
    "removed": ("removed from the files", _has_state(AccessState.REMOVED)),
    "drifted": ("drifted", _has_state(AccessState.DRIFTED)),
    "all_scopes": ("all scopes", lambda grant: grant.all_scopes),
    "third_party": ("third-party", lambda grant: grant.third_party),
    "any_organization": ("any organization", lambda grant: grant.grant.allow_any_organization),
    "no_description": ("no description", lambda grant: not _is_described(grant)),
}
"""The kinds of grants that the access report counts.

Each kind of grant has a label and a function that recognizes grants of the kind.

The function `totals` separately counts the declared grants that are missing in the tenant.
"""


def totals(report: AccessReport) -> list[AccessTotal]:
    """Return the numbers for the summary of the access report.

    Only the total `missing` includes declared grants that do not exist in the tenant.
    """
    is_complete = all(tenant.is_read for tenant in report.tenants)
    grants = [grant for _, grant in report.grants]
    present = [grant for grant in grants if grant.is_present]
    missing = sum(grant.state is AccessState.MISSING for grant in grants)
    unknown = sum(grant.state is AccessState.UNKNOWN for grant in grants)
    known = [grant for grant in present if not grant.is_unread]
    unread = len(present) - len(known)
    found = [
        AccessTotal("grants", "grants", len(known), unread, is_complete),
        AccessTotal("applications", "applications", len({each.application for each in known}), unread, is_complete),
        AccessTotal("apis", "APIs", len({each.api for each in known}), unread, is_complete),
    ]
    for name, (label, test) in COUNTED.items():
        answers = [test(grant) for grant in known]
        found.append(AccessTotal(name, label, answers.count(True), answers.count(None) + unread, is_complete))
    return [*found, AccessTotal("missing", "missing in the tenant", missing, unknown, is_complete)]


@dataclass(frozen=True, slots=True)
class AccessFinding:
    """A finding in the access report that needs attention, such as grants with a critical risk."""

    rule: str
    """The kind of the finding, such as `undeclared`."""
    level: Level
    """The severity of the finding."""
    meaning: str
    """A human-readable description of the finding."""
    grants: tuple[tuple[str, AccessGrant], ...] = ()
    """The affected grants with their tenant names. `grants` is empty if the finding does not concern grants."""
    details: tuple[str, ...] = ()
    """Details of a finding that does not concern grants, such as the lists that reconciler could not read."""


@dataclass(frozen=True, slots=True)
class _FindingRule:
    name: str
    level: Level
    meaning: str
    applies: Callable[[AccessGrant], bool]


def _long_lived(grant: AccessGrant) -> bool:
    is_long = grant.token_lifetime is not None and grant.token_lifetime > LONG_LIFETIME_SECONDS
    return grant.is_present and is_long and any(scope.level is Level.CRITICAL for scope in grant.scopes)


RULES: tuple[_FindingRule, ...] = (
    _FindingRule(
        "critical-access",
        Level.CRITICAL,
        "grants with a critical risk",
        lambda grant: grant.is_present and grant.level is GrantLevel.CRITICAL,
    ),
    _FindingRule(
        "long-lived-critical",
        Level.HIGH,
        "critical scopes in access tokens that live longer than a day",
        _long_lived,
    ),
    _FindingRule(
        "undeclared",
        Level.HIGH,
        "grants in the tenant that no file declares",
        lambda grant: grant.state is AccessState.UNDECLARED,
    ),
    _FindingRule(
        "removed",
        Level.HIGH,
        "grants that were removed from the files and still exist in the tenant",
        lambda grant: grant.state is AccessState.REMOVED,
    ),
    _FindingRule(
        "drifted",
        Level.HIGH,
        "grants that differ from the files",
        lambda grant: grant.state is AccessState.DRIFTED,
    ),
    _FindingRule(
        "missing",
        Level.LOW,
        "declared grants that the tenant does not have",
        lambda grant: grant.state is AccessState.MISSING,
    ),
    _FindingRule(
        "unknown-risk",
        Level.HIGH,
        "grants with an unknown risk",
        lambda grant: grant.level is GrantLevel.UNKNOWN,
    ),
    _FindingRule(
        "no-effect",
        Level.LOW,
        "grants that give no access",
        lambda grant: bool(grant.no_effect),
    ),
    _FindingRule(
        "undefined-scope",
        Level.LOW,
        "scopes that the API does not define",
        lambda grant: bool(grant.undefined_scopes),
    ),
    _FindingRule(
        "no-description",
        Level.LOW,
        "declared grants without a description",
        lambda grant: not _is_described(grant),
    ),
)


def findings(report: AccessReport) -> list[AccessFinding]:
    """Return the findings of the access report. Findings about unreadable data come before findings about grants."""
    return [*_completeness(report), *_grant_findings(list(report.grants))]


def _completeness(report: AccessReport) -> Iterator[AccessFinding]:
    unread = unread_listings(report)
    if unread:
        yield AccessFinding("incomplete", Level.HIGH, "lists of the tenant that were not read", details=tuple(unread))
    if report.history:
        yield AccessFinding("history-unknown", Level.LOW, "the git history is not known", details=(report.history,))


def _grant_findings(grants: Sequence[tuple[TenantAccess, AccessGrant]]) -> Iterator[AccessFinding]:
    for rule in RULES:
        found = tuple((tenant.tenant.name, grant) for tenant, grant in grants if rule.applies(grant))
        if found:
            yield AccessFinding(rule.name, rule.level, rule.meaning, found)


def unread_listings(report: AccessReport) -> list[str]:
    """Return a line for each list that reconciler could not read, with the tenant, the list and the reason."""
    return [
        f"{tenant.tenant.label}: {each.name}: {each.reason}"
        for tenant in report.tenants
        for each in tenant.listings
        if not each.is_read
    ]
