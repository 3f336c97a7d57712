"""Create the log events of requests, in the format of Auth0's log schemas."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from auth0_sandbox.requests.calls import ApiCall
from auth0_sandbox.requests.responses import SandboxResponse
from auth0_sandbox.requests.sender import LONGEST_CORRELATION_ID
from auth0_sandbox.store.database import DocumentKind, SandboxTenant, Store
from auth0_sandbox.store.documents import Document, parse
from auth0_sandbox.store.queries import Condition, Order

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


def timestamp(at: float) -> str:
    """Return a time in UNIX seconds as text for events. All texts have the same length, so the texts sort by time."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


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
