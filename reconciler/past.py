"""Find and read the journals that runs have left in a folder."""

from pathlib import Path

from reconciler.core.runs import PastRun, parse_run
from reconciler.errors import ReconcilerError
from reconciler.journal import FOLDER

SUFFIX = ".jsonl"


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
    try:
        return parse_run(name, path.read_bytes())
    except OSError as error:
        raise ReconcilerError(f"the journal {path} cannot be read: {error.strerror}") from error


def journal_path(folder: Path, name: str) -> Path:
    """Return where the journal of a run is."""
    return folder / FOLDER / f"{name}{SUFFIX}"
