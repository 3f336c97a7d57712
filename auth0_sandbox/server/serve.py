"""Serve a sandbox over HTTP on this machine."""

import asyncio
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.server import ServerState

from auth0_sandbox.errors import SandboxError, reason
from auth0_sandbox.requests.hosts import is_custom_domain, is_local
from auth0_sandbox.requests.responses import refusal
from auth0_sandbox.server.wire import BREAK, JSON
from auth0_sandbox.tenant import Sandbox

LOCALHOST = "127.0.0.1"
GRACE_SECONDS = 5  # the time for requests in progress when the server stops
BACKLOG = 512
STOP_CHECK_SECONDS = 0.02
NO_LINGER = struct.pack("ii", 1, 0)  # the option that makes the closing of a socket reset the connection


def serve(
    sandbox: Sandbox,
    host: str = LOCALHOST,
    *,
    port: int,
    on_ready: Callable[[str], None],
    certificate: Path | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM. Call `serve` in the main thread.

    `on_ready` receives the address, `host:port`, when the server accepts connections. Port 0 selects a free port. A
    `certificate` (a PEM file with its key) enables HTTPS.

    Raises:
        SandboxError: if the host is not this machine or the port is in use.
    """
    with _listening(host, port) as listener:
        server = _server(sandbox, certificate)
        with _stopped_by_signals(server):
            on_ready(_address(listener))
            server.run([listener])


@contextmanager
def serving(
    sandbox: Sandbox, host: str = LOCALHOST, *, port: int = 0, certificate: Path | None = None
) -> Iterator[str]:
    """Serve in a separate thread inside this context. Yield the address, `host:port`.

    Raises:
        SandboxError: like `serve`.
    """
    with _listening(host, port) as listener:
        server = _server(sandbox, certificate)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield _address(listener)
        finally:
            server.should_exit = True
            thread.join()


class _Server(uvicorn.Server):
    """A server that stops within 0.02 seconds if no request is in progress. uvicorn needs 0.1 to 0.2 seconds."""

    async def main_loop(self) -> None:
        await self.on_tick(0)  # the response headers never change, because the server sends no date
        while not self.should_exit:  # noqa: ASYNC110 - another thread or a signal handler sets it
            await asyncio.sleep(STOP_CHECK_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)  # the event loop removes closed connections
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)


def _server(sandbox: Sandbox, certificate: Path | None) -> uvicorn.Server:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        host = Headers(scope=scope).get("host", "")
        is_served = is_local(host) or is_custom_domain(host, sandbox.control.settings.custom_domain)
        await _run_or_break(sandbox.app if is_served else _refuse, server.server_state, (scope, receive, send))

    # the application sends a date from the tenant's clock
    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        lifespan="off",
        date_header=False,
        server_header=False,
        ws="none",
        ssl_certfile=certificate,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config)
    return server


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a request with a foreign host name. A web page could send the request."""
    answer = refusal(HTTPStatus.FORBIDDEN, "use a loopback host name, like localhost").answer
    await Response(answer.text, answer.status, media_type=JSON)(scope, receive, send)


async def _run_or_break(app: ASGIApp, state: ServerState, call: tuple[Scope, Receive, Send]) -> None:
    """Run the application. Break the connection if the application requests a break."""
    scope, receive, send = call
    breaks: list[Message] = []

    async def pass_on(message: Message) -> None:
        if message["type"] == BREAK:
            breaks.append(message)
        else:
            await send(message)

    await app(scope, receive, pass_on)
    for message in breaks:
        for connection in state.connections:
            if connection.transport.get_extra_info("peername")[:2] == scope["client"]:
                _break(connection.transport, at_once=message["at_once"])
        while (await receive())["type"] != "http.disconnect":
            pass


def _break(transport: asyncio.Transport, *, at_once: bool) -> None:
    """End a connection.

    With `at_once`, reset the connection, like a crash or a firewall. Without `at_once`, send all data first.
    """
    if not at_once:
        transport.close()
        return
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    transport.abort()


@contextmanager
def _stopped_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """Let signals stop the server instead of the process.

    After stopping, uvicorn raises the signal again for the previous handler.
    """

    def stop(_signum: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    name = _loopback(host)
    family = socket.AF_INET6 if ":" in name else socket.AF_INET
    # With a protocol number, asyncio sends small responses at once. Otherwise, each response waits 40 ms for an
    # acknowledgement.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        # reuse a port that was just closed
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((name, port))
            listener.listen(BACKLOG)
        except (OSError, OverflowError) as error:
            raise SandboxError(
                f"cannot listen on {host}:{port}: {reason(error)}; stop the program that uses the port, or "
                "choose another port (0 selects a free one)"
            ) from error
        yield listener


def _loopback(host: str) -> str:
    """Return the loopback address to bind.

    Other addresses are refused, because everybody who knows the seed can get tokens.
    """
    name = LOCALHOST if host == "localhost" else host.strip("[]")
    try:
        local = ip_address(name).is_loopback
    except ValueError:
        local = False
    if not local:
        raise SandboxError(
            f'the sandbox accepts loopback addresses only, not "{host}"; use 127.0.0.1, ::1 or localhost'
        )
    return name


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
