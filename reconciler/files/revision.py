"""Shell: grant files as they are in a revision of git, under the same limits as those in a folder.

Nothing is checked out, and git is asked for plain objects only, so that no hook, filter or attribute of the repository
plays a part.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reconciler.core.problems import Problem, Source
from reconciler.core.quoting import quoted, visible
from reconciler.errors import ReconcilerError
from reconciler.files.discover import MOST_BYTES, SUFFIXES, too_large

PLAIN_FILES = ("100644", "100755")
SECONDS = 60
OF_A_REPOSITORY = frozenset(
    {
        *("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_PREFIX", "GIT_INDEX_FILE"),
        *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"),
    }
)
"""What git sets for hooks; it would say where we are, and be wrong in a sub-folder."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file of a revision; `path` is relative to the folder that was asked about."""

    mode: str
    object: str
    size: int
    path: str


def read_revision(revision: str, path: Path) -> Iterator[tuple[str, bytes | Problem]]:
    """Yield the name and the bytes of each grant file that `path`, a file or folder, had in `revision`.

    Links are left out: a file that one leads to within the folder is there itself. A path that was not there yet has no
    files.

    Raises:
        ReconcilerError: if git is missing, the path is in no repository, or there is no such revision.
    """
    if revision.startswith("-"):
        raise ReconcilerError(f"{quoted(revision)} is no revision of git")
    folder = path if path.is_dir() else path.parent
    entries = [
        entry
        for entry in _listed(revision, folder, "." if path.is_dir() else path.name)
        if entry.mode in PLAIN_FILES and (entry.path == path.name or _is_read(entry.path))
    ]
    contents = _contents([entry.object for entry in entries if entry.size <= MOST_BYTES], folder)
    for entry in entries:
        name = f"{visible((folder / entry.path).as_posix())} in {visible(revision)}"
        yield name, next(contents) if entry.size <= MOST_BYTES else too_large(Source(name), entry.size, MOST_BYTES)


def _is_read(path: str) -> bool:
    """Return whether a file of a folder is one that is read there: named as YAML, and not hidden."""
    return path.lower().endswith(SUFFIXES) and not any(part.startswith(".") for part in PurePosixPath(path).parts)


def _listed(revision: str, folder: Path, name: str) -> Iterator[_Entry]:
    for line in _git(folder, ["ls-tree", "-r", "-l", "-z", revision, "--", name], revision).split(b"\0"):
        about, _, path = line.partition(b"\t")
        if path:
            mode, _, identity, size = about.decode().split()
            yield _Entry(mode, identity, int(size) if size.isdigit() else 0, path.decode(errors="surrogateescape"))


def _contents(objects: Sequence[str], folder: Path) -> Iterator[bytes]:
    """Yield what each of `objects` holds, read in one go."""
    told = _git(folder, ["cat-file", "--batch"], "", "".join(f"{each}\n" for each in objects).encode())
    start = 0
    for _ in objects:
        end_of_head = told.index(b"\n", start)
        size = int(told[start:end_of_head].split()[-1])
        yield told[end_of_head + 1 : end_of_head + 1 + size]
        start = end_of_head + 1 + size + 1


def _git(folder: Path, arguments: list[str], revision: str, asked: bytes = b"") -> bytes:
    import subprocess

    try:
        done = subprocess.run(  # noqa: S603 - no shell, and the revision cannot be an option
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - git is wherever its user has it
            input=asked,
            capture_output=True,
            check=True,
            timeout=SECONDS,
            env={name: value for name, value in os.environ.items() if name not in OF_A_REPOSITORY},
        )
    except FileNotFoundError as error:
        raise ReconcilerError("--base asks git what the files were, and there is no git here") from error
    except subprocess.TimeoutExpired as error:
        raise ReconcilerError(f"git did not say within {SECONDS} seconds what the files were") from error
    except subprocess.CalledProcessError as error:
        said = visible(error.stderr.decode(errors="replace").strip().removeprefix("fatal: "))
        raise ReconcilerError(
            f"git cannot tell what the files were in {quoted(revision)}: {said}; "
            "a shallow clone has to fetch it first (fetch-depth: 0 where actions/checkout makes it)"
        ) from error
    return done.stdout
