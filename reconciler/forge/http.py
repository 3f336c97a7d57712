"""One call to the API of a hosting service: a request out and a whole answer in, within a deadline and a size."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from reconciler.core.quoting import quoted
from reconciler.errors import ReconcilerError
from reconciler.http.proxy import NoCookies, connection_error, httpx_proxy
from reconciler.http.retry_hints import parse_rate_limit_headers
from reconciler.redaction import Secrets, secrets_in


class ForgeError(ReconcilerError):
    """The hosting service did not do what it should; `status` is that of its answer, 0 if there is none to go by."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class TransientForgeError(ForgeError):
    """It may work in a moment; `retry_after` is the wait that the service asks for in seconds, 0 if it does not say.

    Whether a write took effect is open: look before it is made again.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


TIMEOUTS = httpx.Timeout(30.0, connect=10.0)
DEADLINE_SECONDS = 60.0
LARGEST_BODY_BYTES = 50_000_000  # a page of the longest comments there may be
LONGEST_MESSAGE = 500
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class ForgeResponse:
    """A success. `data` is its JSON; `has_next` says whether the listing goes on."""

    data: Any
    has_next: bool


class ForgeApi:
    """An API under one address. Make one with `connected`."""

    def __init__(self, http: httpx.Client, address: str, secrets: Secrets, deadline: float) -> None:
        self._http = http
        self._address = address
        self._secrets = secrets
        self._deadline = deadline

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> ForgeResponse:
        """Send a request to a path under the address, or to itself, and return the answer of a success.

        Raises:
            PassingError: if it may work in a moment.
            ForgeError: for any other status, redirects too, and for what is no JSON.
        """
        url = "/".join(filter(None, [self._address, path]))
        try:
            request = self._http.build_request(method, url, params=query, json=body)
        except (ValueError, httpx.InvalidURL) as error:
            raise ForgeError(f"{method} {self.blotted(url)}: HTTP cannot carry this request") from error
        call = f"{method} {request.url.host} {request.url.path}"
        try:
            response, content = self._exchange(call, request)
        except (httpx.HTTPError, httpx.StreamError, ValueError) as error:
            # Besides its own errors, httpx lets those of the standard library through when it reads a malformed answer.
            raise TransientForgeError(f"{call}: {self.blotted(str(error)) or type(error).__name__}") from error
        if not response.is_success:
            raise self._refusal(call, response, content)
        try:
            return ForgeResponse(json.loads(content), "next" in response.links)
        except (ValueError, RecursionError) as error:
            raise ForgeError(f"{call}: the answer is no JSON") from error

    def _exchange(self, call: str, request: httpx.Request) -> tuple[httpx.Response, bytes]:
        deadline = time.monotonic() + self._deadline
        response = self._http.send(request, stream=True)
        content = bytearray()
        try:
            for chunk in response.iter_raw():
                content += chunk
                if len(content) > LARGEST_BODY_BYTES:
                    raise ForgeError(f"{call}: the answer is larger than {LARGEST_BODY_BYTES // 1_000_000} MB")
                if time.monotonic() > deadline:
                    raise TransientForgeError(f"{call}: no whole answer within {self._deadline:.0f} s")
        finally:
            response.close()
        return response, bytes(content)

    def _refusal(self, call: str, response: httpx.Response, content: bytes) -> ForgeError:
        """Return what a status other than a success stands for. 403 with a wait is GitHub's second rate limit."""
        message = f"{call}: {response.status_code} {self._message(response, content)}".rstrip()
        delay = parse_rate_limit_headers(response.headers).retry_after or 0.0
        is_limited = response.status_code == httpx.codes.FORBIDDEN and delay > 0
        if is_limited or response.is_server_error or response.status_code in {408, 429}:
            return TransientForgeError(message, delay)
        if response.is_redirect:
            return ForgeError(f"{message}; redirects are not followed")
        return ForgeError(message, status=response.status_code)

    def _message(self, response: httpx.Response, content: bytes) -> str:
        """Return what the service says, as it may be shown."""
        try:
            said = json.loads(content)
        except (ValueError, RecursionError):
            said = None
        found = [said.get(name) for name in ("message", "error")] if isinstance(said, dict) else []
        words = next((each for each in found if isinstance(each, str) and each), response.reason_phrase)
        return self.blotted(words)

    def blotted(self, text: str) -> str:
        """Return text from the network or of a library as it may be shown: without secrets, and cut to a length."""
        return self._secrets.redact(text[: 5 * LONGEST_MESSAGE])[:LONGEST_MESSAGE]


def _parse_address(address: str) -> httpx.URL:
    try:
        return httpx.URL(address)
    except (ValueError, httpx.InvalidURL) as error:
        raise ReconcilerError(f"{quoted(address)} is not a valid address of a hosting service") from error


@contextmanager
def connected(
    address: str, token: str, headers: Mapping[str, str], *, deadline: float = DEADLINE_SECONDS
) -> Iterator[ForgeApi]:
    """Give the API at `address`, which a variable named; `headers` carry the token, `deadline` holds for one call.

    Raises:
        ReconcilerError: if the token would travel in plain text, or nothing can be reached that way.
    """
    try:
        url = _parse_address(address)
        if url.scheme != "https" and not (url.scheme == "http" and url.host in LOOPBACK):
            raise ReconcilerError(f"{address} is no https address: a token is sent by https only")
        http = httpx.Client(
            headers={**headers, "Accept-Encoding": "identity", "User-Agent": "reconciler"},
            timeout=TIMEOUTS,
            cookies=NoCookies(),
            follow_redirects=False,
            transport=httpx.HTTPTransport(proxy=httpx_proxy(address), trust_env=True),
        )
    except (ImportError, OSError) as error:
        raise connection_error(address, error) from error
    with http:
        secrets = secrets_in(os.environ)
        secrets.add(token)
        yield ForgeApi(http, address.rstrip("/"), secrets, deadline)
