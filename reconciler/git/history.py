"""Read the git history of a branch: the commits, the changed files, and the commit that last changed each line."""

import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.git.repository import GitError, Repository
from reconciler.git.revision import WHOLE_ID, Revision, TreeEntry, refuse_unless_ancestor

MAX_COMMITS = 200_000
MAX_HISTORY_BYTES = 500_000_000
"""The maximum size, in bytes, of the git output that lists the changed files of all commits."""
FULL_HISTORY_ADVICE = (
    "fetch the whole history (fetch-depth: 0 for actions/checkout, GIT_DEPTH: 0 for GitLab, "
    "git fetch --unshallow), or set --since to a commit that was fetched"
)
NO_FILE = "000000"


@dataclass(frozen=True, slots=True)
class FileChange:
    """A change to a file, symbolic link or submodule in a commit. `path` is relative to the root of the repository.

    If the file does not exist before the commit, `mode_before` is NO_FILE. If the commit deletes the file, `mode_after`
    is NO_FILE.
    """

    path: str
    mode_before: str
    object_before: str
    mode_after: str
    object_after: str


@dataclass(frozen=True, slots=True)
class HistoryCommit:
    """A commit, and the files that differ between the commit and the first parent of the commit.

    `time` is the committer time in seconds since 1970. The author time may be older, because a rebase keeps it.
    """

    hash: str
    time: int
    author: str
    subject: str
    changes: tuple[FileChange, ...]


def first_parent_history(
    repository: Repository, paths: Sequence[str], since: Revision | None = None
) -> list[HistoryCommit]:
    """Return the commits in the first-parent history of HEAD that changed `paths`, the oldest commit first.

    `paths` contains files and folders, relative to the root of the repository. An empty string in `paths` means the
    root of the repository. If `since` is a commit, the result begins after this commit.

    Raises:
        GitError: if the history is incomplete because the clone is shallow, or if `since` is not an ancestor of HEAD.
    """
    if since is not None:
        refuse_unless_ancestor(since)
    _refuse_shallow(repository, since)
    return _history(repository, paths, since, "--first-parent")


def whole_history(repository: Repository, paths: Sequence[str], since: Revision | None = None) -> list[HistoryCommit]:
    """Return the commits that changed `paths`, including the commits of merged branches. Raises GitError.

    The parameters are those of `first_parent_history`.
    """
    return _history(repository, paths, since, "--full-history", "--topo-order")


def deleted_files(repository: Repository, commits: Sequence[HistoryCommit]) -> list[FileChange]:
    """Return the files that `commits` deleted, anywhere in the repository. Raises GitError."""
    found = _changes(repository, [commit.hash for commit in commits], "--diff-filter=D")
    return [change for commit in found for change in commit.changes]


def _history(
    repository: Repository, paths: Sequence[str], since: Revision | None, *options: str
) -> list[HistoryCommit]:
    named = [path or "." for path in paths]
    bounds = ["HEAD", *([f"^{since.commit}"] if since else [])]
    limit = f"--max-count={MAX_COMMITS + 1}"
    ids = repository.run("rev-list", *options, "--reverse", limit, *bounds, "--", *named).lines
    if len(ids) > MAX_COMMITS:
        raise GitError(f"the history has more than {MAX_COMMITS:,} commits; limit it with --since")
    return _changes(repository, ids, "--", *named)


def _changes(repository: Repository, ids: Sequence[str], *options: str) -> list[HistoryCommit]:
    """Return the files that differ between each commit and the first parent of the commit. Raises GitError."""
    if not ids:
        return []
    try:
        output = repository.run(
            *("diff-tree", "--stdin", "--raw", "-r", "--root", "-z", "--no-renames", "--no-abbrev"),
            *("--diff-merges=first-parent", "--format=tformat:%H%x00%ct%x00%an%x00%s", *options),
            stdin="".join(f"{each}\n" for each in ids).encode(),
            max_bytes=MAX_HISTORY_BYTES,
        )
    except GitError as error:
        raise _incomplete(str(error)) from error
    return list(_commits(output.data))


def _refuse_shallow(repository: Repository, since: Revision | None) -> None:
    """Raise GitError if the clone is shallow, unless the first-parent history of the clone contains `since`."""
    if not is_shallow(repository):
        return
    if since is not None and since.commit in repository.run("rev-list", "--first-parent", "HEAD").lines:
        return
    raise GitError(f"the clone is shallow, so its history does not show every removed grant; {FULL_HISTORY_ADVICE}")


def _commits(data: bytes) -> Iterator[HistoryCommit]:
    """Parse the output of `git diff-tree -z`.

    The output consists of fields that end with NUL. The parser counts the fields, because file names and commit
    subjects may contain every character except NUL.
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
    """Return a mapping from the hash of each blob (file content) in `objects` to a TreeEntry with the size of the blob.

    Raises GitError if a blob is missing.
    """
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


MAX_BLAME_BYTES = 100_000_000
MAX_FILES = 2_000
"""The maximum number of files for which reconciler runs `git blame`. Running git for one file takes about 10 ms."""
MAX_MESSAGE_LENGTH = 100_000
HEADER = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) [0-9]+ ([0-9]+)( [0-9]+)?")
GITHUB_SQUASH = re.compile(r"\(#([0-9]{1,10})\)$")
GITHUB_MERGE = re.compile(r"Merge pull request #([0-9]{1,10}) from ")
GITLAB_MERGE = re.compile(r"^See merge request [^\s!]*!([0-9]{1,10})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class BlamedCommit:
    """A commit that changed a line of a file. `time` is the author time of the commit in seconds since 1970.

    `request` is the number of the pull request (`#12`) or merge request (`!12`) in the commit message, or an empty
    string.
    """

    hash: str
    time: int
    author: str
    subject: str
    request: str


@dataclass(frozen=True, slots=True)
class Blame:
    """The commits that changed the lines of a file at HEAD."""

    lines: Mapping[int, str]
    """Maps a line number to the hash of the commit that last changed the line."""
    merges: Mapping[int, str]
    """Maps a line number to the hash of the commit that brought the line into the first-parent history of HEAD."""
    boundary: frozenset[str] = frozenset()
    """The hashes of commits without a parent in the clone.

    In a shallow clone, a commit without a parent may contain lines from an older commit.
    """


def is_shallow(repository: Repository) -> bool:
    """Return whether the clone lacks a part of the history. Raises GitError."""
    return repository.run("rev-parse", "--is-shallow-repository").lines == ["true"]


def blame_file(repository: Repository, path: str) -> Blame:
    """Return, for each line of a file at HEAD, the commit that last changed the line. Raises GitError.

    `path` is relative to the root of the repository.
    """
    lines, boundary = _blame(repository, path)
    merges, _ = _blame(repository, path, "--first-parent")
    return Blame(lines, merges, boundary)


def _blame(repository: Repository, path: str, *options: str) -> tuple[dict[int, str], frozenset[str]]:
    """Return a mapping from line number to commit hash, and the hashes of all commits that have no parent in the clone.

    git reads the file from the commit HEAD, and does not run a text conversion program.
    """
    arguments = ("--porcelain", "--no-textconv", "--no-progress", *options, "HEAD", "--", path)
    output = repository.run("blame", *arguments, max_bytes=MAX_BLAME_BYTES)
    lines: dict[int, str] = {}
    boundary: set[str] = set()
    commit = ""
    for line in output.data.split(b"\n"):
        if line.startswith(b"\t"):  # a line that starts with a tab contains only file content
            continue
        if header := HEADER.fullmatch(line):
            commit = header[1].decode()
            lines[int(header[2])] = commit
        elif line == b"boundary":
            boundary.add(commit)
    return lines, frozenset(boundary)


def read_commits(repository: Repository, hashes: Iterable[str]) -> dict[str, BlamedCommit]:
    """Read the commits with the hashes in `hashes` from git. Raises GitError."""
    wanted = sorted({each for each in hashes if WHOLE_ID.fullmatch(each)})
    if not wanted:
        return {}
    output = repository.run(
        *("log", "--no-walk=unsorted", "--no-mailmap", "--no-show-signature", "--no-notes", "--no-color", "-z"),
        *("--format=%H%x00%at%x00%an%x00%s%x00%b", "--stdin"),
        stdin="".join(f"{each}\n" for each in wanted).encode(),
        max_bytes=MAX_BLAME_BYTES,
    )
    fields = os.fsdecode(output.data).split("\0")[:-1]
    if len(fields) % 5:
        raise GitError("git log wrote an unexpected number of fields")
    return {
        identity: BlamedCommit(identity, int(time), author, subject, request_in(subject, body[:MAX_MESSAGE_LENGTH]))
        for identity, time, author, subject, body in zip(*(fields[start::5] for start in range(5)), strict=True)
    }


def request_in(subject: str, body: str) -> str:
    """Return the number of the pull or merge request in a commit message, or an empty string.

    GitHub writes `Merge pull request #12 from …` or `subject (#12)`. GitLab writes `See merge request
    group/project!12`.
    """
    if found := GITHUB_MERGE.match(subject) or GITHUB_SQUASH.search(subject):
        return f"#{found[1]}"
    found = GITLAB_MERGE.search(body)
    return f"!{found[1]}" if found else ""


def newest_first(repository: Repository, path: str) -> dict[str, int]:
    """Return the position of each commit in the history of `path`, by commit hash.

    The position of the newest commit is 0.

    The position of a commit is always lower than the positions of its parents.

    The order of the commits does not depend on commit times, because the author of a commit can choose the commit time.
    Raises GitError.
    """
    hashes = repository.run("rev-list", "--topo-order", "HEAD", "--", path or ".", max_bytes=MAX_BLAME_BYTES).lines
    return {each: position for position, each in enumerate(hashes)}


def origin_address(repository: Repository) -> str:
    """Return the address of the remote `origin` from the settings of the repository, or an empty string."""
    try:
        return next(iter(repository.run("config", "--local", "--get", "remote.origin.url").lines), "")
    except GitError:
        return ""
