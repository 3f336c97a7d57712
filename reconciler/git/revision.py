"""Read the files of a git revision without a checkout and without filter programs."""

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.characters import join_words, quote_text
from reconciler.git.repository import GitError, Repository, git_dir_of, read_pointer

MAX_INDEX_BYTES = 500_000_000
SPARSE_TAG = "S"
"""The letter that `git ls-files -t` shows for a file that a sparse checkout omits."""


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A file, symbolic link or submodule in the git index. `path` is relative to the root of the repository.

    `object` is the hash of the file content, or the recorded commit of a submodule. `is_left_out` is true if a sparse
    checkout omits the file.
    """

    path: str
    mode: str
    is_left_out: bool
    object: str


def tracked_entries(repository: Repository, paths: Iterable[str]) -> Iterator[IndexEntry]:
    """Yield the files that git tracks at or below a path in `paths`. Raises GitError.

    `paths` are relative to the root of the repository. The path "" means the root.
    """
    named = [path or "." for path in paths]
    output = repository.run("ls-files", "-z", "-t", "--stage", "--", *named, max_bytes=MAX_INDEX_BYTES)
    for line in os.fsdecode(output.data).split("\0")[:-1]:
        metadata, _, path = line.partition("\t")
        tag, mode, identity, _ = metadata.split(" ")
        yield IndexEntry(path, mode, tag == SPARSE_TAG, identity)


ALTERING = ("working-tree-encoding", "ident", "filter")
INACTIVE = ("unspecified", "unset")
ATTRIBUTES_FILE = ".gitattributes"
MAX_ATTRIBUTES_BYTES = 1_000_000
"""The maximum size in bytes of a .gitattributes file that reconciler reads itself.

If a .gitattributes file exceeds the maximum size, reconciler asks git for the attributes.
"""
MAX_ATTRIBUTES_OUTPUT_BYTES = 500_000_000


def may_alter_files(root: Path, folders: Iterable[str]) -> bool:
    """Return whether git attributes may change the content of files in `folders` at checkout.

    ALTERING contains the attributes that change the content of a file. The function reads only the .gitattributes files
    of `folders` and their parents, and does not run git. The paths in `folders` must not contain symbolic links.
    """
    git_dir = git_dir_of(root)
    common_dir = git_dir / (read_pointer(git_dir / "commondir").strip() or ".")
    if (git_dir / "info" / "sparse-checkout").exists():  # git also uses .gitattributes files that are not checked out
        return True
    files = [
        common_dir / "info" / "attributes",
        *(Path(folder, ATTRIBUTES_FILE) for folder in _with_parents(root, folders)),
    ]
    return any(map(_mentions, files))


def _with_parents(root: Path, folders: Iterable[str]) -> Iterator[str]:
    """Yield `root`, the folders in `folders`, and all folders between `root` and a folder in `folders`.

    Yield each folder once.
    """
    seen = {str(root)}
    yield str(root)
    for folder in folders:
        if not Path(folder).is_relative_to(root):
            continue
        while folder not in seen:
            seen.add(folder)
            yield folder
            folder = os.path.dirname(folder)  # noqa: PTH120, PLW2901 - os.path is faster than pathlib


def _mentions(file: Path) -> bool:
    """Return whether a .gitattributes file may contain an attribute in ALTERING.

    Return True if the file is a symbolic link or a special file, is too large, or is unreadable.
    """
    try:
        status = file.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_ATTRIBUTES_BYTES:
            return True
        text = file.read_bytes()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return any(name.encode() in text for name in ALTERING)


def altering_attributes(repository: Repository, files: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield the git attributes that change the content of a file in `files` when git checks out the file.

    Each result contains the path of the file, the name of the attribute, and the value of the attribute.

    The paths are relative to the root of the checkout. Raises GitError.
    """
    stdin = "".join(f"{file}\0" for file in files).encode(errors="surrogateescape")
    output = repository.run(
        "check-attr", "--stdin", "-z", *ALTERING, stdin=stdin, max_bytes=MAX_ATTRIBUTES_OUTPUT_BYTES
    )
    fields = os.fsdecode(output.data).split("\0")
    for path, name, value in zip(fields[::3], fields[1::3], fields[2::3], strict=False):
        if value not in INACTIVE:
            yield path, name, value


FETCH_ADVICE = "fetch the revision first: git fetch, or fetch-depth: 0 for actions/checkout"
BATCH_BYTES = 32_000_000
"""The maximum total size of the files that one git command returns, in bytes."""

WHOLE_ID = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
WORKTREE_REF = re.compile("HEAD|[A-Z_]+_HEAD")
"""Matches ref names such as HEAD and MERGE_HEAD. For git, HEAD takes precedence over a branch with the name HEAD."""

END_OF_NAME = re.compile(r"[~^:]|@\{")
CONTROL = re.compile("[\x00-\x1f\x7f]")
GLOB = re.compile(r"[*?\[\\ ]")
REFS = ("{}", "refs/{}", "refs/tags/{}", "refs/heads/{}", "refs/remotes/{}", "refs/remotes/{}/HEAD")
"""The possible full names of a git ref, in git's order of precedence.

For example, `main` can mean `refs/tags/main` or `refs/heads/main`.
"""

LINK, SUBMODULE, FOLDER = "120000", "160000", "040000"


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """A file, symbolic link, submodule or folder in a git revision.

    `path` is relative to the folder whose content is listed.
    """

    mode: str
    object: str
    size: int
    path: str = ""


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit of a repository.

    `name` is the revision that the user specified, for example `HEAD` or a branch.
    """

    repository: Repository
    name: str
    commit: str

    def find(self, path: str) -> TreeEntry | str | None:
        """Return the folder or file at `path` in the revision.

        `path` is relative to the root of the repository. The method follows symbolic links.

        Return None if `path` does not exist. If `path` contains a symbolic link that git cannot follow, return the
        reason as text.

        Raises:
            GitError: if git cannot read the object.
        """
        if "\n" in path:
            raise GitError(f"{quote_text(path)} cannot be read at a revision: its name contains a line break")
        stdin = f"{self.commit}:{path}\n".encode(errors="surrogateescape")
        output = self.repository.run("cat-file", "--batch-check", "--follow-symlinks", stdin=stdin)
        first, *_ = output.lines or [""]
        match first.split(" "):
            case [identity, ("tree" | "blob") as kind, size] if size.isdigit():
                return TreeEntry(FOLDER if kind == "tree" else "100644", identity, int(size))
            case ["symlink", _]:
                return "is a link that leads out of the repository"
            case [("dangling" | "loop"), _]:
                return "is a link without a valid target"
            case ["notdir", _]:
                return "is inside a file, not a folder"
            case _:  # the path does not exist, or the clone lacks the file
                pass
        try:
            exists = self.repository.run("ls-tree", "-z", "--full-tree", self.commit, "--", path or ".").data
        except GitError as error:
            raise self._incomplete(str(error)) from error
        if exists:
            raise self._incomplete(f"{quote_text(path)} is missing")
        return None

    def list(self, folder: TreeEntry) -> list[TreeEntry]:
        """Return the files, symbolic links and submodules in a folder and its subfolders. Raises GitError."""
        try:
            output = self.repository.run("ls-tree", "-r", "-l", "-z", folder.object)
        except GitError as error:
            raise self._incomplete(str(error)) from error
        return [self._entry(line) for line in output.data.split(b"\0") if line]

    def _entry(self, line: bytes) -> TreeEntry:
        metadata, _, path = line.partition(b"\t")
        mode, kind, identity, size = metadata.decode().split()
        if kind == "blob" and not size.isdigit():
            raise self._incomplete(f"the object {identity} is missing")
        return TreeEntry(mode, identity, int(size) if size.isdigit() else 0, path.decode(errors="surrogateescape"))

    def contents(self, entries: Sequence[TreeEntry]) -> Iterator[bytes]:
        """Yield the content of each file or symbolic link in `entries`. Raises GitError."""
        for batch in _batches(entries):
            yield from self._contents(batch)

    def _contents(self, batch: Sequence[TreeEntry]) -> Iterator[bytes]:
        stdin = "".join(f"{entry.object}\n" for entry in batch).encode()
        max_bytes = sum(entry.size + 100 for entry in batch)
        data = self.repository.run("cat-file", "--batch", stdin=stdin, max_bytes=max_bytes).data
        start = 0
        for entry in batch:
            head, _, _ = data[start : start + 100].partition(b"\n")
            if head.split() != [entry.object.encode(), b"blob", str(entry.size).encode()]:
                raise self._incomplete(f"the object {entry.object} is missing")
            start += len(head) + 1
            yield data[start : start + entry.size]
            start += entry.size + 1

    def _incomplete(self, reason: str) -> GitError:
        return GitError(f"git cannot read the files in {quote_text(self.name)}: {reason}; {FETCH_ADVICE}")


def _batches(entries: Sequence[TreeEntry]) -> Iterator[list[TreeEntry]]:
    batch: list[TreeEntry] = []
    size = 0
    for entry in entries:
        if batch and size + entry.size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += entry.size
    if batch:
        yield batch


def resolve_revision(repository: Repository, name: str) -> Revision:
    """Return the commit of the revision `name`, for example a branch, a tag or a commit id.

    Raises:
        GitError: if the revision does not exist or is ambiguous.
    """
    if not name or name.startswith("-") or CONTROL.search(name):
        raise GitError(f"{quote_text(name)} is not a valid git revision")
    try:
        is_search = name.startswith(":/")  # `:/text` finds a commit by its message
        output = repository.run("rev-parse", "--verify", name if is_search else f"{name}^{{commit}}")
    except GitError as error:
        raise GitError(f"git does not know the revision {quote_text(name)}: {error}; {FETCH_ADVICE}") from error
    (commit,) = output.lines
    _refuse_ambiguous(repository, name, output.warnings)
    return Revision(repository, name, commit)


def commits_after(revision: Revision) -> frozenset[str]:
    """Return the hashes of the commits in the first-parent history of HEAD that `revision` lacks. Raises GitError."""
    return frozenset(revision.repository.run("rev-list", "--first-parent", "HEAD", f"^{revision.commit}").lines)


def refuse_unless_ancestor(revision: Revision) -> None:
    """Raise GitError unless the revision is HEAD or an ancestor of HEAD."""
    if revision.repository.run("rev-list", "--max-count=1", revision.commit, "^HEAD").lines:
        raise GitError(
            f"{quote_text(revision.name)} is not an ancestor of HEAD, so it cannot be the base of HEAD; "
            f"update the branch, check out the merge commit, or {FETCH_ADVICE}"
        )


def _refuse_ambiguous(repository: Repository, name: str, warnings: Sequence[str]) -> None:
    """Refuse an ambiguous name, for example the name of both a branch and a tag.

    If ambiguous names were allowed, a user who may push a tag could make reconciler read a wrong commit. Full commit
    ids, full names such as refs/heads/main, and HEAD are never ambiguous.

    Raises:
        GitError: if the name is ambiguous. The error message contains the full names of all refs that the short name
            may mean.
    """
    short = END_OF_NAME.split(name, maxsplit=1)[0]
    if not short or WHOLE_ID.fullmatch(short):
        return
    refs = _refs_named(repository, short)
    if WORKTREE_REF.fullmatch(short):
        is_certain = (repository.git_dir / short).exists()
    else:
        is_certain = short.startswith("refs/") and short in refs
    if is_certain:
        return
    meanings = {form.format(short): None for form in REFS}
    found = [ref for ref in meanings if ref in refs]
    if WORKTREE_REF.fullmatch(short) or short.startswith("refs/"):
        if found:
            raise GitError(f"git does not know {quote_text(short)}, only {join_words(found, 'and')}; {FETCH_ADVICE}")
        return
    if found == [f"refs/tags/{short}"]:  # the user may mean a remote branch with the tag's name
        found += [ref for ref in refs if ref not in meanings and refs[ref] != refs[found[0]]]
    if len(found) == 1 and any("ambiguous" in warning for warning in warnings):
        found += repository.run("rev-parse", f"--disambiguate={short}").lines
    if len(found) > 1:
        full = f"refs/heads/{short}"
        example = full if full in found else found[0]
        raise GitError(
            f"the revision {quote_text(name)} is ambiguous: {quote_text(short)} can mean {join_words(found, 'or')}; "
            f"write the full name, like {example}"
        )


def _refs_named(repository: Repository, short: str) -> dict[str, str]:
    """Find the git refs with the short name `short`, and the remote branches with a name that ends with `short`.

    Return the commit id of each ref, by the full name of the ref.
    """
    if GLOB.search(short):  # the name of a git ref cannot contain characters that match GLOB
        return {}
    patterns = [form.format(short) for form in (*REFS, "refs/remotes/*/{}")]
    form = "%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end) %(refname)"
    lines = repository.run("for-each-ref", f"--format={form}", *patterns).lines
    exact = {form.format(short) for form in REFS}  # for `refs/x`, `git for-each-ref` also returns `refs/x/y`
    named = (line.partition(" ") for line in lines)
    return {ref: identity for identity, _, ref in named if ref in exact or ref.endswith(f"/{short}")}


def head_commit(repository: Repository) -> str:
    """Return the hash of HEAD, or an empty string if the repository has no commit."""
    try:
        return repository.run("rev-parse", "--verify", "HEAD^{commit}").lines[0]
    except GitError:
        return ""
