"""Find the commits that last changed the lines of files at HEAD, and the pull requests in their messages."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.git.repository import GitError, Repository
from reconciler.git.revision import WHOLE_ID

MAX_BLAME_BYTES = 100_000_000
MAX_FILES = 2_000
"""The maximum number of files for which git is asked. One file takes about 10 ms."""
MAX_MESSAGE_LENGTH = 100_000
HEADER = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) [0-9]+ ([0-9]+)( [0-9]+)?")
GITHUB_SQUASH = re.compile(r"\(#([0-9]{1,10})\)$")
GITHUB_MERGE = re.compile(r"Merge pull request #([0-9]{1,10}) from ")
GITLAB_MERGE = re.compile(r"^See merge request [^\s!]*!([0-9]{1,10})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class BlamedCommit:
    """A commit that changed a line. `time` is its author time in seconds since 1970.

    `request` is the number of the pull request (`#12`) or merge request (`!12`) in its message, or an empty text.
    """

    hash: str
    time: int
    author: str
    subject: str
    request: str


@dataclass(frozen=True, slots=True)
class Blame:
    """The commits of a file at HEAD.

    Attributes:
        lines: The hash of the commit for each line number.
        merges: The hash of the commit that brought each line into the first-parent history of HEAD.
        boundary: The hashes of commits without parents. In a shallow clone, their lines may be older.
    """

    lines: Mapping[int, str]
    merges: Mapping[int, str]
    boundary: frozenset[str] = frozenset()


def is_shallow(repository: Repository) -> bool:
    """Return whether the clone lacks a part of the history. Raises GitError."""
    return repository.run("rev-parse", "--is-shallow-repository").lines == ["true"]


def blame_file(repository: Repository, path: str) -> Blame:
    """Return the commits of each line of a file at HEAD. `path` is relative to the root. Raises GitError."""
    lines, boundary = _blame(repository, path)
    merges, _ = _blame(repository, path, "--first-parent")
    return Blame(lines, merges, boundary)


def _blame(repository: Repository, path: str, *options: str) -> tuple[dict[int, str], frozenset[str]]:
    """Return the hash of the commit for each line, and the hashes of boundary commits.

    git reads only its objects: neither the working tree nor a text conversion is used.
    """
    arguments = ("--porcelain", "--no-textconv", "--no-progress", *options, "HEAD", "--", path)
    output = repository.run("blame", *arguments, max_bytes=MAX_BLAME_BYTES)
    lines: dict[int, str] = {}
    boundary: set[str] = set()
    commit = ""
    for line in output.data.split(b"\n"):
        if line.startswith(b"\t"):  # the content of a line
            continue
        if header := HEADER.fullmatch(line):
            commit = header[1].decode()
            lines[int(header[2])] = commit
        elif line == b"boundary":
            boundary.add(commit)
    return lines, frozenset(boundary)


def read_commits(repository: Repository, hashes: Iterable[str]) -> dict[str, BlamedCommit]:
    """Return the commits with these hashes. Raises GitError."""
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
    return {each.hash: each for each in map(_commit, zip(*(fields[start::5] for start in range(5)), strict=True))}


def _commit(fields: Sequence[str]) -> BlamedCommit:
    identity, time, author, subject, body = fields
    return BlamedCommit(identity, int(time), author, subject, request_in(subject, body[:MAX_MESSAGE_LENGTH]))


def request_in(subject: str, body: str) -> str:
    """Return the number of the pull or merge request in a commit message, or an empty text.

    GitHub writes `Merge pull request #12 from …` and `subject (#12)`, and GitLab `See merge request group/project!12`.
    """
    if found := GITHUB_MERGE.match(subject) or GITHUB_SQUASH.search(subject):
        return f"#{found[1]}"
    found = GITLAB_MERGE.search(body)
    return f"!{found[1]}" if found else ""


def newest_first(repository: Repository, path: str) -> dict[str, int]:
    """Return the position of each commit that changed `path`, the newest first. Children come before parents.

    Times are not used, because a commit may contain any time. Raises GitError.
    """
    hashes = repository.run("rev-list", "--topo-order", "HEAD", "--", path or ".", max_bytes=MAX_BLAME_BYTES).lines
    return {each: position for position, each in enumerate(hashes)}


def origin_address(repository: Repository) -> str:
    """Return the address of the remote `origin` in the settings of the repository, or an empty text."""
    try:
        return next(iter(repository.run("config", "--local", "--get", "remote.origin.url").lines), "")
    except GitError:
        return ""


def head_commit(repository: Repository) -> str:
    """Return the hash of HEAD, or an empty text if there is no commit."""
    try:
        return repository.run("rev-parse", "--verify", "HEAD^{commit}").lines[0]
    except GitError:
        return ""
