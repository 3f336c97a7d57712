"""Find and read the journals that runs have left in a folder."""

import os
import stat
from pathlib import Path

from reconciler.core.problems import Problem
from reconciler.core.runs import PastRun, parse_run
from reconciler.errors import ReconcilerError
from reconciler.files.discover import NEVER_WAIT, read
from reconciler.journal import FOLDER

SUFFIX = ".jsonl"
MOST_BYTES = 500_000_000
"""Of one journal."""

BEGINNING_BYTES = 65_536
"""The first line of a journal is far shorter."""


def run_names(folder: Path) -> list[str]:
    """Return the runs that have a journal in `folder`/journal, newest first, as their names begin with the time.

    Raises:
        ReconcilerError: if the folder cannot be read.
    """
    place = folder / FOLDER
    try:
        names = [path.stem for path in place.iterdir() if path.suffix == SUFFIX]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ReconcilerError(f"{place} cannot be read: {error.strerror}") from error
    return sorted(names, reverse=True)


def read_run(folder: Path, name: str) -> PastRun:
    """Return what the journal of a run in `run_names` says.

    Raises:
        ReconcilerError: if it cannot be read.
    """
    path = journal_path(folder, name)
    if path.is_symlink() or not path.is_file():
        raise ReconcilerError(f"the journal {path} cannot be read: it is not a regular file")
    content = read(path, MOST_BYTES)
    if isinstance(content, Problem):
        raise ReconcilerError(f"the journal {path} cannot be read: {content.what}")
    return parse_run(name, content)


def run_that_applied(folder: Path, saved_plan: str) -> str | None:
    """Return the run that has applied all of the saved plan with this checksum; None if no journal tells of one.

    Raises:
        ReconcilerError: if a journal that tells of the saved plan cannot be read.
    """
    runs = (read_run(folder, name) for name in run_names(folder) if _begins_with(folder, name, saved_plan))
    return next((run.name for run in runs if run.has_applied(saved_plan)), None)


def _begins_with(folder: Path, name: str, saved_plan: str) -> bool:
    """Return whether the first line of a journal may tell of the saved plan. What is not a file tells of nothing."""
    try:
        with open(journal_path(folder, name), "rb", opener=_opener) as file:
            return stat.S_ISREG(os.fstat(file.fileno()).st_mode) and saved_plan.encode() in file.read(BEGINNING_BYTES)
    except OSError:
        return False


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | NEVER_WAIT)


def journal_path(folder: Path, name: str) -> Path:
    """Return where the journal of a run is."""
    return folder / FOLDER / f"{name}{SUFFIX}"
