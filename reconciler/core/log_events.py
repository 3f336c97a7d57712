"""Find out from the tenant's logs when each grant last changed, and which user or application changed the grant."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from reconciler.core.characters import shorten
from reconciler.core.grant import Key

MAX_ACTOR_LENGTH = 100


DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")


VERBS: Mapping[str, str] = {"POST": "created", "PATCH": "changed", "DELETE": "deleted"}


class LogEvent(NamedTuple):
    """A request to the Management API, according to the tenant's logs."""

    date: str
    """The time of the request in UTC, as `YYYY-MM-DDTHH:MM…Z`."""
    method: str = ""
    """The HTTP method of the request, or an empty string if the request does not concern a client grant."""
    grant_id: str = ""
    """The id of the client grant, or an empty string if the log event does not contain the id."""
    key: Key | None = None
    """The client grant's application, API and subject type, or None if the log event does not identify the grant."""
    actor: str = ""
    """The user or the application that made the request."""
    channel: str = ""
    """The program that made the request, such as `dashboard` or `API`."""

    def __str__(self) -> str:
        """Return a string such as `changed 2026-11-25 14:03 UTC by jane@example.com, dashboard`.

        The returned string is not escaped, so the name of the user or application may contain control characters.
        """
        actor = shorten(self.actor, MAX_ACTOR_LENGTH) or "an unknown sender"
        via = f", {self.channel}" if self.channel else ""
        return f"{VERBS[self.method]} {_minute(self.date)} by {actor}{via}"


class LogEvents(NamedTuple):
    """The newest events in a tenant's logs. `is_complete` is true if `events` contains all events in the logs."""

    events: tuple[LogEvent, ...]
    is_complete: bool


def attribute(logs: LogEvents, grants: Mapping[Key, str]) -> Mapping[Key, str]:
    """Describe when each grant last changed according to the logs, and which user or application changed the grant.

    `logs` contains the newest events of the logs, the newest first. `grants` contains the id of each grant, or an empty
    string for a grant that the tenant does not have.
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
