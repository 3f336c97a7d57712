"""Reach a sandbox inside this process through httpx, with the broken connections and the timeouts of a real network."""

import asyncio

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from auth0_sandbox.server.wire import BREAK


class SandboxTransport(httpx.AsyncBaseTransport):
    """Hands requests to the application, and raises what a client would meet on the network.

    That is ReadError for a connection that is reset, RemoteProtocolError for one that ends within the body, ReadTimeout
    for an answer that is later than the request's timeout allows. A call that is given up has no effect any more.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the application's response.

        Raises:
            httpx.TransportError: there is none, or not all of it.
        """
        connection = _Connection(self._app)
        patience: float | None = request.extensions.get("timeout", {}).get("read")
        try:
            async with asyncio.timeout(patience):
                response = await httpx.ASGITransport(app=connection).handle_async_request(request)
        except TimeoutError as error:
            raise httpx.ReadTimeout("the sandbox took too long to answer", request=request) from error
        if connection.broken is None:
            return response
        if connection.broken["at_once"]:
            raise httpx.ReadError("the sandbox reset the connection", request=request)
        raise httpx.RemoteProtocolError("the sandbox ended the connection within the body", request=request)


class _Connection:
    """One exchange, told apart from what the application wants of its connection."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.broken: Message | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def pass_on(message: Message) -> None:
            if message["type"] == BREAK:
                self.broken = message
                await _end(send, started=not message["at_once"])
            else:
                await send(message)

        await self._app(scope, receive, pass_on)


async def _end(send: Send, *, started: bool) -> None:
    """End the response for httpx, which insists on a whole one; nobody sees it."""
    if not started:
        await send({"type": "http.response.start", "status": 500, "headers": []})
    await send({"type": "http.response.body", "body": b""})
