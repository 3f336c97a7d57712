"""Read a revision of a repository through plain objects. Nothing is checked out, and no filter runs."""

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.quoting import enumerated, quoted
from reconciler.git.command import GitError
from reconciler.git.repository import Repository, git_dir_of, read_pointer

MOST_INDEX_BYTES = 500_000_000
NOT_HERE = "S"
"""git's mark of an entry that a sparse checkout leaves out."""


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A file, link or submodule in the index. `path` is relative to the root. A sparse checkout may leave it out."""

    path: str
    mode: str
    is_left_out: bool

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return self.mode == LINK


def tracked(repository: Repository, paths: Iterable[str]) -> Iterator[IndexEntry]:
    """Yield the index entries at and below `paths`, which are relative to the root. "" is the root. Raises GitError."""
    named = [path or "." for path in paths]
    answer = repository.run("ls-files", "-z", "-t", "--stage", "--", *named, most_bytes=MOST_INDEX_BYTES)
    for line in os.fsdecode(answer.data).split("\0")[:-1]:
        about, _, path = line.partition("\t")
        tag, mode, *_ = about.split(" ")
        yield IndexEntry(path, mode, tag == NOT_HERE)


ALTERING = ("working-tree-encoding", "ident", "filter")
INACTIVE = ("unspecified", "unset")
FILE = ".gitattributes"
MOST_BYTES = 1_000_000
"""The limit for an attributes file that is searched here. git reads a longer one."""
ANSWER_BYTES = 500_000_000


def may_alter(root: Path, folders: Iterable[str]) -> bool:
    """Return whether an attribute of ALTERING may apply to a file in one of `folders` of the checkout at `root`.

    This reads the few attributes files that apply and starts no process. Folders are real paths.
    """
    git_dir = git_dir_of(root)
    common_dir = git_dir / (read_pointer(git_dir / "commondir").strip() or ".")
    if (git_dir / "info" / "sparse-checkout").exists():  # an attributes file may apply without being checked out
        return True
    files = [common_dir / "info" / "attributes", *(Path(folder, FILE) for folder in _with_parents(root, folders))]
    return any(map(_mentions, files))


def _with_parents(root: Path, folders: Iterable[str]) -> Iterator[str]:
    """Yield `folders` inside `root` and the folders between, each once."""
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
    """Return whether an attributes file names one of ALTERING. A link or another special file counts as if it did."""
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

    Paths are relative to the root of the checkout. Raises GitError.
    """
    asked = "".join(f"{file}\0" for file in files).encode(errors="surrogateescape")
    answer = repository.run("check-attr", "--stdin", "-z", *ALTERING, asked=asked, most_bytes=ANSWER_BYTES)
    words = os.fsdecode(answer.data).split("\0")
    for path, name, value in zip(words[::3], words[1::3], words[2::3], strict=False):
        if value not in INACTIVE:
            yield path, name, value


FETCH_IT = "fetch it first: git fetch, or fetch-depth: 0 for actions/checkout"
BATCH_BYTES = 32_000_000
"""The maximum size of the files that one git command returns."""

WHOLE_ID = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
OF_ONE_WORKTREE = re.compile("HEAD|[A-Z_]+_HEAD")
"""Names that git stores next to its branches and tags and prefers to them."""

END_OF_NAME = re.compile(r"[~^:]|@\{")
CONTROL = re.compile("[\x00-\x1f\x7f]")
GLOB = re.compile(r"[*?\[\\ ]")
REFS = ("{}", "refs/{}", "refs/tags/{}", "refs/heads/{}", "refs/remotes/{}", "refs/remotes/{}/HEAD")
"""The meanings of a short name, in git's order."""

LINK, SUBMODULE, FOLDER = "120000", "160000", "040000"


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """A file, link, submodule or folder of a revision. `path` is relative to the listed folder."""

    mode: str
    object: str
    size: int
    path: str = ""


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit. `name` is the revision as the user wrote it."""

    repository: Repository
    name: str
    commit: str

    def find(self, path: str) -> TreeEntry | str | None:
        """Return the folder or file at `path`, which is relative to the root of the checkout. Links are followed.

        The result is None if nothing exists there. It is a text with the reason if a link cannot be followed.

        Raises:
            GitError: if git cannot read it.
        """
        if "\n" in path:
            raise GitError(f"{quoted(path)} cannot be read at a revision: its name contains a line break")
        asked = f"{self.commit}:{path}\n".encode(errors="surrogateescape")
        answer = self.repository.run("cat-file", "--batch-check", "--follow-symlinks", asked=asked)
        first, *_ = answer.lines or [""]
        match first.split(" "):
            case [identity, ("tree" | "blob") as kind, size] if size.isdigit():
                return TreeEntry(FOLDER if kind == "tree" else "100644", identity, int(size))
            case ["symlink", _]:
                return "is a link that leads out of the repository"
            case [("dangling" | "loop"), _]:
                return "is a link that leads to no file or folder"
            case ["notdir", _]:
                return "is inside a file, not a folder"
            case _:  # missing: either absent, or an object that was not fetched
                pass
        try:
            exists = self.repository.run("ls-tree", "-z", "--full-tree", self.commit, "--", path or ".").data
        except GitError as error:
            raise self._incomplete(str(error)) from error
        if exists:
            raise self._incomplete(f"{quoted(path)} is missing")
        return None

    def list(self, folder: TreeEntry) -> list[TreeEntry]:
        """Return everything in a folder and its subfolders, without the folders themselves. Raises GitError."""
        try:
            answer = self.repository.run("ls-tree", "-r", "-l", "-z", folder.object)
        except GitError as error:
            raise self._incomplete(str(error)) from error
        return [self._entry(line) for line in answer.data.split(b"\0") if line]

    def _entry(self, line: bytes) -> TreeEntry:
        about, _, path = line.partition(b"\t")
        mode, kind, identity, size = about.decode().split()
        if kind == "blob" and not size.isdigit():
            raise self._incomplete(f"the object {identity} is missing")
        return TreeEntry(mode, identity, int(size) if size.isdigit() else 0, path.decode(errors="surrogateescape"))

    def contents(self, entries: Sequence[TreeEntry]) -> Iterator[bytes]:
        """Yield the content of `entries`, which are files or links. Raises GitError."""
        for batch in _batches(entries):
            yield from self._contents(batch)

    def _contents(self, batch: Sequence[TreeEntry]) -> Iterator[bytes]:
        asked = "".join(f"{entry.object}\n" for entry in batch).encode()
        most = sum(entry.size + 100 for entry in batch)
        data = self.repository.run("cat-file", "--batch", asked=asked, most_bytes=most).data
        start = 0
        for entry in batch:
            head, _, _ = data[start : start + 100].partition(b"\n")
            if head.split() != [entry.object.encode(), b"blob", str(entry.size).encode()]:
                raise self._incomplete(f"the object {entry.object} is missing")
            start += len(head) + 1
            yield data[start : start + entry.size]
            start += entry.size + 1

    def _incomplete(self, reason: str) -> GitError:
        return GitError(f"git cannot read the files in {quoted(self.name)}: {reason}; {FETCH_IT}")


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
    """Return the commit of the revision `name`.

    Raises:
        GitError: if it does not exist or is ambiguous.
    """
    if not name or name.startswith("-") or CONTROL.search(name):
        raise GitError(f"{quoted(name)} is not a revision of git")
    try:
        searches = name.startswith(":/")  # up to the end of the name
        answer = repository.run("rev-parse", "--verify", name if searches else f"{name}^{{commit}}")
    except GitError as error:
        raise GitError(f"git does not know the revision {quoted(name)}: {error}; {FETCH_IT}") from error
    (commit,) = answer.lines
    _refuse_ambiguous(repository, name, answer.warnings)
    return Revision(repository, name, commit)


def refuse_unless_ancestor(revision: Revision) -> None:
    """Raise GitError unless the revision is HEAD or an ancestor of HEAD."""
    if revision.repository.run("rev-list", "--max-count=1", revision.commit, "^HEAD").lines:
        raise GitError(
            f"{quoted(revision.name)} is not an ancestor of HEAD, so the two cannot be compared as a request "
            f"and its base; update the branch, check out the merge commit, or {FETCH_IT}"
        )


def _refuse_ambiguous(repository: Repository, name: str, warnings: Sequence[str]) -> None:
    """Refuse a name that a tag or another branch shares. Otherwise anybody who pushes a tag chooses the revision.

    A whole id, a full name (refs/heads/main), HEAD and similar names are never ambiguous.

    Raises:
        GitError: with all meanings of the name.
    """
    short = END_OF_NAME.split(name, maxsplit=1)[0]
    if not short or WHOLE_ID.fullmatch(short):
        return
    refs = _refs_called(repository, short)
    if OF_ONE_WORKTREE.fullmatch(short):
        is_certain = (repository.git_dir / short).exists()
    else:
        is_certain = short.startswith("refs/") and short in refs
    if is_certain:
        return
    meanings = {form.format(short): None for form in REFS}
    found = [ref for ref in meanings if ref in refs]
    if OF_ONE_WORKTREE.fullmatch(short) or short.startswith("refs/"):
        if found:
            raise GitError(f"git does not know {quoted(short)}, only {enumerated(found, 'and')}; {FETCH_IT}")
        return
    if found == [f"refs/tags/{short}"]:  # without a checked-out branch of that name, people mean the remote branch
        found += [ref for ref in refs if ref not in meanings and refs[ref] != refs[found[0]]]
    if len(found) == 1 and any("ambiguous" in warning for warning in warnings):
        found += repository.run("rev-parse", f"--disambiguate={short}").lines
    if len(found) > 1:
        full = f"refs/heads/{short}"
        example = full if full in found else found[0]
        raise GitError(
            f"the revision {quoted(name)} is ambiguous: {quoted(short)} can mean {enumerated(found, 'or')}; "
            f"write the full name, like {example}"
        )


def _refs_called(repository: Repository, short: str) -> dict[str, str]:
    """Return the refs that a short name may mean, and remote branches that end with it, with their ids."""
    if GLOB.search(short):  # git allows none of these characters in the name of a ref
        return {}
    patterns = [form.format(short) for form in (*REFS, "refs/remotes/*/{}")]
    form = "%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end) %(refname)"
    lines = repository.run("for-each-ref", f"--format={form}", *patterns).lines
    exact = {form.format(short) for form in REFS}  # a pattern also matches the refs below it
    named = (line.partition(" ") for line in lines)
    return {ref: identity for identity, _, ref in named if ref in exact or ref.endswith(f"/{short}")}
