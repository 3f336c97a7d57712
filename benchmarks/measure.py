"""Run a tool as a whole process against a load server of its own, and tell what it took and whether it did the work."""

import json
import re
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from auth0_sandbox.server.tls import Certificates, certificates
from benchmarks.tenants import Case, Grant, Work
from benchmarks.tools import EXPORTED, PROGRAMS, ROOT, Tool, environment

DONE = "done"
OUTPUT = "output"
MAX_MESSAGE_LENGTH = 120
API_LINE = re.compile(r"^[\s-]*(?:api|audience):", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a process took: seconds by the clock and of processors, and megabytes at its peak."""

    status: int
    wall: float
    cpu: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Run:
    """A tool at a case. `outcome` is DONE, or says why there are no figures; `requests` are counted by endpoint."""

    tool: str
    case: Case
    outcome: str
    took: Measurement | None = None
    requests: Mapping[str, int] = field(default_factory=dict)
    refused: int = 0


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What a load server tells: requests by endpoint, how grant_count of them it refused with 429, and its grants."""

    requests: Mapping[str, int]
    refused: int
    grants: frozenset[Grant]


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A load server that is running."""

    port: int
    authority: Path

    def told(self) -> ServerReport:
        """Return what it tells."""
        context = ssl.create_default_context(cafile=str(self.authority))
        with urllib.request.urlopen(f"https://localhost:{self.port}/control", context=context) as answer:
            told = json.load(answer)
        grants = (Grant(each["client_id"], each["audience"], frozenset(each["scope"])) for each in told["grants"])
        return ServerReport(told["requests"], told["refused"], frozenset(grants))


@contextmanager
def load_server(case: Case, certified: Certificates) -> Iterator[RunningServer]:
    """Serve the tenant of a case by another process while the block runs."""
    work = [case.work, str(case.size), str(case.latency), case.plan]
    command = [sys.executable, "-m", "benchmarks.load_server", str(certified.server), *work]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield RunningServer(int(server.stdout.readline() if server.stdout else ""), certified.authority)
        finally:
            server.terminate()


def run(tool: Tool, case: Case, *, limit: float) -> Run:
    """Run a tool at a case for `limit` seconds at most."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = tool.prepare(case, folder)
        with load_server(case, certificates(folder / "benchmark", datetime.now(UTC))) as server:
            took = measured(command, environment(tool, server.port, server.authority), folder / OUTPUT, limit=limit)
            told = server.report()
        outcome = f"stopped after {limit:g} s" if took.wall >= limit else _outcome(case, took, told.grants, folder)
    return Run(tool.name, case, outcome, took if outcome == DONE else None, told.requests, told.refused)


def measured(command: Sequence[str], environment: Mapping[str, str], output: Path, *, limit: float) -> Measurement:
    """Run a command in the folder of `output`, where what it prints goes; see programs/measured.py."""
    measuring = [sys.executable, "-I", "-S", str(PROGRAMS / "measured.py"), str(limit), str(output), *command]
    done = subprocess.run(
        measuring, cwd=output.parent, env=dict(environment), check=True, capture_output=True, text=True
    )
    return Measurement(**json.loads(done.stdout))


def _outcome(case: Case, took: Measurement, found: frozenset[Grant], folder: Path) -> str:
    """Return DONE where the tenant is what it must be now: a tool that did not do the work gets no figure."""
    wanted = frozenset(case.after)
    if took.status != 0:
        return f"failed with {took.status}: {_last_output_line(folder / OUTPUT)}"
    if found != wanted:
        return f"wrong: {len(wanted - found)} grants lack, {len(found - wanted)} are too grant_count"
    if case.work is Work.EXPORT and (count := _exported(folder / EXPORTED)) != len(case.declared):
        return f"wrong: {count} grants in the files, not {len(case.declared)}"
    return DONE


def _exported(folder: Path) -> int:
    """Return how grant_count grants the files in a folder hold, whatever their form."""
    texts = (file.read_text() for file in folder.rglob("*") if file.is_file())
    return sum(len(API_LINE.findall(text)) for text in texts)


def _last_output_line(output: Path) -> str:
    lines = [line.strip() for line in output.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:MAX_MESSAGE_LENGTH] if lines else "without a word"
