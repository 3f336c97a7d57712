"""Many sandbox tenants, served over HTTP by one server, each on a port of its own."""

import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from auth0_sandbox.store.database import DocumentKind
from auth0_sandbox.tenant import Sandbox, open_sandbox

Behaviour = Callable[[str, Scope], Awaitable[bool]]
"""Receives the name of a tenant and a request. Returns false if the request gets no response."""


async def respond(_name: str, _request: Scope) -> bool:
    return True


@dataclass(slots=True)
class HttpTenants:
    """Served tenants. `requests` has the time, the tenant, the method and the path of each request."""

    environment: Mapping[str, str]
    config: str
    sandboxes: Mapping[str, Sandbox]
    behaviour: Behaviour = respond
    requests: list[tuple[float, str, str, str]] = field(default_factory=list)

    def granted(self, name: str) -> list[str]:
        """Return the client ids of the tenant's grants, without the tool's own."""
        rows = self.sandboxes[name].store.find(DocumentKind.CLIENT_GRANTS, {}, limit=1000)
        return sorted(json.loads(row.text)["client_id"] for row in rows if '"own"' not in row.text)

    def tenants_with(self, method: str) -> list[str]:
        """Return the tenants that received requests with a method, in the order of the first one."""
        return list(dict.fromkeys(name for _, name, used, path in self.requests if used == method and "/api/" in path))

    def read_after_a_write(self) -> set[str]:
        """Return the tenants that were read after their first write."""
        written: set[str] = set()
        read: set[str] = set()
        for _, name, method, path in self.requests:
            if method == "GET" and name in written:
                read.add(name)
            elif method != "GET" and "/api/" in path:
                written.add(name)
        return read


@contextmanager
def http_tenants(folder: Path, names: Sequence[str], seed: Path) -> Iterator[HttpTenants]:
    """Serve sandboxes with the content of `seed`. `config` declares them as Auth0 tenants."""
    with ExitStack() as stack:
        sandboxes = {
            name: stack.enter_context(open_sandbox(folder / f"{name}.db", seed, f"{name}.localhost")) for name in names
        }
        sockets = {name: stack.enter_context(_listener()) for name in names}
        ports = {each.getsockname()[1]: name for name, each in sockets.items()}
        tenants = HttpTenants(
            {key: value for name in names for key, value in _environment(name, sockets[name], sandboxes[name]).items()},
            "tenants:\n" + "".join(_declaration(name, sockets[name]) for name in names),
            sandboxes,
        )
        with _serving(_dispatch(tenants, ports), list(sockets.values())):
            yield tenants


def _dispatch(tenants: HttpTenants, ports: Mapping[int, str]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        name = ports[scope["server"][1]]
        tenants.requests.append((time.monotonic(), name, scope["method"], scope["path"]))
        if await tenants.behaviour(name, scope):
            await tenants.sandboxes[name].app(scope, receive, send)

    return app


def _listener() -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def _environment(name: str, listener: socket.socket, sandbox: Sandbox) -> dict[str, str]:
    prefix = f"AUTH0_{name.upper()}_"
    return {
        f"{prefix}DOMAIN": f"127.0.0.1:{listener.getsockname()[1]}",
        f"{prefix}CLIENT_ID": sandbox.credentials.client_id,
        f"{prefix}CLIENT_SECRET": sandbox.credentials.client_secret,
    }


def _declaration(name: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    return (
        f"  {name}: {{domain: '127.0.0.1:{port}', canonical_domain: {name}.localhost, "
        f"credentials: AUTH0_{name.upper()}_}}\n"
    )


@contextmanager
def _serving(app: ASGIApp, sockets: list[socket.socket]) -> Iterator[None]:
    config = uvicorn.Config(
        app, log_level="critical", access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=0
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=(sockets,))
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
