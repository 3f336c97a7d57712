"""Authentication as httpx knows it: every call carries a bearer token, fetched once when it is first needed."""

import asyncio
from collections.abc import AsyncGenerator

import httpx

from reconciler.auth0.answers import refusal
from reconciler.auth0.credentials import AccessToken, ClientSecret, Credentials
from reconciler.auth0.errors import UnreadableError

TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path, no secret


class BearerToken(httpx.Auth):
    """Adds the token to each request; with client credentials it asks the tenant for one first, in memory only."""

    requires_response_body = True

    def __init__(self, credentials: Credentials, base_url: httpx.URL) -> None:
        self._credentials = credentials
        self._token_url = base_url.join(TOKEN_PATH)
        self._token = credentials.token if isinstance(credentials, AccessToken) else None
        self._asking = asyncio.Lock()

    def __repr__(self) -> str:
        return "BearerToken()"

    @property
    def token(self) -> str:
        """The token in use; empty before the first call."""
        return self._token or ""

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Yield the request for a token where there is none yet, then `request` with it.

        Raises:
            RefusedCallError, UnreadableError: if the tenant gives no token.
        """
        async with self._asking:
            if self._token is None and isinstance(self._credentials, ClientSecret):
                response = yield _token_request(self._token_url, self._credentials)
                await response.aread()
                self._token = _token_of(response)
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def _token_request(url: httpx.URL, credentials: ClientSecret) -> httpx.Request:
    form = {
        "grant_type": "client_credentials",
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
        "audience": credentials.audience,
    }
    return httpx.Request("POST", url, data=form)


def _token_of(response: httpx.Response) -> str:
    if response.status_code != httpx.codes.OK:
        raise refusal(response)
    try:
        token = response.json()["access_token"]
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableError(f"POST {TOKEN_PATH}: the answer holds no access token") from error
    return str(token)
