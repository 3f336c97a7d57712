"""Send the requests of `reconciler doctor` to a tenant. `reconciler doctor` does not repeat a failed request.

The times and the certificate of a connection come from `trace`, an extension of httpx. The documentation of httpcore
describes the events that `trace` reports.
"""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from reconciler.auth0.credentials import Credentials
from reconciler.auth0.exchange import TenantResponse, exchange
from reconciler.auth0.management import API
from reconciler.auth0.tokens import TokenSource
from reconciler.http.retry import RetryPolicy
from reconciler.http.retry_hints import RateLimitHeaders, parse_rate_limit_headers
from reconciler.redaction import Secrets

LISTING = f"{API}/client-grants"
ONCE = RetryPolicy(attempts=1)


@dataclass(frozen=True, slots=True)
class Certificate:
    """The TLS version of a connection, and the time in UNIX seconds at which the tenant's certificate expires."""

    version: str
    expires: float


@dataclass(frozen=True, slots=True)
class FirstResponse:
    """The response to a request without credentials, with the local times of sending and receiving.

    `date` is the time in the response header `date` as a UNIX timestamp, or None if the header is missing.
    `certificate` is None if the connection does not use TLS.
    """

    sent: float
    received: float
    date: float | None
    certificate: Certificate | None = None


class Probe:
    """Sends the requests of `reconciler doctor` with the HTTP settings of all other commands."""

    def __init__(self, http: httpx.AsyncClient, secrets: Secrets, clock: Callable[[], float] = time.time) -> None:
        self._http = http
        self._secrets = secrets
        self._clock = clock

    async def send_first_request(self) -> FirstResponse:
        """Send a request without credentials. Accept a response with any status.

        Raises NotSentError or UnknownOutcomeError if the response is missing or incomplete.
        """
        trace = _ConnectionTrace(self._clock)
        request = self._http.build_request("GET", LISTING, params={"take": "1"}, extensions={"trace": trace.record})
        response = await exchange(self._http, request, self._secrets)
        return FirstResponse(
            trace.sent, self._clock(), parse_rate_limit_headers(response.headers).date, trace.certificate
        )

    async def token(self, credentials: Credentials) -> str:
        """Get an access token with `credentials`.

        Raises NoTokenError, or ReconcilerError if the credentials cannot be used.
        """
        return await TokenSource(credentials, self._post_form, ONCE, self._secrets).get()

    async def list_grants(self, token: str) -> tuple[TenantResponse, RateLimitHeaders]:
        """Request one grant. Return the response with any status, and the parsed rate-limit headers of the response.

        Raises:
            NotSentError, UnknownOutcomeError: if the response is missing or incomplete.
        """
        headers = {"Authorization": f"Bearer {token}"}
        request = self._http.build_request("GET", LISTING, params={"take": "1"}, headers=headers)
        response = await exchange(self._http, request, self._secrets)
        return response, parse_rate_limit_headers(response.headers)

    async def _post_form(self, path: str, form: dict[str, str]) -> TenantResponse:
        return await exchange(self._http, self._http.build_request("POST", path, data=form), self._secrets)


class _ConnectionTrace:
    """Records the time at which httpx sends a request, and the certificate of the server."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.sent = clock()
        self.certificate: Certificate | None = None

    async def record(self, event: str, info: dict[str, Any]) -> None:
        """Record the time when httpx starts to send the request. Record the certificate when the TLS handshake ends."""
        if event.endswith("send_request_headers.started"):
            self.sent = self._clock()
        if event.endswith("start_tls.complete"):
            connection: ssl.SSLObject = info["return_value"].get_extra_info("ssl_object")
            shown = connection.getpeercert() or {}  # the TLS handshake has already verified the certificate
            expires = float(ssl.cert_time_to_seconds(str(shown["notAfter"])))
            self.certificate = Certificate(connection.version() or "TLS", expires)
