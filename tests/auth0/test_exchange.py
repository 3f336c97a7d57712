import gzip
import re
import zlib
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from support.scripted_server import Responder, http_response, scripted_server
from support.virtual_time import run_virtually

from reconciler.auth0.errors import Auth0Error, RateLimitedError, UnknownOutcomeError, UnreadableError
from reconciler.auth0.exchange import DEADLINE_SECONDS, MAX_BODY_BYTES, TIMEOUTS, TenantResponse, exchange
from reconciler.redaction import Secrets


def exchange_with(response: Responder) -> tuple[TenantResponse, float]:
    async def run() -> TenantResponse:
        async with scripted_server(response) as server, httpx.AsyncClient(timeout=TIMEOUTS) as http:
            return await exchange(http, http.build_request("GET", f"{server.url}/x"), Secrets())

    return run_virtually(run())


def error_of(response: Responder) -> Auth0Error:
    with pytest.raises(Auth0Error) as caught:
        exchange_with(response)
    return caught.value


def head(*lines: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "connection: close", "", ""]).encode()


def test_a_response_has_status_headers_and_body() -> None:
    response, _ = exchange_with(lambda _: http_response(201, {"a": 1}))

    assert re.fullmatch(r"GET 127\.0\.0\.1:\d+ /x", response.call)
    assert (response.status, response.json()) == (201, {"a": 1})
    assert response.headers["content-type"] == "application/json"


def test_a_compressed_response_is_decoded() -> None:
    content = gzip.compress(b'{"a": 1}')

    response, _ = exchange_with(lambda _: head("content-encoding: gzip", f"content-length: {len(content)}") + content)

    assert response.json() == {"a": 1}


def compressed_zeros() -> bytes:
    """Return compressed zeros: ten times the maximum size of a body when decompressed."""
    zeros = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    chunk = bytes(1_000_000)
    return b"".join([*(zeros.compress(chunk) for _ in range(10 * MAX_BODY_BYTES // 1_000_000)), zeros.flush()])


def endless_body() -> Iterator[bytes]:
    yield head()
    while True:
        yield bytes(1_000_000)


@pytest.mark.parametrize(
    "response",
    [
        lambda _: head("content-encoding: gzip") + compressed_zeros(),
        lambda _: endless_body(),
        lambda _: head() + bytes(MAX_BODY_BYTES),
    ],
    ids=["decompression bomb", "endless stream", "slightly too large"],
)
def test_a_response_that_is_too_large_is_an_error(response: Responder) -> None:
    error = error_of(response)

    assert isinstance(error, UnreadableError)
    assert "larger than 10 MB" in str(error)


@pytest.mark.parametrize(
    "content",
    [
        head("content-encoding: gzip") + b"no gzip",
        head("content-encoding: gzip") + gzip.compress(b"{}" * 99)[:-9],
        head("content-encoding: br") + b"x",
    ],
    ids=["invalid gzip", "truncated gzip", "unsupported encoding"],
)
def test_a_response_that_cannot_be_decoded_is_unreadable(content: bytes) -> None:
    assert isinstance(error_of(lambda _: content), UnreadableError)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\x00\x01: \xff\r\n\r\n",
    ],
    ids=[
        "empty",
        "half a line",
        "too short",
        "invalid length",
        "bad chunk",
        "not HTTP",
        "huge header",
        "invalid header",
    ],
)
def test_an_invalid_response_has_an_unknown_outcome(content: bytes) -> None:
    error = error_of(lambda _: content)

    assert isinstance(error, UnknownOutcomeError)
    assert re.match(r"GET 127\.0\.0\.1:\d+ /x: ", str(error))


def test_a_slow_response_ends_at_the_deadline() -> None:
    def slow_body() -> Iterator[bytes]:
        yield head("content-length: 100000")
        while True:
            yield b"x"

    async def run() -> None:
        async with scripted_server(lambda _: slow_body()) as server, httpx.AsyncClient(timeout=TIMEOUTS) as http:
            with pytest.raises(UnknownOutcomeError, match="no complete response within 60 s"):
                await exchange(http, http.build_request("GET", server.url), Secrets())

    _, seconds = run_virtually(run())

    assert seconds == pytest.approx(DEADLINE_SECONDS, abs=2)


@pytest.mark.parametrize("body", [b"<html>", b"[" * 100_000, b"\xff"], ids=["HTML", "nested", "not UTF-8"])
def test_a_body_that_is_not_json_is_unreadable(body: bytes) -> None:
    response, _ = exchange_with(lambda _: http_response(200, body))

    with pytest.raises(UnreadableError, match="the response is not valid JSON"):
        response.json()


def test_a_429_has_the_requested_delay() -> None:
    content = b"HTTP/1.1 429 No\r\nretry-after: 7\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    response, _ = exchange_with(lambda _: content)

    error = response.error_for_status()

    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 7


@pytest.mark.parametrize("echo", ["Bearer {token}", "you sent {token}!", "{quoted}"])
def test_a_secret_repeated_in_a_response_is_removed_from_the_message(echo: str) -> None:
    token = "canary/5ecret+="
    body = {"message": echo.format(token=token, quoted=quote(token, safe=""))}

    async def run() -> TenantResponse:
        async with (
            scripted_server(lambda _: http_response(400, body)) as server,
            httpx.AsyncClient(timeout=TIMEOUTS) as http,
        ):
            headers = {"Authorization": f"Bearer {token}"}
            return await exchange(http, http.build_request("GET", server.url, headers=headers), Secrets([token]))

    response, _ = run_virtually(run())

    assert "***" in str(response.error_for_status())
    assert "5ecret" not in f"{response.error_for_status()}{response!r}".replace(repr(response.body), "")


def test_secrets_of_a_repeated_form_are_removed_from_the_message() -> None:
    form = {"client_id": "id", "client_secret": "canary&5ecret", "client_assertion": "canary.jwt.x"}
    secrets = Secrets([form["client_secret"], form["client_assertion"]])

    async def run() -> TenantResponse:
        async with (
            scripted_server(lambda request: http_response(400, {"error_description": request.body.decode()})) as server,
            httpx.AsyncClient(timeout=TIMEOUTS) as http,
        ):
            return await exchange(http, http.build_request("POST", server.url, data=form), secrets)

    response, _ = run_virtually(run())

    assert str(response.error_for_status()).endswith("400 client_id=id&client_secret=***&client_assertion=***")
