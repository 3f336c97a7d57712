"""Count the uses of grants in log events, and the write operations of the Management API in log events.

Any field of a log event may be missing or invalid, because events come from tenants and log stream files.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, TypeGuard

from reconciler.core.fields import SUBJECT_CLIENT
from reconciler.core.grant import SUBJECT_USER
from reconciler.core.usage.records import (
    DAY_LENGTH,
    Checkpoint,
    Period,
    Usage,
    Use,
    UsedGrant,
    UsedOperation,
    moment,
    time_text,
    union,
)

USER_EXCHANGES = frozenset(
    {
        *("seacft", "sede", "sdeleacft", "secte", "sens", "seoobft", "seotpft", "sepft", "sepkoobft", "sepkotpft"),
        *("sepkrcft", "sepotpft", "sercft", "sertft", "ciba_exchange_succeeded", "idjag_exchange_succeeded"),
        "success_on_behalf_of_token_exchange",
    }
)
"""The types of log events that Auth0 writes when an application gets a token for a user.

Auth0 documents the types in https://auth0.com/docs/tenant-logs and in https://github.com/auth0/auth0-log-schemas.
"""
LOGINS = frozenset({"s", "scoa", "ssa"})
"""The types of log events for logins.

A login with the implicit flow issues a token without a further event. Events of logins usually do not show the API.
"""
API_OPERATION = "sapi"
"""The log event type of a successful Management API operation.

Auth0 creates log events only for Management API operations that write data.
"""
OTHER_TYPES = frozenset(
    {
        *("acls_summary", "acul_sdk_notice", "api_limit", "api_limit_warning", "appi", "ciba_start_succeeded", "cls"),
        *("coff", "con", "cs", "depnote", "du", "mfar", "mgmt_api_read", "pla", "pwd_leak", "reset_pwd_leak"),
        *("resource_cleanup", "rich_consents_access_error", "sce", "scp", "scpn", "scpr", "scu", "scv", "sd", "sdu"),
        *("seta", "si", "signup_pwd_leak", "slo", "srrt", "ss", "ss_sso_info", "ss_sso_success", "sscim", "sui", "sv"),
        *("svr", "too_many_records", "ublkdu", "universal_logout_succeeded", "w", "wn", "wum", API_OPERATION),
        *("my_account_authentication_method_succeeded", "oidc_backchannel_logout_succeeded"),
        "organization_member_added",
    }
)
"""The documented types of log events for successful actions that issue no token for an API."""
OTHER_PREFIXES = ("connected_accounts_", "directory_sync_", "f", "gd_", "kms_", "limit_", "passkey_")
"""Prefixes of other types that issue no token.

The types of failures start with `f` or contain `fail`.
"""
FAILURE = "fail"
SUBJECT_TYPES: Mapping[str, str] = {"seccft": SUBJECT_CLIENT, **dict.fromkeys(USER_EXCHANGES | LOGINS, SUBJECT_USER)}
UNKNOWN_OPERATION = "?"
"""The operation name for a Management API request that matches no known operation."""
TIME = re.compile(r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z", re.ASCII)
WITHIN_HOUR = re.compile(r":[0-5]\d:[0-5]\d\.\d{3}Z", re.ASCII)
MAX_TEXT = 1_000
"""The maximum length of a client id or API identifier in a log event, in characters."""
API_PREFIX = "/api/v2"
PARAMETER = "{id}"
MAX_FUTURE = timedelta(days=1)
LONGEST_SILENCE = timedelta(hours=1)
"""reconciler reports a gap in the logs if there are no log events for longer than LONGEST_SILENCE."""
HOUR_LENGTH = len("2026-11-28T12")


class UsageEvent(NamedTuple):
    """The fields of a log event that reconciler needs to count uses.

    Any attribute except `log_id` may be None or may have a wrong type.
    """

    date: Any
    """The time of the log event."""
    type: Any
    """The type of the log event, such as `seccft`."""
    client_id: Any
    """The client id of the application."""
    audience: Any
    """The identifier of the API, or a list of identifiers."""
    tenant_name: Any
    """The name of the tenant."""
    log_id: str
    """The id of the log event, or an empty string."""
    details: Any = None
    """The details of the log event, which reconciler needs only for events of the type API_OPERATION."""


def usage_event(found: Mapping[str, Any]) -> UsageEvent:
    """Return the fields of a log event that reconciler needs to count uses."""
    get = found.get
    log_id = get("log_id")
    if not isinstance(log_id, str) or not log_id:
        log_id = get("_id")
    return UsageEvent(
        get("date"),
        get("type"),
        get("client_id"),
        get("audience"),
        get("tenant_name"),
        log_id if isinstance(log_id, str) else "",
        get("details"),
    )


class OperationTable:
    """Finds the Management API operation of a request, such as `PATCH /clients/{id}` for `/api/v2/clients/abc`."""

    def __init__(self, operations: Iterable[str]) -> None:
        self._by_size: dict[tuple[str, int], list[list[str]]] = {}
        for operation in operations:
            method, _, path = operation.partition(" ")
            parts = path.strip("/").split("/")
            self._by_size.setdefault((method, len(parts)), []).append(parts)
        for templates in self._by_size.values():
            # Paths without parameters match first.
            templates.sort(key=lambda parts: [part == PARAMETER for part in parts])

    def find(self, method: str, path: str) -> str:
        """Return the Management API operation of a request, or UNKNOWN_OPERATION if no known operation matches."""
        parts = path.partition("?")[0].removeprefix(API_PREFIX).strip("/").split("/")
        for template in self._by_size.get((method.upper(), len(parts)), ()):
            if all(part in {PARAMETER, own} for part, own in zip(template, parts, strict=True)):
                return f"{method.upper()} /{'/'.join(template)}"
        return UNKNOWN_OPERATION


class UsageCounter:
    """Counts the uses of grants in the log events of one tenant.

    `operations` contains the write operations of the Management API. `now` is the start time of the command. An event
    with a date more than one day after `now` is invalid. `tenant` is the name of the tenant in log events. If `tenant`
    is empty, the first event with a tenant name determines the tenant.
    """

    def __init__(self, operations: OperationTable, now: datetime, tenant: str = "") -> None:
        self._operations = operations
        self._latest = time_text(now + MAX_FUTURE)
        self._now = time_text(now)
        self._grants: dict[tuple[str, str, str], _Count] = {}
        self._exchanges: dict[tuple[object, ...], _Count] = {}
        self._writes: dict[tuple[str, str], _Count] = {}
        self._hours: dict[str, _Hour] = {}
        self._days: dict[str, str] = {}
        self.tenant = tenant
        self.events = 0
        """The number of the tenant's log events, including events that do not count as a use of a grant."""
        self.other_tenants = 0
        self.incomplete = 0
        """The number of log events that do not show which grant an application used.

        The application, the API or the meaning of the event is unknown.
        """

    def add(self, event: UsageEvent) -> str:
        """Count a log event, and return the time of the event. Raises ValueError if the event has no valid date."""
        time, kind, client_id, audience, tenant_name, _, _ = event
        try:  # the fast path handles events whose grant and hour already have counters
            hour = self._hours[time[:HOUR_LENGTH]]
            count = self._exchanges[kind, client_id, audience, tenant_name]
        except (KeyError, TypeError):
            return self._add_any(event)
        if not WITHIN_HOUR.fullmatch(time, HOUR_LENGTH):
            return self._add_any(event)
        self.events += 1
        if time > hour.last:
            hour.last = time
        elif time < hour.first:
            hour.first = time
        count.days[hour.day] = count.days.get(hour.day, 0) + 1
        if time > count.last:
            count.last = time
        elif time < count.first:
            count.first = time
        return time  # type: ignore[no-any-return] # WITHIN_HOUR matches only strings

    def _add_any(self, event: UsageEvent) -> str:
        time = event_time(event.date)
        hour = self._hours.get(time[:HOUR_LENGTH]) or self._new_hour(time)
        tenant = event.tenant_name
        if tenant != self.tenant and isinstance(tenant, str) and tenant:
            if self.tenant:
                self.other_tenants += 1
                return time
            self.tenant = tenant
        self.events += 1
        hour.extend(time)
        if event.type == API_OPERATION:
            self._add_write(event, time, hour.day)
        elif (subject := _subject_of(event)) is not None:
            self._add_exchange(event, subject, time, hour.day)
        return time

    def _new_hour(self, time: str) -> "_Hour":
        """Return the `_Hour` object for a time. Raises ValueError if the time is in the future."""
        if time > self._latest:
            raise ValueError("the date is in the future")
        day = time[:DAY_LENGTH]
        return self._hours.setdefault(time[:HOUR_LENGTH], _Hour(self._days.setdefault(day, day)))

    def _add_exchange(self, event: UsageEvent, subject: str, time: str, day: str) -> None:
        """Count an issued token for all grants that may be in use. `subject` is empty for an unknown type of event."""
        client, audience = event.client_id, event.audience
        audiences = audience if isinstance(audience, list) and audience else (audience,)
        keys = {
            (client if _is_identity(client) else "", each if _is_identity(each) else "", subject) for each in audiences
        }
        self.incomplete += any("" in key for key in keys)
        for key in keys:
            count = self._grants.setdefault(key, _Count(time))
            count.add(time, day)
            # The fast path of `add` does not count incomplete events.
            if "" not in key and key[1] == audience and isinstance(event.tenant_name, str):
                self._exchanges[event.type, client, audience, event.tenant_name] = count

    def _add_write(self, event: UsageEvent, time: str, day: str) -> None:
        """Count a write. An event without a method or an application may be any write of any application."""
        request = _mapping(_mapping(event.details).get("request"))
        method, path = request.get("method"), request.get("path")
        if isinstance(method, str) and method.upper() == "GET":
            return
        client = event.client_id if _is_identity(event.client_id) else ""
        operation = UNKNOWN_OPERATION
        if isinstance(method, str) and isinstance(path, str):
            operation = self._operations.find(method, path)
        self._writes.setdefault((client, operation), _Count(time)).add(time, day)

    def usage(self, periods: Iterable[Period] = (), checkpoint: Checkpoint | None = None) -> Usage:
        """Return the counted uses as a usage record. `periods` are the time spans of the counted log events."""
        return Usage(
            tenant=self.tenant,
            grants={UsedGrant(*key): count.use() for key, count in self._grants.items()},
            writes={UsedOperation(*key): count.use() for key, count in self._writes.items()},
            periods=union(periods),
            checkpoint=checkpoint,
        )

    def has_events_in(self, period: Period) -> bool:
        """Return whether a log event of the tenant is inside a time span."""
        return any(hour.first < period.end and hour.last >= period.start for hour in self._hours.values() if hour.last)

    def periods(self) -> tuple[Period, ...]:
        """Return the time spans that the counted log events cover.

        A time span ends if no log event follows within the time LONGEST_SILENCE.
        """
        found: list[tuple[str, str]] = []
        for _, hour in sorted(self._hours.items()):
            if not hour.last:
                continue
            if found and moment(hour.first) - moment(found[-1][1]) <= LONGEST_SILENCE:
                found[-1] = (found[-1][0], hour.last)
            else:
                found.append((hour.first, hour.last))
        return union(Period(first, min(last, self._now)) for first, last in found)


class _Hour:
    """An hour of log events: the day, and the times of the first and the last log event.

    `first` and `last` are empty strings if the hour has no log event.
    """

    __slots__ = ("day", "first", "last")

    def __init__(self, day: str) -> None:
        self.day = day
        self.first = self.last = ""

    def extend(self, time: str) -> None:
        if time > self.last:  # noqa: PLR1730 - min() is slower, and a tenant has many events
            self.last = time
        if time < self.first or not self.first:
            self.first = time


class _Count:
    """The uses of a grant or Management API operation: the number per day, and the first and last time."""

    __slots__ = ("days", "first", "last")

    def __init__(self, time: str) -> None:
        self.first = self.last = time
        self.days: dict[str, int] = {}

    def add(self, time: str, day: str) -> None:
        self.first = min(self.first, time)
        self.last = max(self.last, time)
        self.days[day] = self.days.get(day, 0) + 1

    def use(self) -> Use:
        return Use(self.first, self.last, dict(sorted(self.days.items())))


def event_time(found: object) -> str:
    """Parse the field `date` of a log event. Raises ValueError if the field does not contain a time."""
    text = found if isinstance(found, str) else ""
    if TIME.fullmatch(text) and _is_day(text[:DAY_LENGTH]):
        return text
    return time_text(moment(text))


@lru_cache
def _is_day(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def event_id(event: Mapping[str, Any]) -> str:
    """Return the id of a log event, or an empty string if the event has no id."""
    for name in ("log_id", "_id"):
        found = event.get(name)
        if isinstance(found, str) and 0 < len(found) <= MAX_TEXT:
            return found
    return ""


def _subject_of(event: UsageEvent) -> str | None:
    """Return the subject type of the token that a log event reports, or None if the event issues no token.

    If reconciler does not know the type of the event, return an empty string for an event with an application and an
    API, because Auth0 adds types of token exchanges.
    """
    kind, has_client = event.type if isinstance(event.type, str) else "", _is_identity(event.client_id)
    if kind in SUBJECT_TYPES:
        return SUBJECT_TYPES[kind] if has_client or kind not in LOGINS else None
    is_other = kind in OTHER_TYPES or kind.startswith(OTHER_PREFIXES) or FAILURE in kind
    return None if is_other or not has_client or not event.audience else ""


def _is_identity(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
