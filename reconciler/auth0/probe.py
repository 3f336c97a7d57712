"""Send the requests of the command `doctor` to a tenant. Failed requests are not repeated.

The details of a connection come from `trace`, an extension of httpx. The documentation of httpcore describes the events
of this extension.
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
    """The TLS version of a connection, and the expiry of the tenant's certificate in UNIX seconds."""

    version: str
    expires: float


@dataclass(frozen=True, slots=True)
class FirstResponse:
    """The response to a request without credentials, with the times of sending and receiving on this machine.

    `date` is the time of the tenant's clock in whole seconds, or None. `certificate` is None without TLS.
    """

    sent: float
    received: float
    date: float | None
    certificate: Certificate | None = None


class Probe:
    """Sends the requests of `doctor` over the same kind of connection as a run."""

    def __init__(self, http: httpx.AsyncClient, secrets: Secrets, clock: Callable[[], float] = time.time) -> None:
        self._http = http
        self._secrets = secrets
        self._clock = clock

    async def send_first_request(self) -> FirstResponse:
        """Send a request without credentials. Any status of the response is accepted.

        Raises NotSentError or UnknownOutcomeError if no complete response is received.
        """
        trace = _ConnectionTrace(self._clock)
        request = self._http.build_request("GET", LISTING, params={"take": "1"}, extensions={"trace": trace.record})
        response = await exchange(self._http, request, self._secrets)
        return FirstResponse(
            trace.sent, self._clock(), parse_rate_limit_headers(response.headers).date, trace.certificate
        )

    async def token(self, credentials: Credentials) -> str:
        """Fetch a token with `credentials`.

        Raises NoTokenError, or ReconcilerError if the credentials cannot be used.
        """
        return await TokenSource(credentials, self._post_form, ONCE, self._secrets).get()

    async def list_grants(self, token: str) -> tuple[TenantResponse, RateLimitHeaders]:
        """Request one grant. Return the response with any status, and the rate-limit headers of the response.

        Raises:
            NotSentError, UnknownOutcomeError: if no complete response is received.
        """
        headers = {"Authorization": f"Bearer {token}"}
        request = self._http.build_request("GET", LISTING, params={"take": "1"}, headers=headers)
        response = await exchange(self._http, request, self._secrets)
        return response, parse_rate_limit_headers(response.headers)

    async def _post_form(self, path: str, form: dict[str, str]) -> TenantResponse:
        return await exchange(self._http, self._http.build_request("POST", path, data=form), self._secrets)


class _ConnectionTrace:
    """Records the time at which a request is sent, and the certificate of the server."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.sent = clock()
        self.certificate: Certificate | None = None

    async def record(self, event: str, info: dict[str, Any]) -> None:
        """Record the time at which the request headers are sent, and the certificate after the TLS handshake."""
        if event.endswith("send_request_headers.started"):
            self.sent = self._clock()
        if event.endswith("start_tls.complete"):
            self.certificate = _certificate(info["return_value"].get_extra_info("ssl_object"))


def _certificate(connection: ssl.SSLObject) -> Certificate:
    """Return the certificate of a connection. The TLS handshake has already verified the certificate."""
    shown = connection.getpeercert() or {}
    return Certificate(connection.version() or "TLS", float(ssl.cert_time_to_seconds(str(shown["notAfter"]))))
