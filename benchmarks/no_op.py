"""A plan that changes nothing: requests, time and memory, against a sandbox served by a process of its own.

    python benchmarks/no_op.py [GRANTS ...]        default: 100 1000 5000

Each size is a tenant of its own: N grants of N/10 applications on 20 APIs, the tool's own application and grant among
them, and grant files by name that declare all but that one. Requests are counted where they arrive. Beside it: planning
alone, in this process, without files and network.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from reconciler.core.directory import Directory
from reconciler.core.grant import ClientGrant, Key, ObservedGrant
from reconciler.core.guards import Untouchable
from reconciler.core.plan import TenantName
from reconciler.core.planner import Observation, Rules, make_plan
from reconciler.core.spec import GrantSpec
from reconciler.sandbox.tenant import open_sandbox

SIZES = (100, 1000, 5000)
APIS = 20
GRANTS_PER_APPLICATION = 10
SCOPES = ("read:things", "write:things", "list:things")
DOMAIN = "sandbox.localhost"
COUNTS = "/counts"


def main() -> None:
    """Measure each size and print a table."""
    print(f"{'grants':>8} {'requests':>9} {'wall s':>8} {'cpu s':>8} {'peak MB':>8}  by endpoint")
    for size in [int(argument) for argument in sys.argv[1:]] or SIZES:
        with tempfile.TemporaryDirectory() as folder:
            print(measured(size, Path(folder)), flush=True)
    print(f"\nplanning alone: {planning(10_000, differing=0):.3f} s for 10,000 equal grants, ", end="")
    print(f"{planning(10_000, differing=1000):.3f} s with 1,000 of them differing")


def measured(size: int, folder: Path) -> str:
    """Return the row of a tenant with `size` grants."""
    write_tenant(size, folder)
    with served(folder) as (address, credentials):
        environment = {**os.environ, "AUTH0_DOMAIN": address, **credentials}
        command = [sys.executable, "-m", "reconciler", "--grants", str(folder / "grants"), "plan", "--format", "json"]
        started = time.perf_counter()
        with (folder / "plan.json").open("wb") as output:
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output)
            _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        counts = Counter(httpx.get(f"http://{address}{COUNTS}").json())
    summary = json.loads((folder / "plan.json").read_text())["summary"]
    if status or summary["unchanged"] != size - 1 or summary["create"] or summary["update"]:
        sys.exit(f"the plan for {size} grants is wrong: {summary}")
    cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    by_endpoint = ", ".join(f"{number} {endpoint}" for endpoint, number in sorted(counts.items()))
    return f"{size:>8} {counts.total():>9} {wall:>8.2f} {cpu:>8.2f} {peak:>8.0f}  {by_endpoint}"


def write_tenant(size: int, folder: Path) -> None:
    """Write a seed with `size` grants, and grant files that say the same."""
    applications = [f"App {number}" for number in range(size // GRANTS_PER_APPLICATION - 1)]
    apis = [{"name": f"API {n}", "identifier": f"https://api{n}.example/", "scopes": SCOPES} for n in range(APIS)]
    grants = [
        {"client": applications[n % len(applications)], "api": f"API {n // len(applications)}", "scope": SCOPES}
        for n in range(size - 1)
    ]
    seed = {"applications": [{"name": name} for name in applications], "apis": apis, "grants": grants}
    (folder / "seed.yaml").write_text(json.dumps(seed))
    (folder / "grants").mkdir()
    for start in range(0, len(grants), 1000):
        lines = [
            f"  - client: {grant['client']}\n    api: {grant['api']}\n    scope: [{', '.join(SCOPES)}]\n"
            for grant in grants[start : start + 1000]
        ]
        (folder / "grants" / f"{start:06}.yaml").write_text("grants:\n" + "".join(lines))


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Serve the tenant of `folder` by another process; give its address and the environment's credentials."""
    server = subprocess.Popen([sys.executable, __file__, "--serve", str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        told = json.loads(server.stdout.readline() if server.stdout else "")
        yield told["address"], told["credentials"]
    finally:
        server.terminate()
        server.wait()


def serve(folder: Path) -> None:
    """Serve a sandbox on a free port, counting requests; the first line of output says where."""
    with open_sandbox(folder / "sandbox.db", folder / "seed.yaml", DOMAIN) as sandbox:
        config = uvicorn.Config(Counting(sandbox.app), log_level="error", lifespan="off", port=0)
        listener = config.bind_socket()
        own = sandbox.credentials
        credentials = {"AUTH0_CLIENT_ID": own.client_id, "AUTH0_CLIENT_SECRET": own.client_secret}
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        print(json.dumps({"address": address, "credentials": credentials}), flush=True)
        uvicorn.Server(config).run([listener])


class Counting:
    """Counts requests by method and path, and tells the counts."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._counts: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the request and pass it on."""
        if scope["path"] != COUNTS:
            self._counts[f"{scope['method']} {scope['path']}"] += 1
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(self._counts).encode()})


def planning(size: int, *, differing: int) -> float:
    """Return how many seconds a plan of `size` grants takes, `differing` of them unlike the tenant's."""
    keys = [Key(f"app{number // 10}", f"https://api{number % 10}.example/") for number in range(size)]
    scope = frozenset(SCOPES)
    observed = tuple(ObservedGrant(f"cgr_{number}", ClientGrant(key, scope)) for number, key in enumerate(keys))
    specs = [
        GrantSpec(
            file="a.yaml",
            mark=(number, 1),
            client_id=key.client_id,
            audience=key.audience,
            scope=SCOPES if number >= differing else SCOPES[1:],
        )
        for number, key in enumerate(keys)
    ]
    rules = Rules(untouchable=Untouchable(Key("own", "https://tenant/api/v2/")))
    started = time.perf_counter()
    make_plan(specs, Observation(observed, Directory()), rules, TenantName("bench", "bench"))
    return time.perf_counter() - started


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(Path(sys.argv[2]))
    else:
        main()
