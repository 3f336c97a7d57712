"""The client of the Management API: it reads grants and names, and creates, updates and deletes grants."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from reconciler.auth0 import wire
from reconciler.auth0.associations import ORGANIZATIONS, Associations
from reconciler.auth0.connection import open_http
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
from reconciler.auth0.exchange import TenantResponse
from reconciler.auth0.management import API, NO_CONTEXT, ApiRequest, ClientOptions, Management, RequestContext, accept
from reconciler.auth0.wire import Json, count, cursor
from reconciler.concurrency import at_once
from reconciler.core.directory import Api, Application, Organization
from reconciler.core.grant import ClientGrant, Key, ObservedGrant
from reconciler.core.plan import Update
from reconciler.core.quoting import quoted
from reconciler.redaction import Secrets

T = TypeVar("T")

GRANTS = "client-grants"
APPLICATIONS = "clients"
APIS = "resource-servers"

PAGE_SIZE = 100
MOST_ENTRIES = 200_000
"""Twice the size of the largest possible tenant. A longer listing is endless or wrong."""
LARGEST_LISTING_BYTES = 64_000_000
"""640 bytes for each grant of the largest tenant, where a grant usually takes half of that."""
MOST_EMPTY_PAGES = 100
LEAST_ON_A_PAGE = 10  # on average, without empty pages
DEFAULT_OPTIONS = ClientOptions()


class ManagementClient:
    """Reads and writes a tenant's grants, and reads applications, APIs and organizations. `connected` creates it."""

    def __init__(self, management: Management) -> None:
        self._management = management
        self.associations = Associations(management)

    def own_key(self) -> Key:
        """Return the key of the grant that the token comes from. Call it after the first request."""
        return own_key(self._management.token)

    def permissions(self) -> frozenset[str] | None:
        """Return the permissions of the token, or None if the token does not contain them.

        Call it after the first request.
        """
        return scopes_of(self._management.token)

    def identities(self) -> frozenset[str]:
        """Return the tenant's identity from the token, if the token contains it. Call it after the first request."""
        return identities_of(self._management.token)

    async def grants(self) -> tuple[ObservedGrant, ...]:
        """Return every client grant of the tenant.

        Raises:
            Auth0Error: if there is no complete listing. UnreadableError if the listing contradicts itself.
        """

        async def listing() -> tuple[ObservedGrant, ...]:
            listed = await self._by_cursor(GRANTS, {}, wire.observed_grant)
            grants = _distinct(listed, GRANTS, lambda grant: grant.key)
            return _distinct(grants, GRANTS, lambda grant: grant.id)

        return await _whole(listing)

    async def find(self, key: Key) -> ObservedGrant | None:
        """Return the current grant with `key`, or None.

        The key identifies it, because ids change when a grant is recreated.
        """
        holder = {"client_id": key.client_id} if key.client_id else {"default_for": key.default_for or ""}
        grants = await self._by_cursor(GRANTS, {**holder, "audience": key.audience}, wire.observed_grant)
        return next((each for each in grants if each.key == key), None)

    async def applications(self) -> tuple[Application, ...]:
        """Return every application of the tenant, without the global one."""
        wanted = {"fields": "client_id,name,is_first_party,app_type", "include_fields": "true", "is_global": "false"}

        async def listing() -> tuple[Application, ...]:
            listed = await self._by_cursor(APPLICATIONS, wanted, wire.application)
            return _distinct(listed, APPLICATIONS, lambda application: application.client_id)

        return await _whole(listing)

    async def apis(self) -> tuple[Api, ...]:
        """Return every API of the tenant with its scopes. This listing has page numbers only."""

        async def listing() -> tuple[Api, ...]:
            size = _ListingSize(APIS)
            first, total = await self._numbered_page(APIS, 0, wire.api, size)
            numbers = range(1, -(-total // PAGE_SIZE))
            async with at_once() as group:
                rest = [group.create_task(self._numbered_page(APIS, number, wire.api, size)) for number in numbers]
            listed = [*first, *(api for task in rest for api in task.result()[0])]
            apis = _distinct(listed, APIS, lambda api: api.identifier)
            _refuse_incomplete(APIS, len(apis), total)
            return apis

        return await _whole(listing)

    async def organizations(self) -> tuple[Organization, ...]:
        """Return every organization of the tenant."""

        async def listing() -> tuple[Organization, ...]:
            listed = await self._by_cursor(ORGANIZATIONS, {}, wire.organization)
            return _distinct(listed, ORGANIZATIONS, lambda organization: organization.id)

        return await _whole(listing)

    async def organizations_of(self, grant_id: str) -> Mapping[str, Organization]:
        """Return the organizations of a grant by id. A grant that no longer exists has none."""

        async def listing() -> Mapping[str, Organization]:
            listed = await self._by_cursor(f"{_grant(grant_id)}/{ORGANIZATIONS}", {}, wire.organization)
            return {organization.id: organization for organization in listed}

        try:
            return await _whole(listing)
        except RefusedCallError as error:
            if not missing(error):
                raise
            return {}

    async def create(self, grant: ClientGrant, mark: RequestContext = NO_CONTEXT) -> str:
        """Create a grant without its organizations. Return its id.

        Raises:
            RefusedCallError: 409 if a grant with this key exists.
            UnknownOutcomeError, NotSentError: like other writes.
        """
        call = ApiRequest("POST", GRANTS, body=wire.create_body(grant), mark=mark)
        return await self._management.call(call, lambda answer: wire.created_id(answer.json(), grant))

    async def update(self, grant_id: str, update: Update, mark: RequestContext = NO_CONTEXT) -> None:
        """Send the changed fields, in one request if the tenant accepts that.

        Raises like `create`. 404 means deleted.
        """
        path, body = _grant(grant_id), wire.update_body(update)
        first, second = wire.in_two_steps(body)
        try:
            await self._write("PATCH", path, body, mark)
        except RefusedCallError as error:
            if error.status != httpx.codes.BAD_REQUEST or not second:
                raise
            await self._write("PATCH", path, first, mark)
            await self._second_step(path, second, mark)

    async def _second_step(self, path: str, body: Mapping[str, object], mark: RequestContext) -> None:
        """Send the scopes. If they are refused, undo the first request, because a grant without scopes is an outage.

        If the scopes cannot be sent for another reason, half of the change remains: UnknownOutcomeError.
        """
        try:
            await self._write("PATCH", path, body, mark)
        except (NotSentError, NoTokenError, RateLimitedError, DeadlinePassedError) as error:
            raise UnknownOutcomeError(f"{error}; only the first of two requests was made") from error
        except RefusedCallError:
            await self._write("PATCH", path, {"allow_all_scopes": True}, mark)
            raise

    async def delete(self, grant_id: str, mark: RequestContext = NO_CONTEXT) -> None:
        """Delete a grant.

        A missing grant is not an error. Raises RefusedCallError, UnknownOutcomeError, NotSentError.
        """
        await self._write("DELETE", _grant(grant_id), None, mark)

    async def _write(self, method: str, path: str, body: Mapping[str, object] | None, mark: RequestContext) -> None:
        await self._management.call(ApiRequest(method, path, body=body, mark=mark), TenantResponse.acknowledge)

    async def _by_cursor(self, path: str, query: Mapping[str, str], read: Callable[[Json], T]) -> list[T]:
        """Read a whole listing in checkpoint mode, until `next` is absent.

        Pages may be empty, and the cursor is opaque.

        Each page is parsed before the next one is requested, because JSON takes several times the memory.
        """
        name = path.rpartition("/")[2].replace("-", "_")
        items: list[T] = []
        seen: set[str] = set()
        position: dict[str, str] = {}
        size = _ListingSize(path)
        while True:
            call = ApiRequest("GET", path, {**query, "take": str(PAGE_SIZE), **position})
            some, following, total = await self._management.call(
                call, partial(_understood, name=name, read=read, size=size)
            )
            items += some
            if not following:
                _refuse_incomplete(path, len(items), total)
                return items
            if len(items) > MOST_ENTRIES or len(seen) > len(items) / LEAST_ON_A_PAGE + MOST_EMPTY_PAGES:
                raise UnreadableError(f"GET {API}/{path}: the listing has no end")
            if following in seen:
                raise UnreadableError(f"GET {API}/{path}: the listing repeats a page")
            seen.add(following)
            position = {"from": following}

    async def _numbered_page(
        self, path: str, number: int, read: Callable[[Json], T], size: "_ListingSize"
    ) -> tuple[list[T], int]:
        """Return the entries of a page and the total number of entries."""
        query = {"page": str(number), "per_page": str(PAGE_SIZE), "include_totals": "true"}

        def understood(answer: TenantResponse) -> tuple[list[T], int]:
            page = _page(answer, path.replace("-", "_"))
            total = count(page, "total", MOST_ENTRIES)
            if total is None:
                raise UnreadableError(f"{answer.call}: the response has no valid total")
            size.add(answer)
            return [read(item) for item in page[path.replace("-", "_")]], total

        return await self._management.call(ApiRequest("GET", path, query), understood)


class _ListingSize:
    """The size of a listing so far in bytes."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._bytes = 0

    def add(self, answer: TenantResponse) -> None:
        """Add the size of a response. Raises TooLargeError."""
        self._bytes += len(answer.body)
        if self._bytes > LARGEST_LISTING_BYTES:
            raise TooLargeError(
                f"GET {API}/{self._path}: the listing is larger than {LARGEST_LISTING_BYTES // 1_000_000} MB"
            )


def _understood(
    answer: TenantResponse, name: str, read: Callable[[Json], T], size: _ListingSize
) -> tuple[list[T], str, int | None]:
    """Return the entries of a page, the cursor of the next page, and the total number of entries if the page has it."""
    page = _page(answer, name)
    size.add(answer)
    return [read(item) for item in page[name]], cursor(page, "next"), count(page, "total", MOST_ENTRIES)


@asynccontextmanager
async def connected(  # noqa: PLR0913 - each is a choice of its own, most have a default
    base_url: str,
    credentials: Credentials,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    manner: ClientOptions = DEFAULT_OPTIONS,
    check_token: Callable[[str], None] = accept,
    secrets: Secrets | None = None,
) -> AsyncIterator[ManagementClient]:
    """Open a client for the tenant at `base_url`. `transport` reaches a tenant inside this process.

    `check_token` may refuse an access token with a ReconcilerError before the token is sent to the API. Errors never
    show `secrets`. The secrets of the tenant are added to them.

    Raises:
        ReconcilerError: if the environment names a proxy or certificates that httpx cannot use.
    """
    connections = manner.pacing.concurrency + 1
    async with open_http(base_url, transport=transport, connections=connections) as http:
        known = Secrets() if secrets is None else secrets
        yield ManagementClient(Management(http, credentials, manner, check_token, known))


def forbidden(error: RefusedCallError) -> bool:
    """Return whether the token lacks a permission."""
    return error.status == httpx.codes.FORBIDDEN


def conflicts(error: RefusedCallError) -> bool:
    """Return whether a grant with this key exists already."""
    return error.status == httpx.codes.CONFLICT


def missing(error: RefusedCallError) -> bool:
    """Return whether the object of the request does not exist."""
    return error.status == httpx.codes.NOT_FOUND


async def _whole(listing: Callable[[], Awaitable[T]]) -> T:
    """Read a listing. Restart it once if it breaks off, contradicts itself or loses its cursor (400)."""
    try:
        return await listing()
    except UnknownOutcomeError:
        pass  # and free the entries so far, which the error holds
    except RefusedCallError as error:
        if error.status != httpx.codes.BAD_REQUEST:
            raise
    return await listing()


def _refuse_incomplete(path: str, listed: int, total: int | None) -> None:
    """Raise UnreadableError if a listing is shorter than its `total`. `_whole` then reads it once more."""
    if total is not None and listed < total:
        raise UnreadableError(f"GET {API}/{path}: the listing is incomplete: {listed} of {total} entries")


def _grant(grant_id: str) -> str:
    return f"{GRANTS}/{quote(grant_id, safe='')}"


def _page(answer: TenantResponse, name: str) -> dict[str, Any]:
    page = answer.json()
    items = page.get(name) if isinstance(page, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise UnreadableError(f"{answer.call}: the response lacks its list of {name}")
    return dict(page)


def _distinct(items: Iterable[T], path: str, identity: Callable[[T], object]) -> tuple[T, ...]:
    """Remove duplicates, which shifting pages cause. Two different entries with one identity are an error."""
    known: dict[object, T] = {}
    for item in items:
        first = known.setdefault(identity(item), item)
        if first is not item and first != item:
            raise UnreadableError(f"GET {API}/{path}: two different entries for {quoted(str(identity(item)))}")
    return tuple(known.values())
