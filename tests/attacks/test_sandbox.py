"""A web page, another server or another user of this machine must not be able to use the local tenant."""

import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.commands import DATABASE, a_workspace, reconciler

from auth0_sandbox.served import ServedSandbox, served
from auth0_sandbox.store import database

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PATHS = ["/api/v2/client-grants", "/oauth/token", "/sandbox/state", "/nothing", "/"]
KEY = generate_private_key(65537, 2048)
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
SEED = f"""
applications:
  - name: Signer
    client_id: signer
    public_key: |
      {PEM.replace(chr(10), chr(10) + "      ")}
apis:
  - {{name: Invoices API, identifier: "https://api.example.com/invoices", scopes: [read]}}
grants:
  - {{client: Signer, api: Invoices API, scope: [read]}}
"""


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSandbox]:
    folder = tmp_path_factory.mktemp("tenant")
    (folder / "seed.yaml").write_text(SEED, encoding="utf-8")
    with served(folder / "tenant.db", folder / "seed.yaml") as opened:
        yield opened


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "host",
    [
        "evil.example.com",
        "evil.example.com:{port}",
        "10.0.0.1",
        "0.0.0.0",
        "localhost.evil.example.com",
        "127.0.0.1.nip.io:{port}",
        "evil@127.0.0.1",
        "127.0.0.1@evil.example.com",
        "sandbox.localhost, evil.example.com",
        "127.0.0.1/evil",
        "",
    ],
)
def test_a_request_for_another_host_name_is_refused(tenant: ServedSandbox, host: str, path: str) -> None:
    headers = {
        "host": host.replace("{port}", tenant.domain.rpartition(":")[2]),
        "authorization": f"Bearer {tenant.token()}",
    }

    response = httpx.get(f"{tenant.url}{path}", headers=headers)

    assert response.status_code == 403
    assert "loopback host name" in response.text


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "sandbox.localhost", "LOCALHOST", "127.0.0.2"])
def test_requests_for_names_of_this_machine_are_served(tenant: ServedSandbox, host: str) -> None:
    port = tenant.domain.rpartition(":")[2]
    headers = {"host": f"{host}:{port}", "authorization": f"Bearer {tenant.token()}"}

    assert httpx.get(f"{tenant.url}/api/v2/client-grants", headers=headers).status_code == 200


def request_token(tenant: ServedSandbox, audience: str, host: str) -> httpx.Response:
    claims = {"iss": "signer", "sub": "signer", "aud": audience, "jti": f"{audience} {host}"[:64]}
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": TYPE,
        "client_assertion": jwt.encode({**claims, "exp": int(time.time()) + 60}, KEY, "RS256"),
        "audience": "https://api.example.com/invoices",
    }
    return httpx.post(f"{tenant.url}/oauth/token", data=form, headers={"host": host})


@pytest.mark.parametrize(
    ("audience", "host"),
    [
        ("https://evil.example.com/", "evil.example.com"),
        ("http://127.0.0.1:1/", "127.0.0.1:1"),
        ("https://localhost/", "localhost"),
        ("https://other.eu.auth0.com/", "other.eu.auth0.com"),
    ],
)
def test_an_assertion_for_another_server_is_refused(tenant: ServedSandbox, audience: str, host: str) -> None:
    response = request_token(tenant, audience, host)

    assert response.status_code in {401, 403}
    assert "access_token" not in response.text


def test_an_assertion_for_this_server_is_accepted(tenant: ServedSandbox) -> None:
    port = tenant.domain.rpartition(":")[2]

    for audience, host in (
        (f"http://{tenant.domain}/", tenant.domain),
        (f"https://localhost:{port}/", f"localhost:{port}"),
        (tenant.sandbox.store.tenant().issuer, tenant.domain),
    ):
        assert request_token(tenant, audience, host).status_code == 200


@pytest.mark.usefixtures("open_umask")
def test_the_database_is_readable_by_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_workspace(tmp_path, monkeypatch)

    with served(tmp_path / DATABASE, tmp_path / "tenant.yaml"):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / DATABASE).parent.iterdir()}

    assert modes == dict.fromkeys(["sandbox.db", "sandbox.db-wal", "sandbox.db-shm"], 0o600)


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def foreign_database(path: Path) -> bytes:
    """Write an SQLite database of another program."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE passwords (name TEXT, secret TEXT)")
        connection.execute("INSERT INTO passwords VALUES ('a', 'b')")
        connection.commit()
    return path.read_bytes()


def _config(folder: Path, settings: str) -> None:
    text = f"default_tenant: local\ntenants:\n  local: {{kind: sandbox, seed: tenant.yaml, {settings}}}\n"
    (folder / "reconciler.yaml").write_text(text, encoding="utf-8")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    return a_workspace(folder, monkeypatch)


COMMANDS = [
    *(["validate"], ["plan"], ["apply", "--yes"], ["import"]),
    *(["sandbox", "reset"], ["sandbox", "serve"], ["doctor"]),
]
in_every_command = pytest.mark.parametrize("arguments", COMMANDS, ids=lambda each: each[0] + each[-1])


@in_every_command
@pytest.mark.parametrize("location", ["../outside.db", "{folder}/outside.db", "link.db", "folder/outside.db"])
def test_a_database_outside_the_repository_is_not_opened(here: Path, arguments: list[str], location: str) -> None:
    outside = here.parent / "outside.db"
    (here / "link.db").symlink_to(outside)
    (here / "folder").symlink_to(here.parent)
    _config(here, f"database: {location.replace('{folder}', str(here.parent))}")

    result = reconciler(*arguments)

    assert result.code == 1
    assert "reconciler.yaml:3" in result.output
    assert "Traceback" not in result.output
    assert not outside.exists()


@pytest.mark.parametrize("arguments", COMMANDS[1:], ids=lambda each: each[0] + each[-1])
@pytest.mark.parametrize("what", ["database", "empty", "text", "folder", "version"])
def test_a_file_that_is_not_a_sandbox_database_is_not_changed(
    here: Path, arguments: list[str], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # an empty file may be a database that another process creates, so the sandbox waits for it
    monkeypatch.setattr(database, "BUSY_TIMEOUT_SECONDS", 0.2)
    file = here / "data.db"
    content = b""
    match what:
        case "database":
            content = foreign_database(file)
        case "empty":
            file.touch()
        case "text":
            content = b"This is a letter." * 1000
            file.write_bytes(content)
        case "folder":
            file.mkdir()
        case _:  # a database of another program that also uses user_version
            foreign_database(file)
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("PRAGMA user_version = 2")
            content = file.read_bytes()
    _config(here, "database: data.db")

    result = reconciler(*arguments)

    assert result.code == 1
    assert "data.db" in result.output
    assert "sandbox database" in result.output
    assert file.is_dir() if what == "folder" else file.read_bytes() == content
    assert [path.name for path in here.glob("data.db*")] == ["data.db"]


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_a_link_next_to_the_database_is_not_followed(here: Path, suffix: str) -> None:
    target = here.parent / "target"
    target.write_bytes(b"mine")
    (here / DATABASE).parent.mkdir()
    (here / f"{DATABASE}{suffix}").symlink_to(target)

    result = reconciler("plan")

    assert result.code == 1
    assert "link" in result.stderr
    assert target.read_bytes() == b"mine"


@in_every_command
@pytest.mark.parametrize("location", ["../outside.yaml", "{folder}/outside.yaml", "link.yaml", "folder/outside.yaml"])
def test_a_seed_outside_the_repository_is_not_read(here: Path, arguments: list[str], location: str) -> None:
    (here.parent / "outside.yaml").write_text("applications: [{name: Stolen, client_id: stolen}]\n")
    (here / "link.yaml").symlink_to(here.parent / "outside.yaml")
    (here / "folder").symlink_to(here.parent)
    text = f"default_tenant: local\ntenants:\n  local:\n    kind: sandbox\n    seed: {location}\n"
    (here / "reconciler.yaml").write_text(text.replace("{folder}", str(here.parent)))

    result = reconciler(*arguments)

    assert result.code == 1
    assert "reconciler.yaml:5" in result.output
    assert not (here / DATABASE).exists()


def test_a_database_in_the_repository_above_the_configuration_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").mkdir()
    below = tmp_path / "below"
    below.mkdir()
    a_workspace(below, monkeypatch)
    _config(below, "database: ../shared.db")

    assert reconciler("plan").code == 0
    assert (tmp_path / "shared.db").exists()


def test_a_database_of_an_older_sandbox_is_recognized_by_its_tables(here: Path) -> None:
    assert reconciler("plan").code == 0
    with closing(sqlite3.connect(here / DATABASE)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() != (0,)
        connection.execute("PRAGMA application_id = 0")

    assert reconciler("apply", "--yes").code == 0
    with closing(sqlite3.connect(here / DATABASE)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() != (0,)
