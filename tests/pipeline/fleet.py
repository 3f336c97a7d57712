"""Forty tenants in one process, a project for them, and their faults."""

import asyncio
import shutil
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import uvicorn
from pipeline.project import EXAMPLES, Project, fake_python, for_act, git
from starlette.types import ASGIApp, Receive, Scope, Send
from support.builders import RUN_INPUTS, a_result, leave_result
from support.commands import SECRET

from auth0_sandbox.tenant import open_sandbox

NAMES = tuple(f"t{number:02}" for number in range(40))
SEED = f"""
tool: {{name: Reconciler, client_id: own, client_secret: {SECRET}}}
applications:
  - {{name: Billing, client_id: billing}}
  - {{name: Portal, client_id: portal}}
apis:
  - {{name: Invoices API, identifier: "https://api.example.com/invoices", scopes: ["read:invoices", "write:invoices"]}}
"""
GRANTS = "grants:\n  - {client: Billing, api: Invoices API, scope: ['read:invoices']}\n"
WAVES = "waves: [{name: canary, tenants: [t00, t01]}, {name: rest, tenants: ['*']}]\n"


SHORT = {"RECONCILER_PLAN_TIMEOUT": "6s", "RECONCILER_PLAN_ATTEMPTS": "1"}
"""A hanging tenant ends soon."""
KILLED = frozenset(NAMES[2::4])
"""The tenants of the shard 2/4."""
KILLER = """#!/bin/bash -p
# Run the Python of the environment. Kill the first plan of the shard 2/4 when it has begun.
words=" $* $RECONCILER_TENANT"
if [[ -e {marker} || $words != *" reconciler plan "* || ($words != *" --shard 2/4 "* && $words != *" t02,"*) ]]; then
  exec {python} "$@"
fi
touch {marker}
{python} "$@" &
while [[ $1 != --result ]]; do shift; done
until [[ -e $2/t02.json ]]; do sleep 0.02; done
kill -KILL $!
wait $!
"""


def killing_python(folder: Path) -> Path:
    """Return a python3 whose environments kill the first plan of the shard 2/4."""
    killer, python = folder / "killer", folder / "killing" / "python3"
    killer.write_text(KILLER.format(python=sys.executable, marker=folder / "killed"), encoding="utf-8")
    killer.chmod(0o755)
    text = fake_python(folder).read_text(encoding="utf-8")
    python.parent.mkdir()
    python.write_text(text.replace(f"exec {sys.executable}", f"exec {killer}", 1), encoding="utf-8")
    python.chmod(0o755)
    return python


FAULTS = "28 of 40 planned, 2 failed, 10 unknown"
"""The collected result if t00 hangs, t01 has a wrong secret, and the shard 2/4 is killed."""
REMAINING = KILLED | {"t00", "t01"}
RECOVERED = "40 of 40 planned"


def write_result_of_another_run(folder: Path) -> None:
    """Write a result that `fleet collect` must refuse."""
    folder.mkdir(parents=True)
    leave_result(folder / "t05.json", a_result("t05", inputs=replace(RUN_INPUTS, run="999")))


@dataclass(slots=True)
class FleetServer:
    """The served tenants. The tenants in `hanging` do not answer.

    `requests` counts the requests by tenant. `writes` counts the requests that change grants.
    """

    domains: dict[str, str]
    requests: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    hanging: set[str] = field(default_factory=set)

    def credentials(self, *denied: str) -> dict[str, str]:
        """Return the variables for all tenants. Those of `denied` have a wrong secret."""
        found: dict[str, str] = {}
        for name, domain in self.domains.items():
            prefix = f"AUTH0_{name.upper()}_"
            secret = "wrong" if name in denied else SECRET
            found |= {f"{prefix}DOMAIN": domain, f"{prefix}CLIENT_ID": "own", f"{prefix}CLIENT_SECRET": secret}
        return found


@contextmanager
def serve_fleet(folder: Path) -> Iterator[FleetServer]:
    """Serve each tenant at its own port, in one thread of this process."""
    (folder / "seed.yaml").write_text(SEED, encoding="utf-8")
    with ExitStack() as stack:
        apps: dict[int, tuple[str, ASGIApp]] = {}
        listeners = []
        for name in NAMES:
            sandbox = stack.enter_context(
                open_sandbox(folder / f"{name}.db", folder / "seed.yaml", f"{name}.localhost")
            )
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            apps[listener.getsockname()[1]] = name, sandbox.app
            listeners.append(listener)
        server = FleetServer({name: f"127.0.0.1:{port}" for port, (name, _) in apps.items()})

        async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
            name, app = apps[scope["server"][1]]
            server.requests[name] += 1
            if scope["method"] != "GET" and "/client-grants" in scope["path"]:
                server.writes[name] += 1
            if name in server.hanging:
                await asyncio.Event().wait()
            await app(scope, receive, send)

        config = uvicorn.Config(dispatch, log_level="critical", lifespan="off", ws="none", timeout_graceful_shutdown=1)
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, args=(listeners,))
        thread.start()
        try:
            yield server
        finally:
            running.should_exit = running.force_exit = True
            thread.join()


@contextmanager
def fleet_project(folder: Path, files: str) -> Iterator[tuple[Project, FleetServer]]:
    """Yield a clone whose main branch declares a grant in each of forty tenants. `files` is a folder of examples/."""
    clone, tenants = folder / "grants-of-many", folder / "tenants"
    tenants.mkdir()
    (clone / "grants").mkdir(parents=True)
    with serve_fleet(tenants) as server:
        fields = "domain: '{}', canonical_domain: {}.localhost, credentials: AUTH0_{}_"
        lines = [
            f"  {name}: {{{fields.format(domain, name, name.upper())}}}\n" for name, domain in server.domains.items()
        ]
        (clone / "reconciler.yaml").write_text(f"{WAVES}tenants:\n{''.join(lines)}", encoding="utf-8")
        project = Project(clone, tenants, server.credentials())
        project.write(all=GRANTS)
        target = clone / ".github" / "workflows" if files == "github" else clone
        shutil.copytree(EXAMPLES / files, target, dirs_exist_ok=True)
        for workflow in target.glob("fleet-*.yml"):
            workflow.write_text(for_act(workflow.read_text(encoding="utf-8")), encoding="utf-8")
        ignored = (
            ".gitlab-ci-local*",
            ".gitlab-ci-reports/",
            ".reconciler/",
            "results*/",
            "reconciler-*/",
            "reconciler.*",
        )
        (clone / ".gitignore").write_text("\n".join([*ignored, "!*.yaml"]), encoding="utf-8")
        origin = folder / "origin.git"
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
        project.git("init", "--quiet", "--initial-branch=main")
        project.git("remote", "add", "origin", str(origin))
        project.git("remote", "add", "github", "https://github.com/example/grants.git")  # no test connects to it
        project.commit("Start")
        project.git("push", "--quiet", "origin", "main")
        yield project, server
