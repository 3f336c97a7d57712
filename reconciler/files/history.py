"""Read all versions of the grant files and of reconciler.yaml in the git history of the checkout."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from reconciler.contract import stored
from reconciler.core.characters import visible
from reconciler.core.declared_history import (
    Commit,
    DeclarationLine,
    Declarations,
    DeclaredHistory,
    DeclaredKey,
    FileVersion,
    HistoryStep,
)
from reconciler.core.problems import errors
from reconciler.files.discover import MAX_BYTES, is_grant_file
from reconciler.files.read import validate_file
from reconciler.files.specs import grant_specs
from reconciler.git.history import (
    NO_FILE,
    FileChange,
    HistoryCommit,
    deleted_files,
    first_parent_history,
    sizes_of,
    whole_history,
)
from reconciler.git.repository import GitError, Repository
from reconciler.git.revision import FOLDER, LINK, SUBMODULE, Revision, TreeEntry, head_commit, resolve_revision

UNREADABLE, MISSING = 0, 1
"""The positions of an unreadable and of a missing reconciler.yaml in `GrantHistory.configs`."""
NO_SETTINGS = b"{}\n"
MAX_VERSIONS = 100_000
"""The maximum number of different versions of grant files in the history."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class GrantHistory:
    """The history of the grant files."""

    declared: DeclaredHistory = field(default_factory=DeclaredHistory)
    """The grants that each commit declares, the oldest commit first.

    The first element of the history contains the grants before the first commit.
    """
    configs: tuple[bytes | None, ...] = (None,)
    """The versions of reconciler.yaml. A step of the history contains the position of its version.

    A version is None if the file is a link or too large. A missing file counts as a file without settings.
    """
    unread: tuple[str, ...] = ()
    """The versions of grant files that reconciler could not read, in the form `FILE in COMMIT (REASON)`."""


def read_history(repository: Repository, path: Path, config: Path, since: str | None = None) -> GrantHistory:
    """Return the declarations in all versions of the grant files at `path`, along HEAD's first-parent history.

    `path` is a folder or a file with grants. `config` is the path of reconciler.yaml. If `since` is a git revision, the
    history starts at this revision. A repository without a commit has an empty history.

    Raises:
        GitError: if the clone is shallow or lacks an object, if `since` is not an ancestor of HEAD, or if the
            history is too large.
    """
    commit = head_commit(repository)
    if not commit:
        return GrantHistory()
    folder, config_path = repository.path_of(path), repository.path_of(config)
    head = Revision(repository, "HEAD", commit)
    paths = list(dict.fromkeys((folder, config_path)))
    start = resolve_revision(repository, since) if since else None
    commits = first_parent_history(repository, paths, start)
    unchanged = [change for each in paths for change in _unchanged_files(head, each, commits)]
    reader = _VersionReader(head, folder, config_path)
    reader.load([change for commit in commits for change in commit.changes] + unchanged)
    first = _first_step(commits, unchanged, reader)
    steps = (first, *_steps(commits, reader, first.config))
    declared = DeclaredHistory(steps, _side_declarations(repository, folder, start, reader))
    return GrantHistory(declared, tuple(reader.configs), tuple(reader.unread))


def _side_declarations(
    repository: Repository, folder: str, since: Revision | None, reader: "_VersionReader"
) -> dict[DeclaredKey, DeclarationLine]:
    """Return the declarations in all commits, and in files that a commit moved into `folder`. Raises GitError.

    The first-parent history of `folder` contains only a part of these declarations. A file has moved if one commit
    deletes the file and adds a file to `folder`.
    """
    commits = whole_history(repository, [folder], since)
    found: dict[DeclaredKey, DeclarationLine] = {}
    followed: dict[str, None] = {}
    pending = commits
    while pending:
        adding = [each for each in pending if any(change.mode_before == NO_FILE for change in each.changes)]
        outside = [
            change
            for change in deleted_files(repository, adding)
            if change.path not in followed and reader.is_outside(change.path)
        ]
        reader.load(outside)
        moved = {change.path: reader.declarations(change.path, change.object_before) for change in outside}
        moved = {path: declares for path, declares in moved.items() if declares}
        for path, declares in moved.items():
            found.update({key: (path, line, None) for key, line in declares.items()})
        followed.update(dict.fromkeys(moved))
        pending = whole_history(repository, list(moved), since) if moved else []
        commits += pending
    reader.load([change for each in commits for change in each.changes])
    for each in commits:
        commit = _commit(each)
        for change in each.changes:
            declares = reader.declarations(change.path, change.object_after)
            found.update({key: (change.path, line, commit) for key, line in declares.items()})
    return found


def _unchanged_files(head: Revision, path: str, commits: Sequence[HistoryCommit]) -> Iterator[FileChange]:
    """Yield the files at or below `path` in HEAD that no commit in `commits` changed.

    If `commits` contains the whole history, the function yields nothing.
    """
    changed = {change.path for commit in commits for change in commit.changes}
    found = head.find(path)
    if not isinstance(found, TreeEntry):
        return
    for entry in head.list(found) if found.mode == FOLDER else [found]:
        name = f"{path}/{entry.path}" if path and entry.path else path or entry.path
        if name not in changed:
            yield FileChange(name, entry.mode, entry.object, entry.mode, entry.object)


def _first_step(
    commits: Sequence[HistoryCommit], unchanged: Sequence[FileChange], reader: "_VersionReader"
) -> HistoryStep:
    """Return the files as they were before the first commit in `commits`."""
    before: dict[str, FileChange] = {change.path: change for change in unchanged}
    for commit in commits:
        for change in commit.changes:
            before.setdefault(change.path, change)
    config = before.pop(reader.config_path, None)
    return HistoryStep(
        None,
        tuple(
            reader.version(change.path, change.mode_before, change.object_before, "the start of the history")
            for change in before.values()
            if change.mode_before != NO_FILE
        ),
        reader.config_version(config.mode_before, config.object_before) if config else MISSING,
    )


def _steps(commits: Sequence[HistoryCommit], reader: "_VersionReader", config: int) -> Iterator[HistoryStep]:
    """Yield the commits. `config` is the number of the version of reconciler.yaml before the first commit."""
    for each in commits:
        commit = _commit(each)
        versions: list[FileVersion] = []
        for change in each.changes:
            if change.path == reader.config_path:
                config = reader.config_version(change.mode_after, change.object_after)
            else:
                versions.append(reader.version(change.path, change.mode_after, change.object_after, commit.short_hash))
        yield HistoryStep(commit, tuple(versions), config)


def _commit(commit: HistoryCommit) -> Commit:
    return Commit(commit.hash, _day(commit.time), commit.author, commit.subject)


def _day(time: int) -> str:
    """Return the UTC date of a Unix time, or "date unknown".

    A commit time may be out of range, because the author of a commit can choose any time.
    """
    try:
        return (EPOCH + timedelta(seconds=time)).strftime("%Y-%m-%d")
    except OverflowError:
        return "date unknown"


class _VersionReader:
    """Reads the files of several commits. A grant file with unchanged content is parsed only once.

    `configs` contains the versions of reconciler.yaml.
    """

    def __init__(self, head: Revision, folder: str, config_path: str) -> None:
        self._head = head
        self._folder = folder
        self.config_path = config_path
        self.configs: list[bytes | None] = [None, NO_SETTINGS]
        self._config_positions: dict[str, int] = {}
        self._versions: dict[str, Declarations | str] = {}
        self._shared: dict[DeclaredKey, DeclaredKey] = {}
        self.unread: dict[str, None] = {}

    def load(self, changes: Sequence[FileChange]) -> None:
        """Read and parse each file in `changes` as it was before and after the change. Raises GitError."""
        grant_files: dict[str, str] = {}
        wanted: dict[str, None] = {}
        for change in changes:
            is_config = change.path == self.config_path
            for mode, identity in (
                (change.mode_before, change.object_before),
                (change.mode_after, change.object_after),
            ):
                if mode in {NO_FILE, LINK, SUBMODULE} or not (is_config or self._is_grant_file(change.path)):
                    continue
                if identity in (self._config_positions if is_config else self._versions):
                    continue  # an earlier call has read the version
                wanted[identity] = None
                if is_config:
                    self._config_positions[identity] = UNREADABLE
                else:
                    grant_files.setdefault(identity, change.path)
        if len(wanted) > MAX_VERSIONS:
            raise GitError(
                f"the history has more than {MAX_VERSIONS:,} versions of grant files; limit it with --since REVISION"
            )
        entries = sizes_of(self._head, list(wanted))
        small = [entry for entry in entries.values() if entry.size <= MAX_BYTES]
        self._versions.update(
            {entry.object: f"larger than {MAX_BYTES:,} bytes" for entry in entries.values() if entry.size > MAX_BYTES}
        )
        for entry, content in zip(small, self._head.contents(small), strict=True):
            if entry.object in self._config_positions:
                self._config_positions[entry.object] = len(self.configs)
                self.configs.append(content)
            if entry.object in grant_files:
                self._versions[entry.object] = self._parse(content, grant_files[entry.object])

    def config_version(self, mode: str, identity: str) -> int:
        """Return the position in `configs` of a version of reconciler.yaml."""
        if mode == NO_FILE:
            return MISSING
        return UNREADABLE if mode in {LINK, SUBMODULE} else self._config_positions[identity]

    def version(self, path: str, mode: str, identity: str, commit: str) -> FileVersion:
        """Return the grants that a file declares in the version `identity` (the hash of a git blob).

        The warning about an unreadable version of the file contains `commit`.
        """
        if mode == NO_FILE:
            return FileVersion(path, {})
        if mode in {LINK, SUBMODULE}:
            is_followed = self._is_grant_file(path) or not self._inside(path).parts
            found: Declarations | str = "a link or submodule" if is_followed else {}
        else:
            found = self._versions[identity] if self._is_grant_file(path) else {}
        if isinstance(found, str):
            self.unread[f"{visible(path)} in {commit} ({found})"] = None
            return FileVersion(path, None)
        return FileVersion(path, found)

    def declarations(self, path: str, identity: str) -> Declarations:
        """Return the grants that a version of a file declares, or nothing if the version is not a valid grant file."""
        found = self._versions.get(identity, {}) if self._is_grant_file(path) else {}
        return {} if isinstance(found, str) else found

    def is_outside(self, path: str) -> bool:
        """Return whether a file is not in the grant folder."""
        return self._folder not in {"", path} and not path.startswith(f"{self._folder}/")

    def _inside(self, path: str) -> PurePosixPath:
        return PurePosixPath(path) if self.is_outside(path) else PurePosixPath(path).relative_to(self._folder)

    def _is_grant_file(self, path: str) -> bool:
        inside = self._inside(path)
        return is_grant_file(inside if inside.parts else PurePosixPath(path).relative_to(PurePosixPath(path).parent))

    def _parse(self, content: bytes, path: str) -> Declarations | str:
        file = validate_file(path, content, stored.load(stored.GRANTS))
        if found := errors(file.problems):
            return f"invalid at line {found[0].source.line}" if found[0].source.line else "invalid"
        keys = ((DeclaredKey.of(spec), spec.locations.mark[0]) for spec in grant_specs(file.data, path))
        return {self._shared.setdefault(key, key): line for key, line in keys}
