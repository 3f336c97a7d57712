import os
import shutil
import ssl
import stat
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sandbox.sandbox_client import open_client

from auth0_sandbox.errors import SandboxError
from auth0_sandbox.faults.plan import Drop, FaultPlan, Rule
from auth0_sandbox.server.serve import serving
from auth0_sandbox.server.tls import LIFETIME, Certificates, certificates

NOW = datetime.now(UTC)  # the clients' clock cannot be set


@pytest.fixture
def files(tmp_path: Path) -> Certificates:
    return certificates(tmp_path / "tenant.db", NOW)


@pytest.fixture
def port(tmp_path: Path, files: Certificates) -> Iterator[str]:
    caller = open_client(tmp_path)
    with caller.sandbox, serving(caller.sandbox, certificate=files.server) as address:
        yield address.split(":")[1]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_python_trusts_the_authority(files: Certificates, port: str, host: str) -> None:
    context = ssl.create_default_context(cafile=str(files.authority))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    assert httpx.get(f"https://{host}:{port}/", verify=context).status_code == 404


def test_python_without_the_authority_refuses_the_certificate(port: str) -> None:
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        httpx.get(f"https://localhost:{port}/")


@pytest.mark.parametrize(
    ("program", "variable"),
    [
        (["curl", "--silent", "--show-error"], "CURL_CA_BUNDLE"),
        (["node", "-e", "fetch(process.argv[1]).then(a => a.text()).then(console.log)"], "NODE_EXTRA_CA_CERTS"),
    ],
    ids=["curl", "node"],
)
def test_other_programs_trust_the_authority(files: Certificates, port: str, program: list[str], variable: str) -> None:
    if shutil.which(program[0]) is None:
        pytest.skip(f"there is no {program[0]}")
    outside = {name: text for name, text in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        [*program, f"https://localhost:{port}/"],
        capture_output=True,
        text=True,
        check=True,
        env=outside | {variable: str(files.authority)},
    )
    assert '"statusCode":404' in done.stdout


def test_a_fault_drops_a_connection_with_tls(tmp_path: Path, files: Certificates) -> None:
    caller = open_client(tmp_path)
    caller.sandbox.control.set_faults(FaultPlan((Rule(Drop()),)))
    context = ssl.create_default_context(cafile=str(files.authority))
    with (
        caller.sandbox,
        serving(caller.sandbox, certificate=files.server) as address,
        pytest.raises(httpx.TransportError),
    ):
        httpx.get(f"https://{address}/api/v2/clients", verify=context)


def test_only_the_owner_can_read_the_key(files: Certificates) -> None:
    assert stat.S_IMODE(files.server.stat().st_mode) == 0o600
    assert stat.S_IMODE(files.authority.stat().st_mode) == 0o644
    assert b"PRIVATE KEY" in files.server.read_bytes()
    assert b"PRIVATE KEY" not in files.authority.read_bytes()
    assert [path.name for path in sorted(files.server.parent.iterdir())] == ["tenant-ca.pem", "tenant-tls.pem"]


@pytest.mark.parametrize(
    ("later", "same"),
    [
        pytest.param(timedelta(days=1), True, id="reused"),
        pytest.param(LIFETIME - timedelta(days=30), False, id="renewed before expiry"),
        pytest.param(timedelta(days=-2), False, id="renewed if not valid yet"),
    ],
)
def test_certificates_are_reused_until_they_are_renewed(
    files: Certificates, tmp_path: Path, later: timedelta, *, same: bool
) -> None:
    before = files.authority.read_bytes(), files.server.read_bytes()
    again = certificates(tmp_path / "tenant.db", NOW + later)
    after = again.authority.read_bytes(), again.server.read_bytes()
    assert again == files
    assert (after == before) is same
    assert (after[0] == before[0]) is same


def test_an_invalid_certificate_is_replaced(files: Certificates, tmp_path: Path) -> None:
    files.server.write_text("nothing")
    certificates(tmp_path / "tenant.db", NOW)
    assert b"BEGIN CERTIFICATE" in files.server.read_bytes()


def test_a_folder_that_is_not_writable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SandboxError, match="cannot store certificates next to"):
        certificates(tmp_path / "file" / "tenant.db", NOW)
