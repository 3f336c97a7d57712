"""Pure: find in the tenant's logs who changed a grant, when, and with what."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.core.characters import shorten
from reconciler.core.grant import Key

MAX_ACTOR_LENGTH = 100
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
VERBS: Mapping[str, str] = {"POST": "created", "PATCH": "changed", "DELETE": "deleted"}


@dataclass(frozen=True, slots=True)
class LogEvent:
    """An operation of the Management API in the tenant's logs.

    Attributes:
        date: The time in UTC, as `YYYY-MM-DDTHH:MM…Z`.
        method: The HTTP method, or an empty text if the event concerns no client grant.
        grant_id: The id of the client grant, if the event contains it.
        key: The key of the client grant, if the event contains it.
        actor: The user or the application that made the request.
        channel: The program that made the request, such as `dashboard` or `API`.
    """

    date: str
    method: str = ""
    grant_id: str = ""
    key: Key | None = None
    actor: str = ""
    channel: str = ""

    def __str__(self) -> str:
        """Return `changed 2026-11-25 14:03 UTC by jane@example.com, dashboard`. The text is not escaped."""
        actor = shorten(self.actor, MAX_ACTOR_LENGTH) or "an unknown sender"
        via = f", {self.channel}" if self.channel else ""
        return f"{VERBS[self.method]} {_minute(self.date)} by {actor}{via}"


@dataclass(frozen=True, slots=True)
class LogEvents:
    """The newest events of the logs. `is_complete` is true if the logs have no older ones."""

    events: tuple[LogEvent, ...]
    is_complete: bool


def attribute(logs: LogEvents, grants: Mapping[Key, str]) -> Mapping[Key, str]:
    """Return for each grant who changed it last.

    Args:
        logs: The newest events of the logs, the newest first.
        grants: The grants by key, with their id, or with an empty text for grants that the tenant does not have.
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
        return "not known: the logs have no operations"
    if logs.is_complete:
        return f"not known: it changed before the logs begin on {min(dates)[:10]}"
    return f"not known: it did not change since {_minute(min(dates))}, and older events were not read"


def _minute(date: str) -> str:
    return f"{date[:10]} {date[11:16]} UTC"
