"""Run commands as a user does, in this process with captured streams or in a new process."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import datetime
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
PREFIXES = (
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
class CommandResult:
    """Exit code and output of a command."""

    code: int
    stdout: str
    stderr: str

    @property
    def data(self) -> Any:
        """Stdout, parsed as JSON."""
        return json.loads(self.stdout)

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


class TerminalStream(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def reconciler(
    *arguments: str | Path, terminal: bool = False, typed: str = "", now: datetime | None = None
) -> CommandResult:
    """Run a command in this process. `typed` is the input on a terminal. `now` is the time of the run."""
    kind = TerminalStream if terminal else io.StringIO
    with redirect_stdout(kind()) as out, redirect_stderr(kind()) as err, _typing(kind(typed)):
        code = run([str(argument) for argument in arguments], now)
    return CommandResult(code, out.getvalue(), err.getvalue())


@contextmanager
def _typing(stream: io.StringIO) -> Iterator[None]:
    before, sys.stdin = sys.stdin, stream
    try:
        yield
    finally:
        sys.stdin = before


def command_line(*arguments: str | Path) -> list[str]:
    """Return the arguments that start a command in a new process."""
    return [sys.executable, "-m", "reconciler", *map(str, arguments)]


def run_process(*arguments: str | Path, **options: Any) -> CommandResult:
    """Run a command in a new process. `options` are passed to subprocess.run."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    completed = subprocess.run(command_line(*arguments), check=False, text=True, timeout=TIMEOUT_SECONDS, **streams)
    return CommandResult(completed.returncode, completed.stdout or "", completed.stderr or "")


def a_workspace(folder: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> Path:
    """Write a configuration, a seed and a grant file into `folder`, and make it the current folder.

    `files` adds or replaces files, by name without suffix. The environment has no variable that affects reconciler.
    """
    texts = {"reconciler": CONFIG, "tenant": SEED, "grants/billing": GRANTS} | files
    for name, text in texts.items():
        file = folder / f"{name}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    enter_clean_folder(folder, monkeypatch)
    return folder


def enter_clean_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `folder` the current folder, remove variables that affect reconciler, and switch retries off."""
    monkeypatch.chdir(folder)
    for name in os.environ:
        if name.startswith(PREFIXES) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for command in ("PLAN", "APPLY"):
        monkeypatch.setenv(f"RECONCILER_{command}_ATTEMPTS", "1")


@contextmanager
def served(folder: Path, middleware: Callable[[ASGIApp], ASGIApp] = lambda app: app) -> Iterator[Mapping[str, str]]:
    """Serve the workspace's tenant over HTTP, behind `middleware`. Yield the variables for a connection to it."""
    with open_sandbox(folder / DATABASE, folder / "tenant.yaml", DOMAIN) as sandbox:
        wrapped = replace(sandbox, app=middleware(sandbox.app))
        with serving(wrapped) as address:
            yield {
                "AUTH0_DOMAIN": address,
                "AUTH0_CLIENT_ID": sandbox.credentials.client_id,
                "AUTH0_CLIENT_SECRET": sandbox.credentials.client_secret,
            }


def grants_of(folder: Path) -> list[Document]:
    """Return the grants of the workspace's tenant in the API's form, without their ids and sorted by key.

    Grants with organizations also have the names of these organizations.
    """
    with open_sandbox(folder / DATABASE, folder / "tenant.yaml", DOMAIN) as sandbox:
        rows = sandbox.store.find(DocumentKind.CLIENT_GRANTS, {}, limit=1000)
        organizations = {row.id: organizations_of(sandbox, row.id) for row in rows}
    documents = [
        {name: value for name, value in json.loads(row.text).items() if name != "id"}
        | ({"organizations": organizations[row.id]} if organizations[row.id] else {})
        for row in rows
    ]
    return sorted(documents, key=_order)


def _order(grant: Document) -> tuple[str, ...]:
    return tuple(str(grant.get(part, "")) for part in ("client_id", "default_for", "audience", "subject_type"))
