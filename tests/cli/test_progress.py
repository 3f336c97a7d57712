"""The progress of a run, as a terminal shows it."""

from pathlib import Path

import pytest
from support.commands import reconciler


@pytest.fixture(autouse=True)
def workspace(here: Path) -> Path:
    return here


def shown(written: str) -> list[str]:
    """Return the lines that a terminal shows at the end. Text after a carriage return overwrites the line."""
    lines = []
    for line in written.split("\n"):
        screen = ""
        for part in line.split("\r"):
            screen = part + screen[len(part) :]
        lines.append(screen.rstrip())
    return lines


def test_the_count_is_the_last_line_below_messages() -> None:
    ran = reconciler("apply", "--yes", "--color", "never", terminal=True)

    before, _, after = ran.stderr.partition("Run ")
    assert before.startswith("Applying: 0 of 1\r")
    assert "\nApplying: 0 of 1\r" in after
    assert "\rApplying: 1 of 1\r" in after


def test_the_count_is_removed_at_the_end() -> None:
    ran = reconciler("apply", "--yes", "--color", "never", terminal=True)

    run, rolling_back, end = shown(ran.stderr)
    assert run.startswith("Run ")
    assert rolling_back.startswith("To roll back: ")
    assert end == ""


@pytest.mark.parametrize(
    ("arguments", "terminal"), [(["apply"], False), (["-q", "apply"], True)], ids=["nobody watches", "quiet"]
)
def test_no_count_is_shown(arguments: list[str], *, terminal: bool) -> None:
    ran = reconciler(*arguments, "--yes", terminal=terminal)

    assert "Applying" not in ran.output
    assert "\r" not in ran.output


def test_a_run_without_changes_shows_no_count() -> None:
    reconciler("apply", "--yes")

    assert "Applying" not in reconciler("apply", "--yes", terminal=True).output
