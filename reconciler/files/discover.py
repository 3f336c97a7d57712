"""Shell: which files a run reads, and their bytes, within limits that no file can make it exceed.

A pull request from a stranger may carry these files, so nothing in a folder can make the run hang, read outside of the
folder, or fill the memory: whatever is not a plain small file is a problem.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.quoting import visible
from reconciler.errors import ReconcilerError
from reconciler.files.links import NO_GRANT_FILE, TO_HIDDEN, Stray, follow, link_problem

SUFFIXES = (".yaml", ".yml")
MEGABYTE = 1_000_000
MOST_BYTES = 5 * MEGABYTE
MOST_LEVELS = 32  # of folders
NEVER_WAIT = getattr(os, "O_NONBLOCK", 0)  # opening a FIFO waits for a writer otherwise; Windows has neither


def name_of(path: Path) -> str:
    """Return a path as problems show it: as the user wrote it, with `/`, on one line and in valid Unicode."""
    return visible(path.as_posix())


def find(paths: Iterable[Path]) -> tuple[tuple[Path, ...], tuple[Problem, ...]]:
    """Return the YAML files that `paths` name, each once, and what could not be looked into.

    A file is taken as it is. A folder stands for the `*.yaml` and `*.yml` in it and in its sub-folders, sorted by name.
    Links are followed only within the folder, and only to grant files. What is hidden is skipped, a hidden file that
    looks like one with a warning: a grant that is silently not read would be deleted by a run that prunes.

    Raises:
        ReconcilerError: one of `paths` does not exist.
    """
    found, problems = find_real(paths)
    return tuple(found.values()), problems


def find_real(paths: Iterable[Path]) -> tuple[dict[str, Path], tuple[Problem, ...]]:
    """Return what `find` does, the files by their real paths."""
    found: dict[str, Path] = {}
    problems: list[Problem] = []
    for path in paths:
        if not os.path.lexists(path):
            raise ReconcilerError(f"there is no {name_of(path)}; check the path")
        for item in _in_folder(path, os.path.realpath(path), 1) if path.is_dir() else [path]:
            if isinstance(item, Problem):
                problems.append(item)
            else:
                found.setdefault(os.path.realpath(item), item)
    return found, tuple(problems)


def _in_folder(folder: Path, root: str, level: int) -> Iterator[Path | Problem]:
    """Yield what is to be read in `folder`, `level` deep in the folder with the real path `root`."""
    if level > MOST_LEVELS:
        yield Problem(Source(name_of(folder)), f"this folder is more than {MOST_LEVELS} levels deep", "move it up")
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Problem(
            Source(name_of(folder)), f"this folder cannot be read ({error.strerror})", "check its permissions"
        )
        return
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith("."):
            yield from _hidden(path)
        elif entry.is_symlink():
            yield from _link(path, root)
        elif entry.is_dir():
            yield from _in_folder(path, root, level + 1)
        elif _is_yaml(path):
            yield path


def _is_yaml(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES)


def _hidden(path: Path) -> Iterator[Problem]:
    if _is_yaml(path) and not path.is_dir():
        what = "this file is hidden, so it is not read"
        yield Problem(Source(name_of(path)), what, "take the dot from its name if it declares grants", Severity.WARNING)


def _link(link: Path, root: str) -> Iterator[Path | Problem]:
    """Yield the link if it leads to a grant file within `root`; a folder within `root` is read at its own place."""
    if not (link.is_dir() or _is_yaml(link)):
        return
    target = follow(Path(os.path.realpath(link.parent), link.name).relative_to(root).as_posix(), partial(_text, root))
    if isinstance(target, Stray):
        yield link_problem(name_of(link), target)
    elif Path(root, target).is_dir():
        if any(part.startswith(".") for part in Path(target).parts):
            yield link_problem(name_of(link), TO_HIDDEN)
    elif Path(root, target).exists() and not _is_yaml(Path(target)):
        yield link_problem(name_of(link), NO_GRANT_FILE)
    else:
        yield link


def _text(root: str, path: str) -> str | None:
    """Return the text of the link at a path below `root`, None where there is none."""
    try:
        return Path(root, path).readlink().as_posix()
    except OSError:
        return None


def read(path: Path, most: int = MOST_BYTES) -> bytes | Problem:
    """Return a file's bytes, or why they are not read: no regular file, more than `most`, not readable."""
    try:
        with open(path, "rb", opener=_opener) as file:
            return _content(file, path, most)
    except OSError as error:
        return Problem(
            Source(name_of(path)), f"this file cannot be read ({error.strerror})", "check it and its permissions"
        )


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | NEVER_WAIT)


def _content(file: BinaryIO, path: Path, most: int) -> bytes | Problem:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        return Problem(Source(name_of(path)), "this is not a regular file", "put a plain file in its place")
    if status.st_size > most:
        return too_large(Source(name_of(path)), status.st_size, most)
    return file.read(most)


def too_large(source: Source, size: int, most: int) -> Problem:
    """Return what is said of a file of `size` bytes where at most `most` are read."""
    return Problem(source, f"this file has {size / MEGABYTE:,.1f} MB, more than {most / MEGABYTE:.0f} MB", "split it")
