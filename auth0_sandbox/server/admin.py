"""The endpoints below /sandbox, which Auth0 does not have: inspect the sandbox and change its behaviour.

The endpoints below /sandbox need no token. So the endpoints refuse requests from web pages and requests with a foreign
host name.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from auth0_sandbox.control import Control
from auth0_sandbox.errors import FileError, SandboxError
from auth0_sandbox.faults.plan import NO_FAULTS, parse_faults
from auth0_sandbox.requests.hosts import is_local
from auth0_sandbox.requests.responses import RefusalError, SandboxResponse, bad_request, ok, refusal
from auth0_sandbox.server.wire import JSON

PREFIX = "/sandbox"
Action = Callable[[Request], Awaitable[object]]


def routes(control: Control) -> list[BaseRoute]:
    """Return the routes of all endpoints below /sandbox. Each route returns JSON."""

    async def statistics(_: Request) -> object:
        return control.statistics.data()

    async def state(_: Request) -> object:
        return control.state()

    async def reset(_: Request) -> object:
        control.reset()
        return {"reset": True}

    async def faults(_: Request) -> object:
        return control.faults()

    async def set_faults(request: Request) -> object:
        control.set_faults(parse_faults(await request.body()))
        return control.faults()

    async def clear_faults(_: Request) -> object:
        control.set_faults(NO_FAULTS)
        return control.faults()

    return [
        _route("GET", "/statistics", statistics),
        _route("GET", "/state", state),
        _route("POST", "/reset", reset),
        _route("GET", "/faults", faults),
        _route("PUT", "/faults", set_faults),
        _route("DELETE", "/faults", clear_faults),
    ]


def _route(method: str, path: str, action: Action) -> Route:
    async def respond(request: Request) -> Response:
        try:
            _refuse_strangers(request)
            return _response(ok(await action(request)))
        except RefusalError as error:
            return _response(error.answer)
        except FileError as error:
            problems = [str(problem) for problem in error.problems]
            return _response(refusal(HTTPStatus.BAD_REQUEST, str(error), problems=problems).answer)
        except SandboxError as error:
            return _response(bad_request(str(error)).answer)

    return Route(PREFIX + path, respond, methods=[method])


def _refuse_strangers(request: Request) -> None:
    """Refuse a request from a web page, and a request with a foreign host name."""
    if "origin" in request.headers or not is_local(request.headers.get("host", "")):
        raise refusal(HTTPStatus.FORBIDDEN, "only programs on this machine may call this endpoint")


def _response(answer: SandboxResponse) -> Response:
    return Response(answer.text, answer.status, headers=dict(answer.headers), media_type=JSON)
