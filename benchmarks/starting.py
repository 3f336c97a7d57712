"""Measure the start of programs that need no tenant."""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.measure import Measurement, measure
from benchmarks.tenants import Case, Work, grants_text
from benchmarks.tools import A0DEPLOY, PROGRAMS, RECONCILER, write_grant_files

TIMEOUT_SECONDS = 300.0
HELP = "--help"
EMPTY_HELP = "--help of an empty click program"
OUR_HELP = "reconciler --help"
THEIR_HELP = "auth0-deploy-cli --help"


@dataclass(frozen=True, slots=True)
class Start:
    """A program and the medians of its measurements."""

    program: str
    took: Measurement


def validate_label(size: int) -> str:
    """Return the name of the measurement of `reconciler validate` with `size` grants."""
    return f"reconciler validate, {grants_text(size)}"


def parse_label(size: int) -> str:
    """Return the name of the measurement of a bare loop over the events of PyYAML's C parser."""
    return f"PyYAML's C parser alone, {grants_text(size)}"


def measure_starts(sizes: Sequence[int], repeats: int) -> Iterator[Start]:
    """Run each program `repeats` times and yield the medians. `validate` runs with grant files of each size."""
    with tempfile.TemporaryDirectory() as name:
        output = Path(name) / "output"
        for program, command in _programs(sizes, Path(name)):
            took = [measure(command, os.environ, output, limit=TIMEOUT_SECONDS) for _ in range(repeats)]
            yield Start(
                program,
                Measurement(
                    status=max(each.status for each in took),
                    wall=median(each.wall for each in took),
                    cpu=median(each.cpu for each in took),
                    peak_mb=median(each.peak_mb for each in took),
                ),
            )


def _programs(sizes: Sequence[int], folder: Path) -> Iterator[tuple[str, list[str]]]:
    yield EMPTY_HELP, [sys.executable, str(PROGRAMS / "empty_click.py"), HELP]
    yield OUR_HELP, [*RECONCILER, HELP]
    for size in sizes:
        size_folder = folder / str(size)
        size_folder.mkdir()
        files = str(write_grant_files(Case(Work.NOTHING, size + 1), size_folder))
        yield parse_label(size), [sys.executable, str(PROGRAMS / "bare_reading.py"), files, "files"]
        yield validate_label(size), [*RECONCILER, "validate", files]
    if A0DEPLOY.exists():
        yield THEIR_HELP, [str(A0DEPLOY), HELP]
