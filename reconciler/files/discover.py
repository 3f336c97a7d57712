"""Find and read grant files, with limits on type, size and depth.

Grant files may come from the pull request of an unknown person. A malicious file must not make the run hang, give
access to files outside the folder, or fill the memory. Only regular files of limited size are read. A grant file that
is not a regular file or that exceeds the size limit is reported as a problem.
"""

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import islice
from pathlib import Path, PurePath
from typing import BinaryIO

from reconciler.core.characters import visible
from reconciler.core.problems import Problem, Severity, Source
from reconciler.errors import ReconcilerError

TO_HIDDEN_FOLDER = "leads to a hidden folder, which is not read"
NOT_A_GRANT_FILE = "does not lead to a grant file (*.yaml, *.yml)"
MAX_LINKS = 40
"""The maximum number of symbolic links that reconciler follows in one path.

Linux also follows at most 40 symbolic links in a path.
"""


class LinkProblem(StrEnum):
    """The reasons why reconciler does not follow a symbolic link in the grant folder."""

    OUT = "leads out of the folder"
    ABSOLUTE = "leads out of the folder (its target is an absolute path)"
    CIRCLE = "leads to itself"
    NOWHERE = "has no target"


def follow(path: str, text_of: Callable[[str], str | None], is_folder: Callable[[str], bool]) -> str | LinkProblem:
    """Return the target of `path` after following all symbolic links.

    `path` and the returned path are relative to the grant folder, with `/` as the separator. A symbolic link must not
    leave the grant folder, even if a later part of the path returns to the folder. A git revision has no files outside
    the repository. The path `missing/../x` has no target if the folder `missing` does not exist.

    `text_of` returns the target of the symbolic link at a path, or None if the path is not a link. `is_folder` returns
    whether a path is a folder.
    """
    resolved: list[str] = []
    remaining = path.split("/")[::-1]
    links = 0
    while remaining:
        part = remaining.pop()
        if part in ("", "."):
            continue
        if part == "..":
            if not resolved:
                return LinkProblem.OUT
            if not is_folder("/".join(resolved)):
                return LinkProblem.NOWHERE
            resolved.pop()
            continue
        text = text_of("/".join([*resolved, part]))
        if text is None:
            resolved.append(part)
            continue
        links += 1
        if links > MAX_LINKS:
            return LinkProblem.CIRCLE
        if text.startswith("/"):
            return LinkProblem.ABSOLUTE
        remaining += text.split("/")[::-1]
    return "/".join(resolved)


def link_problem(name: str, what: str) -> Problem:
    """Return the problem to report for the symbolic link `name`.

    `what` is the end of the message, for example "leads out of the folder".
    """
    kind = "folder" if what == TO_HIDDEN_FOLDER else "file"
    return Problem(Source(name), f"this symbolic link {what}", f"replace the link with the {kind} itself")


SUFFIXES = (".yaml", ".yml")
MANIFEST = "MANIFEST"
"""The name of the JSON file that identifies a snapshot folder and lists the grant files in the folder."""
GRANT_LIKE_NAME = re.compile(r"\.(?:y[am]+l?|json)", re.IGNORECASE)
"""Matches a file name that looks like a grant file: data.json, a.yaml.bak, a.yml~, a.yaml.disabled, a.ymal."""
SWAP_FILE = re.compile(r"\..*\.sw[a-p]")
MAX_NAMED_FILES = 10  # limits how many unread files of a folder are reported by name
MAX_HIDDEN_FILES = 10_000  # limits how many files of a hidden folder are examined
MEGABYTE = 1_000_000
MAX_BYTES = 5 * MEGABYTE
MAX_LEVELS = 32
"""The maximum number of nested folder levels, including the grant folder."""
NO_WAIT = getattr(os, "O_NONBLOCK", 0)
"""With O_NONBLOCK, opening a FIFO does not wait for a writer. Windows lacks O_NONBLOCK."""


def is_grant_file(path: PurePath) -> bool:
    """Return whether `path` is the path of a grant file. `path` is relative to the grant folder."""
    return is_yaml(path) and not is_hidden(path)


def is_yaml(path: PurePath) -> bool:
    """Return whether the name of a file ends in .yaml or .yml, in upper or lower case."""
    return path.name.lower().endswith(SUFFIXES)


def is_hidden(path: PurePath) -> bool:
    """Return whether a file or folder is hidden or is in a hidden folder. `path` is relative to the grant folder."""
    return any(part.startswith(".") for part in path.parts)


def name_of(path: Path) -> str:
    """Return `path` as a string for messages.

    Symbolic links stay unresolved, folders are separated by `/`, and special characters are escaped.
    """
    return visible(path.as_posix())


def find(paths: Iterable[Path]) -> tuple[tuple[Path, ...], tuple[Problem, ...]]:
    """Find the grant files in `paths`. Return the files without duplicates, and the problems of files and links.

    A path can be a file or a folder. The search in a folder includes its subfolders. The search returns all files named
    `*.yaml` or `*.yml` (in upper or lower case), sorted by name. A symbolic link is followed only if the link leads to
    a grant file in the folder. Hidden files and folders are skipped. A skipped file with a name like a grant file
    causes a warning, because `--prune` would delete the grants in the file.

    Raises:
        ReconcilerError: if one of `paths` does not exist.
    """
    found, problems = find_by_real_path(paths)
    return tuple(found.values()), problems


def find_by_real_path(paths: Iterable[Path]) -> tuple[dict[str, Path], tuple[Problem, ...]]:
    """Find the same grant files as `find`, and map the real path of each grant file to the path found by the search."""
    found: dict[str, Path] = {}
    problems: list[Problem] = []
    unread_files: list[_UnreadFiles] = []
    for path in paths:
        if not os.path.lexists(path):
            raise ReconcilerError(f"{name_of(path)} does not exist; check the path")
        for item in _in_folder(path, os.path.realpath(path), 1) if path.is_dir() else [path]:
            match item:
                case Problem():
                    problems.append(item)
                case _UnreadFiles():
                    unread_files.append(item)
                case _:
                    found.setdefault(os.path.realpath(item), item)
    for folder in unread_files:
        problems += _warnings([path for path in folder.paths if os.path.realpath(path) not in found])
    return found, tuple(problems)


def empty_folder_problems(paths: Iterable[Path]) -> Iterator[Problem]:
    """Yield a problem for each readable folder in `paths` that contains no grant file."""
    for path in paths:
        if not path.is_dir():
            continue
        has_files_or_errors = any(
            isinstance(item, Path) or (isinstance(item, Problem) and item.severity is Severity.ERROR)
            for item in _in_folder(path, os.path.realpath(path), 1)
        )
        if not has_files_or_errors:
            what = "this folder has no grant files (*.yaml, *.yml)"
            fix = (
                'add a grant file ("reconciler import" can write the tenant\'s grants; "grants: []" declares no grants)'
            )
            yield Problem(Source(name_of(path)), what, fix)


@dataclass(frozen=True, slots=True)
class _UnreadFiles:
    """The files that the search skipped in one folder, although the file names look like names of grant files.

    reconciler reads a skipped file only if a symbolic link or a command-line argument points to the file.
    """

    paths: Sequence[Path]


def _in_folder(folder: Path, root: str, level: int) -> Iterator[Path | Problem | _UnreadFiles]:
    """Yield the grant files, the skipped files and the problems in `folder`.

    `root` is the real path of the folder where the search started. The level of `root` is 1.
    """
    if level > MAX_LEVELS:
        yield Problem(Source(name_of(folder)), f"this folder is more than {MAX_LEVELS} levels deep", "move it up")
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Problem(
            Source(name_of(folder)), f"this folder cannot be read ({error.strerror})", "check its permissions"
        )
        return
    unread_files: list[Path] = []
    for entry in entries:
        path = folder / entry.name
        is_hidden = entry.name.startswith(".")
        if is_hidden and entry.is_dir(follow_symlinks=False):
            yield _UnreadFiles(_hidden_files(path))
        elif is_hidden or not (is_yaml(path) or path.is_dir()):
            if _looks_like_grants(path):
                unread_files.append(path)
        elif entry.is_symlink():
            yield from _link(path, root)
        elif entry.is_dir():
            yield from _in_folder(path, root, level + 1)
        else:
            yield path
    yield _UnreadFiles(unread_files)


def _looks_like_grants(path: Path) -> bool:
    """Return whether the name of a file looks like the name of a grant file.

    Return False for the swap files of text editors.
    """
    return bool(GRANT_LIKE_NAME.search(path.name)) and not SWAP_FILE.fullmatch(path.name) and not path.is_dir()


def _hidden_files(folder: Path) -> list[Path]:
    """Return the YAML files in a hidden folder and its subfolders, up to a maximum number.

    Symbolic links to folders are not followed.
    """
    files = (Path(folder_path, name) for folder_path, _, names in os.walk(folder) for name in sorted(names))
    return sorted(islice(filter(is_yaml, islice(files, MAX_HIDDEN_FILES)), MAX_NAMED_FILES + 1))


def _warnings(paths: Sequence[Path]) -> Iterator[Problem]:
    """Yield a warning for each unread file of a folder, up to `MAX_NAMED_FILES` warnings.

    If the folder has more than `MAX_NAMED_FILES` unread files, a final warning contains the number of unread files.
    """
    for path in paths[:MAX_NAMED_FILES]:
        yield Problem(Source(name_of(path)), *_why_unread(path), Severity.WARNING)
    if len(paths) > MAX_NAMED_FILES:
        what = (
            f"{len(paths)} files in this folder look like grant files and are not read; "
            f"the first {MAX_NAMED_FILES} have a warning each"
        )
        yield Problem(Source(name_of(paths[0].parent)), what, "", Severity.WARNING)


def _why_unread(path: Path) -> tuple[str, str]:
    """Return the reason why a file is not read, and the fix for the user."""
    if path.suffix.lower() == ".json":
        fix = (
            'if the file declares grants, move the grants to a *.yaml file ("reconciler import" can write grant files)'
        )
        return "this is a JSON file, so it is not read", fix
    if not is_yaml(path):
        return "this file is not read: its name does not end in .yaml or .yml", "rename the file if it declares grants"
    if path.name.startswith("."):
        return "this file is hidden, so it is not read", "remove the dot from the file name if the file declares grants"
    return "this file is in a hidden folder, so it is not read", "move the file to another folder if it declares grants"


def _link(link: Path, root: str) -> Iterator[Path | Problem]:
    """Yield `link` if the target of the symbolic link is a grant file in `root`.

    Yield a problem if the link leaves `root`, has no target, or leads to a hidden folder or an unsuitable file. Skip a
    symbolic link to a folder in `root`, because the search also visits the folder itself.
    """
    if not (link.is_dir() or is_yaml(link)):
        return
    path = Path(os.path.realpath(link.parent), link.name).relative_to(root).as_posix()
    target = follow(path, partial(_text, root), lambda folder: Path(root, folder).is_dir())
    if isinstance(target, LinkProblem):
        yield link_problem(name_of(link), target)
    elif Path(root, target).is_dir():
        if is_hidden(Path(target)):
            yield link_problem(name_of(link), TO_HIDDEN_FOLDER)
    elif not Path(root, target).exists():
        yield link_problem(name_of(link), LinkProblem.NOWHERE)
    elif not is_yaml(Path(target)):
        yield link_problem(name_of(link), NOT_A_GRANT_FILE)
    else:
        yield link


def _text(root: str, path: str) -> str | None:
    """Return the target of the symbolic link `path` in the folder `root`, or None if `path` is not a symbolic link."""
    try:
        return Path(root, path).readlink().as_posix()
    except OSError:
        return None


def read(path: Path, max_bytes: int = MAX_BYTES) -> bytes | Problem:
    """Return the bytes of a file, or a problem if the file is not regular, not readable, or larger than `max_bytes`."""
    try:
        with open(path, "rb", opener=_opener) as file:
            return _content(file, path, max_bytes)
    except OSError as error:
        return Problem(
            Source(name_of(path)), f"this file cannot be read ({error.strerror})", "check the file and its permissions"
        )


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | NO_WAIT)


def _content(file: BinaryIO, path: Path, max_bytes: int) -> bytes | Problem:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        return Problem(Source(name_of(path)), "this is not a regular file", "replace it with a regular file")
    if status.st_size > max_bytes:
        return too_large(Source(name_of(path)), status.st_size, max_bytes)
    return file.read(max_bytes)


def too_large(source: Source, size: int, max_bytes: int) -> Problem:
    """Return the problem to report for a file of `size` bytes that exceeds the limit of `max_bytes` bytes."""
    return Problem(
        source, f"this file has {size / MEGABYTE:,.1f} MB, more than {max_bytes / MEGABYTE:.0f} MB", "split it"
    )
