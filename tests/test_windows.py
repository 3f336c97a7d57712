"""What differs on Windows, tested on other systems."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import a_workspace

from reconciler.app.console import Console, terminal_knows_colors
from reconciler.app.interruption import Interruption
from reconciler.app.options import GlobalOptions
from reconciler.cli.main import platform_notes
from reconciler.errors import Exit


class LoopWithoutSignals(asyncio.SelectorEventLoop):
    """An event loop that refuses signal handlers, like those of Windows."""

    def add_signal_handler(self, *_: object) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, Exit.INTERRUPTED), (signal.SIGTERM, Exit.TERMINATED)],
    ids=lambda each: each.name,
)
def test_signals_are_handled_without_the_support_of_the_loop(number: signal.Signals, code: Exit) -> None:
    before = signal.getsignal(number)

    async def wait() -> tuple[Exit | None, bool]:
        interruption = Interruption(Console(GlobalOptions(quiet=True)))
        stop = interruption.new_stop_signal()
        with interruption.handle_signals(asyncio.get_running_loop()):
            signal.raise_signal(number)
            await asyncio.sleep(0.01)
            was_abandoned = interruption.abandoned.is_set()
            signal.raise_signal(number)
            await asyncio.wait_for(interruption.abandoned.wait(), 5)
        assert stop.abort.is_set()
        return interruption.exit_code, was_abandoned

    with asyncio.Runner(loop_factory=LoopWithoutSignals) as runner:
        assert runner.run(wait()) == (code, False)
    assert signal.getsignal(number) is before


LIKE_WINDOWS = """
import asyncio, os, signal
for name in ("chown", "fchmod", "killpg", "O_NOFOLLOW", "O_NONBLOCK", "O_DIRECTORY", "getuid", "geteuid"):
    delattr(os, name)
del signal.SIGHUP, signal.SIGKILL
def refuse(*_):
    raise NotImplementedError
asyncio.SelectorEventLoop.add_signal_handler = refuse
from reconciler.cli.main import main
main()
"""


def test_a_run_needs_nothing_that_windows_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = a_workspace(tmp_path, monkeypatch)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-c", LIKE_WINDOWS, *arguments]
        return subprocess.run(command, cwd=folder, env=os.environ, check=False, capture_output=True, text=True)

    planned = run("plan", "--out", "plan.json")
    assert planned.returncode == 0, planned.stderr
    applied = run("apply", "plan.json")
    assert applied.returncode == 0, applied.stderr
    assert "1 applied" in applied.stdout
    (snapshot,) = (folder / ".reconciler" / "snapshots").iterdir()
    undone = run("apply", "--yes", "--grants", str(snapshot.relative_to(folder)))
    assert undone.returncode == 0, undone.stderr
    assert "1 applied" in run("journal").stdout


@pytest.mark.parametrize(
    ("system", "environment", "expected"),
    [
        ("linux", {}, True),
        ("linux", {"TERM": "dumb"}, False),
        ("win32", {}, False),
        ("win32", {"WT_SESSION": "1"}, True),
        ("win32", {"TERM": "xterm"}, True),
        ("win32", {"TERM": "dumb", "WT_SESSION": "1"}, False),
    ],
)
def test_colors_need_a_terminal_that_shows_them(system: str, environment: dict[str, str], *, expected: bool) -> None:
    assert terminal_knows_colors(system, environment) == expected


def test_only_windows_has_notes() -> None:
    assert platform_notes("linux") == platform_notes("darwin") == []
    assert all(note.startswith("On Windows, ") for note in platform_notes("win32"))
    assert len(platform_notes("win32")) == 2
