"""How far a run has come, as whoever watches a terminal sees it."""

from pathlib import Path

import pytest
from support.commands import reconciler


@pytest.fixture(autouse=True)
def workspace(here: Path) -> Path:
    return here


def shown(written: str) -> list[str]:
    """The lines that a terminal holds in the end: a return goes back to the first column, and what follows covers."""
    lines = []
    for line in written.split("\n"):
        screen = ""
        for part in line.split("\r"):
            screen = part + screen[len(part) :]
        lines.append(screen.rstrip())
    return lines


def test_changes_are_counted_below_what_is_said_meanwhile() -> None:
    ran = reconciler("apply", "--yes", "--color", "never", terminal=True)

    before, _, after = ran.stderr.partition("Run ")
    assert before.startswith("Applying: 0 of 1\r")
    assert "\nApplying: 0 of 1\r" in after
    assert "\rApplying: 1 of 1\r" in after


def test_in_the_end_the_count_is_gone_and_what_was_said_remains() -> None:
    ran = reconciler("apply", "--yes", "--color", "never", terminal=True)

    run, rolling_back, end = shown(ran.stderr)
    assert run.startswith("Run ")
    assert rolling_back.startswith("Rolling back: ")
    assert end == ""


@pytest.mark.parametrize(
    ("arguments", "terminal"), [(["apply"], False), (["-q", "apply"], True)], ids=["nobody watches", "quiet"]
)
def test_nothing_is_counted_where(arguments: list[str], *, terminal: bool) -> None:
    ran = reconciler(*arguments, "--yes", terminal=terminal)

    assert "Applying" not in ran.output
    assert "\r" not in ran.output


def test_a_run_without_changes_counts_none() -> None:
    reconciler("apply", "--yes")

    assert "Applying" not in reconciler("apply", "--yes", terminal=True).output
