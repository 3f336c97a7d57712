"""One look at a tenant for its own sake: what its connection, its clock and its answers are like. Nothing is repeated.

httpx tells of connections through `trace`, an extension of a request; what it names is `httpcore`'s.
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
    """What the tenant proved itself by: the protocol's version, and until when (UNIX seconds)."""

    version: str
    until: float


@dataclass(frozen=True, slots=True)
class FirstResponse:
    """The answer to a first request, which carries no credentials: when it went and came, by this machine's clock.

    `date` is the tenant's clock in whole seconds, None if it does not say; `certificate` is None without TLS.
    """

    sent: float
    received: float
    date: float | None
    certificate: Certificate | None = None


class Probe:
    """Asks a tenant as a run would."""

    def __init__(self, http: httpx.AsyncClient, secrets: Secrets, clock: Callable[[], float] = time.time) -> None:
        self._http = http
        self._secrets = secrets
        self._clock = clock

    async def greet(self) -> FirstResponse:
        """Send a request without credentials; any answer will do. Raises NotSentError, UnclearError."""
        trace = _ConnectionTrace(self._clock)
        request = self._http.build_request("GET", LISTING, params={"take": "1"}, extensions={"trace": trace.note})
        answer = await exchange(self._http, request, self._secrets)
        return FirstResponse(
            trace.sent, self._clock(), parse_rate_limit_headers(answer.headers).date, trace.certificate
        )

    async def token(self, credentials: Credentials) -> str:
        """Return a token by `credentials`. Raises NoTokenError, and ReconcilerError if they cannot be used."""
        return await TokenSource(credentials, self._post_form, ONCE, self._secrets).give()

    async def list_grants(self, token: str) -> tuple[TenantResponse, RateLimitHeaders]:
        """Ask for one grant; return the answer, whatever its status, and what it says of the rate limit.

        Raises:
            NotSentError, UnclearError: if there is no whole answer.
        """
        headers = {"Authorization": f"Bearer {token}"}
        request = self._http.build_request("GET", LISTING, params={"take": "1"}, headers=headers)
        answer = await exchange(self._http, request, self._secrets)
        return answer, parse_rate_limit_headers(answer.headers)

    async def _post_form(self, path: str, form: dict[str, str]) -> TenantResponse:
        return await exchange(self._http, self._http.build_request("POST", path, data=form), self._secrets)


class _ConnectionTrace:
    """Listens to a request on its way."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.sent = clock()
        self.certificate: Certificate | None = None

    async def note(self, event: str, info: dict[str, Any]) -> None:
        """Note when the request goes out, behind name resolution and handshake, and what the handshake showed."""
        if event.endswith("send_request_headers.started"):
            self.sent = self._clock()
        if event.endswith("start_tls.complete"):
            self.certificate = _certificate(info["return_value"].get_extra_info("ssl_object"))


def _certificate(connection: ssl.SSLObject) -> Certificate:
    """Return what a connection, whose certificate has been checked, was proved by."""
    shown = connection.getpeercert() or {}
    return Certificate(connection.version() or "TLS", float(ssl.cert_time_to_seconds(str(shown["notAfter"]))))
