"""Convert replies to ASGI responses: the headers of every response, and the ways to break a connection."""

import secrets
from email.utils import formatdate

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from auth0_sandbox.requests.rate_limits import BucketLevel
from auth0_sandbox.requests.traffic import Reply

BREAK = "sandbox.break"  # a message that is not in ASGI: break the connection, with a reset if `at_once`
JSON = "application/json; charset=utf-8"
REQUEST_ID_BYTES = 10


class BreakingResponse(Response):
    """A response after which the connection breaks."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Send the content as if more followed, then request the break."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        await send({"type": BREAK, "at_once": False})


class NoResponse(Response):
    """A connection that breaks before a response."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Request the break."""
        await send({"type": BREAK, "at_once": True})


def response(reply: Reply, level: BucketLevel, now: float) -> Response:
    """Return the reply as an ASGI response, dated `now` (UNIX seconds) plus its skew."""
    if reply.dropped:
        return NoResponse()
    headers = {
        name: text
        for name, text in (_standard(level, now, reply.skew) | dict(reply.headers)).items()
        if text is not None
    }
    if reply.length is None:
        return Response(reply.content, reply.status, headers)
    return BreakingResponse(reply.content, reply.status, headers | {"content-length": str(reply.length)})


def _standard(level: BucketLevel, now: float, skew: float) -> dict[str, str | None]:
    return {
        "content-type": JSON,
        "date": formatdate(now + skew, usegmt=True),
        "x-ratelimit-limit": str(level.limit),
        "x-ratelimit-remaining": str(level.remaining),
        "x-ratelimit-reset": str(level.reset + int(skew)),
        "x-auth0-requestid": secrets.token_hex(REQUEST_ID_BYTES),
    }
