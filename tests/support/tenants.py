"""Sandbox tenants for tests, and a transport that can intercept requests to them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from auth0_sandbox.server.transport import SandboxTransport
from auth0_sandbox.store.database import DocumentKind
from auth0_sandbox.store.queries import TIED_TO
from auth0_sandbox.tenant import Sandbox, open_sandbox
from reconciler.auth0.client import ManagementClient, open_client
from reconciler.auth0.credentials import ClientSecret

DOMAIN = "sandbox.localhost"
AUDIENCE = f"https://{DOMAIN}/api/v2/"

Forward = Callable[[], Awaitable[httpx.Response]]
Interceptor = Callable[[httpx.Request, Forward], Awaitable[httpx.Response]]


async def forward_only(_: httpx.Request, forward: Forward) -> httpx.Response:
    return await forward()


def direct_response(request: httpx.Request, status: int, body: bytes = b"") -> httpx.Response:
    """Return a response that does not come from the tenant."""
    return httpx.Response(status, request=request, stream=httpx.ByteStream(body))


class InterceptingTransport(httpx.AsyncBaseTransport):
    """Passes each request to `intercept`, which may forward it, respond itself, or break the connection."""

    def __init__(self, inner: httpx.AsyncBaseTransport, intercept: Interceptor) -> None:
        self._inner = inner
        self._intercept = intercept

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._intercept(request, lambda: self._inner.handle_async_request(request))


@asynccontextmanager
async def connected_client(sandbox: Sandbox, intercept: Interceptor = forward_only) -> AsyncIterator[ManagementClient]:
    credentials = ClientSecret(sandbox.credentials.client_id, sandbox.credentials.client_secret, AUDIENCE)
    transport = InterceptingTransport(SandboxTransport(sandbox.app), intercept)
    async with open_client(f"http://{DOMAIN}", credentials, transport=transport) as client:
        yield client


def a_sandbox(folder: Path, seed: str) -> Sandbox:
    file = folder / "seed.yaml"
    file.write_text(seed)
    return open_sandbox(folder / "sandbox.db", file, DOMAIN)


def stored_grants(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Return all grants of the sandbox, as stored."""
    ids = [row.id for row in sandbox.store.find(DocumentKind.CLIENT_GRANTS, {}, limit=1000)]
    return [document for each in ids if (document := sandbox.store.get(DocumentKind.CLIENT_GRANTS, each))]


def organizations_of(sandbox: Sandbox, grant_id: str) -> list[str]:
    """Return the sorted names of the organizations that may use a grant."""
    rows = sandbox.store.find(DocumentKind.ORGANIZATIONS, {TIED_TO: grant_id}, limit=1000)
    return sorted(row.document()["name"] for row in rows)
