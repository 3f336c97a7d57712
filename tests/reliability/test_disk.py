"""No room, or no place, for journal and snapshot: nothing is sent that is not on disk first."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from reliability.place import BEFORE, Place
from support.commands import SECRET, TIMEOUT_SECONDS, CommandResult

pytestmark = pytest.mark.slow

LIMITED = """
import atexit, resource, sys
size = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
atexit.register(resource.setrlimit, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
from reconciler.__main__ import main
main()
"""
"""A command for whose files there is so much room, each; what measures coverage has room again behind it."""


def with_room_for(size: int, *arguments: str) -> CommandResult:
    words = [sys.executable, "-B", "-c", LIMITED, str(size), "apply", "--yes", "--concurrency", "1", *arguments]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS)
    return CommandResult(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("size", "arguments"),
    [(0, []), (60, []), (0, ["--prune"]), (400, ["--prune"])],
    ids=["no line", "half a line", "no line, and deletes", "the journal, and no snapshot"],
)
def test_a_disk_that_is_full_from_the_start_lets_nothing_be_sent(place: Place, size: int, arguments: list[str]) -> None:
    ran = with_room_for(size, *arguments)

    assert ran.code == 1
    assert ran.stderr.splitlines()[-1].startswith("error: the ")
    assert "cannot be written" in ran.stderr
    assert (place.writes(), place.scopes()) == (0, BEFORE)
    place.assert_settles()


@pytest.mark.parametrize("size", range(700, 1900, 150))
def test_a_disk_that_fills_up_meanwhile_lets_nothing_be_sent_that_is_not_noted(place: Place, size: int) -> None:
    ran = with_room_for(size)

    noted = place.journal().count('"event": "intent"')
    whole = [line for line in place.journal().splitlines() if line.endswith("}")]
    intents = [line for line in whole if json.loads(line)["event"] == "intent"]
    assert place.writes() == len(intents) <= noted
    assert ran.code == (0 if place.scopes() == {**BEFORE, "new": "a", "old": "ab"} else 3)
    assert "Apply: " in ran.stdout
    assert ("cannot be written" in ran.output) is ('"event": "end"' not in "".join(whole))
    assert SECRET not in ran.output
    place.assert_settles()


@pytest.mark.parametrize("name", ["journal", "snapshots"])
@pytest.mark.parametrize("target", ["/dev/full", "/dev/null", "nowhere/at/all"])
def test_a_place_that_is_none_lets_nothing_be_sent(place: Place, name: str, target: str) -> None:
    folder = place.folder / ".reconciler"
    folder.mkdir()
    (folder / name).symlink_to(Path(target))

    ran = place.apply()

    assert ran.code == 1
    assert "so nothing was sent" in ran.stderr
    assert (place.writes(), place.scopes()) == (0, BEFORE)
    (folder / name).unlink()
    place.assert_settles()
