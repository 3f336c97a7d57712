"""The API's three kinds of paging: a plain array, totals, and checkpoints."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from auth0_sandbox.requests.calls import ApiCall
from auth0_sandbox.requests.incoming import invalid_query
from auth0_sandbox.requests.responses import SandboxResponse, bad_request
from auth0_sandbox.store.database import DocumentKind, Row
from auth0_sandbox.store.documents import Document, dump
from auth0_sandbox.store.queries import TIED_TO, Filters, Order

DEFAULT_PAGE_SIZE = 50
CHECKPOINT_LIFETIME_SECONDS = 86_400


def _as_stored(row: Row) -> str:
    return row.text


def on_document(change: Callable[[Document], Document]) -> Callable[[Row], str]:
    """Return a function that applies `change` to the document of a row and returns the JSON text."""
    return lambda row: dump(change(row.document()))


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentList:
    """A listing: the selected documents, and the conversion from stored text to response text.

    `offset_cap` is the maximum offset, or 0 without a maximum. The default of `order` depends on the kind of documents.
    """

    kind: DocumentKind
    filters: Filters = field(default_factory=dict)
    show: Callable[[Row], str] = _as_stored
    offset_cap: int = 0
    order: Order | None = None


def answer_list(call: ApiCall, listing: DocumentList) -> SandboxResponse:
    """Return the requested page of a listing. `take` and `from` take precedence over offset paging.

    The stored texts of the items are joined without parsing.

    Raises:
        RefusalError: 400 for an invalid or outdated checkpoint, or an offset beyond the cap.
    """
    by_checkpoint = "take" in call.query or "from" in call.query
    return answer_checkpoint(call, listing) if by_checkpoint else _offset_page(call, listing)


def answer_empty(call: ApiCall, name: str) -> SandboxResponse:
    """Return an empty offset page, for documents that the sandbox does not have. `name` is the key of the items."""
    if not call.query.get("include_totals", False):
        return SandboxResponse(HTTPStatus.OK, "[]")
    limit = call.query.get("per_page", DEFAULT_PAGE_SIZE)
    start = call.query.get("page", 0) * limit
    return SandboxResponse(HTTPStatus.OK, f'{{"{name}":[],"start":{start},"limit":{limit},"total":0}}')


def _offset_page(call: ApiCall, listing: DocumentList) -> SandboxResponse:
    limit = call.query.get("per_page", DEFAULT_PAGE_SIZE)
    start = call.query.get("page", 0) * limit
    if listing.offset_cap and start + limit > listing.offset_cap:
        message = f"Requesting page exceeds the allowed maximum of {listing.offset_cap} records."
        raise bad_request(message, "invalid_paging")
    rows = call.store.find(listing.kind, listing.filters, limit=limit, offset=start)
    items = _array(rows, listing)
    if not call.query.get("include_totals", False):
        return SandboxResponse(HTTPStatus.OK, items)
    total = call.store.count(listing.kind, listing.filters)
    if TIED_TO not in listing.filters:
        return SandboxResponse(
            HTTPStatus.OK, f'{{"total":{total},"start":{start},"limit":{limit},"{listing.kind}":{items}}}'
        )
    # the recorded order for listings of associations
    return SandboxResponse(
        HTTPStatus.OK, f'{{"{listing.kind}":{items},"start":{start},"limit":{limit},"total":{total}}}'
    )


def answer_checkpoint(call: ApiCall, listing: DocumentList) -> SandboxResponse:
    """Return the page after the checkpoint `from`. The default is the first page.

    Raises:
        RefusalError: 400 for an invalid or outdated checkpoint.
    """
    limit = call.query.get("take", DEFAULT_PAGE_SIZE)
    after = _read_checkpoint(call.query["from"], call.now) if "from" in call.query else ""
    try:
        rows = call.store.find(listing.kind, listing.filters, limit=limit + 1, after=after, order=listing.order)
    except ValueError as error:
        raise _bad_checkpoint(call.query["from"]) from error
    page = rows[:limit]
    has_next = len(rows) > limit or (call.settings.next_on_last_page and bool(page))
    following = f',"next":{dump(_write_checkpoint(page[-1].cursor, call.now))}' if has_next else ""
    return SandboxResponse(HTTPStatus.OK, f'{{"{listing.kind}":{_array(page, listing)}{following}}}')


def _array(rows: Sequence[Row], listing: DocumentList) -> str:
    return f"[{','.join(listing.show(row) for row in rows)}]"


def _write_checkpoint(cursor: str, now: float) -> str:
    """Return the checkpoint after an item: a time and a position in unpadded base64url, as in the API."""
    return urlsafe_b64encode(f"{int(now)},{cursor}".encode()).decode().rstrip("=")


def _read_checkpoint(token: str, now: float) -> str:
    try:
        decoded = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4)).decode()
        time, _, cursor = decoded.partition(",")
        fresh = int(time) + CHECKPOINT_LIFETIME_SECONDS > now
    except ValueError as error:
        raise _bad_checkpoint(token) from error
    if not fresh or not cursor:
        raise _bad_checkpoint(token)
    return cursor


def _bad_checkpoint(token: str) -> Exception:
    # Auth0's response to an outdated or invalid checkpoint has not been observed
    return invalid_query(f"'Object didn't pass validation for format checkpoint: {token}' on property from.")
