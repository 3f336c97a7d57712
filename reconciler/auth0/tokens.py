"""Access tokens of one tenant and run, in memory only. They are fetched on first use and renewed before they expire."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from reconciler.auth0.credentials import (
    ASSERTION_TYPE,
    AccessToken,
    ClientSecret,
    Credentials,
    PrivateKey,
    assertion,
    is_token,
    secrets_of,
)
from reconciler.auth0.errors import (
    TRANSIENT,
    Auth0Error,
    NoTokenError,
    RateLimitedError,
    RefusedCallError,
    UnreadableError,
)
from reconciler.auth0.exchange import TenantResponse
from reconciler.auth0.wire import count
from reconciler.http.retry import RetryPolicy, retry
from reconciler.redaction import Secrets

TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path, no secret
EARLY_SECONDS = 60.0
"""Tokens are renewed this early, so that no request is sent with an expired token."""
DEFAULT_LIFETIME_SECONDS = 86_400
"""The lifetime if a response has no valid one. A token that expires earlier is renewed after a 401."""
LONGEST_LIFETIME_SECONDS = 2_592_000
"""Auth0 allows at most 30 days."""

Post = Callable[[str, dict[str, str]], Awaitable[TenantResponse]]
"""Sends a form to a path of the tenant and returns the response."""


@dataclass(frozen=True, slots=True)
class _CachedToken:
    token: str = field(repr=False)
    until: float


class TokenSource:
    """Provides tokens. Requests that need a new token at the same time share one fetch.

    Everything that is sent or fetched is added to `secrets` first.
    """

    def __init__(self, credentials: Credentials, post: Post, persistence: RetryPolicy, secrets: Secrets) -> None:
        secrets.add(*secrets_of(credentials))
        self._secrets = secrets
        self._ready = credentials.token if isinstance(credentials, AccessToken) else ""
        self._source = None if isinstance(credentials, AccessToken) else credentials
        self._post = post
        self._persistence = persistence
        self._held: _CachedToken | None = None
        self._asking = asyncio.Lock()

    def __repr__(self) -> str:
        return "Tokens()"

    @property
    def renewable(self) -> bool:
        """Whether a refused token can be replaced."""
        return self._source is not None

    @property
    def current(self) -> str:
        """The last token, or an empty text before the first request."""
        return self._held.token if self._held else self._ready

    async def give(self, refused: str = "") -> str:
        """Return a token. It differs from `refused` if tokens can be renewed.

        Raises:
            NoTokenError: if the tenant does not issue one.
            ReconcilerError: if the credentials cannot be used.
        """
        if self._source is None:
            return self._ready
        async with self._asking:
            now = asyncio.get_running_loop().time()
            if self._held is None or self._held.token == refused or self._held.until <= now:
                self._held = await self._fetched(self._source, now)
            return self._held.token

    async def _fetched(self, source: ClientSecret | PrivateKey, now: float) -> _CachedToken:
        try:
            return await retry(partial(self._fetch, source, now), self._persistence, TRANSIENT)
        except Auth0Error as error:
            raise NoTokenError(str(error), _advice(source, error)) from error

    async def _fetch(self, source: ClientSecret | PrivateKey, now: float) -> _CachedToken:
        """Request a token. An assertion is signed for each request, because it is valid for one request."""
        form = _form(source)
        self._secrets.add(form.get("client_assertion", ""))
        held = _held(await self._post(TOKEN_PATH, form), now)
        self._secrets.add(held.token)
        return held


def _form(source: ClientSecret | PrivateKey) -> dict[str, str]:
    form = {"grant_type": "client_credentials", "client_id": source.client_id, "audience": source.audience}
    match source:
        case ClientSecret():
            return {**form, "client_secret": source.client_secret}
        case PrivateKey():
            return {**form, "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion(source, time.time())}


def _advice(source: ClientSecret | PrivateKey, error: Auth0Error) -> str:
    """Return what to do if the tenant refuses these credentials, or an empty text if the cause may be different."""
    names = source.prefix
    match error:
        case RefusedCallError(status=401):
            proof = f"{names}CLIENT_SECRET" if isinstance(source, ClientSecret) else "the private key"
            return f"check {names}CLIENT_ID and {proof}: they do not belong to an application of this tenant"
        case RefusedCallError(status=403):
            return (
                f"let the application of {names}CLIENT_ID use client credentials, and authorize it for the Auth0 "
                f"Management API; behind a custom domain, set {names}AUDIENCE"
            )
        case RateLimitedError():
            return "the tenant issues no more tokens for now: try again later"
        case _:
            return ""


def _held(answer: TenantResponse, now: float) -> _CachedToken:
    content = answer.json()
    token = content.get("access_token") if isinstance(content, dict) else None
    if not is_token(token):
        raise UnreadableError(f"{answer.call}: the response does not contain a valid access token")
    seconds = count(content, "expires_in", LONGEST_LIFETIME_SECONDS) or DEFAULT_LIFETIME_SECONDS
    return _CachedToken(token, now + max(seconds - EARLY_SECONDS, seconds / 2))
