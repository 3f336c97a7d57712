"""Send one request to a tenant and read the whole response, with a deadline and a size limit."""

import asyncio
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from reconciler.auth0.errors import (
    Auth0Error,
    NotSentError,
    RateLimitedError,
    RefusedCallError,
    UnknownOutcomeError,
    UnreadableError,
)
from reconciler.auth0.wire import parse
from reconciler.http.proxy import by_proxy
from reconciler.http.retry_hints import parse_rate_limit_headers
from reconciler.redaction import Secrets

DEADLINE_SECONDS = 60.0
"""The limit for the whole exchange. A server that sends one byte at a time must not block a run for ever."""
TIMEOUTS = httpx.Timeout(30.0, connect=10.0)
LARGEST_BODY_BYTES = 10_000_000  # decoded; a page of a hundred grants with 257 scopes has less than one
LONGEST_MESSAGE = 500
LONGEST_READ = 5 * LONGEST_MESSAGE
"""The part of a message that is searched for secrets."""
SECRET_FIELDS = frozenset({"access_token", "client_secret", "encryption_key", "signing_keys"})
"""Fields of responses that contain secrets by design. Only the token is ever read."""

NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.ProxyError,
)


@dataclass(frozen=True, slots=True)
class TenantResponse:
    """A whole response. `call` names the request. Header names are in lower case. `body` is decoded.

    `secrets` are the secrets of the run. Text that contains one does not leave this class.
    """

    call: str
    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    secrets: Secrets = field(default_factory=Secrets, repr=False)

    def json(self) -> Any:  # noqa: ANN401 - JSON; the callers parse it into values
        """Return the content of a successful response.

        Raises:
            RateLimitedError, RefusedCallError, UnknownOutcomeError: depending on the status.
            UnreadableError: if the body is not JSON or contains a secret of the run, which a plan must not show.
        """
        if not httpx.codes.is_success(self.status):
            raise self.refusal()
        try:
            content = parse(self.body)
        except ValueError as error:
            raise UnreadableError(f"{self.call}: the response is not valid JSON") from error
        if self._repeats_a_secret(content):
            raise UnreadableError(f"{self.call}: the response repeats a secret of this run")
        return content

    def acknowledge(self) -> None:
        """Accept a success without reading it. A later read shows the effect. Raises like `json`."""
        if self.status != httpx.codes.NO_CONTENT:
            self.json()

    def refusal(self) -> Auth0Error:
        """Return the error for a status other than a success.

        Redirects are not followed, so their outcome is unknown.
        """
        if self.status == httpx.codes.TOO_MANY_REQUESTS:
            return RateLimitedError(
                self.call, self.status, self._message(), parse_rate_limit_headers(self.headers).retry_after or 0.0
            )
        if httpx.codes.is_client_error(self.status) and self.status != httpx.codes.REQUEST_TIMEOUT:
            return RefusedCallError(self.call, self.status, self._message())
        return UnknownOutcomeError(f"{self.call}: {self.status} {self._message()}".rstrip())

    def _message(self) -> str:
        try:
            body = parse(self.body)
        except ValueError:
            body = None
        said = [body.get(name) for name in ("message", "error_description", "error")] if isinstance(body, dict) else []
        words = next((each for each in said if isinstance(each, str) and each), self.reason)
        return shown(words, self.secrets)

    def _repeats_a_secret(self, content: object) -> bool:
        """Return whether a key or text contains a secret, apart from fields that contain secrets by design."""
        if not self.secrets.may_occur_in(self.body.decode("utf-8", errors="replace")):
            return False
        rest = [content]
        while rest:
            match rest.pop():
                case str(text) if self.secrets.occur_in(text):
                    return True
                case list(items):
                    rest += items
                case dict(fields):
                    rest += fields
                    rest += [value for name, value in fields.items() if name not in SECRET_FIELDS]
                case _:
                    pass
        return False


def shown(text: str, secrets: Secrets) -> str:
    """Return text from a server or library without secrets, truncated."""
    return secrets.redact(text[:LONGEST_READ])[:LONGEST_MESSAGE]


async def exchange(http: httpx.AsyncClient, request: httpx.Request, secrets: Secrets) -> TenantResponse:
    """Send `request` and return the whole response with any status. Errors do not show `secrets`.

    Raises:
        NotSentError: if the request never reached the tenant.
        UnknownOutcomeError: if it may have, and the response is late, incomplete or too large.
    """
    call = f"{request.method} {request.url.host} {request.url.path}"
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            response = await http.send(request, stream=True)
            try:
                body = await _body(call, response, secrets)
            finally:
                await response.aclose()
    except NOT_SENT as error:
        raise NotSentError(f"{call}: {_reason(error, secrets)}{_by_proxy(request)}") from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError) as error:
        # httpx also raises errors of the standard library for malformed responses.
        raise UnknownOutcomeError(f"{call}: {_reason(error, secrets)}{_by_proxy(request)}") from error
    except TimeoutError as error:
        raise UnknownOutcomeError(
            f"{call}: no complete response within {DEADLINE_SECONDS:.0f} s{_by_proxy(request)}"
        ) from error
    return TenantResponse(call, response.status_code, response.reason_phrase, response.headers, body, secrets)


def _by_proxy(request: httpx.Request) -> str:
    """Name the proxy in an error. Plain http is used on loopback and inside this process, without a proxy."""
    return by_proxy(str(request.url)) if request.url.scheme == "https" else ""


async def _body(call: str, response: httpx.Response, secrets: Secrets) -> bytes:
    """Read and decode the body. At most the size limit and one chunk are in memory."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip"}:
        raise UnreadableError(
            f"{call}: the response has the encoding {shown(encoding, secrets)}, which was not requested"
        )
    unzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16) if encoding == "gzip" else None
    body = bytearray()
    try:
        async for chunk in response.aiter_raw():
            body += unzip.decompress(chunk, LARGEST_BODY_BYTES) if unzip else chunk
            if len(body) >= LARGEST_BODY_BYTES:
                raise UnreadableError(f"{call}: the response is larger than {LARGEST_BODY_BYTES // 1_000_000} MB")
    except zlib.error as error:
        raise UnreadableError(f"{call}: the response is garbled") from error
    if unzip and not unzip.eof and body:
        raise UnreadableError(f"{call}: the response is truncated")
    return bytes(body)


def _reason(error: Exception, secrets: Secrets) -> str:
    return shown(str(error), secrets) or type(error).__name__
