"""Run a tool as a process against a separate load server, measure the process, and check the result."""

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
    """The exit status of a process, wall time and CPU time in seconds, and peak memory in megabytes."""

    status: int
    wall: float
    cpu: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a tool for a case.

    `outcome` is DONE or the reason for a missing measurement. `requests` contains the number of requests by endpoint.
    """

    tool: str
    case: Case
    outcome: str
    took: Measurement | None = None
    requests: Mapping[str, int] = field(default_factory=dict)
    refused: int = 0


@dataclass(frozen=True, slots=True)
class ServerReport:
    """The report of a load server: the requests by endpoint, the number of 429 responses, and the grants."""

    requests: Mapping[str, int]
    refused: int
    grants: frozenset[Grant]


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A running load server. `authority` is the certificate authority that clients must trust."""

    port: int
    authority: Path

    def report(self) -> ServerReport:
        """Return the current report of the server."""
        context = ssl.create_default_context(cafile=str(self.authority))
        with urllib.request.urlopen(f"https://localhost:{self.port}/control", context=context) as response:
            parsed = json.load(response)
        grants = (Grant(each["client_id"], each["audience"], frozenset(each["scope"])) for each in parsed["grants"])
        return ServerReport(parsed["requests"], parsed["refused"], frozenset(grants))


@contextmanager
def load_server(case: Case, certificate_files: Certificates) -> Iterator[RunningServer]:
    """Serve the tenant of a case in another process inside this context."""
    work = [case.work, str(case.size), str(case.latency), case.plan]
    command = [sys.executable, "-m", "benchmarks.load_server", str(certificate_files.server), *work]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield RunningServer(int(server.stdout.readline() if server.stdout else ""), certificate_files.authority)
        finally:
            server.terminate()


def run(tool: Tool, case: Case, *, limit: float) -> Run:
    """Run a tool for a case, for at most `limit` seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = tool.prepare(case, folder)
        with load_server(case, certificates(folder / "benchmark", datetime.now(UTC))) as server:
            took = measure(command, environment(tool, server.port, server.authority), folder / OUTPUT, limit=limit)
            report = server.report()
        outcome = f"stopped after {limit:g} s" if took.wall >= limit else _outcome(case, took, report.grants, folder)
    return Run(tool.name, case, outcome, took if outcome == DONE else None, report.requests, report.refused)


def measure(command: Sequence[str], environment: Mapping[str, str], output: Path, *, limit: float) -> Measurement:
    """Run a command with programs/measured.py, and write the output to the file `output`.

    The command runs in the folder of `output`.
    """
    wrapper = [sys.executable, "-I", "-S", str(PROGRAMS / "measured.py"), str(limit), str(output), *command]
    done = subprocess.run(wrapper, cwd=output.parent, env=dict(environment), check=True, capture_output=True, text=True)
    return Measurement(**json.loads(done.stdout))


def _outcome(case: Case, took: Measurement, found: frozenset[Grant], folder: Path) -> str:
    """Return DONE if the tenant and the files contain the expected grants, otherwise the reason for the failure."""
    expected = frozenset(case.after)
    if took.status != 0:
        return f"failed with exit code {took.status}: {_last_output_line(folder / OUTPUT)}"
    if found != expected:
        return f"wrong result: {len(expected - found)} grants missing, {len(found - expected)} unexpected"
    if case.work is Work.EXPORT and (count := _count_exported(folder / EXPORTED)) != len(case.declared):
        return f"wrong result: {count} grants in the files instead of {len(case.declared)}"
    return DONE


def _count_exported(folder: Path) -> int:
    """Return the number of grants in the files of a folder. The files can have the format of any measured tool."""
    texts = (file.read_text() for file in folder.rglob("*") if file.is_file())
    return sum(len(API_LINE.findall(text)) for text in texts)


def _last_output_line(output: Path) -> str:
    lines = [line.strip() for line in output.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:MAX_MESSAGE_LENGTH] if lines else "no output"
