"""Pure: the use of grants, as seen in the logs of a tenant, and how two records of use are combined.

Counts are stored per day. If two records share a day, the larger count of the day wins, because both may have the same
events. A merge is therefore commutative, associative and idempotent.
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
    """An application, and an operation of the Management API such as `PATCH /clients/{id}`."""

    client_id: str
    operation: str


class UsedScope(NamedTuple):
    """A scope of an application on an API, from the API's own metrics."""

    client_id: str
    audience: str
    scope: str


class Use(NamedTuple):
    """The first and the last use as times, and the number of uses per day."""

    first: str
    last: str
    days: Mapping[str, int]

    @property
    def total(self) -> int:
        """The number of uses. It is too low if two records that share a day were merged."""
        return sum(self.days.values())


class Checkpoint(NamedTuple):
    """The last event that was read from the tenant's logs, and the time until which the logs were seen."""

    until: str
    log_id: str


class Period(NamedTuple):
    """A time in which all events were seen. The end does not belong to it."""

    start: str
    end: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the logs of one tenant show.

    All times have the form `2026-11-28T12:00:00.000Z`, so they can be compared as text.

    Attributes:
        tenant: The name of the tenant in its log events, or an empty text if no event was read.
        grants: The token exchanges of each grant.
        writes: The writes of each application through the Management API.
        scopes: The last use of scopes, from the metrics of APIs.
        periods: The periods that were seen completely, in order and without overlaps.
        checkpoint: Where the next reading of the logs starts, or None.
    """

    tenant: str = ""
    grants: Mapping[UsedGrant, Use] = field(default_factory=dict)
    writes: Mapping[UsedOperation, Use] = field(default_factory=dict)
    scopes: Mapping[UsedScope, str] = field(default_factory=dict)
    periods: tuple[Period, ...] = ()
    checkpoint: Checkpoint | None = None


def merge(first: Usage, second: Usage) -> Usage:
    """Combine two records of use that may contain the same events. Raises ReconcilerError for different tenants."""
    return _combine(first, second, max)


def add(stored: Usage, new: Usage) -> Usage:
    """Combine a record of use with events that it does not contain. Raises ReconcilerError for different tenants."""
    return _combine(stored, new, lambda before, after: before + after)


def _combine(first: Usage, second: Usage, count: Callable[[int, int], int]) -> Usage:
    if first.tenant and second.tenant and first.tenant != second.tenant:
        raise ReconcilerError(
            f"the events belong to the tenant {second.tenant}, and the usage file to {first.tenant}; use another file"
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
    """Return the union of periods, in order. Empty periods are left out."""
    found: list[Period] = []
    for period in sorted(each for each in periods if each.start < each.end):
        if found and period.start <= found[-1].end:
            found[-1] = Period(found[-1].start, max(found[-1].end, period.end))
        else:
            found.append(period)
    return tuple(found)


def gaps(periods: Iterable[Period]) -> tuple[Period, ...]:
    """Return the times between the periods, which were not seen."""
    return tuple(Period(before.end, after.start) for before, after in pairwise(union(periods)))


def seen_time(periods: Iterable[Period], start: datetime, end: datetime) -> timedelta:
    """Return how much of the time from `start` to `end` was seen."""
    spans = ((max(moment(each.start), start), min(moment(each.end), end)) for each in union(periods))
    return sum((last - first for first, last in spans if last > first), timedelta())


def time_text(time: datetime) -> str:
    """Return a time as text in the form that all records have."""
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def moment(text: str) -> datetime:
    """Return the time of a text. Raises ValueError if it is not a time with a zone."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a time without a zone")
    try:
        return found.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the date is out of range") from error


def with_scopes(usage: Usage, scopes: Iterable[tuple[UsedScope, str]]) -> Usage:
    """Add the last use of scopes, from the metrics of APIs."""
    found: dict[UsedScope, str] = {}
    for key, last in scopes:
        found[key] = max(last, found.get(key, last))
    return replace(usage, scopes=_merged(usage.scopes, found, max))


def last_writes(usage: Usage, client_id: str) -> Iterator[tuple[str, Use]]:
    """Yield the operations of an application that write through the Management API, with their use."""
    return ((key.operation, use) for key, use in usage.writes.items() if key.client_id == client_id)
