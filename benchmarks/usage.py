"""Measure `usage collect` on a file of a log stream with 300,000 token exchanges.

python -m benchmarks.usage
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

EVENTS = 300_000
DAYS = 95
APPLICATIONS, APIS = 500, 4
MAX_SECONDS, MAX_MEGABYTES = 2.0, 100.0
RUNS = 5


def event_lines(now: datetime) -> Iterator[str]:
    """Yield token exchanges in the form of Auth0's log streams, in order of time."""
    step = timedelta(days=DAYS) / EVENTS
    for number in range(EVENTS):
        at = now - timedelta(days=DAYS) + step * number
        date = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"
        log_id = f"900{at:%Y%m%d%H%M%S}{number:039}"
        event = {
            "date": date,
            "type": "seccft",
            "description": "Client Credentials for Access Token",
            "connection_id": "",
            "client_id": f"client{number * 7919 % APPLICATIONS:026}",
            "client_name": "Worker",
            "ip": "192.0.2.1",
            "client_ip": "192.0.2.1",
            "user_agent": "python-httpx/0.28.1",
            "auth0_client": {"name": "auth0-python", "version": "6.8.0"},
            "hostname": "example.eu.auth0.com",
            "user_id": "",
            "user_name": "",
            "audience": f"https://api.example.com/{number * 31 % APIS}",
            "scope": "write:invoices read:invoices",
            "$event_schema": {"version": "1.0.0"},
            "environment_name": "prod-eu-1",
            "log_id": log_id,
            "tenant_name": "example",
            "_id": log_id,
            "isMobile": False,
            "location_info": {},
            "id": log_id,
        }
        yield json.dumps({"log_id": log_id, "data": event}, separators=(",", ":")) + "\n"


def main() -> None:
    """Print the CPU time (the median of some runs) and the memory. Exit with 1 if a goal is missed.

    Other processes change the CPU time less than the time on the clock.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "events.jsonl"
        with file.open("w", encoding="utf-8") as stream:
            stream.writelines(event_lines(datetime.now(UTC)))
        (folder / "reconciler.yaml").write_text("tenants: {example: {domain: example.eu.auth0.com}}\n")
        seconds = statistics.median(_run(folder, file) for _ in range(RUNS))
        megabytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{EVENTS:,} events, {file.stat().st_size / 1e6:.0f} MB: {seconds:.2f} s, {megabytes:.0f} MB")
    if seconds > MAX_SECONDS or megabytes > MAX_MEGABYTES:
        sys.exit(f"missed: at most {MAX_SECONDS} s and {MAX_MEGABYTES:.0f} MB")


def _run(folder: Path, file: Path) -> float:
    """Collect the events of the file into a new usage file. Return the CPU time in seconds."""
    command = [sys.executable, "-m", "reconciler", "--quiet", "usage", "collect", str(file)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    usage = folder / ".reconciler" / "usage" / "example.json"
    usage.unlink(missing_ok=True)
    before = _cpu_seconds()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return _cpu_seconds() - before


def _cpu_seconds() -> float:
    """Return the CPU time of all finished child processes."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
