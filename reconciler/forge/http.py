"""Send requests to the API of a hosting service such as GitHub, with limits for the time and size of each response."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from reconciler.core.characters import quote_text
from reconciler.errors import ReconcilerError
from reconciler.forge.job import TOKENS, Job
from reconciler.http.proxy import NoCookies, connection_error, httpx_proxy, trusted_certificates
from reconciler.http.retry_hints import parse_rate_limit_headers
from reconciler.redaction import Secrets, secrets_in


class ForgeError(ReconcilerError):
    """A request to the hosting service failed.

    `status` is the HTTP status of the response, or 0 if no response arrived.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404
"""HTTP statuses: UNAUTHORIZED means that the token is not valid, and FORBIDDEN that the token lacks a permission."""


class TransientForgeError(ForgeError):
    """A request failed, but may succeed when reconciler repeats the request.

    `retry_after` is the delay in seconds that the hosting service requests, or 0.

    Read the current state before repeating a write, because the failed write may have changed something.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


TIMEOUTS = httpx.Timeout(30.0, connect=10.0)
DEADLINE_SECONDS = 60.0
MAX_BODY_BYTES = 50_000_000  # the limit allows a page of comments in which every comment has the maximum length
LOOPBACK = ("localhost", "127.0.0.1", "::1")
Advice = Callable[[int], str]
"""A function that returns the advice for a request that failed with an HTTP status, or an empty string."""


@dataclass(frozen=True, slots=True)
class ForgeResponse:
    """A successful response. `data` is the JSON data in the response.

    `has_next` is true if the response is a page of a list and another page follows.
    """

    data: Any
    has_next: bool


class ForgeApi:
    """A client for the API of a hosting service. Use the function `open_api` to create a client."""

    def __init__(self, http: httpx.Client, job: Job, advice: Advice, secrets: Secrets, deadline: float) -> None:
        self._http = http
        self._address = job.address.rstrip("/")
        self._token_variable, _ = TOKENS[job.service]
        self._advice = advice
        self.secrets = secrets
        self._deadline = deadline

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> ForgeResponse:
        """Send a request to the path `path` of the API, or to the API address itself if `path` is empty.

        Return the response if its status is successful.

        Raises:
            TransientForgeError: if the request may succeed when reconciler repeats the request.
            ForgeError: if the response is a redirect, has an error status, or is not JSON.
        """
        try:
            return self._call(method, path, query, body)
        except ForgeError as error:
            advice = self._advice(error.status)
            if error.status == UNAUTHORIZED:
                advice = f"the token in {self._token_variable} is not valid or has expired; replace the token"
            if isinstance(error, TransientForgeError) or not advice:
                raise
            raise ForgeError(f"{error}; {advice}", error.status) from error

    def _call(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Mapping[str, object] | None
    ) -> ForgeResponse:
        url = "/".join(filter(None, [self._address, path]))
        try:
            request = self._http.build_request(method, url, params=query, json=body)
        except (ValueError, httpx.InvalidURL) as error:
            raise ForgeError(f"{method} {self.secrets.redact_message(url)}: the request is not valid HTTP") from error
        call = f"{method} {request.url.netloc.decode()} {request.url.path}"
        try:
            response, content = self._exchange(call, request)
        except (httpx.HTTPError, httpx.StreamError, ValueError) as error:
            # httpx raises some errors of the standard library for malformed responses
            raise TransientForgeError(
                f"{call}: {self.secrets.redact_message(str(error)) or type(error).__name__}"
            ) from error
        if not response.is_success:
            raise self._error_for_status(call, response, content)
        try:
            return ForgeResponse(json.loads(content), "next" in response.links)
        except (ValueError, RecursionError) as error:
            raise ForgeError(f"{call}: the response is not valid JSON") from error

    def _exchange(self, call: str, request: httpx.Request) -> tuple[httpx.Response, bytes]:
        deadline = time.monotonic() + self._deadline
        response = self._http.send(request, stream=True)
        content = bytearray()
        try:
            for chunk in response.iter_raw():
                content += chunk
                if len(content) > MAX_BODY_BYTES:
                    raise ForgeError(f"{call}: the response is larger than {MAX_BODY_BYTES // 1_000_000} MB")
                if time.monotonic() > deadline:
                    raise TransientForgeError(f"{call}: no complete response within {self._deadline:.0f} s")
        finally:
            response.close()
        return response, bytes(content)

    def _error_for_status(self, call: str, response: httpx.Response, content: bytes) -> ForgeError:
        """Return the error for a response with an unsuccessful status.

        GitHub reports its secondary rate limit with the status 403 and the header `retry-after`.
        """
        message = f"{call}: {response.status_code} {self._message(response, content)}".rstrip()
        delay = parse_rate_limit_headers(response.headers).retry_after or 0.0
        is_limited = response.status_code == httpx.codes.FORBIDDEN and delay > 0
        if is_limited or response.is_server_error or response.status_code in {408, 429}:
            return TransientForgeError(message, delay)
        if response.is_redirect:
            return ForgeError(f"{message}; redirects are not followed")
        return ForgeError(message, status=response.status_code)

    def _message(self, response: httpx.Response, content: bytes) -> str:
        """Return the error message in a response of the hosting service, without secrets."""
        try:
            data = json.loads(content)
        except (ValueError, RecursionError):
            data = None
        found = [data.get(name) for name in ("message", "error")] if isinstance(data, dict) else []
        text = next((each for each in found if isinstance(each, str) and each), response.reason_phrase)
        return self.secrets.redact_message(text)


def _parse_address(address: str) -> httpx.URL:
    try:
        return httpx.URL(address)
    except (ValueError, httpx.InvalidURL) as error:
        raise ReconcilerError(f"{quote_text(address)} is not a valid URL of a hosting service") from error


@contextmanager
def open_api(
    job: Job, headers: Mapping[str, str], advice: Advice = lambda _: "", *, deadline: float = DEADLINE_SECONDS
) -> Iterator[ForgeApi]:
    """Open a client for the API of the hosting service of a job.

    `headers` contains the headers for all requests, including the header with the token. `deadline` is the maximum time
    in seconds for one request and its response.

    Raises:
        ReconcilerError: if the address is not a valid https URL, or if the proxy or the certificates cannot be used.
    """
    address = job.address
    try:
        url = _parse_address(address)
        if url.scheme != "https" and not (url.scheme == "http" and url.host in LOOPBACK):
            raise ReconcilerError(f"{address} is not an https URL: tokens are sent over https only")
        http = httpx.Client(
            headers={**headers, "Accept-Encoding": "identity", "User-Agent": "reconciler"},
            timeout=TIMEOUTS,
            cookies=NoCookies(),
            follow_redirects=False,
            transport=httpx.HTTPTransport(verify=trusted_certificates(), proxy=httpx_proxy(address), trust_env=True),
        )
    except (ImportError, OSError) as error:
        raise connection_error(address, error) from error
    with http:
        secrets = secrets_in(os.environ)
        secrets.add(job.token)
        for value in headers.values():
            secrets.add(value.rpartition(" ")[2])  # the value of a header may be an encoded form of the token
        yield ForgeApi(http, job, advice, secrets, deadline)
