"""Requests to the Management API: authenticated, rate-limited, and repeated if that is safe."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from reconciler.auth0.credentials import Credentials
from reconciler.auth0.errors import TRANSIENT, NoTokenError, NotSentError, UnknownOutcomeError
from reconciler.auth0.exchange import TenantResponse, exchange
from reconciler.auth0.rate_limit import WHOLE_TENANT, RateLimiter, RateOptions, Slot
from reconciler.auth0.tokens import TokenSource
from reconciler.errors import ReconcilerError
from reconciler.http.retry import RetryPolicy, retry
from reconciler.http.retry_hints import parse_rate_limit_headers
from reconciler.redaction import Secrets

T = TypeVar("T")

API = "/api/v2"
UNTOLD_WAIT_SECONDS = (0.5, 2.0)
"""The range of the delay after a 429 without a requested delay."""
WITHOUT_EFFECT = frozenset({httpx.codes.UNAUTHORIZED, httpx.codes.TOO_MANY_REQUESTS})
"""Statuses that the tenant returns before it executes a request."""
CORRELATION_HEADER = "X-Correlation-ID"


async def nothing() -> None:
    """Do nothing."""


def accept(token: str) -> None:
    """Accept any access token."""


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Callbacks of a write.

    `correlation` appears in the tenant's logs. `before_send` is awaited right before sending.

    `without_effect` is called when the last request certainly had no effect.
    """

    correlation: str = ""
    leaving: Callable[[], Awaitable[None]] = nothing
    without_effect: Callable[[], None] = lambda: None


NO_CONTEXT = RequestContext()


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request to the API. `path` is relative to /api/v2."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] | None = None
    mark: RequestContext = NO_CONTEXT

    @property
    def family(self) -> str:
        """The group that shares a rate limit. Grants of an organization have their own limits per method.

        The organizations of a grant have no limit of their own, like all paths that start with the grants.
        """
        collection, *inner = self.path.split("/")
        return f"{self.method} {collection}/{inner[1]}" if inner[1:] and collection != WHOLE_TENANT else collection

    @property
    def writes(self) -> bool:
        """Whether the request may change something."""
        return self.method != "GET"


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """The rate limits and the retry policy of a client."""

    pacing: RateOptions = field(default_factory=RateOptions)
    persistence: RetryPolicy = field(default_factory=RetryPolicy)


class Management:
    """Sends requests to a tenant's Management API.

    `check_token` receives each access token before it is sent to the API and may refuse it with a ReconcilerError.
    `secrets` are the secrets of the run. Fetched tokens are added to them.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        credentials: Credentials,
        manner: ClientOptions,
        check_token: Callable[[str], None],
        secrets: Secrets,
    ) -> None:
        self._http = http
        self._secrets = secrets
        self._check_token = check_token
        self._checked = ""
        self._pace = RateLimiter(manner.pacing, manner.persistence.deadline)
        self._persistence = manner.persistence
        self._tokens = TokenSource(credentials, self._post_form, manner.persistence, secrets)

    @property
    def token(self) -> str:
        """The current access token."""
        return self._tokens.current

    async def call(self, call: ApiRequest, understand: Callable[[TenantResponse], T]) -> T:
        """Send a request and return the result of `understand` for its response.

        A request that was not sent or was rate-limited is repeated. A request that may have taken effect is only
        repeated if it reads.

        Raises:
            RefusedCallError: if the tenant refuses the request.
            NotSentError, RateLimitedError, UnknownOutcomeError: after all attempts, or at once for a write with a
                lost response.
        """
        return await retry(
            lambda: self._once(call, understand),
            self._persistence,
            TRANSIENT,
            should_retry=lambda error: not (call.writes and isinstance(error, UnknownOutcomeError)),
        )

    async def _once(self, call: ApiRequest, understand: Callable[[TenantResponse], T]) -> T:
        token = await self._token()
        answer = await self._paced(call, token)
        if answer.status == httpx.codes.UNAUTHORIZED and self._tokens.renewable:
            answer = await self._paced(call, await self._token(refused=token))
        return understand(answer)

    async def _token(self, refused: str = "") -> str:
        """Return a token that `check_token` has accepted.

        Raises:
            ReconcilerError: if the first token is refused. Nothing was written.
            NoTokenError: if a later token is refused, or there is none.
        """
        token = await self._tokens.give(refused=refused)
        if token != self._checked:
            try:
                self._check_token(token)
            except ReconcilerError as error:
                if self._checked:
                    raise NoTokenError(str(error)) from error
                raise
            self._checked = token
        return token

    async def _paced(self, call: ApiRequest, token: str) -> TenantResponse:
        request = self._request(call, token)
        async with self._pace.turn(call.family) as turn:
            await call.mark.leaving()
            try:
                answer = await exchange(self._http, request, self._secrets)
            except NotSentError:
                call.mark.without_effect()
                raise
            if answer.status in WITHOUT_EFFECT:
                call.mark.without_effect()
            self._report(answer, turn)
            return answer

    def _report(self, answer: TenantResponse, turn: Slot) -> None:
        said = parse_rate_limit_headers(answer.headers)
        turn.hear(said)
        if answer.status == httpx.codes.TOO_MANY_REQUESTS:
            turn.refuse(said, otherwise=self._persistence.jitter(*UNTOLD_WAIT_SECONDS))

    def _request(self, call: ApiRequest, token: str) -> httpx.Request:
        headers = {"Authorization": f"Bearer {token}"}
        if call.mark.correlation:
            headers[CORRELATION_HEADER] = call.mark.correlation
        content: dict[str, Any] = {} if call.body is None else {"json": call.body}
        url = f"{API}/{call.path}"
        try:
            return self._http.build_request(call.method, url, params=call.query, headers=headers, **content)
        except (ValueError, httpx.InvalidURL) as error:
            raise NotSentError(f"{call.method} {API}/{call.family}: HTTP cannot carry this request") from error

    async def _post_form(self, path: str, form: dict[str, str]) -> TenantResponse:
        return await exchange(self._http, self._http.build_request("POST", path, data=form), self._secrets)
