"""The ASGI application: routes, what every request is checked for, and what every answer carries."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reconciler.sandbox import client_grants, clients, oauth, organizations, resource_servers
from reconciler.sandbox.access import permissions, require_any
from reconciler.sandbox.answers import Answer, RefusalError, refusal
from reconciler.sandbox.exchange import Call, Endpoint
from reconciler.sandbox.incoming import body_value, check_identity, query_values
from reconciler.sandbox.settings import Settings
from reconciler.sandbox.store import Store

PREFIX = "/api/v2"
LARGEST_BODY_BYTES = 1_048_576
RATE_LIMIT = 10_000  # plentiful: requests are not counted
ENDPOINTS: tuple[Endpoint, ...] = (
    *client_grants.ENDPOINTS,
    *clients.ENDPOINTS,
    *resource_servers.ENDPOINTS,
    *organizations.ENDPOINTS,
)
Clock = Callable[[], float]  # UNIX seconds


def build_app(store: Store, settings: Settings, clock: Clock) -> ASGIApp:
    """Return the application for the tenant in `store`.

    Handlers are synchronous on purpose: a call to a local SQLite file is shorter than a switch of threads.
    """
    context = _Context(store, settings, clock)
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in ENDPOINTS:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    app = Starlette(
        routes=[*(_route(path, methods, context) for path, methods in by_path.items()), _token_route(context)],
        middleware=[Middleware(StandardHeaders, clock=clock)],
        exception_handlers={RefusalError: _on_error, HTTPException: _on_error},
    )
    app.router.redirect_slashes = False
    return app


class StandardHeaders:
    """Middleware: the date and the rate limit on every answer, by the tenant's own clock."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add to the head of its answer."""

        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_standard_headers(self._clock()))
            await send(message)

        await self._app(scope, receive, send_more)


@dataclass(frozen=True, slots=True)
class _Context:
    """What all requests have in common."""

    store: Store
    settings: Settings
    clock: Clock

    def call(self, request: Request) -> Call:
        """Return what every handler gets."""
        return Call(
            store=self.store,
            settings=self.settings,
            tenant=self.store.tenant(),
            now=self.clock(),
            host=request.headers.get("host", ""),
            path=request.path_params,
        )


def _route(path: str, methods: Mapping[str, Endpoint], context: _Context) -> Route:
    async def respond(request: Request) -> Response:
        endpoint = methods["GET" if request.method == "HEAD" else request.method]
        # the order is an assumption: token, permission, path, query, body
        call = context.call(request)
        scopes = permissions(request.headers.get("authorization"), call.tenant, call.now)
        require_any(scopes, endpoint.any_of)
        check_identity(call.path.get("id", ""), endpoint.identity)
        refuse_unknown = context.settings.refuse_unknown_query
        query = query_values(request.query_params.multi_items(), endpoint.query, refuse_unknown=refuse_unknown)
        body = body_value(await _read(request), endpoint.body()) if endpoint.body else None
        return _response(endpoint.handle(replace(call, scopes=scopes, query=query, body=body)))

    return Route(f"{PREFIX}{path}", respond, methods=list(methods))


def _token_route(context: _Context) -> Route:
    async def respond(request: Request) -> Response:
        asked = oauth.parameters(await _read(request), request.headers.get("content-type", ""))
        return _response(oauth.token(replace(context.call(request), body=asked)))

    return Route("/oauth/token", respond, methods=["POST"])


async def _read(request: Request) -> bytes:
    """Return the whole body, never holding more than the limit and one chunk."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LARGEST_BODY_BYTES:
            message = f"Payload content length greater than maximum allowed: {LARGEST_BODY_BYTES}"
            raise refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
    return bytes(raw)


def _response(answer: Answer) -> Response:
    return Response(
        answer.text, answer.status, headers=dict(answer.headers), media_type="application/json; charset=utf-8"
    )


async def _on_error(_request: Request, error: Exception) -> Response:
    match error:
        case RefusalError(answer=answer):
            return _response(answer)
        case HTTPException(status_code=status, detail=detail, headers=headers):
            answer = refusal(status, detail).answer
            return _response(replace(answer, headers=headers or {}))
        case _:
            raise error


def _standard_headers(now: float) -> dict[str, str]:
    return {
        "date": formatdate(now, usegmt=True),
        "x-ratelimit-limit": str(RATE_LIMIT),
        "x-ratelimit-remaining": str(RATE_LIMIT - 1),
        "x-ratelimit-reset": str(int(now) + 1),
    }
