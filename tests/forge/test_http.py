"""Requests to a hosting service: malformed responses, limits, and addresses that are refused."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest
from support.forges import RUN, TOKEN

from reconciler.errors import ReconcilerError
from reconciler.forge.http import MAX_BODY_BYTES, ForgeError, TransientForgeError, open_api
from reconciler.forge.job import Job

HEAD = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"


def job_at(address: str) -> Job:
    return Job("gitlab", address, ("42",), None, RUN, TOKEN)


Serve = Callable[[Callable[[bytes], object], Event], None]


@pytest.fixture
def failure() -> Iterator[Callable[..., ForgeError]]:
    """Return a function that sends a request to a server with a given behaviour, and returns the error."""
    stop = Event()
    servers: list[ThreadingHTTPServer] = []

    def fail(serve: Serve, deadline: float = 10.0) -> ForgeError:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                serve(self.connection.sendall, stop)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the server's own names
                """Write no log."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """Ignore errors: the client closes the connection on purpose."""

        server = Server(("127.0.0.1", 0), Handler)
        servers.append(server)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        url = f"http://127.0.0.1:{server.server_port}"
        with open_api(job_at(url), {}, deadline=deadline) as api, pytest.raises(ForgeError) as caught:
            api.call("GET", "x")
        return caught.value

    yield fail
    stop.set()
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_slow_response_ends_at_the_deadline(failure: Callable[..., ForgeError]) -> None:
    def send_slowly(send: Callable[[bytes], object], stop: Event) -> None:
        send(HEAD)
        while not stop.wait(0.02):
            send(b" ")

    error = failure(send_slowly, deadline=0.2)

    assert isinstance(error, TransientForgeError)
    assert "no complete response within 0 s" in str(error)


def test_an_endless_response_ends_at_the_size_limit(failure: Callable[..., ForgeError]) -> None:
    def send_endlessly(send: Callable[[bytes], object], stop: Event) -> None:
        send(HEAD)
        for _ in range(2 * MAX_BODY_BYTES // 1_000_000):
            if not stop.is_set():
                send(bytes(1_000_000))

    error = failure(send_endlessly)

    assert not isinstance(error, TransientForgeError)
    assert "larger than 50 MB" in str(error)


@pytest.mark.parametrize("sent", [b"", HEAD[:20], b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}"], ids=str)
def test_an_incomplete_response_is_a_transient_error(failure: Callable[..., ForgeError], sent: bytes) -> None:
    assert isinstance(failure(lambda send, _: send(sent) and None), TransientForgeError)


def test_a_response_with_an_unexpected_encoding_is_an_error(failure: Callable[..., ForgeError]) -> None:
    gzipped = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n\x1f\x8b\x08"

    assert "the response is not valid JSON" in str(failure(lambda send, _: send(gzipped) and None))


@pytest.mark.parametrize(
    "address",
    ["http://api.example.com", "http://127.0.0.1.example.com", "http://localhost@api.example.com", "ftp://localhost"],
)
def test_a_token_is_sent_over_https_only_except_on_loopback(address: str) -> None:
    with pytest.raises(ReconcilerError, match="is not an https URL"), open_api(job_at(address), {}):
        pass


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "https://localhost"])
def test_https_and_loopback_addresses_are_accepted(address: str) -> None:
    with open_api(job_at(address), {}):
        pass
