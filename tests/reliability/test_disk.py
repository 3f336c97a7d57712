"""A full disk or an unusable folder for the journal and the snapshot. No write is sent before it is on disk."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from reliability.served_workspace import BEFORE, ServedWorkspace
from support.commands import SECRET, TIMEOUT_SECONDS, CommandResult

pytestmark = pytest.mark.slow

LIMITED = """
import atexit, resource, sys
size = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
atexit.register(resource.setrlimit, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
from reconciler.cli.main import main
main()
"""
"""A command with a limit on the size of each file. The limit is removed at exit, before coverage data is written."""


def apply_with_file_limit(size: int, *arguments: str) -> CommandResult:
    words = [sys.executable, "-B", "-c", LIMITED, str(size), "apply", "--yes", "--concurrency", "1", *arguments]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS)
    return CommandResult(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("size", "arguments"),
    [(0, []), (60, []), (0, ["--prune"]), (400, ["--prune"])],
    ids=["no line", "half a line", "no line, with deletes", "the journal without the snapshot"],
)
def test_nothing_is_written_if_the_disk_is_full(workspace: ServedWorkspace, size: int, arguments: list[str]) -> None:
    ran = apply_with_file_limit(size, *arguments)

    assert ran.code == 1
    assert ran.stderr.splitlines()[-1].startswith("error: the ")
    assert "cannot be written" in ran.stderr
    assert "nothing was sent" in ran.stderr
    assert (workspace.writes(), workspace.scopes()) == (0, BEFORE)
    assert (
        list((workspace.folder / ".reconciler" / "journal").iterdir()) == []
    )  # `journal` would list it as interrupted
    workspace.assert_next_apply_converges()


@pytest.mark.parametrize("size", range(700, 1900, 150))
def test_every_request_is_in_the_journal_if_the_disk_becomes_full(workspace: ServedWorkspace, size: int) -> None:
    ran = apply_with_file_limit(size)

    written_intents = workspace.journal().count('"event": "intent"')
    complete_lines = [line for line in workspace.journal().splitlines() if line.endswith("}")]
    intents = [line for line in complete_lines if json.loads(line)["event"] == "intent"]
    assert workspace.writes() == len(intents) <= written_intents
    assert ran.code == (0 if workspace.scopes() == {**BEFORE, "new": "a", "old": "ab"} else 3)
    assert "Apply: " in ran.stdout
    assert ("cannot be written" in ran.output) is ('"event": "end"' not in "".join(complete_lines))
    assert SECRET not in ran.output
    workspace.assert_next_apply_converges()


@pytest.mark.parametrize("name", ["journal", "snapshots"])
@pytest.mark.parametrize("target", ["/dev/full", "/dev/null", "missing/folder"])
def test_nothing_is_written_if_the_folder_is_unusable(workspace: ServedWorkspace, name: str, target: str) -> None:
    folder = workspace.folder / ".reconciler"
    folder.mkdir()
    (folder / name).symlink_to(Path(target))

    ran = workspace.apply()

    assert ran.code == 1
    assert "nothing was sent" in ran.stderr
    assert (workspace.writes(), workspace.scopes()) == (0, BEFORE)
    (folder / name).unlink()
    workspace.assert_next_apply_converges()
