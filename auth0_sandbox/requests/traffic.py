"""Requests and replies in the form that faults and rate limits use."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from auth0_sandbox.requests.calls import RequestSender
from auth0_sandbox.requests.responses import SandboxResponse, oauth_refusal, phrase, refusal
from auth0_sandbox.settings import Settings
from auth0_sandbox.store.database import Store

ANY = "*"
API = "/api/"


@dataclass(frozen=True, slots=True, kw_only=True)
class UncheckedRequest:
    """A request before any check, with its context.

    `pattern` is the endpoint's path (`/api/v2/clients/{id}`), and `path` is the requested path. `store` is the state
    for the request. `now` is the tenant's time, and `token_time` is the time for the check of the token, in UNIX
    seconds.
    """

    method: str
    pattern: str
    path: str
    store: Store
    settings: Settings
    now: float
    token_time: float
    parameters: Mapping[str, str] = field(default_factory=dict)
    query: tuple[tuple[str, str], ...] = ()
    host: str = ""
    sender: RequestSender = field(default_factory=RequestSender)
    authorization: str | None = None
    content_type: str = ""
    body: bytes = b""

    def query_value(self, name: str) -> str | None:
        """Return the first value of a query parameter, or None."""
        return next((value for key, value in self.query if key == name), None)

    def is_for(self, method: str, path: str) -> bool:
        """Return whether the request matches a method and a path. The path may contain wildcards, as in file names."""
        same_method = method in {ANY, self.method}
        return same_method and any(fnmatchcase(each, path) for each in (self.pattern, self.path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply to a request. If `dropped` is true, the connection breaks without a reply.

    `length` is the promised length of the body, or None for the real length. The connection also breaks after a
    `content` shorter than `length`. `headers` replace standard headers, and the value None removes a header. `skew` is
    the error of the clock in seconds.
    """

    status: int = 0
    content: bytes = b""
    headers: Mapping[str, str | None] = field(default_factory=dict)
    length: int | None = None
    dropped: bool = False
    skew: float = 0


DROPPED = Reply(dropped=True)
Handle = Callable[[UncheckedRequest], SandboxResponse]
Proceed = Callable[[UncheckedRequest], Awaitable[Reply]]


def reply(answer: SandboxResponse) -> Reply:
    """Return the complete response as a reply."""
    return Reply(status=answer.status, content=answer.text.encode(), headers=dict(answer.headers))


def error_answer(request: UncheckedRequest, status: int, message: str, code: str | None = None) -> SandboxResponse:
    """Return an error in the form of the requested API: the Management API or /oauth/token."""
    if request.path.startswith(API):
        return refusal(status, message, code).answer
    return oauth_refusal(status, code or phrase(status).lower().replace(" ", "_"), message).answer
