"""A loopback server that sends the bytes that a test defines, and records the requests."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A received request."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}


Responder = Callable[[ReceivedRequest], bytes | Iterable[bytes]]
"""Returns the bytes to send before the server closes the connection.

Empty bytes close the connection without a response. Several parts are sent one second apart.
"""

DRIP_SECONDS = 1.0


@dataclass(slots=True)
class Server:
    url: str
    requests: list[ReceivedRequest] = field(default_factory=list)

    def calls(self) -> list[str]:
        return [f"{each.method} {each.path}" for each in self.requests]


def http_response(status: int = 200, body: object = None, content_type: str = "application/json") -> bytes:
    """Return an HTTP response. A `body` of bytes is sent unchanged. Other bodies are sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
    head = f"HTTP/1.1 {status} Because\r\ncontent-type: {content_type}\r\ncontent-length: {len(content)}\r\n"
    return head.encode() + b"connection: close\r\n\r\n" + content


@asynccontextmanager
async def scripted_server(respond: Responder) -> AsyncIterator[Server]:
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            connections.add(task)
        try:
            request = await _read(reader)
            if request is not None:
                server.requests.append(request)
                await _send(writer, respond(request))
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    server = Server(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
    async with listening:
        try:
            yield server
        finally:
            for connection in connections:
                connection.cancel()
            await asyncio.gather(*connections, return_exceptions=True)


@contextmanager
def scripted_server_thread(respond: Responder) -> Iterator[Server]:
    """Run the server in another thread, for commands that run in this thread."""
    ready, done = threading.Event(), threading.Event()
    servers: list[Server] = []

    async def serve() -> None:
        async with scripted_server(respond) as server:
            servers.append(server)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield servers[0]
    finally:
        done.set()
        thread.join()


async def _send(writer: asyncio.StreamWriter, content: bytes | Iterable[bytes]) -> None:
    with suppress(ConnectionError):
        if isinstance(content, bytes):
            writer.write(content)
            await writer.drain()
            return
        for piece in content:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(DRIP_SECONDS)


async def _read(reader: asyncio.StreamReader) -> ReceivedRequest | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in head[1:] if each)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return ReceivedRequest(method, target, headers, body)
