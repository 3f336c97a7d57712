"""kill -9 behind every line of the journal: the next apply needs nothing of what was left."""

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
UNHURRIED_SECONDS = 0.15
"""Each call takes so long, so that the kill comes before the next line does."""


def lines_of(place: Place) -> list[dict[str, Any]]:
    return [json.loads(line) for line in place.journal().splitlines()]


def killed_behind(place: Place, line: int) -> None:
    """Start an apply, one call at a time, and kill it once its journal has so many lines."""
    words = command_line("apply", "--yes", "--prune", "--concurrency", "1")
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + TIMEOUT_SECONDS
        while place.journal().count("\n") < line:
            assert process.poll() is None or place.journal().count("\n") >= line
            assert time.monotonic() < until
            time.sleep(0.002)
        process.kill()


def moments() -> Iterator[tuple[int, When]]:
    """Yield every line of the journal; behind an intent, before the write takes effect, and after."""
    for line, event in enumerate(LINES, start=1):
        yield line, "before"
        if event == "intent":
            yield line, "after"


@pytest.mark.parametrize(("line", "when"), list(moments()))
def test_a_run_that_is_killed_is_made_up_for_by_the_next(place: Place, line: int, when: When) -> None:
    place.tenant.misbehave(Rule(Delay(seconds=UNHURRIED_SECONDS, when=when), "*", "/api/v2/client-grants*"))

    killed_behind(place, line)

    left = [entry["event"] for entry in lines_of(place)]
    assert left in (list(LINES[:line]), list(LINES[: line + 1]))
    assert place.writes() <= left.count("intent")
    scopes = place.scopes()
    assert {name: scopes.get(name) for name in ("guard", "made")} == {"guard": "a", "made": "a"}
    assert all(scopes.get(name) in {BEFORE.get(name), GOAL.get(name)} for name in ("new", "old", "stray"))
    place.assert_settles()


def test_what_was_taken_away_before_a_kill_can_be_brought_back(place: Place) -> None:
    place.tenant.misbehave(Rule(Delay(seconds=UNHURRIED_SECONDS, when="after"), "*", "/api/v2/client-grants*"))
    killed_behind(place, 7)
    place.tenant.misbehave()
    assert "stray" not in place.scopes()

    (snapshot,) = place.folder.glob(".reconciler/snapshots/*")

    assert reconciler("--grants", snapshot, "apply", "--yes").code == 0
    assert place.scopes() == BEFORE
