import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sandbox.sandbox_client import DOMAIN, INVOICES

from auth0_sandbox.store.database import DocumentKind
from auth0_sandbox.tenant import open_sandbox

pytestmark = pytest.mark.slow

WORKERS = ("worker-1", "worker-2", "worker-3")
APPLICATIONS = ", ".join(f"{{name: {name}, client_id: {name}}}" for name in WORKERS)
SEED = f"""
tool: {{client_secret: hush}}
apis: [{{name: Invoices, identifier: "{INVOICES}"}}]
applications: [{APPLICATIONS}]
"""
SERVER = """
import sys
from pathlib import Path
from auth0_sandbox.server.serve import serve
from auth0_sandbox.tenant import open_sandbox
folder = Path(sys.argv[1])
with open_sandbox(folder / "tenant.db", folder / "seed.yaml", "acme.eu.auth0.com") as sandbox:
    serve(sandbox, port=0, on_ready=lambda address: print(address, flush=True))
"""
ROOT = Path(__file__).parents[2]
Scope = list[str] | None  # None without a grant


@dataclass
class Worker:
    """Creates, updates and deletes its own grant repeatedly, until the server ends."""

    name: str
    id: str = ""
    confirmed: Scope = None
    sent: Scope = None
    responses: int = 0

    def work(self, url: str, token: str) -> None:
        with httpx.Client(base_url=f"{url}/api/v2", headers={"authorization": f"Bearer {token}"}) as client:
            try:
                while True:
                    self.write(client, self.responses % 5)
            except httpx.TransportError:
                pass

    def write(self, client: httpx.Client, step: int) -> None:
        """Send a write and record it: first as sent, and after the response as confirmed."""
        self.sent = None if step == 4 else [f"{self.name}:{self.responses}"]
        if step == 4:
            response = client.delete(f"/client-grants/{self.id}")
        elif self.confirmed is None:
            body = {"client_id": self.name, "audience": INVOICES, "scope": self.sent}
            response = client.post("/client-grants", json=body)
            self.id = response.json().get("id", self.id)
        else:
            response = client.patch(f"/client-grants/{self.id}", json={"scope": self.sent})
        assert response.is_success, response.text
        self.confirmed = self.sent
        self.responses += 1


def stored_scope(folder: Path, client_id: str) -> Scope:
    with open_sandbox(folder / "tenant.db", folder / "seed.yaml", DOMAIN) as sandbox:
        grant = sandbox.store.first(DocumentKind.CLIENT_GRANTS, {"client_id": client_id})
    return None if grant is None else list(grant["scope"])


def token_of(url: str) -> str:
    credentials = {"client_id": "reconciler-sandbox-tool-0000000000", "client_secret": "hush"}
    form = {"grant_type": "client_credentials", "audience": f"https://{DOMAIN}/api/v2/"} | credentials
    token: str = httpx.post(f"{url}/oauth/token", data=form).json()["access_token"]
    return token


def work_until_killed(folder: Path, workers: list[Worker], seconds: float) -> None:
    words = [sys.executable, "-c", SERVER, str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server, ThreadPoolExecutor() as pool:
        assert server.stdout
        url = f"http://{server.stdout.readline().strip()}"
        token = token_of(url)
        working = [pool.submit(worker.work, url, token) for worker in workers]
        while not all(worker.responses or each.done() for worker, each in zip(workers, working, strict=True)):
            time.sleep(0.01)
        time.sleep(seconds)
        server.kill()
        for each in working:
            each.result()


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_server_keeps_every_confirmed_write(tmp_path: Path, seed: int) -> None:
    (tmp_path / "seed.yaml").write_text(SEED, encoding="utf-8")
    workers = [Worker(name) for name in WORKERS]

    work_until_killed(tmp_path, workers, random.Random(seed).uniform(0, 0.4))

    assert all(worker.responses for worker in workers)
    for worker in workers:
        # a write without a response may have taken effect
        assert stored_scope(tmp_path, worker.name) in (worker.confirmed, worker.sent)
