"""The client of the Management API."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from reconciler.auth0 import wire
from reconciler.auth0.credentials import Credentials, identities_of, own_key, scopes_of
from reconciler.auth0.errors import (
    DeadlinePassedError,
    NoTokenError,
    NotSentError,
    RateLimitedError,
    RefusedCallError,
    TooLargeError,
    UnknownOutcomeError,
    UnreadableError,
)
from reconciler.auth0.exchange import TenantResponse, open_http
from reconciler.auth0.management import (
    API,
    LOGS,
    NO_CONTEXT,
    ORGANIZATIONS,
    PAGE_SIZE,
    ApiRequest,
    Associations,
    ClientOptions,
    Management,
    RequestContext,
    TenantLogs,
    accept_any_token,
    log_page,
)
from reconciler.auth0.wire import Json, count, cursor
from reconciler.concurrency import task_group
from reconciler.core.characters import quote_text, visible
from reconciler.core.directory import Api, Application, Organization
from reconciler.core.grant import ClientGrant, Key, ObservedGrant
from reconciler.core.log_events import LogEvent, LogEvents
from reconciler.core.plan import Update
from reconciler.redaction import Secrets

T = TypeVar("T")

GRANTS = "client-grants"
APPLICATIONS = "clients"
APIS = "resource-servers"

MAX_LOG_EVENTS = 1_000
"""The maximum number of log events that Auth0 returns to requests with page numbers."""
MAX_ENTRIES = 200_000
"""The maximum number of entries in a list from Auth0: twice the number of grants in the largest supported tenant."""
MAX_LISTING_BYTES = 64_000_000
"""The maximum size of a list from Auth0, in bytes. A list of 100,000 grants usually has about 32,000,000 bytes."""
MAX_EMPTY_PAGES = 100
MIN_ENTRIES_PER_PAGE = 10
"""The minimum average number of entries in the pages of a list. An endless list may have nearly empty pages."""
DEFAULT_OPTIONS = ClientOptions()


class ManagementClient:
    """Reads and writes grants, and reads applications, APIs and organizations. Use `open_client` to create a client."""

    def __init__(self, management: Management) -> None:
        self._management = management
        self.associations = Associations(management)
        self.logs = TenantLogs(management)

    async def sign_in(self) -> None:
        """Get an access token if the client has no token yet. Raises Auth0Error."""
        await self._management.sign_in()

    def own_key(self) -> Key:
        """Return the fields that identify the access token's grant. Call `own_key` after a request has got a token."""
        return own_key(self._management.token)

    def permissions(self) -> frozenset[str] | None:
        """Return the permissions in the access token, or None. Call `permissions` after a request has got the token."""
        return scopes_of(self._management.token)

    def identities(self) -> frozenset[str]:
        """Return the canonical domain in the access token. Call `identities` after a request has got the token."""
        return identities_of(self._management.token)

    async def grants(self) -> tuple[ObservedGrant, ...]:
        """Return every client grant of the tenant.

        Raises:
            Auth0Error: if the list of grants cannot be read completely.
            UnreadableError: if the list contains contradictory entries.
        """

        async def listing() -> tuple[ObservedGrant, ...]:
            listed = await self._list_by_cursor(GRANTS, {}, wire.observed_grant)
            grants = _without_duplicates(listed, GRANTS, lambda grant: grant.key)
            return _without_duplicates(grants, GRANTS, lambda grant: grant.id)

        return await _list_with_restart(listing)

    async def find(self, key: Key) -> ObservedGrant | None:
        """Return the current grant with `key`, or None if no grant with `key` exists.

        The search does not use the grant id, because deleting a grant and creating the grant again changes the id.
        """
        holder = {"client_id": key.client_id} if key.client_id else {"default_for": key.default_for or ""}
        grants = await self._list_by_cursor(GRANTS, {**holder, "audience": key.audience}, wire.observed_grant)
        return next((each for each in grants if each.key == key), None)

    async def applications(self) -> tuple[Application, ...]:
        """Return every application of the tenant except the global client."""
        query = {"fields": "client_id,name,is_first_party,app_type", "include_fields": "true", "is_global": "false"}

        async def listing() -> tuple[Application, ...]:
            listed = await self._list_by_cursor(APPLICATIONS, query, wire.application)
            return _without_duplicates(listed, APPLICATIONS, lambda application: application.client_id)

        return await _list_with_restart(listing)

    async def apis(self) -> tuple[Api, ...]:
        """Return every API of the tenant with its scopes. Auth0's list of APIs has page numbers instead of cursors."""

        async def listing() -> tuple[Api, ...]:
            size = _ListingSize(APIS)
            first, total = await self._numbered_page(APIS, 0, wire.api, size)
            numbers = range(1, -(-total // PAGE_SIZE))
            async with task_group() as group:
                rest = [group.create_task(self._numbered_page(APIS, number, wire.api, size)) for number in numbers]
            listed = [*first, *(api for task in rest for api in task.result()[0])]
            apis = _without_duplicates(listed, APIS, lambda api: api.identifier)
            _refuse_incomplete(APIS, len(apis), total)
            return apis

        return await _list_with_restart(listing)

    async def organizations(self) -> tuple[Organization, ...]:
        """Return every organization of the tenant."""

        async def listing() -> tuple[Organization, ...]:
            listed = await self._list_by_cursor(ORGANIZATIONS, {}, wire.organization)
            return _without_duplicates(listed, ORGANIZATIONS, lambda organization: organization.id)

        return await _list_with_restart(listing)

    async def organizations_of(self, grant_id: str) -> Mapping[str, Organization]:
        """Return the organizations of a grant by organization id, or an empty mapping if the grant does not exist."""

        async def listing() -> Mapping[str, Organization]:
            listed = await self._list_by_cursor(f"{_grant_path(grant_id)}/{ORGANIZATIONS}", {}, wire.organization)
            return {organization.id: organization for organization in listed}

        try:
            return await _list_with_restart(listing)
        except RefusedCallError as error:
            if not is_not_found(error):
                raise
            return {}

    async def log_events(self) -> LogEvents:
        """Return the newest operations in the tenant's logs, the newest first, but at most MAX_LOG_EVENTS operations.

        Raises Auth0Error. An error with status 403 means that the token lacks the permission read:logs.
        """
        events: list[LogEvent] = []
        size = _ListingSize(LOGS)

        def parse_events(response: TenantResponse) -> list[LogEvent]:
            page = log_page(response)
            size.add(response)
            return [wire.log_event(item) for item in page]

        for number in range(MAX_LOG_EVENTS // PAGE_SIZE):
            query = {"page": str(number), "per_page": str(PAGE_SIZE), "sort": "date:-1"}
            query["q"] = f"type:{wire.API_OPERATION}"
            page = await self._management.call(ApiRequest("GET", LOGS, query), parse_events)
            events += page
            if len(page) < PAGE_SIZE:
                return LogEvents(tuple(events), is_complete=True)
        return LogEvents(tuple(events), is_complete=False)

    async def create(self, grant: ClientGrant, context: RequestContext = NO_CONTEXT) -> str:
        """Create a grant without assigning organizations. Return the id of the new grant.

        Raises:
            RefusedCallError: with status 409 if a grant with the same application, API and subject type exists.
            UnknownOutcomeError, NotSentError: if the outcome of the request is unknown, or if the request was not sent.
        """
        call = ApiRequest("POST", GRANTS, body=wire.create_body(grant), context=context)
        return await self._management.call(call, lambda response: wire.created_id(response.json(), grant))

    async def update(self, grant_id: str, update: Update, context: RequestContext = NO_CONTEXT) -> None:
        """Send the changed fields of a grant in one request, or in two requests if the tenant refuses a single request.

        Raises RefusedCallError, UnknownOutcomeError, NotSentError. The status 404 means that the grant was deleted.
        """
        path, body = _grant_path(grant_id), wire.update_body(update)
        first, second = wire.split_update(body)
        try:
            await self._write("PATCH", path, body, context)
        except RefusedCallError as error:
            if error.status != httpx.codes.BAD_REQUEST or not second:
                raise
            await self._write("PATCH", path, first, context)
            await self._second_step(path, second, context)

    async def _second_step(self, path: str, body: Mapping[str, object], context: RequestContext) -> None:
        """Send the scopes of a grant. If the tenant refuses the scopes, set `allow_all_scopes` back to true.

        Raises:
            RefusedCallError: if the tenant refuses the scopes.
            UnknownOutcomeError: if the other fields were updated, but the scopes were not sent.
        """
        try:
            await self._write("PATCH", path, body, context)
        except (NotSentError, NoTokenError, RateLimitedError, DeadlinePassedError) as error:
            raise UnknownOutcomeError(f"{error}; only the first of two requests for this change was sent") from error
        except RefusedCallError:
            await self._write("PATCH", path, {"allow_all_scopes": True}, context)
            raise

    async def delete(self, grant_id: str, context: RequestContext = NO_CONTEXT) -> None:
        """Delete a grant.

        Raises:
            RefusedCallError: if the tenant refuses the request. Auth0 reports success for an already deleted grant.
            UnknownOutcomeError, NotSentError: if the outcome of the request is unknown, or if the request was not sent.
        """
        await self._write("DELETE", _grant_path(grant_id), None, context)

    async def _write(self, method: str, path: str, body: Mapping[str, object] | None, context: RequestContext) -> None:
        await self._management.call(
            ApiRequest(method, path, body=body, context=context), TenantResponse.require_success
        )

    async def _list_by_cursor(self, path: str, query: Mapping[str, str], read: Callable[[Json], T]) -> list[T]:
        """Read a complete list page by page with cursors (Auth0's checkpoint pagination).

        A page without the field `next` is the last page. Pages before the last page may be empty. Parse each page
        before requesting the next page, because JSON needs more memory than the parsed entries.
        """
        name = path.rpartition("/")[2].replace("-", "_")
        items: list[T] = []
        seen_cursors: set[str] = set()
        position: dict[str, str] = {}
        size = _ListingSize(path)
        while True:
            self._management.show_progress(f"reading {name.replace('_', ' ')} {len(items) or ''}".rstrip())
            call = ApiRequest("GET", path, {**query, "take": str(PAGE_SIZE), **position})
            page_items, next_cursor, total = await self._management.call(
                call, partial(_parse_page, name=name, read=read, size=size)
            )
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

    async def _numbered_page(
        self, path: str, number: int, read: Callable[[Json], T], size: "_ListingSize"
    ) -> tuple[list[T], int]:
        """Return the entries of page `number`, and the total number of entries in the list."""
        query = {"page": str(number), "per_page": str(PAGE_SIZE), "include_totals": "true"}

        def parse_numbered_page(response: TenantResponse) -> tuple[list[T], int]:
            page = _page(response, path.replace("-", "_"))
            total = count(page, "total", MAX_ENTRIES)
            if total is None:
                raise UnreadableError(f"{response.call}: the response has no valid total")
            size.add(response)
            return [read(item) for item in page[path.replace("-", "_")]], total

        return await self._management.call(ApiRequest("GET", path, query), parse_numbered_page)


class _ListingSize:
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


def _parse_page(
    response: TenantResponse, name: str, read: Callable[[Json], T], size: _ListingSize
) -> tuple[list[T], str, int | None]:
    """Return the entries of a page, the cursor of the next page, and the total number of entries (None if unknown)."""
    page = _page(response, name)
    size.add(response)
    return [read(item) for item in page[name]], cursor(page, "next"), count(page, "total", MAX_ENTRIES)


@asynccontextmanager
async def open_client(  # noqa: PLR0913 - the options are independent, and most have a default
    base_url: str,
    credentials: Credentials,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    client_options: ClientOptions = DEFAULT_OPTIONS,
    check_token: Callable[[str], None] = accept_any_token,
    secrets: Secrets | None = None,
) -> AsyncIterator[ManagementClient]:
    """Open a client for the tenant at `base_url`. `transport` connects the client to a sandbox inside this process.

    `check_token` receives each access token before the token is sent to the API. `check_token` may refuse the token
    with a ReconcilerError. Error messages never contain the strings in `secrets`. The client adds its tokens and
    credentials to `secrets`.

    Raises:
        ReconcilerError: if the environment contains a proxy or certificates that httpx cannot use.
    """
    connections = client_options.rate_options.concurrency + 1
    async with open_http(base_url, transport=transport, connections=connections) as http:
        known = Secrets() if secrets is None else secrets
        yield ManagementClient(Management(http, credentials, client_options, check_token, known))


def is_forbidden(error: RefusedCallError) -> bool:
    """Return whether the error has the status 403 (the token lacks a permission)."""
    return error.status == httpx.codes.FORBIDDEN


def is_conflict(error: RefusedCallError) -> bool:
    """Return whether the error has the status 409 (the object already exists)."""
    return error.status == httpx.codes.CONFLICT


def is_not_found(error: RefusedCallError) -> bool:
    """Return whether the error has the status 404 (the object does not exist)."""
    return error.status == httpx.codes.NOT_FOUND


async def _list_with_restart(listing: Callable[[], Awaitable[T]]) -> T:
    """Read a list. After a broken connection, an unreadable page or an invalid cursor, read the list a second time."""
    try:
        return await listing()
    except UnknownOutcomeError:
        pass  # leave `except` before the second read, because the exception keeps the entries of the list in memory
    except RefusedCallError as error:
        if error.status != httpx.codes.BAD_REQUEST:
            raise
    return await listing()


def _refuse_incomplete(path: str, listed: int, total: int | None) -> None:
    """Raise UnreadableError if reconciler read fewer than `total` entries, so that the caller reads the list again."""
    if total is not None and listed < total:
        raise UnreadableError(f"GET {API}/{path}: the list is incomplete: {listed} of {total} entries")


def _grant_path(grant_id: str) -> str:
    return f"{GRANTS}/{quote(grant_id, safe='')}"


def _page(response: TenantResponse, name: str) -> dict[str, Any]:
    page = response.json()
    items = page.get(name) if isinstance(page, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise UnreadableError(f"{response.call}: the response lacks the list of {name}")
    return dict(page)


def _without_duplicates(items: Iterable[T], path: str, identity: Callable[[T], object]) -> tuple[T, ...]:
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


def _identity_text(identity: object) -> str:
    """Return the identity of a list entry for a message: an id, or the application, API and subject type of a grant."""
    if not isinstance(identity, Key):
        return quote_text(str(identity))
    holder, audience = quote_text(identity.holder), quote_text(identity.audience)
    return f"the grant of {holder} for {audience} ({visible(identity.subject_type)})"
