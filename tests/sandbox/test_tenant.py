import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sandbox.sandbox_client import DOMAIN, INVOICES, SEED, SandboxClient, open_client

from auth0_sandbox.errors import FileError, SandboxError
from auth0_sandbox.store.database import DocumentKind
from auth0_sandbox.tenant import open_sandbox, reset

# The program of another process: it opens the tenant, creates grants for its own clients, and prints the id of each.
WRITER = """
import sys
from pathlib import Path
from sandbox.sandbox_client import SandboxClient, open_client
name, amount, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
caller = open_client(folder)
with caller.sandbox:
    for number in range(amount):
        client = caller.call("POST", "/clients", json={"name": f"{name} {number}"}).json()["client_id"]
        print(caller.create(client_id=client)["id"], flush=True)
"""
ROOT = Path(__file__).parents[2]


def writer(name: str, number: int, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, name, str(number), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
    )


def test_a_tenant_is_unchanged_after_a_restart(tmp_path: Path) -> None:
    before = open_client(tmp_path)
    with before.sandbox:
        grant = before.create()
        token = before.token()
    after = open_client(tmp_path)
    with after.sandbox:
        headers = {"authorization": f"Bearer {token}"}
        assert after.raw("GET", f"/api/v2/client-grants/{grant['id']}", headers=headers).json() == grant


def test_a_changed_seed_or_domain_does_not_change_an_existing_tenant(tmp_path: Path) -> None:
    open_client(tmp_path).sandbox.close()
    seed = tmp_path / "seed.yaml"
    seed.write_text("tool: {client_id: other}")
    with open_sandbox(tmp_path / "tenant.db", seed, "other.auth0.com") as sandbox:
        assert sandbox.store.tenant().domain == DOMAIN
        assert sandbox.credentials.client_id != "other"
        assert sandbox.store.get(DocumentKind.CLIENTS, "worker") is not None


@pytest.mark.parametrize(
    ("change", "remark"),
    [
        (lambda seed: seed.write_text(seed.read_text() + "# a comment\n"), "has changed since the sandbox in"),
        (Path.unlink, "does not exist; the sandbox in"),
        (lambda seed: (seed.unlink(), seed.mkdir()), "cannot be read"),
        (lambda seed: seed.touch(), ""),
    ],
    ids=["edited", "missing", "unreadable", "same"],
)
def test_a_changed_seed_is_reported_until_the_reset(
    tmp_path: Path, change: Callable[[Path], object], remark: str
) -> None:
    seed, database = tmp_path / "other.yaml", tmp_path / "tenant.db"
    seed.write_text(SEED)
    with open_sandbox(database, seed, DOMAIN) as new:
        assert new.remark == ""
    change(seed)
    with open_sandbox(database, seed, DOMAIN) as sandbox:
        assert remark in sandbox.remark
        assert bool(sandbox.remark) == bool(remark)
        assert not sandbox.remark or "`reconciler sandbox reset`" in sandbox.remark
    with open_sandbox(database, None, DOMAIN) as without:
        assert without.remark == ""
    if seed.is_file():
        reset(database, seed, DOMAIN)
        with open_sandbox(database, seed, DOMAIN) as again:
            assert again.remark == ""


def test_reset_restores_the_seed_in_a_running_server(caller: SandboxClient, tmp_path: Path) -> None:
    before = caller.call("GET", "/client-grants").json()
    extra = caller.create()
    token = caller.token()
    reset(tmp_path / "tenant.db", tmp_path / "seed.yaml", DOMAIN)
    headers = {"authorization": f"Bearer {token}"}
    assert caller.raw("GET", "/api/v2/client-grants", headers=headers).json() == before
    assert caller.call("GET", f"/client-grants/{extra['id']}").status_code == 404
    assert caller.create()["audience"] == INVOICES


def test_reset_creates_a_missing_tenant(tmp_path: Path) -> None:
    reset(tmp_path / "tenant.db", None, "new.auth0.com")
    with open_sandbox(tmp_path / "tenant.db", None, DOMAIN) as sandbox:
        assert sandbox.store.tenant().domain == "new.auth0.com"


def test_reset_with_an_invalid_seed_does_not_change_the_tenant(caller: SandboxClient, tmp_path: Path) -> None:
    grant = caller.create()
    (tmp_path / "seed.yaml").write_text("grants: [{client: Nobody, audience: x}]")
    with pytest.raises(FileError):
        reset(tmp_path / "tenant.db", tmp_path / "seed.yaml", DOMAIN)
    assert caller.call("GET", f"/client-grants/{grant['id']}").json() == grant


def test_a_database_of_another_version_is_refused_until_it_is_reset(tmp_path: Path) -> None:
    database = tmp_path / "tenant.db"
    open_sandbox(database, None, DOMAIN).close()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(SandboxError, match="another version"):
        open_sandbox(database, None, DOMAIN)
    reset(database, None, DOMAIN)
    open_sandbox(database, None, DOMAIN).close()


def test_a_missing_seed_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="nowhere"):
        open_sandbox(tmp_path / "tenant.db", tmp_path / "nowhere.yaml", DOMAIN)


def test_two_processes_share_a_new_tenant(tmp_path: Path) -> None:
    (tmp_path / "seed.yaml").write_text(SEED)
    writers = [writer(name, 20, tmp_path) for name in ("one", "two")]
    created = [line for process in writers for line in process.communicate()[0].split()]
    assert [process.returncode for process in writers] == [0, 0]
    caller = open_client(tmp_path)
    with caller.sandbox:
        listed = [
            grant["id"]
            for grant in caller.call("GET", f"/client-grants?take=100&audience={INVOICES}").json()["client_grants"]
        ]
    assert listed == sorted(created)
    assert len(listed) == 40


def test_a_killed_process_loses_no_confirmed_write(tmp_path: Path) -> None:
    process = writer("one", 10_000, tmp_path)
    with process:
        assert process.stdout is not None
        created = [process.stdout.readline().strip() for _ in range(10)]
        process.send_signal(signal.SIGKILL)
        created += process.stdout.read().split()[:-1]  # the last line may be incomplete
    caller = open_client(tmp_path)
    with caller.sandbox:
        assert [caller.call("GET", f"/client-grants/{identity}").status_code for identity in created] == [200] * len(
            created
        )
