"""Kill apply with SIGKILL after each line of its journal. The next apply completes the change."""

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from reliability.place import BEFORE, GOAL, Place
from support.commands import TIMEOUT_SECONDS, command_line, reconciler

from auth0_sandbox.faults.plan import Delay, Rule, When

pytestmark = pytest.mark.slow

LINES = ("begin", "intent", "result", "intent", "result", "intent", "result", "end")
REQUEST_DELAY_SECONDS = 0.15
"""The delay of each request, so that the run is killed before it writes the next line."""


def lines_of(place: Place) -> list[dict[str, Any]]:
    return [json.loads(line) for line in place.journal().splitlines()]


def kill_after(place: Place, line: int) -> None:
    """Start an apply with one request at a time, and kill it when its journal has `line` lines."""
    words = command_line("apply", "--yes", "--prune", "--concurrency", "1")
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + TIMEOUT_SECONDS
        while place.journal().count("\n") < line:
            assert process.poll() is None or place.journal().count("\n") >= line
            assert time.monotonic() < until
            time.sleep(0.002)
        process.kill()


def kill_points() -> Iterator[tuple[int, When]]:
    """Yield every line of the journal. Yield an intent twice: before and after the write takes effect."""
    for line, event in enumerate(LINES, start=1):
        yield line, "before"
        if event == "intent":
            yield line, "after"


@pytest.mark.parametrize(("line", "when"), list(kill_points()))
def test_the_next_run_completes_a_killed_run(place: Place, line: int, when: When) -> None:
    place.tenant.misbehave(Rule(Delay(seconds=REQUEST_DELAY_SECONDS, when=when), "*", "/api/v2/client-grants*"))

    kill_after(place, line)

    left = [entry["event"] for entry in lines_of(place)]
    assert left in (list(LINES[:line]), list(LINES[: line + 1]))
    assert place.writes() <= left.count("intent")
    scopes = place.scopes()
    assert {name: scopes.get(name) for name in ("guard", "made")} == {"guard": "a", "made": "a"}
    assert all(scopes.get(name) in {BEFORE.get(name), GOAL.get(name)} for name in ("new", "old", "stray"))
    place.assert_settles()


def test_grants_deleted_before_a_kill_can_be_restored(place: Place) -> None:
    place.tenant.misbehave(Rule(Delay(seconds=REQUEST_DELAY_SECONDS, when="after"), "*", "/api/v2/client-grants*"))
    kill_after(place, 7)
    place.tenant.misbehave()
    assert "stray" not in place.scopes()

    (snapshot,) = place.folder.glob(".reconciler/snapshots/*")

    assert reconciler("--grants", snapshot, "apply", "--yes").code == 0
    assert place.scopes() == BEFORE
