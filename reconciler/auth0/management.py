"""Send requests to the Management API with an access token, rate limits and retries."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from reconciler.auth0.credentials import Credentials
from reconciler.auth0.errors import (
    TRANSIENT,
    NoTokenError,
    NotSentError,
    UnknownOutcomeError,
)
from reconciler.auth0.exchange import TenantResponse, exchange
from reconciler.auth0.rate_limit import WHOLE_TENANT, RateLimiter, RateOptions, Slot
from reconciler.auth0.tokens import TokenSource
from reconciler.errors import ReconcilerError
from reconciler.http.retry import AFTER_DEADLINE, RetryPolicy, retry
from reconciler.http.retry_hints import parse_rate_limit_headers
from reconciler.redaction import Secrets

T = TypeVar("T")

API = "/api/v2"
DEFAULT_RATE_LIMIT_DELAY_SECONDS = (0.5, 2.0)
"""The minimum and maximum delay in seconds after a response with status 429 that does not request a delay."""
STATUSES_WITHOUT_EFFECT = frozenset({httpx.codes.UNAUTHORIZED, httpx.codes.TOO_MANY_REQUESTS})
"""The status codes of responses which prove that the tenant did not execute the request."""
CORRELATION_HEADER = "X-Correlation-ID"


async def do_nothing() -> None:
    """Do nothing."""


def accept_any_token(token: str) -> None:
    """Accept any access token."""


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The id of a write request, and the functions that are called before and after the request.

    Auth0 writes `correlation` to the tenant's logs. The client awaits `before_send` before each request. The client
    calls `without_effect` after each request that is known not to have changed the tenant.
    """

    correlation: str = ""
    before_send: Callable[[], Awaitable[None]] = do_nothing
    without_effect: Callable[[], None] = lambda: None


NO_CONTEXT = RequestContext()


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request to the Management API. `path` is relative to /api/v2."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] | None = None
    context: RequestContext = NO_CONTEXT

    @property
    def family(self) -> str:
        """The name of the rate limit that applies to the method and path of the request.

        Auth0 limits the requests for the grants of an organization separately for each method. Requests to
        `client-grants` count only against the rate limit of the whole tenant.
        """
        collection, *inner = self.path.split("/")
        return f"{self.method} {collection}/{inner[1]}" if inner[1:] and collection != WHOLE_TENANT else collection

    @property
    def buckets(self) -> tuple[str, ...]:
        """The names of the token buckets that limit the request."""
        return (self.family,) if self.family == WHOLE_TENANT else (self.family, WHOLE_TENANT)

    @property
    def writes(self) -> bool:
        """True if the request may change data in the tenant."""
        return self.method != "GET"


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """The rate limits and the number of retries of a client.

    `token_limiter` limits the requests for access tokens. All tenants of a private cloud share one `token_limiter`. If
    `token_limiter` is None, the client creates a rate limiter for access-token requests.
    """

    rate_options: RateOptions = field(default_factory=RateOptions)
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    token_limiter: RateLimiter | None = None


class Management:
    """Sends requests to the Management API of a tenant.

    `check_token` receives each access token before the token is sent to the API, and may refuse the token with a
    ReconcilerError. `secrets` are the secrets of this run, for example tokens. The class adds fetched access tokens to
    `secrets`.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        credentials: Credentials,
        client_options: ClientOptions,
        check_token: Callable[[str], None],
        secrets: Secrets,
    ) -> None:
        self._http = http
        self._secrets = secrets
        self._check_token = check_token
        self._checked_token = ""
        self._rate_limiter = RateLimiter(client_options.rate_options)
        self._token_limiter = client_options.token_limiter or RateLimiter(client_options.rate_options)
        self._retry_policy = client_options.retry_policy
        self._tokens = TokenSource(credentials, self._post_form, client_options.retry_policy, secrets)

    @property
    def token(self) -> str:
        """The access token of the latest request, or an empty string before the first request."""
        return self._tokens.current

    async def sign_in(self) -> None:
        """Get an access token if the client has no token yet. Raises Auth0Error or ReconcilerError."""
        await self._token()

    def show_progress(self, text: str) -> None:
        """Show a short progress message to the user who waits for the request."""
        self._retry_policy.progress(text)

    async def call(self, api_request: ApiRequest, parse_response: Callable[[TenantResponse], T]) -> T:
        """Send a request, pass the response to `parse_response`, and return the result of `parse_response`.

        Repeat a request that was not sent, or that the tenant refused because of the rate limit. If the outcome of a
        request is unknown, repeat the request only if the request does not change the tenant.

        Raises:
            RefusedCallError: if the tenant refuses the request.
            NotSentError, RateLimitedError: if the last attempt was not sent, or was refused because of the rate limit.
            UnknownOutcomeError: if the outcome of a write is unknown, or if the outcome of a read is still unknown
                after the last attempt.
        """
        try:
            return await retry(
                lambda: self._send_once(api_request, parse_response),
                self._retry_policy,
                TRANSIENT,
                should_retry=lambda error: not (api_request.writes and isinstance(error, UnknownOutcomeError)),
            )
        except NotSentError as error:
            attempts = self._retry_policy.attempts
            if attempts > 1 and not api_request.writes and AFTER_DEADLINE not in str(error):
                error.args = (f"{error}; tried {attempts} times; check the network with `reconciler doctor`",)
            raise

    async def _send_once(self, api_request: ApiRequest, parse_response: Callable[[TenantResponse], T]) -> T:
        token = await self._token()
        response = await self._send_within_rate_limit(api_request, token)
        if response.status == httpx.codes.UNAUTHORIZED and self._tokens.renewable:
            response = await self._send_within_rate_limit(api_request, await self._token(refused=token))
        elif response.status == httpx.codes.UNAUTHORIZED:
            error = response.error_for_status()
            error.args = (f"{error}; the access token of the environment has expired or is not valid: get a new one",)
            raise error
        return parse_response(response)

    async def _token(self, refused: str = "") -> str:
        """Return an access token that `check_token` has accepted.

        Raises:
            ReconcilerError: if `check_token` refuses the first token of the run, before any request to the Management
                API is sent.
            NoTokenError: if `check_token` refuses a renewed access token, or if no token can be fetched.
        """
        token = await self._tokens.get(refused=refused)
        if token != self._checked_token:
            try:
                self._check_token(token)
            except ReconcilerError as error:
                if self._checked_token:
                    raise NoTokenError(str(error)) from error
                raise
            self._checked_token = token
        return token

    async def _send_within_rate_limit(self, api_request: ApiRequest, token: str) -> TenantResponse:
        request = self._request(api_request, token)
        deadline = self._retry_policy.deadline
        async with self._rate_limiter.acquire(*api_request.buckets, deadline=deadline) as slot:
            await api_request.context.before_send()
            try:
                response = await exchange(self._http, request, self._secrets)
            except NotSentError:
                api_request.context.without_effect()
                raise
            if response.status in STATUSES_WITHOUT_EFFECT:
                api_request.context.without_effect()
            self._record_response(response, slot)
            return response

    def _record_response(self, response: TenantResponse, slot: Slot) -> None:
        headers = parse_rate_limit_headers(response.headers)
        slot.record_response(headers)
        if response.status == httpx.codes.TOO_MANY_REQUESTS:
            slot.record_rate_limited(
                headers, default_delay=self._retry_policy.jitter(*DEFAULT_RATE_LIMIT_DELAY_SECONDS)
            )

    def _request(self, api_request: ApiRequest, token: str) -> httpx.Request:
        headers = {"Authorization": f"Bearer {token}"}
        if api_request.context.correlation:
            headers[CORRELATION_HEADER] = api_request.context.correlation
        content: dict[str, Any] = {} if api_request.body is None else {"json": api_request.body}
        url = f"{API}/{api_request.path}"
        try:
            return self._http.build_request(
                api_request.method, url, params=api_request.query, headers=headers, **content
            )
        except (ValueError, httpx.InvalidURL) as error:
            raise NotSentError(
                f"{api_request.method} {API}/{api_request.family}: the request is not valid HTTP"
            ) from error

    async def _post_form(self, path: str, form: dict[str, str]) -> TenantResponse:
        async with self._token_limiter.acquire(path, deadline=self._retry_policy.deadline) as slot:
            request = self._http.build_request("POST", path, data=form)
            response = await exchange(self._http, request, self._secrets)
            self._record_response(response, slot)
            return response
