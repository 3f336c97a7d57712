"""Usage records, which store how often grants were used according to a tenant's logs.

A usage record stores the number of uses per day. If two usage records contain a number for the same day, `merge` keeps
the larger number, because the records may overlap. The function `merge` is commutative, associative and idempotent.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple, TypeVar

from reconciler.errors import ReconcilerError

K = TypeVar("K")
V = TypeVar("V")

DAY_LENGTH = len("2026-11-28")


class UsedGrant(NamedTuple):
    """The client id, API identifier and subject type with which log events identify a grant.

    A field is empty if the log events do not show the field.
    """

    client_id: str
    audience: str
    subject_type: str


class UsedOperation(NamedTuple):
    """An application and an operation of the Management API, such as `PATCH /clients/{id}`.

    The application is empty if the log events do not show the application.
    """

    client_id: str
    operation: str


class UsedScope(NamedTuple):
    """A scope that an application used in requests to an API, according to the API's metrics."""

    client_id: str
    audience: str
    scope: str


class Use(NamedTuple):
    """The times of the first and the last use of a grant, and the number of uses per day."""

    first: str
    last: str
    days: Mapping[str, int]

    @property
    def total(self) -> int:
        """The total number of uses of the grant.

        After `merge`, the total may be too low, because `merge` keeps the higher of two counts per day instead of the
        sum.
        """
        return sum(self.days.values())


class Checkpoint(NamedTuple):
    """The id of the last collected log event, and the time until which the collected logs are complete."""

    until: str
    log_id: str


class Period(NamedTuple):
    """A time span for which reconciler has read all log events. `end` is the first moment after the time span."""

    start: str
    end: str


@dataclass(frozen=True, kw_only=True)
class Usage:
    """The use of a tenant's grants, according to the tenant's logs.

    All times have the form `2026-11-28T12:00:00.000Z`, so times can be compared as strings.
    """

    tenant: str = ""
    """The name of the tenant in log events, or an empty string before the first event."""
    grants: Mapping[UsedGrant, Use] = field(default_factory=dict)
    """The uses of each grant: how often an application got a token for the API."""
    writes: Mapping[UsedOperation, Use] = field(default_factory=dict)
    """How often each application used each write operation of the Management API."""
    scopes: Mapping[UsedScope, str] = field(default_factory=dict)
    """The time at which each scope was last used, according to API metrics."""
    periods: tuple[Period, ...] = ()
    """The time spans for which reconciler has read all log events, in order and without overlaps."""
    checkpoint: Checkpoint | None = None
    """The position in the logs where the next run of `usage collect` continues, or None."""

    @cached_property
    def writes_by_client(self) -> Mapping[str, Mapping[str, Use]]:
        """The Management API write operations of each application, with the times and counts of the uses."""
        found: dict[str, dict[str, Use]] = {}
        for (client_id, operation), use in self.writes.items():
            found.setdefault(client_id, {})[operation] = use
        return found

    @cached_property
    def last_metrics(self) -> Mapping[tuple[str, str], str]:
        """The time at which each application last used an API, according to API metrics."""
        found: dict[tuple[str, str], str] = {}
        for (client_id, audience, _), last in self.scopes.items():
            found[client_id, audience] = max(last, found.get((client_id, audience), ""))
        return found


def merge(first: Usage, second: Usage) -> Usage:
    """Combine two usage records that may contain the same log events.

    Raises ReconcilerError if the records belong to different tenants.
    """
    return _combine(first, second, max)


def add(stored: Usage, new: Usage) -> Usage:
    """Add the numbers of uses in `new` to the usage record `stored`.

    Raises ReconcilerError if the records belong to different tenants.
    """
    return _combine(stored, new, lambda before, after: before + after)


def _combine(first: Usage, second: Usage, count: Callable[[int, int], int]) -> Usage:
    if first.tenant and second.tenant and first.tenant != second.tenant:
        raise ReconcilerError(
            f"the events belong to the tenant {second.tenant}, but the usage file belongs to {first.tenant}; "
            "choose another file with --usage"
        )

    def both(before: Use, after: Use) -> Use:
        return Use(
            min(before.first, after.first), max(before.last, after.last), _merged(before.days, after.days, count)
        )

    checkpoints = [each for each in (first.checkpoint, second.checkpoint) if each]
    return Usage(
        tenant=first.tenant or second.tenant,
        grants=_merged(first.grants, second.grants, both),
        writes=_merged(first.writes, second.writes, both),
        scopes=_merged(first.scopes, second.scopes, max),
        periods=union((*first.periods, *second.periods)),
        checkpoint=max(checkpoints, default=None),
    )


def _merged(first: Mapping[K, V], second: Mapping[K, V], both: Callable[[V, V], V]) -> dict[K, V]:
    found = dict(first)
    for key, value in second.items():
        found[key] = both(found[key], value) if key in found else value
    return found


def union(periods: Iterable[Period]) -> tuple[Period, ...]:
    """Combine time spans that touch or overlap. Sort the combined time spans, and omit empty time spans."""
    found: list[Period] = []
    for period in sorted(each for each in periods if each.start < each.end):
        if found and period.start <= found[-1].end:
            found[-1] = Period(found[-1].start, max(found[-1].end, period.end))
        else:
            found.append(period)
    return tuple(found)


def gaps(periods: Iterable[Period]) -> tuple[Period, ...]:
    """Return the gaps between time spans. Log events may be missing in a gap between time spans."""
    return tuple(Period(before.end, after.start) for before, after in pairwise(union(periods)))


def seen_time(periods: Iterable[Period], start: datetime, end: datetime) -> timedelta:
    """Return how much of the time between `start` and `end` is inside `periods`."""
    spans = ((max(moment(each.start), start), min(moment(each.end), end)) for each in union(periods))
    return sum((last - first for first, last in spans if last > first), timedelta())


def time_text(time: datetime) -> str:
    """Format a time for usage records, such as `2026-11-28T12:00:00.000Z`."""
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def moment(text: str) -> datetime:
    """Parse a time. Raises ValueError if the string is not a time with a time zone."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a time without a time zone")
    try:
        return found.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the date is out of range") from error


def with_scopes(usage: Usage, scopes: Iterable[tuple[UsedScope, str]]) -> Usage:
    """Add the time of each scope's last use, according to API metrics, to a usage record."""
    found: dict[UsedScope, str] = {}
    for key, last in scopes:
        found[key] = max(last, found.get(key, last))
    return replace(usage, scopes=_merged(usage.scopes, found, max))
