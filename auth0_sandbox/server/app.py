"""The ASGI application: parse requests and send replies."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPMethod

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from auth0_sandbox.api import (
    associations,
    client_grants,
    clients,
    credentials,
    logs,
    organizations,
    resource_servers,
)
from auth0_sandbox.control import UNKNOWN, Control
from auth0_sandbox.requests import dispatch
from auth0_sandbox.requests.calls import Endpoint, RequestSender
from auth0_sandbox.requests.hosts import is_custom_domain, is_own
from auth0_sandbox.requests.responses import RefusalError, refusal
from auth0_sandbox.requests.traffic import Handle, Proceed, Reply, UncheckedRequest, reply
from auth0_sandbox.server import admin
from auth0_sandbox.server.wire import response

PREFIX = "/api/v2"
TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path, no secret
ENDPOINTS: tuple[Endpoint, ...] = (
    *client_grants.ENDPOINTS,
    *clients.ENDPOINTS,
    *resource_servers.ENDPOINTS,
    *organizations.ENDPOINTS,
    *associations.ENDPOINTS,
    *credentials.ENDPOINTS,
    *logs.ENDPOINTS,
)
Handles = Mapping[str, Handle]  # the functions for one path, by HTTP method
Clock = Callable[[], float]  # returns UNIX seconds


def build_app(control: Control, clock: Clock, *, with_admin: bool) -> ASGIApp:
    """Return the ASGI application of a tenant. `with_admin` adds the endpoints below /sandbox.

    Handlers are synchronous, because a call to a local SQLite file is shorter than a switch of threads.
    """
    dispatcher = _Dispatcher(control, clock)
    take_tokens = control.take_tokens
    by_path: dict[str, dict[str, Handle]] = {TOKEN_PATH: {"POST": dispatch.token(take_tokens)}}
    for endpoint in ENDPOINTS:
        by_path.setdefault(PREFIX + endpoint.path, {})[endpoint.method] = dispatch.management(endpoint, take_tokens)
    routes: list[BaseRoute] = [dispatcher.route(path, handles) for path, handles in by_path.items()]
    if with_admin:
        routes += admin.routes(control)
    app = Starlette(routes=routes, exception_handlers={HTTPException: dispatcher.on_error})
    app.router.redirect_slashes = False
    return app


class _Dispatcher:
    """Passes requests through faults and rate limits to their handlers, and returns the responses."""

    def __init__(self, control: Control, clock: Clock) -> None:
        self._control = control
        self._clock = clock

    def route(self, path: str, handles: Handles) -> Route:
        """Return the route for all methods of one path."""
        pattern = path.replace(":path}", "}")

        async def respond(request: Request) -> Response:
            handle = handles["GET" if request.method == HTTPMethod.HEAD else request.method]
            unchecked = self._unchecked(request, pattern, await _read(request))
            outcome = await self._control.fault_engine.apply(unchecked, _proceed(handle))
            return self._response(unchecked, outcome, counted_as=pattern)

        return Route(path, respond, methods=list(handles))

    async def on_error(self, request: Request, error: Exception) -> Response:
        """Return the response to a request without an endpoint."""
        if not isinstance(error, HTTPException):
            raise error
        refused = replace(refusal(error.status_code, error.detail).answer, headers=error.headers or {})
        return self._response(self._unchecked(request, request.url.path, b""), reply(refused), counted_as=UNKNOWN)

    def _unchecked(self, request: Request, pattern: str, body: bytes) -> UncheckedRequest:
        now = self._clock()
        return UncheckedRequest(
            method=request.method,
            pattern=pattern,
            path=request.url.path,
            parameters=request.path_params,
            query=tuple(request.query_params.multi_items()),
            host=_own_host(request, self._control.settings.custom_domain),
            sender=_sender(request),
            authorization=request.headers.get("authorization"),
            content_type=request.headers.get("content-type", ""),
            body=body,
            store=self._control.store,
            settings=self._control.settings,
            now=now,
            token_time=now,
        )

    def _response(self, unchecked: UncheckedRequest, outcome: Reply, *, counted_as: str) -> Response:
        self._control.statistics.count(unchecked.method, counted_as, None if outcome.dropped else outcome.status)
        level = self._control.buckets.level(unchecked)
        return response(outcome, level, self._clock())


def _proceed(handle: Handle) -> Proceed:
    async def proceed(unchecked: UncheckedRequest) -> Reply:
        try:
            return reply(handle(unchecked))
        except RefusalError as error:
            return reply(error.answer)

    return proceed


def _sender(request: Request) -> RequestSender:
    headers = request.headers
    return RequestSender(
        ip=request.client.host if request.client else "",
        user_agent=headers.get("user-agent", ""),
        auth0_client=headers.get("auth0-client", ""),
        correlation_id=headers.get("x-correlation-id", ""),
        base_url=str(request.base_url).rstrip("/"),
    )


def _own_host(request: Request, custom_domain: str | None) -> str:
    """Return the Host header if it names this server, otherwise an empty text.

    The sender can choose any Host header.
    """
    host = request.headers.get("host", "")
    is_ours = is_own(host, request.url.scheme, request.scope.get("server")) or is_custom_domain(host, custom_domain)
    return host if is_ours else ""


async def _read(request: Request) -> bytes:
    """Return the body of a request. If the body is too large, return only its start."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > dispatch.LARGEST_BODY_BYTES:
            break
    return bytes(raw)
