"""A client of the Management API, connected to a scripted server."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from reconciler.auth0.client import ManagementClient, open_client
from reconciler.auth0.credentials import AccessToken, Credentials
from reconciler.auth0.errors import Auth0Error
from support.builders import INVOICES
from support.scripted_server import Responder, Server, http_response, scripted_server
from support.virtual_time import run_virtually

T = TypeVar("T")
CANARY = "canary-5ecret"
TOKEN = AccessToken(CANARY)
GRANT = {"id": "cgr_1", "client_id": "billing", "audience": INVOICES, "scope": ["read:invoices"]}


def run_client(
    respond: Responder,
    work: Callable[[ManagementClient], Awaitable[T]],
    credentials: Credentials = TOKEN,
) -> tuple[T, Server]:
    async def run() -> tuple[T, Server]:
        async with scripted_server(respond) as server, open_client(server.url, credentials) as client:
            return await work(client), server

    return run_virtually(run())[0]


def error_of(respond: Responder, work: Callable[[ManagementClient], Awaitable[object]]) -> Auth0Error:
    with pytest.raises(Auth0Error) as caught:
        run_client(respond, work)
    assert CANARY not in str(caught.value)
    return caught.value


def cursor_pages(*contents: dict[str, object]) -> Responder:
    """Return a responder with cursor pages. Without a cursor it returns the first page, with `from=1` the second."""
    return lambda request: http_response(200, contents[int(request.query.get("from", 0))])
