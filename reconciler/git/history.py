"""Read the history of a branch: its commits in first-parent order, and the files that each of them changed."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reconciler.git.repository import GitError, Repository
from reconciler.git.revision import Revision, TreeEntry, refuse_unless_ancestor

MAX_COMMITS = 200_000
MAX_HISTORY_BYTES = 500_000_000
"""The maximum size of the list of changed files."""
FULL_HISTORY_ADVICE = (
    "fetch the whole history (fetch-depth: 0 for actions/checkout, GIT_DEPTH: 0 for GitLab, "
    "git fetch --unshallow), or set --since to a commit that was fetched"
)
NO_FILE = "000000"


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file, link or submodule that a commit changed. The mode is NO_FILE where it does not exist.

    `path` is relative to the root of the repository.
    """

    path: str
    mode_before: str
    object_before: str
    mode_after: str
    object_after: str


@dataclass(frozen=True, slots=True)
class HistoryCommit:
    """A commit and the changes since its first parent. `time` is its author time in seconds since 1970."""

    hash: str
    time: int
    author: str
    subject: str
    changes: tuple[FileChange, ...]


def first_parent_history(
    repository: Repository, paths: Sequence[str], since: Revision | None = None
) -> list[HistoryCommit]:
    """Return the commits of HEAD's first-parent history that changed `paths`, the oldest first.

    Args:
        repository: The repository.
        paths: Files and folders, relative to the root of the repository. "" is the root.
        since: The commit where the history starts. It is not part of the result.

    Raises:
        GitError: if the history is incomplete, because the clone is shallow, or if `since` is not an ancestor of HEAD.
    """
    if since is not None:
        refuse_unless_ancestor(since)
    _refuse_shallow(repository, since)
    named = [path or "." for path in paths]
    bounds = ["HEAD", *([f"^{since.commit}"] if since else [])]
    ids = repository.run(
        "rev-list", "--first-parent", "--reverse", f"--max-count={MAX_COMMITS + 1}", *bounds, "--", *named
    ).lines
    if len(ids) > MAX_COMMITS:
        raise GitError(f"the history has more than {MAX_COMMITS:,} commits; limit it with --since")
    if not ids:
        return []
    try:
        output = repository.run(
            *("diff-tree", "--stdin", "--raw", "-r", "--root", "-z", "--no-renames", "--no-abbrev"),
            *("--diff-merges=first-parent", "--format=tformat:%H%x00%at%x00%an%x00%s", "--", *named),
            stdin="".join(f"{each}\n" for each in ids).encode(),
            max_bytes=MAX_HISTORY_BYTES,
        )
    except GitError as error:
        raise _incomplete(str(error)) from error
    return list(_commits(output.data))


def _refuse_shallow(repository: Repository, since: Revision | None) -> None:
    """Raise GitError in a shallow clone, unless its first-parent history reaches `since`."""
    if repository.run("rev-parse", "--is-shallow-repository").lines != ["true"]:
        return
    if since is not None:
        chain = repository.run("rev-list", "--first-parent", "HEAD").lines
        if since.commit in chain:
            return
    raise GitError(f"the clone is shallow, so its history does not show every removed grant; {FULL_HISTORY_ADVICE}")


def _commits(data: bytes) -> Iterator[HistoryCommit]:
    """Parse the output of `git diff-tree -z`.

    Fields are read one after the other and not searched, because names and subjects may contain any other character.
    """
    fields = deque(os.fsdecode(data).split("\0")[:-1])
    while fields:
        identity, time, author, subject = (fields.popleft() for _ in range(4))
        changes: list[FileChange] = []
        while fields and (metadata := fields[0].removeprefix("\n")).startswith(":"):
            fields.popleft()
            mode_before, mode_after, object_before, object_after, _ = metadata.removeprefix(":").split(" ")
            changes.append(FileChange(fields.popleft(), mode_before, object_before, mode_after, object_after))
        yield HistoryCommit(identity, int(time), author, subject, tuple(changes))


def _incomplete(reason: str) -> GitError:
    return GitError(f"git cannot read the history of the grant files: {reason}; {FULL_HISTORY_ADVICE}")


def sizes_of(revision: Revision, objects: Sequence[str]) -> dict[str, TreeEntry]:
    """Return the entry of each blob in `objects`, with its size. Raises GitError if an object is missing."""
    stdin = "".join(f"{each}\n" for each in objects).encode()
    try:
        lines = revision.repository.run("cat-file", "--batch-check", stdin=stdin, max_bytes=MAX_HISTORY_BYTES).lines
    except GitError as error:
        raise _incomplete(str(error)) from error
    found: dict[str, TreeEntry] = {}
    for line in lines:
        identity, kind, *size = line.split(" ")
        if kind != "blob":
            raise _incomplete(f"the object {identity} is missing")
        found[identity] = TreeEntry("100644", identity, int(size[0]))
    return found
