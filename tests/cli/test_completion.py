"""Completion in a real shell."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import reconciler

COMPLETE = """
eval "$(reconciler completion bash)"
COMP_WORDS=({words})
COMP_CWORD=$(({count} - 1))
_reconciler_completion reconciler
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["pl"], ["plan"]),
        (["plan", "--tenant", ""], ["local"]),
        (["--tenant", "lo"], ["local"]),
        (["plan", "--format", "j"], ["json"]),
        (["sandbox", ""], ["reset", "serve"]),
    ],
)
def test_bash_completes_commands_options_and_tenants(words: list[str], expected: list[str], here: Path) -> None:
    (here / "bin").mkdir()
    program = here / "bin/reconciler"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m reconciler "$@"\n')
    program.chmod(0o755)
    quoted = " ".join(f"'{word}'" for word in ["reconciler", *words])

    ran = subprocess.run(
        ["bash", "-c", COMPLETE.format(words=quoted, count=len(words) + 1)],
        env={"PATH": f"{here / 'bin'}:/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert (ran.stdout.split(), ran.stderr) == (expected, "")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script(shell: str) -> None:
    ran = reconciler("completion", shell)

    assert (ran.code, "_RECONCILER_COMPLETE" in ran.stdout) == (0, True)
