import gzip
import zlib
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from support.scripted_server import Responder, http_response, scripted_server
from support.virtual_time import run_virtually

from reconciler.auth0.errors import Auth0Error, RateLimitedError, UnknownOutcomeError, UnreadableError
from reconciler.auth0.exchange import DEADLINE_SECONDS, MAX_BODY_BYTES, TIMEOUTS, exchange
from reconciler.auth0.exchange import TenantResponse as WholeAnswer
from reconciler.redaction import Secrets


def exchanged(answer: Responder) -> tuple[WholeAnswer, float]:
    async def run() -> WholeAnswer:
        async with scripted_server(answer) as server, httpx.AsyncClient(timeout=TIMEOUTS) as http:
            return await exchange(http, http.build_request("GET", f"{server.url}/x"), Secrets())

    return run_virtually(run())


def failure(answer: Responder) -> Auth0Error:
    with pytest.raises(Auth0Error) as caught:
        exchanged(answer)
    return caught.value


def head(*lines: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "connection: close", "", ""]).encode()


def test_a_whole_answer_comes_with_status_headers_and_body() -> None:
    answer, _ = exchanged(lambda _: http_response(201, {"a": 1}))

    assert (answer.call, answer.status, answer.json()) == ("GET 127.0.0.1 /x", 201, {"a": 1})
    assert answer.headers["content-type"] == "application/json"


def test_a_compressed_answer_is_decoded() -> None:
    content = gzip.compress(b'{"a": 1}')

    answer, _ = exchanged(lambda _: head("content-encoding: gzip", f"content-length: {len(content)}") + content)

    assert answer.json() == {"a": 1}


def a_bomb() -> bytes:
    """A hundred times the largest body in a tenth of it."""
    zeros = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    chunk = bytes(1_000_000)
    return b"".join([*(zeros.compress(chunk) for _ in range(10 * MAX_BODY_BYTES // 1_000_000)), zeros.flush()])


def endless() -> Iterator[bytes]:
    yield head()
    while True:
        yield bytes(1_000_000)


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: head("content-encoding: gzip") + a_bomb(),
        lambda _: endless(),
        lambda _: head() + bytes(MAX_BODY_BYTES),
    ],
    ids=["a compressed bomb", "an endless stream", "just too much"],
)
def test_an_answer_that_is_too_large_is_left(answer: Responder) -> None:
    error = failure(answer)

    assert isinstance(error, UnreadableError)
    assert "larger than 10 MB" in str(error)


@pytest.mark.parametrize(
    "content",
    [
        head("content-encoding: gzip") + b"no gzip",
        head("content-encoding: gzip") + gzip.compress(b"{}" * 99)[:-9],
        head("content-encoding: br") + b"x",
    ],
    ids=["garbled", "cut off", "another encoding"],
)
def test_an_answer_that_cannot_be_decoded_is_unreadable(content: bytes) -> None:
    assert isinstance(failure(lambda _: content), UnreadableError)


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
    ids=["nothing", "half a line", "too short", "no number", "bad chunk", "no http", "huge header", "garbage header"],
)
def test_a_broken_answer_is_unclear(content: bytes) -> None:
    error = failure(lambda _: content)

    assert isinstance(error, UnknownOutcomeError)
    assert str(error).startswith("GET 127.0.0.1 /x: ")


def test_a_drip_does_not_hold_us_for_ever() -> None:
    def drip() -> Iterator[bytes]:
        yield head("content-length: 100000")
        while True:
            yield b"x"

    async def run() -> None:
        async with scripted_server(lambda _: drip()) as server, httpx.AsyncClient(timeout=TIMEOUTS) as http:
            with pytest.raises(UnknownOutcomeError, match="no complete response within 60 s"):
                await exchange(http, http.build_request("GET", server.url), Secrets())

    _, seconds = run_virtually(run())

    assert seconds == pytest.approx(DEADLINE_SECONDS, abs=2)


@pytest.mark.parametrize("body", [b"<html>", b"[" * 100_000, b"\xff"], ids=["html", "nested", "no text"])
def test_a_body_that_is_no_json_is_unreadable(body: bytes) -> None:
    answer, _ = exchanged(lambda _: http_response(200, body))

    with pytest.raises(UnreadableError, match="the response is not valid JSON"):
        answer.json()


def test_a_refusal_by_the_rate_limit_says_how_long() -> None:
    content = b"HTTP/1.1 429 No\r\nretry-after: 7\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    answer, _ = exchanged(lambda _: content)

    error_for_status = answer.error_for_status()

    assert isinstance(error_for_status, RateLimitedError)
    assert error_for_status.retry_after == 7


@pytest.mark.parametrize("echo", ["Bearer {token}", "you sent {token}!", "{quoted}"])
def test_an_answer_that_repeats_a_secret_does_not_bring_it_into_a_message(echo: str) -> None:
    token = "canary/5ecret+="
    body = {"message": echo.format(token=token, quoted=quote(token, safe=""))}

    async def run() -> WholeAnswer:
        async with (
            scripted_server(lambda _: http_response(400, body)) as server,
            httpx.AsyncClient(timeout=TIMEOUTS) as http,
        ):
            headers = {"Authorization": f"Bearer {token}"}
            return await exchange(http, http.build_request("GET", server.url, headers=headers), Secrets([token]))

    answer, _ = run_virtually(run())

    assert "***" in str(answer.error_for_status())
    assert "5ecret" not in f"{answer.error_for_status()}{answer!r}".replace(repr(answer.body), "")


def test_a_form_that_is_repeated_keeps_its_secrets() -> None:
    form = {"client_id": "id", "client_secret": "canary&5ecret", "client_assertion": "canary.jwt.x"}
    secrets = Secrets([form["client_secret"], form["client_assertion"]])

    async def run() -> WholeAnswer:
        async with (
            scripted_server(lambda asked: http_response(400, {"error_description": asked.body.decode()})) as server,
            httpx.AsyncClient(timeout=TIMEOUTS) as http,
        ):
            return await exchange(http, http.build_request("POST", server.url, data=form), secrets)

    answer, _ = run_virtually(run())

    assert str(answer.error_for_status()).endswith("400 client_id=id&client_secret=***&client_assertion=***")
