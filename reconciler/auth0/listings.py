"""Read complete lists from the Management API page by page, and refuse lists that are too large or incomplete."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

import httpx

from reconciler.auth0.errors import RefusedCallError, TooLargeError, UnknownOutcomeError, UnreadableError
from reconciler.auth0.exchange import TenantResponse
from reconciler.auth0.management import API, ApiRequest, Management
from reconciler.auth0.wire import Json, count, cursor
from reconciler.concurrency import task_group
from reconciler.core.characters import quote_text, visible
from reconciler.core.grant import Key

T = TypeVar("T")

PAGE_SIZE = 100
"""The maximum number of entries that Auth0 returns per page."""
MAX_ENTRIES = 200_000
"""The maximum number of entries in a list from Auth0: twice the number of grants in the largest supported tenant."""
MAX_LISTING_BYTES = 64_000_000
"""The maximum size of a list from Auth0, in bytes. A list of 100,000 grants usually has about 32,000,000 bytes."""
MAX_EMPTY_PAGES = 100
MIN_ENTRIES_PER_PAGE = 10
"""The minimum average number of entries in the pages of a list. An endless list may have nearly empty pages."""


async def list_by_cursor(
    management: Management, path: str, query: Mapping[str, str], read: Callable[[Json], T]
) -> list[T]:
    """Read a complete list page by page with cursors (Auth0's checkpoint pagination).

    A page without the field `next` is the last page. Pages before the last page may be empty. Parse each page before
    requesting the next page, because JSON needs more memory than the parsed entries.
    """
    name = path.rpartition("/")[2].replace("-", "_")
    items: list[T] = []
    seen_cursors: set[str] = set()
    position: dict[str, str] = {}
    size = ListingSize(path)

    def parse_page(response: TenantResponse) -> tuple[list[T], str, int | None]:
        page = _page(response, name)
        size.add(response)
        return [read(item) for item in page[name]], cursor(page, "next"), count(page, "total", MAX_ENTRIES)

    while True:
        management.show_progress(f"reading {name.replace('_', ' ')} {len(items) or ''}".rstrip())
        call = ApiRequest("GET", path, {**query, "take": str(PAGE_SIZE), **position})
        page_items, next_cursor, total = await management.call(call, parse_page)
        items += page_items
        if not next_cursor:
            _refuse_incomplete(path, len(items), total)
            return items
        if len(items) > MAX_ENTRIES or len(seen_cursors) > len(items) / MIN_ENTRIES_PER_PAGE + MAX_EMPTY_PAGES:
            raise UnreadableError(f"GET {API}/{path}: the list has too many pages")
        if next_cursor in seen_cursors:
            raise UnreadableError(f"GET {API}/{path}: the list repeats a page")
        seen_cursors.add(next_cursor)
        position = {"from": next_cursor}


async def list_by_number(
    management: Management, path: str, read: Callable[[Json], T], identity: Callable[[T], object]
) -> tuple[T, ...]:
    """Read a complete list by page numbers, several pages at the same time, and remove duplicate entries."""
    name = path.replace("-", "_")
    size = ListingSize(path)

    def parse_page(response: TenantResponse) -> tuple[list[T], int]:
        page = _page(response, name)
        total = count(page, "total", MAX_ENTRIES)
        if total is None:
            raise UnreadableError(f"{response.call}: the response has no valid total")
        size.add(response)
        return [read(item) for item in page[name]], total

    async def numbered_page(number: int) -> tuple[list[T], int]:
        query = {"page": str(number), "per_page": str(PAGE_SIZE), "include_totals": "true"}
        return await management.call(ApiRequest("GET", path, query), parse_page)

    first, total = await numbered_page(0)
    async with task_group() as group:
        rest = [group.create_task(numbered_page(number)) for number in range(1, -(-total // PAGE_SIZE))]
    listed = without_duplicates([*first, *(item for task in rest for item in task.result()[0])], path, identity)
    _refuse_incomplete(path, len(listed), total)
    return listed


async def list_with_restart(listing: Callable[[], Awaitable[T]]) -> T:
    """Read a list. After a broken connection, an unreadable page or an invalid cursor, read the list a second time."""
    try:
        return await listing()
    except UnknownOutcomeError:
        pass  # leave `except` before the second read, because the exception keeps the entries of the list in memory
    except RefusedCallError as error:
        if error.status != httpx.codes.BAD_REQUEST:
            raise
    return await listing()


def without_duplicates(items: Iterable[T], path: str, identity: Callable[[T], object]) -> tuple[T, ...]:
    """Remove duplicate entries. A duplicate occurs if an entry moves to a later page while reconciler reads the list.

    Raises:
        UnreadableError: if two different entries have the same id or describe the same grant.
    """
    known: dict[object, T] = {}
    for item in items:
        first = known.setdefault(identity(item), item)
        if first is not item and first != item:
            raise UnreadableError(f"GET {API}/{path}: two different entries for {_identity_text(identity(item))}")
    return tuple(known.values())


class ListingSize:
    """The number of bytes that reconciler has read from a list."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._bytes = 0

    def add(self, response: TenantResponse) -> None:
        """Add the size of a page to the total size of the list. Raises TooLargeError if the list is too large."""
        self._bytes += len(response.body)
        if self._bytes > MAX_LISTING_BYTES:
            raise TooLargeError(
                f"GET {API}/{self._path}: the listing is larger than {MAX_LISTING_BYTES // 1_000_000} MB"
            )


def _refuse_incomplete(path: str, listed: int, total: int | None) -> None:
    """Raise UnreadableError if reconciler read fewer than `total` entries, so that the caller reads the list again."""
    if total is not None and listed < total:
        raise UnreadableError(f"GET {API}/{path}: the list is incomplete: {listed} of {total} entries")


def _page(response: TenantResponse, name: str) -> dict[str, Any]:
    page = response.json()
    items = page.get(name) if isinstance(page, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise UnreadableError(f"{response.call}: the response lacks the list of {name}")
    return dict(page)


def _identity_text(identity: object) -> str:
    """Return the identity of a list entry for a message: an id, or the application, API and subject type of a grant."""
    if not isinstance(identity, Key):
        return quote_text(str(identity))
    holder, audience = quote_text(identity.holder), quote_text(identity.audience)
    return f"the grant of {holder} for {audience} ({visible(identity.subject_type)})"
