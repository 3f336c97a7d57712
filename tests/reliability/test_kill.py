"""Kill apply with SIGKILL after each line of its journal. The next apply completes the change."""

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from reliability.served_workspace import BEFORE, EXPECTED, ServedWorkspace
from support.commands import TIMEOUT_SECONDS, command_line, reconciler

from auth0_sandbox.faults.plan import Delay, Rule, When

pytestmark = pytest.mark.slow

LINES = ("begin", "intent", "result", "intent", "result", "intent", "result", "end")
REQUEST_DELAY_SECONDS = 0.15
"""The delay of each request, so that the run is killed before it writes the next line."""


def lines_of(workspace: ServedWorkspace) -> list[dict[str, Any]]:
    return [json.loads(line) for line in workspace.journal().splitlines()]


def kill_after(workspace: ServedWorkspace, line: int) -> None:
    """Start an apply with one request at a time, and kill it when its journal has `line` lines."""
    words = command_line("apply", "--yes", "--prune", "--concurrency", "1")
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while workspace.journal().count("\n") < line:
            assert process.poll() is None or workspace.journal().count("\n") >= line
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.kill()


def kill_points() -> Iterator[tuple[int, When]]:
    """Yield every line of the journal. Yield an intent twice: before and after the write takes effect."""
    for line, event in enumerate(LINES, start=1):
        yield line, "before"
        if event == "intent":
            yield line, "after"


@pytest.mark.parametrize(("line", "when"), list(kill_points()))
def test_the_next_run_completes_a_killed_run(workspace: ServedWorkspace, line: int, when: When) -> None:
    workspace.tenant.set_faults(Rule(Delay(seconds=REQUEST_DELAY_SECONDS, when=when), "*", "/api/v2/client-grants*"))

    kill_after(workspace, line)

    events = [entry["event"] for entry in lines_of(workspace)]
    assert events in (list(LINES[:line]), list(LINES[: line + 1]))
    assert workspace.writes() <= events.count("intent")
    scopes = workspace.scopes()
    assert {name: scopes.get(name) for name in ("guard", "made")} == {"guard": "a", "made": "a"}
    assert all(scopes.get(name) in {BEFORE.get(name), EXPECTED.get(name)} for name in ("new", "old", "stray"))
    workspace.assert_next_apply_converges()


def test_grants_deleted_before_a_kill_can_be_restored(workspace: ServedWorkspace) -> None:
    workspace.tenant.set_faults(Rule(Delay(seconds=REQUEST_DELAY_SECONDS, when="after"), "*", "/api/v2/client-grants*"))
    kill_after(workspace, 7)
    workspace.tenant.set_faults()
    assert "stray" not in workspace.scopes()

    (snapshot,) = workspace.folder.glob(".reconciler/snapshots/*")

    assert reconciler("--grants", snapshot, "apply", "--yes").code == 0
    assert workspace.scopes() == BEFORE
