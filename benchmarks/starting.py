"""What starting takes: programs that need no tenant, several times each."""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.measure import Measurement, measured
from benchmarks.tenants import Case, Work, grant_count
from benchmarks.tools import A0DEPLOY, PROGRAMS, RECONCILER, write_grant_files

TIMEOUT_SECONDS = 300.0
HELP = "--help"
EMPTY_HELP = "--help of an empty click program"
OUR_HELP = "reconciler --help"
THEIR_HELP = "auth0-deploy-cli --help"


@dataclass(frozen=True, slots=True)
class Start:
    """A program and the medians of what it took."""

    program: str
    took: Measurement


def validate_label(size: int) -> str:
    """Return how `reconciler validate` of so grant_count grants is called here."""
    return f"reconciler validate, {grant_count(size)}"


def parse_label(size: int) -> str:
    """Return how a bare loop over the events of PyYAML's C parser is called here."""
    return f"PyYAML's C parser alone, {grant_count(size)}"


def starts(sizes: Sequence[int], times: int) -> Iterator[Start]:
    """Yield what each program takes that needs no tenant, `validate` for each of these sizes; it runs so grant_count times."""
    with tempfile.TemporaryDirectory() as name:
        output = Path(name) / "output"
        for program, command in _programs(sizes, Path(name)):
            took = [measured(command, os.environ, output, limit=TIMEOUT_SECONDS) for _ in range(times)]
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
        place = folder / str(size)
        place.mkdir()
        files = str(write_grant_files(Case(Work.NOTHING, size + 1), place))
        yield parse_label(size), [sys.executable, str(PROGRAMS / "bare_reading.py"), files, "files"]
        yield validate_label(size), [*RECONCILER, "validate", files]
    if A0DEPLOY.exists():
        yield THEIR_HELP, [str(A0DEPLOY), HELP]
