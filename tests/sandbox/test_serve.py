import asyncio
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from time import perf_counter

import httpx
import pytest
from sandbox.sandbox_client import DOMAIN, SandboxClient
from starlette.types import Receive, Scope, Send
from support.commands import TIMEOUT_SECONDS

from auth0_sandbox.errors import SandboxError
from auth0_sandbox.server.serve import serve, serving

SERVER = """
import sys
from pathlib import Path
from time import perf_counter
from auth0_sandbox.server.serve import serve
from auth0_sandbox.tenant import open_sandbox
with open_sandbox(Path(sys.argv[1]), None, "acme.eu.auth0.com") as sandbox:
    serve(sandbox, port=0, on_ready=lambda address: print(address, flush=True))
print("closed")
"""
ROOT = Path(__file__).parents[2]


def test_a_token_and_requests_over_http(caller: SandboxClient) -> None:
    credentials = caller.sandbox.credentials
    with serving(caller.sandbox) as address, httpx.Client(base_url=f"http://{address}") as client:
        request = {
            "grant_type": "client_credentials",
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret,
            "audience": f"http://{address}/api/v2/",
        }
        token = client.post("/oauth/token", data=request).json()["access_token"]
        client.headers["authorization"] = f"Bearer {token}"
        response = client.get("/api/v2/client-grants", params={"take": 100})
        assert len(response.json()["client_grants"]) == 2
        assert response.headers.get_list("date") == ["Fri, 15 Jan 2027 08:00:00 GMT"]
        encoded = client.get(f"/api/v2/resource-servers/https:%2F%2F{DOMAIN}%2Fapi%2Fv2%2F")
        assert encoded.json()["name"] == "Auth0 Management API"
        deleted = client.delete("/api/v2/client-grants/cgr_0000000000000000")
        assert (deleted.status_code, deleted.content) == (204, b"")


def test_small_responses_are_sent_immediately(caller: SandboxClient) -> None:
    with serving(caller.sandbox) as address, httpx.Client(base_url=f"http://{address}") as client:
        took: list[float] = []
        for _ in range(20):
            started = perf_counter()
            client.get("/")
            took.append(perf_counter() - started)
    assert sorted(took)[5] < 0.03  # waiting for acknowledgements would take 40 ms nearly each time


def test_a_server_stops_at_the_end_of_its_context(caller: SandboxClient) -> None:
    with serving(caller.sandbox) as address:
        pass
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{address}/")


def test_a_stopping_server_finishes_the_request_in_progress(caller: SandboxClient) -> None:
    begun = Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await asyncio.sleep(0.3)
        await caller.sandbox.app(scope, receive, send)

    with ThreadPoolExecutor() as pool:
        with serving(replace(caller.sandbox, app=slow)) as address:
            request = pool.submit(httpx.get, f"http://{address}/")
            assert begun.wait(TIMEOUT_SECONDS)
        assert request.result(TIMEOUT_SECONDS).status_code == 404


def test_a_server_also_listens_on_ipv6(caller: SandboxClient) -> None:
    with serving(caller.sandbox, "::1") as address:
        assert address.startswith("[::1]:")
        assert httpx.get(f"http://{address}/").status_code == 404


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_server_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", SERVER, str(tmp_path / "tenant.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert httpx.get(f"http://{address}/").status_code == 404
        process.send_signal(number)
        assert process.communicate(timeout=20) == ("closed\n", "")
        assert process.returncode == 0


def test_a_port_in_use_is_an_error(caller: SandboxClient) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SandboxError, match=f"cannot listen on 127.0.0.1:{port}.*choose another port"):
            serve(caller.sandbox, port=port, on_ready=print)


@pytest.mark.parametrize("port", [-1, 65_536])
def test_an_invalid_port_is_an_error(caller: SandboxClient, port: int) -> None:
    with pytest.raises(SandboxError, match="cannot listen"):
        serve(caller.sandbox, port=port, on_ready=print)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "::", "example.com"])
def test_only_loopback_hosts_are_served(caller: SandboxClient, host: str) -> None:
    with pytest.raises(SandboxError, match="loopback addresses only"), serving(caller.sandbox, host):
        pass


def test_localhost_is_a_loopback_host(caller: SandboxClient) -> None:
    with serving(caller.sandbox, "localhost") as address:
        assert address.startswith("127.0.0.1:")
