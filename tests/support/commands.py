"""Run commands as a user does: in this process with captured streams, or in a process of its own."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp

from auth0_sandbox.server.serve import serving
from auth0_sandbox.store.database import DocumentKind
from auth0_sandbox.store.documents import Document
from auth0_sandbox.tenant import open_sandbox
from reconciler.cli.main import run
from support.tenants import organizations_of

DATABASE = Path(".reconciler/sandbox.db")
DOMAIN = "sandbox.localhost"
SECRET = "canary-secret-that-nobody-should-see"
TIMEOUT_SECONDS = 30
OURS = (
    "AUTH0_",
    "RECONCILER_",
    "CI",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR",
    "TERM",
    "COLUMNS",
    "PYTHONIOENCODING",
)

CONFIG = """
default_tenant: local
tenants:
  local: {kind: sandbox, seed: tenant.yaml}
"""
SEED = f"""
tool: {{name: Reconciler, client_id: own, client_secret: {SECRET}}}
applications:
  - {{name: Billing, client_id: billing, client_secret: {SECRET}-of-billing}}
  - {{name: Portal, client_id: portal}}
apis:
  - name: Invoices API
    identifier: https://api.example.com/invoices
    scopes: ["read:invoices", "write:invoices", "void:invoices"]
grants:
  - {{client: Portal, api: Invoices API, scope: ["read:invoices"]}}
"""
GRANTS = """\
grants:
  - client: Billing
    api: Invoices API
    description: Nightly run
    scope:
      - read:invoices
      - write:invoices
"""


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def data(self) -> Any:
        """Stdout as the one JSON object that it should be."""
        return json.loads(self.stdout)

    @property
    def said(self) -> str:
        return self.stdout + self.stderr


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def reconciler(*arguments: str | Path, terminal: bool = False, typed: str = "") -> Ran:
    """Run a command in this process; on a `terminal`, somebody types `typed`."""
    kind = Screen if terminal else io.StringIO
    with redirect_stdout(kind()) as out, redirect_stderr(kind()) as err, _typing(kind(typed)):
        code = run([str(argument) for argument in arguments])
    return Ran(code, out.getvalue(), err.getvalue())


@contextmanager
def _typing(stream: io.StringIO) -> Iterator[None]:
    before, sys.stdin = sys.stdin, stream
    try:
        yield
    finally:
        sys.stdin = before


def command_line(*arguments: str | Path) -> list[str]:
    """Return the words that start a command in a process of its own."""
    return [sys.executable, "-m", "reconciler", *map(str, arguments)]


def process(*arguments: str | Path, **options: Any) -> Ran:
    """Run a command in a process of its own; `options` are those of subprocess.run."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    words = command_line(*arguments)
    done = subprocess.run(words, check=False, text=True, timeout=TIMEOUT_SECONDS, **streams)
    return Ran(done.returncode, done.stdout or "", done.stderr or "")


def a_workspace(folder: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> Path:
    """Make `folder` the place where commands run, with nothing in the environment that could steer them.

    It holds a configuration, a sandbox's seed and a grant file, unless `files` (by name, without suffix) say otherwise.
    """
    whole = {"reconciler": CONFIG, "tenant": SEED, "grants/billing": GRANTS} | files
    for name, text in whole.items():
        file = folder / f"{name}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    stand_in(folder, monkeypatch)
    return folder


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `folder` the current one, and the environment silent; what fails is given up at once."""
    monkeypatch.chdir(folder)
    for name in os.environ:
        if name.startswith(OURS) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for command in ("PLAN", "APPLY"):
        monkeypatch.setenv(f"RECONCILER_{command}_ATTEMPTS", "1")


@contextmanager
def served(folder: Path, around: Callable[[ASGIApp], ASGIApp] = lambda app: app) -> Iterator[Mapping[str, str]]:
    """Serve the workspace's tenant over HTTP; gives the environment that leads there. `around` stands before it."""
    with open_sandbox(folder / DATABASE, folder / "tenant.yaml", DOMAIN) as sandbox:
        reached = replace(sandbox, app=around(sandbox.app))
        with serving(reached) as address:
            yield {
                "AUTH0_DOMAIN": address,
                "AUTH0_CLIENT_ID": sandbox.credentials.client_id,
                "AUTH0_CLIENT_SECRET": sandbox.credentials.client_secret,
            }


def grants_of(folder: Path) -> list[Document]:
    """Return the grants of the workspace's tenant as it would answer them, by key, without their ids.

    Those that organizations may use have their names, too.
    """
    with open_sandbox(folder / DATABASE, folder / "tenant.yaml", DOMAIN) as sandbox:
        rows = sandbox.store.find(DocumentKind.CLIENT_GRANTS, {}, limit=1000)
        named = {row.id: organizations_of(sandbox, row.id) for row in rows}
    documents = [
        {name: value for name, value in json.loads(row.text).items() if name != "id"}
        | ({"organizations": named[row.id]} if named[row.id] else {})
        for row in rows
    ]
    return sorted(documents, key=_order)


def _order(grant: Document) -> tuple[str, ...]:
    return tuple(str(grant.get(part, "")) for part in ("client_id", "default_for", "audience", "subject_type"))
