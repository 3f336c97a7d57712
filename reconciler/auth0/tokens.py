"""Fetch access tokens for one tenant. The tokens exist only in memory.

reconciler fetches a token before the first request and renews the token before it expires.
"""

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
from reconciler.http.retry import AFTER_DEADLINE, RetryPolicy, retry
from reconciler.redaction import Secrets

TOKEN_PATH = "/oauth/token"  # noqa: S105 - this is a path, not a secret
RENEWAL_MARGIN_SECONDS = 60.0
"""The time between the renewal and the expiry of a token, in seconds. An expired token is never sent."""
DEFAULT_LIFETIME_SECONDS = 86_400
"""The assumed lifetime of a token in seconds if the response contains no valid lifetime.

If a token expires earlier than assumed, the tenant responds with status 401, and reconciler fetches a new token.
"""
MAX_LIFETIME_SECONDS = 2_592_000
"""The maximum accepted lifetime of a token in seconds. Auth0 allows a token lifetime of at most 30 days."""

Post = Callable[[str, dict[str, str]], Awaitable[TenantResponse]]
"""A function that sends a form to a path of the tenant and returns the response."""


@dataclass(frozen=True, slots=True)
class _CachedToken:
    token: str = field(repr=False)
    expires_at: float


class TokenSource:
    """Provides access tokens.

    If several requests need a new token at the same time, reconciler sends only one token request.

    The class adds every secret (credential, assertion or token) to `secrets` before the first request with the secret.
    """

    def __init__(self, credentials: Credentials, post: Post, retry_policy: RetryPolicy, secrets: Secrets) -> None:
        secrets.add(*secrets_of(credentials))
        self._secrets = secrets
        self._fixed_token = credentials.token if isinstance(credentials, AccessToken) else ""
        self._credentials = None if isinstance(credentials, AccessToken) else credentials
        self._post = post
        self._retry_policy = retry_policy
        self._cached: _CachedToken | None = None
        self._lock = asyncio.Lock()

    def __repr__(self) -> str:
        return "TokenSource()"

    @property
    def renewable(self) -> bool:
        """True if reconciler has credentials to fetch a new token."""
        return self._credentials is not None

    @property
    def current(self) -> str:
        """The last access token, or an empty string before the first token request."""
        return self._cached.token if self._cached else self._fixed_token

    async def get(self, refused: str = "") -> str:
        """Return an access token. `refused` is a token that the tenant has refused, or an empty string.

        If reconciler has credentials, `get` never returns the token `refused`, but fetches a new token.

        Raises:
            NoTokenError: if the tenant does not issue a token.
            ReconcilerError: if the credentials cannot be used.
        """
        if self._credentials is None:
            return self._fixed_token
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if self._cached is None or self._cached.token == refused or self._cached.expires_at <= now:
                self._cached = await self._fetch_with_retries(self._credentials, now)
            return self._cached.token

    async def _fetch_with_retries(self, credentials: ClientSecret | PrivateKey, now: float) -> _CachedToken:
        try:
            return await retry(partial(self._fetch, credentials, now), self._retry_policy, TRANSIENT)
        except Auth0Error as error:
            raise NoTokenError(str(error), self._advice(credentials, error)) from error

    def _advice(self, credentials: ClientSecret | PrivateKey, error: Auth0Error) -> str:
        attempts = self._retry_policy.attempts
        is_late = AFTER_DEADLINE in str(error)
        if isinstance(error, TRANSIENT) and not isinstance(error, RateLimitedError) and attempts > 1 and not is_late:
            return f"tried {attempts} times; check the network with `reconciler doctor`"
        return _advice(credentials, error)

    async def _fetch(self, credentials: ClientSecret | PrivateKey, now: float) -> _CachedToken:
        """Request a token. Each request for a token needs a new assertion, because an assertion is valid only once."""
        form = _form(credentials)
        self._secrets.add(form.get("client_assertion", ""))
        cached = _parse_token(await self._post(TOKEN_PATH, form), now)
        self._secrets.add(cached.token)
        return cached


def _form(credentials: ClientSecret | PrivateKey) -> dict[str, str]:
    form = {"grant_type": "client_credentials", "client_id": credentials.client_id, "audience": credentials.audience}
    match credentials:
        case ClientSecret():
            return {**form, "client_secret": credentials.client_secret}
        case PrivateKey():
            return {
                **form,
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": assertion(credentials, time.time()),
            }


def _advice(credentials: ClientSecret | PrivateKey, error: Auth0Error) -> str:
    """Return advice for the user after `error`, or an empty string if the cause of the error is unknown."""
    names = credentials.prefix
    match error:
        case RefusedCallError(status=401):
            secret_label = f"{names}CLIENT_SECRET" if isinstance(credentials, ClientSecret) else "the private key"
            return f"check {names}CLIENT_ID and {secret_label}: they do not belong to an application of this tenant"
        case RefusedCallError(status=403):
            return (
                f"let the application of {names}CLIENT_ID use client credentials, and authorize it for the Management "
                f"API {credentials.audience}; if this is the wrong Management API, correct "
                f"canonical_domain in the configuration, or set {names}AUDIENCE if you do not use canonical_domain"
            )
        case RateLimitedError():
            return "the tenant issues no more tokens for now: try again later"
        case _:
            return ""


def _parse_token(response: TenantResponse, now: float) -> _CachedToken:
    content = response.json()
    token = content.get("access_token") if isinstance(content, dict) else None
    if not is_token(token):
        raise UnreadableError(f"{response.call}: the response does not contain a valid access token")
    seconds = count(content, "expires_in", MAX_LIFETIME_SECONDS) or DEFAULT_LIFETIME_SECONDS
    return _CachedToken(token, now + max(seconds - RENEWAL_MARGIN_SECONDS, seconds / 2))
