"""The endpoints of /logs, with the events of requests and the events of the seed."""

from dataclasses import replace
from urllib.parse import urlencode

from auth0_sandbox.api.log_events import retained
from auth0_sandbox.api.search import DEFAULT_PARSER, search_filters
from auth0_sandbox.requests import paging
from auth0_sandbox.requests.calls import ApiCall
from auth0_sandbox.requests.contract import endpoint
from auth0_sandbox.requests.patches import shown_fields
from auth0_sandbox.requests.responses import SandboxResponse, bad_request, not_found, ok
from auth0_sandbox.search.conditions import EXACT, SearchField, SearchFields
from auth0_sandbox.store.database import DocumentKind, Row
from auth0_sandbox.store.queries import NEWEST_FIRST, Condition, Filters, Order

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
    return shown_fields(call, row.document())


ENDPOINTS = (endpoint("GET", "/logs", list_logs), endpoint("GET", "/logs/{id}", get_log))
