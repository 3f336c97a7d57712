"""Find attributes by which a checkout holds other bytes than the commit that was reviewed."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from reconciler.git.repository import Repository, git_dir_of, read_pointer

ALTERING = ("working-tree-encoding", "ident", "filter")
INACTIVE = ("unspecified", "unset")
FILE = ".gitattributes"
MOST_BYTES = 1_000_000
"""Of a file of attributes that is searched here; git reads a longer one."""
ANSWER_BYTES = 500_000_000


def may_alter(root: Path, folders: Iterable[str]) -> bool:
    """Return whether an attribute of ALTERING may apply to a file in one of `folders` of the checkout at `root`.

    This reads the few files of attributes that apply there, and costs no process. Folders are real paths.
    """
    git_dir = git_dir_of(root)
    common_dir = git_dir / (read_pointer(git_dir / "commondir").strip() or ".")
    if (git_dir / "info" / "sparse-checkout").exists():  # a file of attributes may apply and not be here
        return True
    files = [common_dir / "info" / "attributes", *(Path(folder, FILE) for folder in _with_parents(root, folders))]
    return any(map(_mentions, files))


def _with_parents(root: Path, folders: Iterable[str]) -> Iterator[str]:
    """Yield `folders` inside `root`, and all folders between, each once."""
    seen = {str(root)}
    yield str(root)
    for folder in folders:
        if not Path(folder).is_relative_to(root):
            continue
        while folder not in seen:
            seen.add(folder)
            yield folder
            folder = os.path.dirname(folder)  # noqa: PTH120, PLW2901 - many folders, and their text is at hand


def _mentions(file: Path) -> bool:
    """Return whether a file of attributes names one of ALTERING; a link or another odd file may."""
    try:
        status = file.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            return True
        text = file.read_bytes()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return any(name.encode() in text for name in ALTERING)


def altering_attributes(repository: Repository, files: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield path, attribute and value for each attribute that alters one of `files` at checkout.

    Paths count from the root of the checkout. Raises GitError.
    """
    asked = "".join(f"{file}\0" for file in files).encode(errors="surrogateescape")
    answer = repository.run("check-attr", "--stdin", "-z", *ALTERING, asked=asked, most_bytes=ANSWER_BYTES)
    words = os.fsdecode(answer.data).split("\0")
    for path, name, value in zip(words[::3], words[1::3], words[2::3], strict=False):
        if value not in INACTIVE:
            yield path, name, value
