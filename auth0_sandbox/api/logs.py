"""The log events of requests in the format of Auth0's log schemas, and the endpoints of /logs."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from auth0_sandbox.api.search import DEFAULT_PARSER, search_filters
from auth0_sandbox.requests import paging
from auth0_sandbox.requests.calls import LONGEST_CORRELATION_ID, ApiCall
from auth0_sandbox.requests.contract import endpoint
from auth0_sandbox.requests.responses import SandboxResponse, bad_request, not_found, ok
from auth0_sandbox.search.conditions import EXACT, SearchField, SearchFields
from auth0_sandbox.store.database import DocumentKind, Row, SandboxTenant, Store
from auth0_sandbox.store.documents import Document, parse, timestamp
from auth0_sandbox.store.queries import NEWEST_FIRST, Condition, Filters, Order

SUCCESS, FAILURE, API_OPERATION = "seccft", "feccft", "sapi"
DESCRIPTIONS: Mapping[str, str] = {SUCCESS: "Client Credentials for Access Token"}
ENVIRONMENT = "sandbox"  # in events of Auth0, the environment is a region such as prod-eu-1
HIDDEN = "*****"
SECRETS = frozenset({"client_secret", "signing_keys", "encryption_key", "signing_secret"})
# The first attributes of an event, in the order of Auth0's documentation.
_FIRST = (
    *("date", "type", "description", "connection_id", "client_id", "client_name", "ip", "client_ip", "user_agent"),
    *("auth0_client", "details", "hostname", "user_id", "user_name", "audience", "scope"),
)
_NEWEST = Order(("id",), is_descending=True)
_ZEROS = "0" * 36


def record_exchange(call: ApiCall, client: Document, audience: str, scope: list[str]) -> None:
    """Record that an application got a token."""
    _record(call, SUCCESS, client, audience=audience, **({"scope": " ".join(scope)} if scope else {}))


def record_refused_exchange(call: ApiCall, client_id: str, audience: str, reason: str) -> None:
    """Record that an application got no token. The client id may be unknown to the tenant."""
    client = call.store.get(DocumentKind.CLIENTS, client_id) or {"client_id": client_id}
    _record(call, FAILURE, client, description=reason, audience=audience)


def record_write(call: ApiCall, request: Mapping[str, Any], description: str, response: SandboxResponse) -> None:
    """Record a successful write through the Management API. `request` contains the method, the path and the query."""
    client = call.store.get(DocumentKind.CLIENTS, call.client_id) or {"client_id": call.client_id}
    sender = {"userAgent": call.sender.user_agent, "ip": call.sender.ip, "channel": "api"}
    auth = {"user": {}, "strategy": "jwt", "credentials": {}}
    body = {"body": without_secrets(call.body or {})}
    response_details = {
        "statusCode": response.status,
        "body": without_secrets(parse(response.text) if response.text else {}),
    }
    details = {"request": {**request, **sender, **body, "auth": auth}, "response": response_details}
    correlation_id = call.sender.correlation_id[:LONGEST_CORRELATION_ID]
    references = {"references": {"correlation_id": correlation_id}} if correlation_id else {}
    _record(call, API_OPERATION, client, description=description, details=details, **references)


def _record(call: ApiCall, kind: str, client: Document, **attributes: object) -> None:
    """Store an event, and remove the events that are too old."""
    hostname = {"hostname": call.host or call.tenant.domain} if kind != API_OPERATION else {}
    sdk = call.sender.sdk()
    own: Document = {
        "client_id": client["client_id"],
        "client_name": client.get("name", ""),
        "ip": call.sender.ip,
        "client_ip": call.sender.ip,
        "user_agent": call.sender.user_agent,
        **hostname,
        **({"auth0_client": sdk} if sdk else {}),
    }
    with call.store.transaction():
        newest = call.store.find(DocumentKind.LOGS, {}, limit=1, order=_NEWEST)
        event = new_event(kind, call.now, own | attributes, call.tenant, newest[0].id if newest else "")
        call.store.add(DocumentKind.LOGS, event["log_id"], event)
        remove_old(call.store, call.settings.log_retention_days, call.now)


def new_event(kind: str, at: float, attributes: Document, tenant: SandboxTenant, previous: str = "") -> Document:
    """Return an event at the time `at` (UNIX seconds).

    The event's id is greater than the id `previous`, for checkpoints.
    """
    log_id = _next_id(at, previous)
    first = {"date": timestamp(at), "type": kind, "description": DESCRIPTIONS.get(kind, "")}
    own: Document = {
        "$event_schema": {"version": "1.0.0"},
        "environment_name": ENVIRONMENT,
        "log_id": log_id,
        "tenant_name": tenant.name,
        "_id": log_id,
        "isMobile": False,
        "location_info": {},
        "id": log_id,
    }
    # a machine has no user and no connection
    no_user: Document = {"connection_id": "", "user_id": "", "user_name": ""} if kind in {SUCCESS, FAILURE} else {}
    event = first | no_user | attributes | own
    between = [name for name in event if name not in {*_FIRST, *own}]
    return {name: event[name] for name in (*_FIRST, *between, *own) if name in event}


def retained(days: int, now: float) -> Condition:
    """Return the condition for the events that the Auth0 plan still keeps."""
    return Condition("date >= ?", (_oldest(days, now),))


def remove_old(store: Store, days: int, now: float) -> None:
    """Remove the events that the Auth0 plan no longer keeps."""
    store.remove(DocumentKind.LOGS, {"date": Condition("date < ?", (_oldest(days, now),))})


def without_secrets(value: object) -> object:
    """Return a JSON value with hidden secrets."""
    match value:
        case dict():
            return {name: HIDDEN if name in SECRETS else without_secrets(each) for name, each in value.items()}
        case list():
            return [without_secrets(each) for each in value]
        case _:
            return value


def _oldest(days: int, now: float) -> str:
    return timestamp(max(0.0, now - timedelta(days=days).total_seconds()))


def _next_id(at: float, previous: str) -> str:
    """Return an id in the form of Auth0: the digits 900, the time in 17 digits, and another 36 digits."""
    digits = f"{datetime.fromtimestamp(at, UTC):%Y%m%d%H%M%S%f}"[:17]
    first = f"900{digits}{_ZEROS}"
    return first if first > previous else str(int(previous) + 1)


MOST_RESULTS = 1_000  # the limit for page numbers; checkpoints have no limit
SEARCHED = SearchFields(
    {
        "type": SearchField(expression="json_extract(body, '$.type')", operators=EXACT),
        "client_id": SearchField(expression="json_extract(body, '$.client_id')", operators=EXACT),
        "audience": SearchField(expression="json_extract(body, '$.audience')", operators=EXACT),
    }
)
"""The log fields that a query can search."""

_OLDEST_FIRST = Order(NEWEST_FIRST.columns)
_BY_CHECKPOINT = "https://auth0.com/docs/logs/retrieve-log-events-using-mgmt-api#retrieve-logs-by-checkpoint"


def list_logs(call: ApiCall) -> SandboxResponse:
    """Return events after a checkpoint, in the order of ids, or a page of events, the newest first.

    With `from` or `take`, all other parameters are ignored, as documented. A query for a field outside of SEARCHED is
    refused.
    """
    retention = retained(call.settings.log_retention_days, call.now)
    if call.query.keys() & {"from", "take"}:
        return _after_checkpoint(call, retention)
    return _page(call, {"date": retention, **search_filters(call, SEARCHED, DEFAULT_PARSER)})


def get_log(call: ApiCall) -> SandboxResponse:
    """Return the log event with the id in the path."""
    filters: Filters = {"id": call.path["id"], "date": retained(call.settings.log_retention_days, call.now)}
    event = call.store.first(DocumentKind.LOGS, filters)
    if event is None:
        raise not_found("Log not found")  # the message is an assumption
    return ok(event)


def _after_checkpoint(call: ApiCall, retention: Condition) -> SandboxResponse:
    """Return events with ids greater than `from`, and a link to the next events.

    Without `from`, the oldest event comes first (an assumption).
    """
    take, after = call.query.get("take", paging.DEFAULT_PAGE_SIZE), call.query.get("from", "")
    rows = call.store.find(DocumentKind.LOGS, {"date": retention}, limit=take, after=after)
    # according to the documentation, the link repeats the position after an empty result
    following = urlencode({"from": rows[-1].id if rows else after, "take": take})
    link = f'<{call.sender.base_url}/api/v2/logs?{following}>; rel="next"'
    return replace(ok([row.document() for row in rows]), headers={"link": link})


def _page(call: ApiCall, filters: Filters) -> SandboxResponse:
    limit = call.query.get("per_page", paging.DEFAULT_PAGE_SIZE)
    page = call.query.get("page", 0)
    if (page + 1) * limit > MOST_RESULTS:
        message = f"Requesting page {page + 1} exceeds the allowed maximum of {MOST_RESULTS} records"
        raise bad_request(f"{message}: please consider searching by checkpoint {_BY_CHECKPOINT}", "invalid_paging")
    order = _OLDEST_FIRST if call.query.get("sort") == "date:1" else NEWEST_FIRST
    rows = call.store.find(DocumentKind.LOGS, filters, limit=limit, offset=page * limit, order=order)
    events = [_shown(call, row) for row in rows]
    if not call.query.get("include_totals", False):
        return ok(events)
    total = call.store.count(DocumentKind.LOGS, filters)
    return ok({"start": page * limit, "limit": limit, "length": len(events), "total": total, "logs": events})


def _shown(call: ApiCall, row: Row) -> object:
    return call.shown_fields(row.document())


ENDPOINTS = (endpoint("GET", "/logs", list_logs), endpoint("GET", "/logs/{id}", get_log))
