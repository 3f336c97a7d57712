"""The expiry dates of grants (`expires` in grant files), and warnings about grants that expire.

A date such as `2027-03-31` means that the grant is valid until the end of that day in UTC. A value with a time and a
time zone is the exact moment at which the grant expires.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from reconciler.core.characters import pluralize
from reconciler.core.grant import Key
from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.spec import GrantSpec

_LEAP_YEAR = "(?:2[0-9](?:0[48]|[2468][048]|[13579][26])|2[048]00)"
_DAY = (
    "(?:2[0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    f"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP_YEAR}-02-29)"
)
_HOUR, _SIXTY = "(?:[01][0-9]|2[0-3])", "[0-5][0-9]"
EXPIRES_PATTERN = f"^{_DAY}(?:T{_HOUR}:{_SIXTY}(?::{_SIXTY})?(?:Z|[+-]{_HOUR}:{_SIXTY}))?(?![\\s\\S])"
"""A regular expression for an ISO 8601 date or time in the years 2000 to 2999.

The regular expression rejects dates that do not exist, such as `2027-02-30`.
"""
TEMPORARY_ACCESS = "temporary-access"
TEMPORARY_ACCESS_MEANING = (
    "critical scopes that never expire, or that expire later than max_days allows (needs an item in policy.rules)"
)
"""The description of the risk rule `temporary-access`.

The module `core/expired_grants.py` evaluates the rule `temporary-access`.
"""
DEFAULT_WARN_BEFORE = timedelta(days=14)
DURATION_UNITS: Mapping[str, str] = {"h": "hours", "d": "days", "w": "weeks"}
"""The units that the setting `warn_before` accepts, and the corresponding parameter names of Python's `timedelta`."""
_ONE_DAY = timedelta(days=1)
_ONE_HOUR = timedelta(hours=1)
_DAY_LENGTH = len("2027-03-31")


class ExpiryChange(NamedTuple):
    """A change of a grant's declared expiry date between the base revision and the current files.

    An empty string means that the grant never expires.
    """

    key: Key
    source: Source
    before: str
    after: str

    def __str__(self) -> str:
        """Return a description of the change, such as `expires 2027-03-31, was 2026-12-31`."""
        if not self.after:
            return f"no longer expires, was {expiry_text(self.before)}"
        was = f"was {expiry_text(self.before)}" if self.before else "had no end"
        return f"expires {expiry_text(self.after)}, {was}"


def end_of(expires: str) -> datetime:
    """Return the first moment at which a grant has expired. `expires` must match EXPIRES_PATTERN."""
    if _is_day(expires):
        return datetime.combine(date.fromisoformat(expires) + _ONE_DAY, datetime.min.time(), UTC)
    return datetime.fromisoformat(expires).astimezone(UTC)


def expiry_text(expires: str) -> str:
    """Format an expiry date for human-readable output, such as `2027-03-31` or `2027-03-31 16:00 UTC`."""
    if _is_day(expires):
        return expires
    end = end_of(expires)
    return f"{end:%Y-%m-%d %H:%M:%S} UTC" if end.second else f"{end:%Y-%m-%d %H:%M} UTC"


def has_expired(spec: GrantSpec, now: datetime) -> bool:
    """Return whether a declared grant has expired."""
    return bool(spec.expires) and end_of(spec.expires) <= now


def split_expired(specs: Iterable[GrantSpec], now: datetime) -> tuple[tuple[GrantSpec, ...], tuple[GrantSpec, ...]]:
    """Return the declarations that are valid at the time `now`, and the expired declarations.

    Remove the organizations from expired declarations, because the organizations may no longer exist.
    """
    valid: list[GrantSpec] = []
    expired: list[GrantSpec] = []
    for spec in specs:
        if has_expired(spec, now):
            expired.append(spec._replace(organizations=None))
        else:
            valid.append(spec)
    return tuple(valid), tuple(expired)


def ends_later(expires: str, other: str) -> bool:
    """Return whether the expiry date `expires` is later than the expiry date `other`.

    An empty string means that a grant never expires, and counts as the latest date.
    """
    return bool(other) and (not expires or end_of(expires) > end_of(other))


def ends_within(expires: str, now: datetime, days: int | None) -> bool:
    """Return whether a grant expires at most `days` days after `now`.

    If `days` is None, return whether the grant has an expiry date.
    """
    if not expires or days is None:
        return bool(expires)
    latest = now + timedelta(days=days)
    if _is_day(expires):
        return date.fromisoformat(expires) <= latest.astimezone(UTC).date()
    return end_of(expires) <= latest


def expiry_warnings(specs: Iterable[GrantSpec], now: datetime, warn_before: timedelta) -> Iterator[Problem]:
    """Yield a warning at the line of each declared grant that expires within `warn_before`.

    Yield nothing if `warn_before` is 0.
    """
    for spec in specs if warn_before else ():
        if spec.expires and not has_expired(spec, now) and _warning_start(spec.expires, warn_before) <= now:
            what = f"this grant expires {expiry_text(spec.expires)}, {_time_left(spec.expires, now)}"
            fix = "set a later expiry date in a pull request, or let reconciler delete the expired grant"
            yield Problem(spec.source_of("expires"), what, fix, Severity.WARNING)


def expired_warnings(specs: Iterable[GrantSpec], now: datetime) -> Iterator[Problem]:
    """Yield a warning at the line of each expired declaration.

    A warning appears even if the tenant no longer has the expired grant.
    """
    for spec in specs:
        if has_expired(spec, now):
            what = f"this grant expired {expiry_text(spec.expires)}, so apply deletes it"
            fix = "keep these lines until `plan` reports here that the tenant no longer has the grant"
            yield Problem(spec.source_of("expires"), what, fix, Severity.WARNING)


def _is_day(expires: str) -> bool:
    return len(expires) == _DAY_LENGTH


def _warning_start(expires: str, warn_before: timedelta) -> datetime:
    """Return the time at which reconciler starts to warn about a grant that will expire.

    For an expiry date without a time, the setting `warn_before` counts back from the start of the day.
    """
    return end_of(expires) - (_ONE_DAY if _is_day(expires) else timedelta()) - warn_before


def _time_left(expires: str, now: datetime) -> str:
    if _is_day(expires):
        days = (date.fromisoformat(expires) - now.astimezone(UTC).date()).days
        return {0: "today", 1: "tomorrow"}.get(days, f"in {days} days")
    left = end_of(expires) - now
    if left >= _ONE_DAY:
        return f"in {pluralize(left.days, 'day')}"
    return f"in {pluralize(left // _ONE_HOUR, 'hour')}" if left >= _ONE_HOUR else "in less than an hour"
