"""What the index of a repository tracks: asked of git, never guessed from the files of the checkout."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reconciler.git.repository import Repository
from reconciler.git.revision import LINK

MOST_BYTES = 500_000_000
NOT_HERE = "S"
"""git's mark of an entry that a sparse checkout leaves out."""


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A file, link or submodule in the index; `path` counts from the root. `is_left_out`: by a sparse checkout."""

    path: str
    mode: str
    is_left_out: bool

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return self.mode == LINK


def tracked(repository: Repository, paths: Iterable[str]) -> Iterator[IndexEntry]:
    """Yield what the index tracks at and below `paths`, which count from the root; "" is the root. Raises GitError."""
    named = [path or "." for path in paths]
    answer = repository.run("ls-files", "-z", "-t", "--stage", "--", *named, most_bytes=MOST_BYTES)
    for line in os.fsdecode(answer.data).split("\0")[:-1]:
        about, _, path = line.partition("\t")
        tag, mode, *_ = about.split(" ")
        yield IndexEntry(path, mode, tag == NOT_HERE)
