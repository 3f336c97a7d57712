"""Send httpx requests to a sandbox inside this process, with broken connections and timeouts."""

import asyncio

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from auth0_sandbox.server.wire import BREAK


class SandboxTransport(httpx.AsyncBaseTransport):
    """Passes requests to the application, and raises the errors of a network.

    A reset connection raises ReadError. A connection that ends inside the body raises RemoteProtocolError. A late
    response raises ReadTimeout. An abandoned request has no further effect.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the application's response to `request`.

        Raises:
            httpx.TransportError: if the application sends no complete response.
        """
        connection = _Connection(self._app)
        patience: float | None = request.extensions.get("timeout", {}).get("read")
        try:
            async with asyncio.timeout(patience):
                response = await httpx.ASGITransport(app=connection).handle_async_request(request)
        except TimeoutError as error:
            raise httpx.ReadTimeout("the sandbox did not respond before the timeout", request=request) from error
        if connection.broken is None:
            return response
        if connection.broken["at_once"]:
            raise httpx.ReadError("the sandbox reset the connection", request=request)
        raise httpx.RemoteProtocolError("the sandbox ended the connection within the body", request=request)


class _Connection:
    """The application for one request. Messages that break the connection are stored instead of sent."""

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
    """End the response. httpx needs a complete response, but the transport discards this response."""
    if not started:
        await send({"type": "http.response.start", "status": 500, "headers": []})
    await send({"type": "http.response.body", "body": b""})
