"""Pure: a request as it came in and a reply as it goes out, which is all that faults and limits ever see."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from auth0_sandbox.requests.responses import SandboxResponse, oauth_refusal, phrase, refusal
from auth0_sandbox.settings import Settings
from auth0_sandbox.store.database import Store

ANY = "*"
API = "/api/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A request, unchecked, and the circumstances that it meets.

    `pattern` is the endpoint's path (`/api/v2/clients/{id}`), `path` the one that was asked for. `store` is the state
    that it works on, `now` the tenant's time and `token_time` the time its token is checked by, in UNIX seconds.
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
    authorization: str | None = None
    content_type: str = ""
    body: bytes = b""

    def asked(self, name: str) -> str | None:
        """Return the first value of a query parameter."""
        return next((value for key, value in self.query if key == name), None)

    def is_for(self, method: str, path: str) -> bool:
        """Tell whether method and path, of which either may have wildcards as file names do, mean this request."""
        same_method = method in {ANY, self.method}
        return same_method and any(fnmatchcase(each, path) for each in (self.pattern, self.path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes back. Nothing does if `dropped`: the connection breaks.

    It breaks, too, behind a `content` that is shorter than `length`, which is what the head promises (None: as long as
    it is). `headers` replace the standard ones; None takes one away. `skew` is by how many seconds the clock that dates
    the reply is off.
    """

    status: int = 0
    content: bytes = b""
    headers: Mapping[str, str | None] = field(default_factory=dict)
    length: int | None = None
    dropped: bool = False
    skew: float = 0


DROPPED = Reply(dropped=True)
Handle = Callable[[Arrival], SandboxResponse]
Proceed = Callable[[Arrival], Awaitable[Reply]]


def reply(answer: SandboxResponse) -> Reply:
    """Return the whole answer as a reply."""
    return Reply(status=answer.status, content=answer.text.encode(), headers=dict(answer.headers))


def error_answer(arrival: Arrival, status: int, message: str, code: str | None = None) -> SandboxResponse:
    """Return an error in the shape of whichever API was asked: the Management API's, or that of /oauth/token."""
    if arrival.path.startswith(API):
        return refusal(status, message, code).answer
    return oauth_refusal(status, code or phrase(status).lower().replace(" ", "_"), message).answer
