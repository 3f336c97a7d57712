"""Pure: records of the use of grants according to a tenant's logs. Combine two records.

A record stores one count per day. If two records contain the same day, a merge keeps the larger count, because both
records may contain the same events. A merge is therefore commutative, associative and idempotent.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple, TypeVar

from reconciler.errors import ReconcilerError

K = TypeVar("K")
V = TypeVar("V")

DAY_LENGTH = len("2026-11-28")


class UsedGrant(NamedTuple):
    """The part of a grant's key that log events contain."""

    client_id: str
    audience: str
    subject_type: str


class UsedOperation(NamedTuple):
    """An application and an operation of the Management API, such as `PATCH /clients/{id}`."""

    client_id: str
    operation: str


class UsedScope(NamedTuple):
    """A scope that an application used on an API, according to the metrics of the API."""

    client_id: str
    audience: str
    scope: str


class Use(NamedTuple):
    """The times of the first and the last use, and the number of uses per day."""

    first: str
    last: str
    days: Mapping[str, int]

    @property
    def total(self) -> int:
        """The number of uses.

        The number is too low after a merge of two records that contain different uses of the same day.
        """
        return sum(self.days.values())


class Checkpoint(NamedTuple):
    """The id of the last event that was read from the tenant's logs, and the time until which the logs were seen."""

    until: str
    log_id: str


class Period(NamedTuple):
    """A period in which all events were seen. `end` is the first moment after the period."""

    start: str
    end: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The use of grants that the logs of one tenant show.

    All times have the form `2026-11-28T12:00:00.000Z`, so times can be compared as text.
    """

    tenant: str = ""
    """The name of the tenant in its log events, or an empty string if no event was read."""
    grants: Mapping[UsedGrant, Use] = field(default_factory=dict)
    """The token exchanges of each grant."""
    writes: Mapping[UsedOperation, Use] = field(default_factory=dict)
    """The writes of each application through the Management API."""
    scopes: Mapping[UsedScope, str] = field(default_factory=dict)
    """The time of the last use of each scope, from the metrics of APIs."""
    periods: tuple[Period, ...] = ()
    """The periods in which all events were seen, in order and without overlaps."""
    checkpoint: Checkpoint | None = None
    """The position in the logs where the next run continues, or None."""


def merge(first: Usage, second: Usage) -> Usage:
    """Combine two records of use that may contain the same events. Raises ReconcilerError for different tenants."""
    return _combine(first, second, max)


def add(stored: Usage, new: Usage) -> Usage:
    """Combine a record of use with a record of new events. Raises ReconcilerError for different tenants."""
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
    """Return the union of periods, in order and without empty periods."""
    found: list[Period] = []
    for period in sorted(each for each in periods if each.start < each.end):
        if found and period.start <= found[-1].end:
            found[-1] = Period(found[-1].start, max(found[-1].end, period.end))
        else:
            found.append(period)
    return tuple(found)


def gaps(periods: Iterable[Period]) -> tuple[Period, ...]:
    """Return the gaps between periods, in which events may be missing."""
    return tuple(Period(before.end, after.start) for before, after in pairwise(union(periods)))


def seen_time(periods: Iterable[Period], start: datetime, end: datetime) -> timedelta:
    """Return how much of the time from `start` to `end` the periods cover."""
    spans = ((max(moment(each.start), start), min(moment(each.end), end)) for each in union(periods))
    return sum((last - first for first, last in spans if last > first), timedelta())


def time_text(time: datetime) -> str:
    """Format a time in the form of all records, such as `2026-11-28T12:00:00.000Z`."""
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def moment(text: str) -> datetime:
    """Parse a time. Raises ValueError if the text is not a time with a time zone."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a time without a zone")
    try:
        return found.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the date is out of range") from error


def with_scopes(usage: Usage, scopes: Iterable[tuple[UsedScope, str]]) -> Usage:
    """Add the last use of scopes, from the metrics of APIs, to a record of use."""
    found: dict[UsedScope, str] = {}
    for key, last in scopes:
        found[key] = max(last, found.get(key, last))
    return replace(usage, scopes=_merged(usage.scopes, found, max))


def last_writes(usage: Usage, client_id: str) -> Iterator[tuple[str, Use]]:
    """Yield the write operations of an application through the Management API, with the use of each operation."""
    return ((key.operation, use) for key, use in usage.writes.items() if key.client_id == client_id)
