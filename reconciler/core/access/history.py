"""The history of a grant: the declared lines, the writes by reconciler, and the events in the tenant's logs."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.core.access.report import AccessGrant
from reconciler.core.characters import shorten
from reconciler.core.grant import Key
from reconciler.core.journal import JournalEntry, JournalEvent, PastRun
from reconciler.core.plan import TenantName
from reconciler.core.removals import Commit

NO_RESULT = "unknown: the journal has no result"


@dataclass(frozen=True, slots=True)
class DeclaredLine:
    """A line of a grant file, with the git commit that last changed the line.

    `commit` is None if the commit is not known.
    """

    number: int
    text: str
    commit: Commit | None


@dataclass(frozen=True, slots=True)
class GrantWrite:
    """A write to a grant, as the journal of a run records the write."""

    run: str
    time: str
    action: str
    outcome: str


@dataclass(frozen=True, slots=True)
class GrantExplanation:
    """An explanation why a tenant has a grant."""

    tenant: TenantName
    """The name and domain of the tenant."""
    grant: AccessGrant
    """The entry of the grant in the access report."""
    lines: tuple[DeclaredLine, ...] = ()
    """The lines that declare the grant."""
    writes: tuple[GrantWrite, ...] = ()
    """The writes in local journals, the newest first."""
    notes: tuple[str, ...] = ()
    """The reasons why the explanation may be incomplete."""


def find_writes(runs: Iterable[PastRun], tenant: TenantName, grant: AccessGrant) -> tuple[GrantWrite, ...]:
    """Return the writes to a grant of a tenant that the journals of `runs` record."""
    return tuple(write for run in runs if _is_for(run, tenant) for write in _writes(run, grant))


def _is_for(run: PastRun, tenant: TenantName) -> bool:
    return run.begin_entry is not None and run.begin_entry.parts("tenant").get("domain") == tenant.domain


def _writes(run: PastRun, grant: AccessGrant) -> Iterator[GrantWrite]:
    results = {entry.number: entry for entry in run.entries if entry.event == JournalEvent.RESULT}
    for entry in run.entries:
        if entry.event == JournalEvent.INTENT and _is_of(entry.parts("key"), grant):
            outcome = _outcome(results.get(entry.number))
            yield GrantWrite(run.name, entry.time, entry.text("action"), outcome)


def _is_of(key: Mapping[str, object], grant: AccessGrant) -> bool:
    return (
        key.get("client_id") == grant.client_id
        and key.get("default_for") == grant.default_for
        and key.get("audience") == grant.audience
        and key.get("subject_type") == grant.subject_type
    )


def _outcome(result: JournalEntry | None) -> str:
    if result is None:
        return NO_RESULT
    detail = result.text("detail")
    return f"{result.text('outcome')}: {detail}" if detail else result.text("outcome")


MAX_ACTOR_LENGTH = 100
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
VERBS: Mapping[str, str] = {"POST": "created", "PATCH": "changed", "DELETE": "deleted"}


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A call of the Management API, as the tenant's logs record the call."""

    date: str
    """The time in UTC, as `YYYY-MM-DDTHH:MM…Z`."""
    method: str = ""
    """The HTTP method of the call, or an empty string if the call does not concern a client grant."""
    grant_id: str = ""
    """The id of the client grant, or an empty string if the log event does not contain the id."""
    key: Key | None = None
    """The application, API and subject type of the client grant, or None if the log event lacks this information."""
    actor: str = ""
    """The user or the application that made the request."""
    channel: str = ""
    """The program that made the request, such as `dashboard` or `API`."""

    def __str__(self) -> str:
        """Return `changed 2026-11-25 14:03 UTC by jane@example.com, dashboard`.

        Control characters in the name of the user or application are not escaped.
        """
        actor = shorten(self.actor, MAX_ACTOR_LENGTH) or "an unknown sender"
        via = f", {self.channel}" if self.channel else ""
        return f"{VERBS[self.method]} {_minute(self.date)} by {actor}{via}"


@dataclass(frozen=True, slots=True)
class LogEvents:
    """The newest events in the tenant's logs. `is_complete` is true if `events` contains every event in the logs."""

    events: tuple[LogEvent, ...]
    is_complete: bool


def attribute(logs: LogEvents, grants: Mapping[Key, str]) -> Mapping[Key, str]:
    """For each grant, describe the last change in the logs: the time, and the user or application.

    Args:
        logs: The newest events of the logs, the newest first.
        grants: The id of each grant, by key. The id is an empty string if the tenant does not have the grant.
    """
    ids = {event.grant_id: event.key for event in logs.events if event.grant_id and event.key}
    ids |= {identity: key for key, identity in grants.items() if identity}
    last: dict[Key, LogEvent] = {}
    for event in logs.events:
        key = event.key or ids.get(event.grant_id)
        if event.method in VERBS and key in grants and key is not None:
            last.setdefault(key, event)
    unknown = _unknown(logs)
    return {key: str(last[key]) if key in last else unknown for key in grants}


def _unknown(logs: LogEvents) -> str:
    dates = [event.date for event in logs.events]
    if not dates:
        return "not known: the logs contain no requests to the Management API"
    if logs.is_complete:
        return f"not known: the grant changed before the logs begin on {min(dates)[:10]}"
    return f"not known: the grant did not change since {_minute(min(dates))}, and older events were not read"


def _minute(date: str) -> str:
    return f"{date[:10]} {date[11:16]} UTC"
