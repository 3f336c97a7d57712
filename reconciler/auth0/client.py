"""The Management API as we use it: grants, applications and APIs in, three kinds of write out."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from reconciler.auth0 import wire
from reconciler.auth0.answers import broken, parsed
from reconciler.auth0.credentials import Credentials, own_key
from reconciler.auth0.errors import RefusedCallError, UnreadableError
from reconciler.auth0.token import BearerToken
from reconciler.core.directory import Api, Application
from reconciler.core.grant import ClientGrant, Key, ObservedGrant
from reconciler.core.plan import Update
from reconciler.tasks import at_once

T = TypeVar("T")

API = "/api/v2"
GRANTS = "client-grants"
APPLICATIONS = "clients"
APIS = "resource-servers"

PAGE_SIZE = 100
MOST_CONNECTIONS = 4
TIMEOUT_SECONDS = 30.0

# A proxy named in the environment is for the world outside.
PAST_THE_PROXY: dict[str, httpx.AsyncBaseTransport | None] = {
    "all://localhost": None,
    "all://127.0.0.1": None,
    "all://[::1]": None,
}


class ManagementClient:
    """A tenant's Management API. Make one with `connected`."""

    def __init__(self, http: httpx.AsyncClient, token: BearerToken) -> None:
        self._http = http
        self._token = token

    def own_key(self) -> Key:
        """Return the key of the grant that our token comes from; to be asked after a first call."""
        return own_key(self._token.token)

    async def grants(self) -> tuple[ObservedGrant, ...]:
        """Return every client grant of the tenant.

        Raises:
            UnreadableError: if the listing contradicts itself, so that a plan from it could lie.
        """
        listed = [wire.observed_grant(item) for item in await self._by_cursor(GRANTS, {})]
        return _distinct(listed, GRANTS, lambda grant: grant.key)

    async def find(self, key: Key) -> ObservedGrant | None:
        """Return the grant with `key` as it is right now, None where there is none. By key: ids come and go."""
        holder = {"client_id": key.client_id} if key.client_id else {"default_for": key.default_for or ""}
        found = await self._by_cursor(GRANTS, {**holder, "audience": key.audience})
        grants = [wire.observed_grant(item) for item in found]
        return next((each for each in grants if each.key == key), None)

    async def applications(self) -> tuple[Application, ...]:
        """Return every application of the tenant, without the pseudo application that stands for all."""
        wanted = {"fields": "client_id,name", "include_fields": "true", "is_global": "false"}
        listed = [wire.application(item) for item in await self._by_cursor(APPLICATIONS, wanted)]
        return _distinct(listed, APPLICATIONS, lambda application: application.client_id)

    async def apis(self) -> tuple[Api, ...]:
        """Return every API of the tenant with its scopes; this listing knows page numbers only."""
        name = "resource_servers"
        first = await self._numbered_page(APIS, 0)
        total = first.get("total")
        if not isinstance(total, int):
            raise UnreadableError(f"GET {API}/{APIS}: the answer lacks its total")
        numbers = range(1, -(-total // PAGE_SIZE))
        async with at_once() as group:
            rest = [group.create_task(self._numbered_page(APIS, number)) for number in numbers]
        pages = (first, *(task.result() for task in rest))
        listed = [wire.api(item) for page in pages for item in _items(page, name, APIS)]
        apis = _distinct(listed, APIS, lambda api: api.identifier)
        if len(apis) != total:
            raise UnreadableError(f"GET {API}/{APIS}: {len(apis)} of {total} listed; it changed while being read")
        return apis

    async def create(self, grant: ClientGrant) -> None:
        """Create a grant. Raises RefusedCallError (409 where its key is taken), UnclearError, NotSentError."""
        await self._write("POST", GRANTS, wire.create_body(grant))

    async def update(self, grant_id: str, update: Update) -> None:
        """Send the changed fields. Raises RefusedCallError (404 where it is gone), UnclearError, NotSentError."""
        await self._write("PATCH", f"{GRANTS}/{quote(grant_id, safe='')}", wire.update_body(update))

    async def delete(self, grant_id: str) -> None:
        """Delete a grant, gone or not. Raises RefusedCallError, UnclearError, NotSentError."""
        await self._write("DELETE", f"{GRANTS}/{quote(grant_id, safe='')}", None)

    async def _write(self, method: str, path: str, body: Mapping[str, object] | None) -> None:
        response = await self._send(method, path, json=body) if body is not None else await self._send(method, path)
        if response.status_code != httpx.codes.NO_CONTENT:
            parsed(response)

    async def _by_cursor(self, path: str, query: Mapping[str, str]) -> list[wire.Json]:
        """Read a whole listing in checkpoint mode: until `next` is absent; pages may be empty, the cursor is opaque."""
        items: list[wire.Json] = []
        seen: set[str] = set()
        cursor: str | None = None
        while True:
            position = {"from": cursor} if cursor else {}
            page = parsed(await self._send("GET", path, params={**query, "take": str(PAGE_SIZE), **position}))
            items += _items(page, path.replace("-", "_"), path)
            cursor = page.get("next")
            if not cursor:
                return items
            if cursor in seen:
                raise UnreadableError(f"GET {API}/{path}: the listing goes round in circles")
            seen.add(cursor)

    async def _numbered_page(self, path: str, number: int) -> Mapping[str, Any]:
        query = {"page": str(number), "per_page": str(PAGE_SIZE), "include_totals": "true"}
        page = parsed(await self._send("GET", path, params=query))
        return page if isinstance(page, dict) else {}

    async def _send(self, method: str, path: str, **content: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        request = self._http.build_request(method, f"{API}/{path}", **content)
        try:
            return await self._http.send(request)
        except httpx.HTTPError as error:
            raise broken(request, error) from error


@asynccontextmanager
async def connected(
    base_url: str,
    credentials: Credentials,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[ManagementClient]:
    """Give a client for the tenant at `base_url`; `transport` reaches a tenant that lives in this process."""
    token = BearerToken(credentials, httpx.URL(base_url))
    limits = httpx.Limits(max_connections=MOST_CONNECTIONS)
    async with httpx.AsyncClient(
        base_url=base_url,
        auth=token,
        transport=transport,
        mounts=PAST_THE_PROXY,
        limits=limits,
        timeout=TIMEOUT_SECONDS,
        follow_redirects=False,
    ) as http:
        yield ManagementClient(http, token)


def forbidden(error: RefusedCallError) -> bool:
    """Return whether the tenant says that the token lacks a permission."""
    return error.status == httpx.codes.FORBIDDEN


def conflicts(error: RefusedCallError) -> bool:
    """Return whether the tenant says that a grant with this key exists already."""
    return error.status == httpx.codes.CONFLICT


def _items(page: object, name: str, path: str) -> list[wire.Json]:
    items = page.get(name) if isinstance(page, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise UnreadableError(f"GET {API}/{path}: the answer lacks its list of {name}")
    return items


def _distinct(items: Iterable[T], path: str, identity: Callable[[T], object]) -> tuple[T, ...]:
    """Drop what shifted pages list twice; two different things with one identity cannot both be true."""
    known: dict[object, T] = {}
    for item in items:
        if known.setdefault(identity(item), item) != item:
            raise UnreadableError(f"GET {API}/{path}: two different entries for {identity(item)}")
    return tuple(known.values())
