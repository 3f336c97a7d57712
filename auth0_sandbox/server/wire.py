"""Convert replies to ASGI responses, with the headers of every response and with broken connections."""

import secrets
from email.utils import formatdate

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from auth0_sandbox.requests.rate_limits import BucketLevel
from auth0_sandbox.requests.traffic import Reply

BREAK = "sandbox.break"
"""The type of a message that breaks the connection, with a reset if `at_once` is true. ASGI lacks the message."""

JSON = "application/json; charset=utf-8"
REQUEST_ID_BYTES = 10


class BreakingResponse(Response):
    """A response that is followed by a break of the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Send the content, announce more content, and request the break of the connection."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        await send({"type": BREAK, "at_once": False})


class NoResponse(Response):
    """A break of the connection without a response."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Request the break of the connection."""
        await send({"type": BREAK, "at_once": True})


def response(reply: Reply, level: BucketLevel, now: float) -> Response:
    """Return the reply as an ASGI response. The date is `now` (UNIX seconds) plus the skew of the reply."""
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
