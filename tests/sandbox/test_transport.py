import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from sandbox.faulty_sandbox import FaultySandboxClient, open_faulty_sandbox

from auth0_sandbox.faults.plan import AnswerFault, Damage, Drop, Rule
from auth0_sandbox.server.serve import LOCALHOST, serving

LIST = "/api/v2/client-grants"


@pytest.fixture
def caller(tmp_path: Path) -> Iterator[FaultySandboxClient]:
    with open_faulty_sandbox(tmp_path) as opened:
        yield opened


def test_over_http_a_dropped_connection_is_reset_and_the_next_one_works(caller: FaultySandboxClient) -> None:
    caller.set_faults(Rule(Drop(), calls=(2,)))
    headers = {"authorization": f"Bearer {caller.token()}"}
    with serving(caller.sandbox) as address, httpx.Client(base_url=f"http://{address}", headers=headers) as client:
        assert client.get(LIST).status_code == 200
        with pytest.raises(httpx.ReadError, match="reset by peer"):
            client.get(LIST)
        assert client.get(LIST).status_code == 200


def test_over_http_only_the_matching_request_loses_its_connection(caller: FaultySandboxClient) -> None:
    caller.set_faults(Rule(Drop(), "DELETE"))
    headers = {"authorization": f"Bearer {caller.token()}"}
    with serving(caller.sandbox) as address, httpx.Client(base_url=f"http://{address}", headers=headers) as other:
        other.get(LIST)
        with closing(socket.create_connection((LOCALHOST, int(address.split(":")[1])))) as connection:
            connection.sendall(b"DELETE /api/v2/client-grants/x HTTP/1.1\r\nhost: localhost\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
        kept = other.get(LIST).extensions["network_stream"]
        assert kept.get_extra_info("client_addr")


def test_over_http_a_truncated_body_is_followed_by_the_end_of_the_connection(caller: FaultySandboxClient) -> None:
    caller.set_faults(Rule(Damage(how="truncated")))
    headers = {"authorization": f"Bearer {caller.token()}"}
    with (
        serving(caller.sandbox) as address,
        httpx.Client(base_url=f"http://{address}", headers=headers) as client,
        client.stream("GET", LIST) as response,
    ):
        promised = int(response.headers["content-length"])
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
            response.read()
        assert response.num_bytes_downloaded == promised // 2


def test_over_http_an_empty_body_can_be_truncated(caller: FaultySandboxClient) -> None:
    caller.set_faults(Rule(AnswerFault(status=500, body="empty")), Rule(Damage(how="truncated")))
    with serving(caller.sandbox) as address:
        assert httpx.get(f"http://{address}{LIST}").status_code == 500
        caller.set_faults(Rule(Damage(how="truncated")), Rule(AnswerFault(status=500, body="empty")))
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"http://{address}{LIST}")


def test_faults_print_nothing(caller: FaultySandboxClient, capfd: pytest.CaptureFixture[str]) -> None:
    caller.set_faults(Rule(Drop(), calls=(1,)), Rule(Damage(how="truncated"), calls=(2,)))
    with serving(caller.sandbox) as address:
        for _ in range(2):
            with pytest.raises(httpx.TransportError):
                httpx.get(f"http://{address}{LIST}")
    assert capfd.readouterr() == ("", "")
