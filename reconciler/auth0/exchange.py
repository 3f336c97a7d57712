"""Create an HTTP client for a tenant, send requests and read responses.

`open_http` creates a client with proxies, certificates, limits and timeouts. `exchange` sends one request and reads the
complete response, with a deadline and a size limit.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from reconciler.auth0.credentials import Credentials
from reconciler.auth0.errors import (
    Auth0Error,
    NotSentError,
    RateLimitedError,
    RefusedCallError,
    UnknownOutcomeError,
    UnreadableError,
)
from reconciler.auth0.wire import parse
from reconciler.http.proxy import NoCookies, connection_error, httpx_proxy, proxy_suffix, trusted_certificates
from reconciler.http.retry_hints import parse_rate_limit_headers
from reconciler.redaction import Secrets

DEADLINE_SECONDS = 60.0
"""The maximum time from sending a request to receiving the end of the response, in seconds.

Without a time limit, a server that sends one byte at a time could block a run.
"""
TIMEOUTS = httpx.Timeout(30.0, connect=10.0)
MAX_BODY_BYTES = 10_000_000
"""The maximum size of a response after decompression, in bytes.

A page with 100 grants of 257 scopes is smaller than 1 MB.
"""
SECRET_FIELDS = frozenset({"access_token", "client_secret", "encryption_key", "signing_keys"})
"""The fields that contain secrets in normal responses of Auth0."""

NOT_SENT_ERRORS = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.ProxyError,
)


@dataclass(frozen=True, slots=True)
class TenantResponse:
    """A response from the tenant. `call` is the method, host and path of the request. `body` is decompressed.

    The names of `headers` are in lower case. `secrets` are the secrets of this run, for example tokens. Error messages
    and parsed responses never contain the secrets.
    """

    call: str
    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    secrets: Secrets = field(default_factory=Secrets, repr=False)

    def json(self) -> Any:  # noqa: ANN401 - the callers parse the JSON data
        """Return the parsed JSON of a successful response.

        Raises:
            RateLimitedError, RefusedCallError, UnknownOutcomeError: if the status of the response is not successful.
            UnreadableError: if the body is not JSON, or if a field that is not in SECRET_FIELDS contains a secret of
                this run.
        """
        if not httpx.codes.is_success(self.status):
            raise self.error_for_status()
        try:
            content = parse(self.body)
        except ValueError as error:
            raise UnreadableError(f"{self.call}: the response is not valid JSON") from error
        if self._contains_secret(content):
            raise UnreadableError(f"{self.call}: the response contains a secret of this run")
        return content

    def require_success(self) -> None:
        """Check that the request succeeded. If the request failed, raise the error for the status of the response."""
        if self.status != httpx.codes.NO_CONTENT:
            self.json()

    def error_for_status(self) -> Auth0Error:
        """Return the error for a response with an unsuccessful status.

        reconciler does not follow redirects, so the outcome of a redirected request is unknown.
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
        texts = [body.get(name) for name in ("message", "error_description", "error")] if isinstance(body, dict) else []
        text = next((each for each in texts if isinstance(each, str) and each), self.reason)
        return self.secrets.redact_message(text)

    def _contains_secret(self, content: object) -> bool:
        """Return whether a field name or a string in `content` contains a secret of this run.

        Fields with a name in SECRET_FIELDS are not searched, because Auth0 may return secrets in SECRET_FIELDS.
        """
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


async def exchange(http: httpx.AsyncClient, request: httpx.Request, secrets: Secrets) -> TenantResponse:
    """Send `request` and return the complete response with any status.

    Error messages do not contain the strings in `secrets`.

    Raises:
        NotSentError: if the request never reached the tenant.
        UnknownOutcomeError: if the tenant may have received the request, but the response is late, incomplete or
            too large.
    """
    call = f"{request.method} {request.url.netloc.decode()} {request.url.path}"
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            response = await http.send(request, stream=True)
            try:
                body = await _body(call, response, secrets)
            finally:
                await response.aclose()
    except NOT_SENT_ERRORS as error:
        raise NotSentError(f"{call}: {_reason(error, secrets)}{_proxy_suffix(request)}") from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError) as error:
        # httpx raises some errors of the standard library for malformed responses
        raise UnknownOutcomeError(f"{call}: {_reason(error, secrets)}{_proxy_suffix(request)}") from error
    except TimeoutError as error:
        raise UnknownOutcomeError(
            f"{call}: no complete response within {DEADLINE_SECONDS:.0f} s{_proxy_suffix(request)}"
        ) from error
    return TenantResponse(call, response.status_code, response.reason_phrase, response.headers, body, secrets)


def _proxy_suffix(request: httpx.Request) -> str:
    """Return the end of an error message that names the proxy, or an empty string if the request uses no proxy.

    Requests over plain http use no proxy.
    """
    return proxy_suffix(str(request.url)) if request.url.scheme == "https" else ""


async def _body(call: str, response: httpx.Response, secrets: Secrets) -> bytes:
    """Read and decompress the body of a response. MAX_BODY_BYTES limits the memory for the decompressed body."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip"}:
        raise UnreadableError(
            f"{call}: the response has the encoding {secrets.redact_message(encoding)}, which was not requested"
        )
    decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16) if encoding == "gzip" else None
    body = bytearray()
    try:
        async for chunk in response.aiter_raw():
            body += decompressor.decompress(chunk, MAX_BODY_BYTES) if decompressor else chunk
            if len(body) >= MAX_BODY_BYTES:
                raise UnreadableError(f"{call}: the response is larger than {MAX_BODY_BYTES // 1_000_000} MB")
    except zlib.error as error:
        raise UnreadableError(f"{call}: the response cannot be decompressed") from error
    if decompressor and not decompressor.eof and body:
        raise UnreadableError(f"{call}: the response is truncated")
    return bytes(body)


def _reason(error: Exception, secrets: Secrets) -> str:
    return secrets.redact_message(str(error)) or type(error).__name__


@dataclass(frozen=True, slots=True)
class Route:
    """The URL, the credentials and the transport for connections to a tenant.

    The function `credentials` returns the credentials, or raises ReconcilerError if the credentials are missing.
    `transport` is set only if the tenant is a sandbox that runs in the reconciler process.
    """

    base_url: str
    credentials: Callable[[], Credentials]
    transport: httpx.AsyncBaseTransport | None = None


@asynccontextmanager
async def open_http(
    base_url: str, *, transport: httpx.AsyncBaseTransport | None = None, connections: int = 1
) -> AsyncIterator[httpx.AsyncClient]:
    """Open an HTTP client for `base_url` that does not follow redirects.

    Raises:
        ReconcilerError: if the environment contains a proxy or certificates that httpx cannot use.
    """
    try:
        http = httpx.AsyncClient(
            base_url=base_url,
            transport=transport or _network_transport(base_url, connections),
            timeout=TIMEOUTS,
            headers={"Accept-Encoding": "gzip"},
            cookies=NoCookies(),
            follow_redirects=False,
        )
    except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
        raise connection_error(base_url, error) from error
    async with http:
        yield http


def _network_transport(base_url: str, connections: int) -> httpx.AsyncHTTPTransport:
    """Return a transport that uses the proxy and the certificates from the environment.

    reconciler chooses the proxy itself, because httpx fails on invalid entries of NO_PROXY.
    """
    return httpx.AsyncHTTPTransport(
        verify=trusted_certificates(),
        proxy=httpx_proxy(base_url),
        limits=httpx.Limits(max_connections=connections),
        trust_env=True,
    )
