"""Tests for the start of the command line: Ctrl-C while Python still imports modules."""

import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.__main__ import EXIT_INTERRUPTED
from reconciler.errors import Exit

INTERRUPT_AT_IMPORT = """
import os, signal, sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
from reconciler.__main__ import start
sys.argv[1:] = ["validate"]
start()
"""


@pytest.mark.parametrize("module", ["reconciler.cli.main", "click", "reconciler.errors", "reconciler.cli.validate"])
def test_ctrl_c_during_the_imports_is_a_message_of_one_line(module: str, tmp_path: Path) -> None:
    script = INTERRUPT_AT_IMPORT.format(module=module)

    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: interrupted\n")


def test_the_exit_code_after_ctrl_c_is_the_documented_one() -> None:
    assert EXIT_INTERRUPTED == Exit.INTERRUPTED
