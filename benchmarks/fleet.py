"""Measure `plan --all-tenants` for 50, 200 and 500 tenants, and compare with one process per tenant.

    python -m benchmarks.fleet [--tenants 50 200 500] [--grants 20]

One process serves all tenants. Each tenant has TLS and a separate port, and lacks all declared grants.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from auth0_sandbox.server.tls import Certificates, certificates
from benchmarks.measure import OUTPUT, Measurement, measure
from benchmarks.tenants import OWN_CLIENT_ID, OWN_SECRET, Case, Work
from benchmarks.tools import RECONCILER, ROOT, write_grant_files

SIZES = (50, 200, 500)
GRANTS = 20
LIMIT_SECONDS = 600.0
AT_ONCE = 16
FIRST_PLAN = re.compile(r"tenants with the same plan: |^Tenant ")
TARGET_TENANTS, TARGET_MB, TARGET_LINES = 300, 250.0, 20


@dataclass(frozen=True, slots=True)
class FleetRun:
    """A measured run of `reconciler plan`.

    `lines` is the number of output lines, including standard error. `summary` is the number of lines before the first
    plan.
    """

    name: str
    tenants: int
    took: Measurement
    lines: int
    summary: int

    def __str__(self) -> str:
        took = self.took
        figures = f"wall {took.wall:7.2f} s  cpu {took.cpu:7.2f} s  peak {took.peak_mb:6.1f} MB"
        figures += f"  {self.lines:5} lines ({self.summary} before the first plan)"
        return f"{self.name:44} {self.tenants:4} tenants  {figures}  exit {took.status}"


@dataclass(frozen=True, slots=True)
class Fleet:
    """The folder with the files of a fleet, and the environment variables for connections to the tenants."""

    folder: Path
    environment: Mapping[str, str]

    def run(self, name: str, tenants: int, *options: str, limit: float = LIMIT_SECONDS) -> FleetRun:
        """Measure `reconciler plan` with `options`."""
        command = [*RECONCILER, "plan", *options]
        took = measure(command, self.environment, self.folder / OUTPUT, limit=limit)
        lines = (self.folder / OUTPUT).read_text().splitlines()
        first_plan = next((number for number, line in enumerate(lines) if FIRST_PLAN.search(line)), len(lines))
        return FleetRun(name, tenants, took, len(lines), first_plan)


def main() -> None:
    """Measure all runs and print one line per run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--tenants", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--grants", type=int, default=GRANTS)
    options = parser.parse_args()
    for count in options.tenants:
        with serving_fleet(count, options.grants + 1) as fleet:
            print(fleet.run("one process", count, "--all-tenants"), flush=True)
            print(fleet.run("one process, quiet", count, "--all-tenants", "--quiet"), flush=True)
            print(fleet.run("one process, --at-once 64", count, "--all-tenants", "--at-once", "64"), flush=True)
            print(_one_process_each(fleet, count), flush=True)
    with serving_fleet(TARGET_TENANTS, options.grants + 1) as fleet:
        run = fleet.run("target: one process, quiet", TARGET_TENANTS, "--all-tenants", "--quiet")
        print(run, f"(limits: {TARGET_MB:.0f} MB, {TARGET_LINES} lines before the first plan)", flush=True)
    with serving_fleet(50, options.grants + 1, hanging=1) as fleet:
        options_of_hanging = ("--all-tenants", "--timeout", "20s", "--attempts", "1")
        print(_finishing_times(fleet, options_of_hanging), flush=True)


def _one_process_each(fleet: Fleet, count: int) -> FleetRun:
    """Run one process per tenant, at most AT_ONCE at the same time."""
    started = time.perf_counter()

    def run_one(number: int) -> Measurement:
        command = [*RECONCILER, "plan", "--tenant", name_of(number)]
        return measure(command, fleet.environment, fleet.folder / f"{OUTPUT}-{number}", limit=LIMIT_SECONDS)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        took = list(pool.map(run_one, range(count)))
    lines = sum(len((fleet.folder / f"{OUTPUT}-{number}").read_bytes().splitlines()) for number in range(count))
    total = Measurement(
        max(each.status for each in took),
        time.perf_counter() - started,
        sum(each.cpu for each in took),
        AT_ONCE * max(each.peak_mb for each in took),
    )
    return FleetRun(f"one process per tenant, {AT_ONCE} at once", count, total, lines, 0)


def _finishing_times(fleet: Fleet, options: Sequence[str]) -> str:
    """Return a text with the times at which the tenants end, if one tenant never responds."""
    started = time.perf_counter()
    command = [*RECONCILER, "plan", *options]
    with subprocess.Popen(
        command, cwd=fleet.folder, env=dict(fleet.environment), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        ended = [time.perf_counter() - started for _ in process.stderr or ()]
    return f"one of {len(ended)} tenants hangs: 49 end within {ended[48]:.2f} s, the last after {ended[-1]:.2f} s"


def name_of(number: int) -> str:
    """Return the name of the tenant with the number `number`, for example `t007`."""
    return f"t{number:03}"


@contextmanager
def serving_fleet(count: int, grants: int, *, hanging: int = 0) -> Iterator[Fleet]:
    """Serve `count` tenants in another process. The first `hanging` tenants never respond."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_grant_files(Case(Work.MISSING, grants), folder)
        files = certificates(folder / "benchmark", datetime.now(UTC))
        with _fleet_server(files, count, grants, hanging) as ports:
            (folder / "reconciler.yaml").write_text(_configuration(ports))
            yield Fleet(folder, _environment(ports, files))


@contextmanager
def _fleet_server(files: Certificates, count: int, grants: int, hanging: int) -> Iterator[Sequence[int]]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.fleet_server",
        str(files.server),
        str(count),
        str(grants),
        str(hanging),
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield [int(port) for port in (server.stdout.readline() if server.stdout else "").split()]
        finally:
            server.terminate()


def _configuration(ports: Sequence[int]) -> str:
    lines = [
        f"  {name_of(number)}: {{domain: 'https://localhost:{port}', canonical_domain: {host_of(number)}, "
        f"credentials: AUTH0_{name_of(number).upper()}_}}\n"
        for number, port in enumerate(ports)
    ]
    return "tenants:\n" + "".join(lines)


def _environment(ports: Sequence[int], files: Certificates) -> dict[str, str]:
    found = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    for number, port in enumerate(ports):
        prefix = f"AUTH0_{name_of(number).upper()}_"
        found[f"{prefix}DOMAIN"] = f"https://localhost:{port}"
        found[f"{prefix}CLIENT_ID"] = OWN_CLIENT_ID
        found[f"{prefix}CLIENT_SECRET"] = f"{OWN_SECRET}-{number}"
    return {**found, "SSL_CERT_FILE": str(files.authority)}


def host_of(number: int) -> str:
    """Return the canonical host of a tenant. The host has the same length as the host in `OWN_AUDIENCE`."""
    return f"t{number:08}.invalid"


if __name__ == "__main__":
    main()
