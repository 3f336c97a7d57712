"""One exchange with a tenant: a request out and a whole answer in, within a deadline and a size, or an error."""

import asyncio
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, quote_plus

import httpx

from reconciler.auth0.budget import heard
from reconciler.auth0.errors import (
    Auth0Error,
    NotSentError,
    RateLimitedError,
    RefusedCallError,
    UnclearError,
    UnreadableError,
)
from reconciler.auth0.proxy import by_proxy

DEADLINE_SECONDS = 60.0
"""For the whole exchange: a server that drips a byte at a time must not hold us for ever."""
TIMEOUTS = httpx.Timeout(30.0, connect=10.0)
LARGEST_BODY_BYTES = 10_000_000  # decoded; a page of a hundred grants of 257 scopes has less than one
LONGEST_MESSAGE = 500
SECRET_FIELDS = ("client_secret", "client_assertion")

NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.ProxyError,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `call` names the request; header names are in lower case; `body` is decoded bytes."""

    call: str
    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    secrets: frozenset[str] = field(default_factory=frozenset, repr=False)

    def json(self) -> Any:  # noqa: ANN401 - JSON; the callers parse it into values
        """Return the content of a success.

        Raises:
            RateLimitedError, RefusedCallError, UnclearError: as the status says.
            UnreadableError: if the body is no JSON.
        """
        if not httpx.codes.is_success(self.status):
            raise self.refusal()
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise UnreadableError(f"{self.call}: the answer is no JSON") from error

    def acknowledge(self) -> None:
        """Take a success as done; what it took effect as is looked up in the end. Raises as `json` does."""
        if self.status != httpx.codes.NO_CONTENT:
            self.json()

    def refusal(self) -> Auth0Error:
        """Return the error that any status but a success stands for. A redirect is not followed; it is unclear."""
        if self.status == httpx.codes.TOO_MANY_REQUESTS:
            return RateLimitedError(self.call, self.status, self._message(), heard(self.headers).retry_after or 0.0)
        if httpx.codes.is_client_error(self.status) and self.status != httpx.codes.REQUEST_TIMEOUT:
            return RefusedCallError(self.call, self.status, self._message())
        return UnclearError(f"{self.call}: {self.status} {self._message()}".rstrip())

    def _message(self) -> str:
        try:
            body = json.loads(self.body)
        except (ValueError, RecursionError):
            return self.reason
        if not isinstance(body, dict):
            return self.reason
        message = body.get("message") or body.get("error_description") or body.get("error") or self.reason
        return self._without_secrets(str(message))[:LONGEST_MESSAGE]

    def _without_secrets(self, message: str) -> str:
        """Blot out what we sent: a gateway that answers with the request must not bring a secret into a log."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            message = message.replace(secret, "***")
        return message


async def exchange(http: httpx.AsyncClient, request: httpx.Request) -> Answer:
    """Send `request` and return the whole answer, whatever its status.

    Raises:
        NotSentError: if it never reached the tenant.
        UnclearError: if it may have, and no whole answer came back in time, or one that is too large.
    """
    call = f"{request.method} {request.url.host} {request.url.path}"
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            response = await http.send(request, stream=True)
            try:
                body = await _body(call, response)
            finally:
                await response.aclose()
    except NOT_SENT as error:
        raise NotSentError(f"{call}: {_reason(error)}{_by_proxy(request)}") from error
    except httpx.HTTPError as error:
        raise UnclearError(f"{call}: {_reason(error)}{_by_proxy(request)}") from error
    except TimeoutError as error:
        raise UnclearError(f"{call}: no whole answer within {DEADLINE_SECONDS:.0f} s{_by_proxy(request)}") from error
    secrets = _secrets_in(request)
    return Answer(call, response.status_code, response.reason_phrase, response.headers, body, secrets)


def _by_proxy(request: httpx.Request) -> str:
    """Name the proxy. Only https uses one: plain http is spoken on loopback and inside this process."""
    return by_proxy(str(request.url)) if request.url.scheme == "https" else ""


def _secrets_in(request: httpx.Request) -> frozenset[str]:
    """Return what of `request` nobody may read: the bearer token, and what a form signs in with, encoded or not."""
    found = {request.headers.get("authorization", "").removeprefix("Bearer ")}
    if request.headers.get("content-type") == "application/x-www-form-urlencoded":
        form = parse_qs(request.content.decode())
        found |= {value for name in SECRET_FIELDS for value in form.get(name, ())}
    return frozenset(
        form for secret in found if secret for form in (secret, quote(secret, safe=""), quote_plus(secret))
    )


async def _body(call: str, response: httpx.Response) -> bytes:
    """Read and decode the body, never holding more than the limit and one chunk off the wire."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip"}:
        raise UnreadableError(f"{call}: the answer is encoded as {encoding}, which nobody asked for")
    unzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16) if encoding == "gzip" else None
    body = bytearray()
    try:
        async for chunk in response.aiter_raw():
            body += unzip.decompress(chunk, LARGEST_BODY_BYTES) if unzip else chunk
            if len(body) >= LARGEST_BODY_BYTES:
                raise UnreadableError(f"{call}: the answer is larger than {LARGEST_BODY_BYTES // 1_000_000} MB")
    except zlib.error as error:
        raise UnreadableError(f"{call}: the answer is garbled") from error
    if unzip and not unzip.eof and body:
        raise UnreadableError(f"{call}: the answer is cut off")
    return bytes(body)


def _reason(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__
