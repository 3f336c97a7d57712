"""Decide from the collected logs whether grants and scopes are used or unused.

A grant is "unused" only if the collected logs cover the whole time span of the report. Logs do not show which scopes of
a custom API an application uses, because access tokens contain all granted scopes. The logs do not show the use of the
Management API's read scopes, because Auth0 logs only writes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import product

from reconciler.core.characters import pluralize
from reconciler.core.directory import MANAGEMENT_API_SUFFIX, Directory
from reconciler.core.fields import SUBJECT_CLIENT
from reconciler.core.grant import SUBJECT_USER, Key, ObservedGrant
from reconciler.core.identity import TenantName
from reconciler.core.plan import name_order
from reconciler.core.token_lifetime import duration
from reconciler.core.usage.events import UNKNOWN_OPERATION
from reconciler.core.usage.records import (
    DAY_LENGTH,
    Period,
    Usage,
    Use,
    UsedGrant,
    UsedScope,
    gaps,
    moment,
    seen_time,
    time_text,
)

LONGEST_DELAY = timedelta(days=1)
"""The usage report treats the collected logs as complete if they end at most LONGEST_DELAY ago.

A LONGEST_DELAY of one day allows for a job that runs `usage collect` once a night.
"""
ROUNDING = timedelta(seconds=1)
READ_PREFIX = "read:"
"""The prefix of scopes that give read access.

Logs cannot show that a read scope is unused, because Auth0 does not log reads.
"""
NOT_ATTRIBUTED = "not known: log events do not show which grant this kind of caller uses"
TokenScopes = Mapping[str, Sequence[str]]
"""The write operations of the Management API, each with the scopes that allow the operation."""


class UseState(StrEnum):
    """The state of a grant or scope according to the logs.

    UNKNOWN means that the logs do not show whether an application used the grant or scope.
    """

    USED = "used"
    UNUSED = "unused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ScopeUse:
    """A scope in the usage report, and whether the scope is used.

    `text` is a human-readable description of the scope's last use.
    """

    name: str
    state: UseState
    text: str
    last: str = ""


@dataclass(frozen=True, slots=True)
class GrantUse:
    """A grant in the usage report, and whether the grant is used.

    `text` is a human-readable description of the last use. `use` is None if the logs do not show any use.
    """

    key: Key
    application: str
    api: str
    state: UseState
    text: str
    use: Use | None = None
    scopes: tuple[ScopeUse, ...] = ()


@dataclass(frozen=True)
class UsageWindow:
    """The time span that a usage report covers. The time span is `length` long and ends at the time `now`.

    If `length` is None, the usage report includes all collected logs.
    """

    now: datetime
    periods: tuple[Period, ...]
    length: timedelta | None = None

    @property
    def start(self) -> str:
        """The start of the usage report's time span, or an empty string if `length` is None."""
        return "" if self.length is None else time_text(self.now - self.length)

    @property
    def is_complete(self) -> bool:
        """True if the report has a limited time span and the collected logs cover the whole time span."""
        return self.length is not None and self._seen >= self.length - ROUNDING

    @cached_property
    def _seen(self) -> timedelta:
        """How much of the report's time span the collected logs cover.

        The collected logs count as complete if they end at most LONGEST_DELAY before the time of the report.
        """
        periods = list(self.periods)
        end = moment(periods[-1].end) if periods else self.now
        if periods and timedelta() < self.now - end <= LONGEST_DELAY:
            periods.append(Period(periods[-1].end, time_text(self.now)))
        first = moment(periods[0].start) if periods else self.now
        return seen_time(periods, self.now - self.length if self.length is not None else first, self.now)

    @property
    def length_text(self) -> str:
        """The length of the report's time span, such as `90 days`."""
        return duration(int((self.length or timedelta()).total_seconds()))

    @property
    def text(self) -> str:
        """A description of how much of the time span the logs cover, such as `logs cover 30 of 90 days`.

        If `length` is None, the description has the form `30 days of logs`.
        """
        days = (self._seen + ROUNDING) // timedelta(days=1)
        if self.length is None:
            return f"{pluralize(days, 'day')} of logs"
        if self.length < timedelta(days=1):
            return f"logs cover {self._seen // timedelta(hours=1)} of {self.length_text}"
        return f"logs cover {days} of {pluralize(self.length // timedelta(days=1), 'day')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """A report on the use of a tenant's grants. The grants that have been unused for the longest time come first."""

    tenant: TenantName
    window: UsageWindow
    grants: tuple[GrantUse, ...]
    notes: tuple[str, ...] = ()

    @property
    def gaps(self) -> tuple[Period, ...]:
        """The gaps between the time spans that the collected logs cover."""
        return gaps(self.window.periods)

    def without_used(self) -> "UsageReport":
        """Return a copy of the usage report without the used grants."""
        return replace(self, grants=tuple(each for each in self.grants if each.state is not UseState.USED))


def grant_uses(
    grants: Iterable[ObservedGrant], directory: Directory, usage: Usage, window: UsageWindow, scopes: TokenScopes
) -> tuple[GrantUse, ...]:
    """Return the use of each grant of a tenant. The grants that have been unused for the longest time come first."""
    by_scope: dict[str, list[str]] = {}
    for operation, names in scopes.items():
        for name in names:
            by_scope.setdefault(name, []).append(operation)
    found = [_grant_use(each, directory, usage, window, by_scope) for each in grants]
    return tuple(sorted(found, key=lambda each: (each.use.last if each.use else "", *name_order(each.key, directory))))


def use_of(key: Key, usage: Usage) -> Use | None:
    """Return how often and when an application got tokens for a grant, or None if the logs show no token."""
    return usage.grants.get(UsedGrant(key.client_id or "", key.audience, key.subject_type))


def last_possible_use(key: Key, usage: Usage) -> str:
    """Return the time of the last log event that may be a use of a grant, or an empty string.

    An event may be a use if the application, the API or the subject type is missing in the event and the other values
    match the grant. Writes of the Management API and API metrics also count, because the application may have got its
    token before the collected logs begin.
    """
    own = UsedGrant(key.client_id or "", key.audience, key.subject_type)
    possible = (UsedGrant(*parts) for parts in product(*((part, "") for part in own)))
    events = [usage.grants[each] for each in possible if each != own and each in usage.grants]
    if key.audience.endswith(MANAGEMENT_API_SUFFIX):
        for client_id in (own.client_id, ""):
            events += usage.writes_by_client.get(client_id, {}).values()
    return max([use.last for use in events] + [usage.last_metrics.get(own[:2], "")])


def is_attributed(key: Key) -> bool:
    """Return whether log events can show the use of a grant."""
    return key.client_id is not None and key.subject_type in {SUBJECT_CLIENT, SUBJECT_USER}


def state_of(key: Key, usage: Usage, window: UsageWindow) -> tuple[UseState, str]:
    """Return whether a grant is used, and a human-readable description of the last use."""
    if not is_attributed(key):
        return UseState.UNKNOWN, NOT_ATTRIBUTED
    use = use_of(key, usage)
    if use and use.last >= window.start:
        times = f"{use.total:,} times" if use.total > 1 else "once"
        return UseState.USED, f"last used {_day(use.last)}, {times} since {_day(use.first)}"
    last = f", last used {_day(use.last)}" if use else ""
    possible = last_possible_use(key, usage)
    if possible and possible >= window.start:
        return UseState.UNKNOWN, f"not known: an event on {_day(possible)} does not show which grant was used{last}"
    if window.length is None:
        return UseState.UNKNOWN, f"not used in {window.text}"
    if window.is_complete:
        return UseState.UNUSED, f"unused for {window.length_text}{last}"
    return UseState.UNKNOWN, f"not known, {window.text}{last}"


def _grant_use(
    observed: ObservedGrant, directory: Directory, usage: Usage, window: UsageWindow, by_scope: Mapping[str, list[str]]
) -> GrantUse:
    key = observed.key
    state, text = state_of(key, usage, window)
    return GrantUse(
        key=key,
        application=directory.client_label(key),
        api=directory.api_label(key),
        state=state,
        text=text,
        use=use_of(key, usage),
        scopes=tuple(_scope_uses(observed, usage, window, by_scope)),
    )


def _scope_uses(
    observed: ObservedGrant, usage: Usage, window: UsageWindow, by_scope: Mapping[str, list[str]]
) -> Iterator[ScopeUse]:
    """Yield the usage data of each scope of a grant.

    Yield nothing if neither metrics nor log events show the use of scopes.
    """
    key = observed.key
    client, names = key.client_id or "", sorted(observed.grant.scope)
    is_management = key.audience.endswith(MANAGEMENT_API_SUFFIX) and key.subject_type == SUBJECT_CLIENT
    writes = usage.writes_by_client.get(client, {}) if is_management else {}
    unknown = [use for name, use in writes.items() if name == UNKNOWN_OPERATION]
    unknown += usage.writes_by_client.get("", {}).values()  # any application may have made these writes
    last_unknown = max((use.last for use in unknown), default="")
    metrics = {name: usage.scopes.get(UsedScope(client, key.audience, name), "") for name in names}
    if not is_management and not any(metrics.values()):
        return
    for name in names:
        operations = by_scope.get(name, []) if is_management else []
        last = max((metrics[name], *(writes[each].last for each in operations if each in writes)))
        yield _scope_use(name, last, operations, last_unknown, window)


def _scope_use(name: str, last: str, operations: Sequence[str], last_unknown: str, window: UsageWindow) -> ScopeUse:
    """Return whether a scope of a grant is used. `last` is the time of the last use, or an empty string.

    `last_unknown` is the time of the last write that may have used any scope, or an empty string.
    """
    if last and last >= window.start:
        return ScopeUse(name, UseState.USED, f"last used {_day(last)}", last)
    if not operations or name.startswith(READ_PREFIX):
        known = f"not known after the last use on {_day(last)}"  # the metrics may be older than the last use
        return ScopeUse(name, UseState.UNKNOWN, known if last else "not known: the logs do not show reads", last)
    if last_unknown and last_unknown >= window.start:
        text = "not known: reconciler does not recognize some write requests"
    elif window.length is None:
        text = f"no write request in {window.text}"
    elif window.is_complete:
        return ScopeUse(name, UseState.UNUSED, f"no write request in {window.length_text}", last)
    else:
        text = f"not known, {window.text}"
    return ScopeUse(name, UseState.UNKNOWN, text, last)


def _day(time: str) -> str:
    return time[:DAY_LENGTH]
