"""Change replies according to the faults of a plan."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Literal

from auth0_sandbox.faults import plan
from auth0_sandbox.requests.rate_limits import GLOBAL_LIMIT, throttled_answer
from auth0_sandbox.requests.responses import phrase
from auth0_sandbox.requests.traffic import Reply, UncheckedRequest, error_answer, reply
from auth0_sandbox.store.documents import MalformedJsonError, dump, parse_foreign

RATE_HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
_HTML = "<html><head><title>{0} {1}</title></head><body><center><h1>{0} {1}</h1></center></body></html>\n"

Page = Any  # the JSON of a list page: an array, or an object with an array


def injected_response(fault: plan.AnswerFault, request: UncheckedRequest) -> Reply:
    """Return the injected response of a fault rule."""
    match fault.body:
        case "error":
            return reply(error_answer(request, fault.status, phrase(fault.status)))
        case "empty":
            return Reply(status=fault.status)
        case "html":
            page = _HTML.format(fault.status, phrase(fault.status)).encode()
            return Reply(status=fault.status, content=page, headers={"content-type": "text/html"})
        case "text":
            return Reply(status=fault.status, content=fault.text.encode())


def injected_429(fault: plan.RateLimit, request: UncheckedRequest) -> Reply:
    """Return a 429, even if no token bucket is empty."""
    refused = reply(throttled_answer(request, GLOBAL_LIMIT))
    headers: dict[str, str | None] = dict.fromkeys(RATE_HEADERS)
    if fault.headers:
        headers |= {"x-ratelimit-limit": "1", "x-ratelimit-remaining": "0"}
        headers["x-ratelimit-reset"] = str(int(request.now) + fault.reset)
    if fault.retry_after is not None:
        headers["retry-after"] = fault.retry_after
    return replace(refused, headers=headers)


def with_damaged_body(complete: Reply, how: Literal["truncated", "shortened", "garbled"]) -> Reply:
    """Return the reply with a damaged body."""
    content = complete.content
    half = content[: len(content) // 2]
    match how:
        case "truncated":
            return replace(complete, content=half, length=len(content) or 1)
        case "shortened":
            return replace(complete, content=half)
        case "garbled":
            return replace(complete, content=bytes(byte ^ 0xFF for byte in content))


def with_damaged_page(complete: Reply, how: Literal["repeated", "shifted", "contradicting", "bare"]) -> Reply:
    """Return the reply with a damaged page of a listing. Empty pages and all other responses stay unchanged."""
    match how:
        case "repeated":
            return _on_items(complete, lambda items: [items[0], *items])
        case "shifted":
            return _on_items(complete, lambda items: items[1:])
        case "contradicting":
            return _on_items(complete, lambda items: [items[0], _contradicting(items[0]), *items[1:]])
        case "bare":
            return _on_page(complete, lambda page: _items_of(page)[1])


def with_looping_checkpoint(complete: Reply, request: UncheckedRequest) -> Reply:
    """Return the reply with the checkpoint of the requested page. The first page of a listing stays unchanged."""
    position = request.query_value("from")
    return complete if position is None else _on_page(complete, lambda page: page | {"next": position})


def without_last_scope(body: bytes) -> tuple[bytes, list[object] | None]:
    """Return a request body without its last scope, and all scopes of the body, or None for a body without scopes."""
    grant = _object(body)
    scope = grant.get("scope")
    if not isinstance(scope, list) or not scope:
        return body, None
    return dump(grant | {"scope": scope[:-1]}).encode(), scope


def with_scope(complete: Reply, scope: list[object]) -> Reply:
    """Return the reply with all scopes in `scope`, although the tenant stored fewer scopes."""
    grant = _object(complete.content)
    return replace(complete, content=dump(grant | {"scope": scope}).encode()) if "scope" in grant else complete


def _on_items(complete: Reply, change: Callable[[list[Any]], list[Any]]) -> Reply:
    def on_page(page: Page) -> Page:
        name, items = _items_of(page)
        changed = change(items) if items else items
        return changed if name is None else {**page, name: changed}

    return _on_page(complete, on_page)


def _on_page(complete: Reply, change: Callable[[Page], Page]) -> Reply:
    page = _json(complete.content)
    is_page = isinstance(page, list) or any(map(_is_list_of_items, _object(complete.content).values()))
    is_damageable = complete.status == HTTPStatus.OK and is_page
    return replace(complete, content=dump(change(page)).encode()) if is_damageable else complete


def _items_of(page: Page) -> tuple[str | None, list[Any]]:
    """Return the items of a page and the key of the items, or None as the key if the page is an array."""
    if isinstance(page, list):
        return None, page
    return next((name, value) for name, value in page.items() if _is_list_of_items(value))


def _is_list_of_items(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _contradicting(item: Mapping[str, Any]) -> dict[str, object]:
    """Return an item with the same id and different content."""
    contradiction = {"scope": [*item.get("scope", ()), "contradiction"]}
    return {**item, **contradiction, **({"name": f"{item['name']} (contradiction)"} if "name" in item else {})}


def _object(content: bytes) -> dict[str, Any]:
    value = _json(content)
    return value if isinstance(value, dict) else {}


def _json(content: bytes) -> object:
    try:
        return parse_foreign(content)
    except MalformedJsonError:
        return None
