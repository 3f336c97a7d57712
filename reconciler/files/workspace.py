"""The workspace of a run: the folder of reconciler.yaml and the git repository that contains the folder.

The module also finds differences between the git repository and the files of the checkout.
"""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path, PurePosixPath

from reconciler.core.characters import join_some, pluralize, quote_text, visible
from reconciler.core.declared_history import SHORT_HASH
from reconciler.core.problems import Problem, Severity, Source
from reconciler.errors import ReconcilerError
from reconciler.files.discover import is_grant_file, is_hidden, name_of
from reconciler.git.repository import GitError, GitMissingError, Repository, find_root, git_dir_of, open_repository
from reconciler.git.revision import SUBMODULE, altering_attributes, head_commit, may_alter_files, tracked_entries


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder of reconciler.yaml, its git repository, and the folders that must contain the targets of links."""

    config: Path
    """The path of reconciler.yaml, even if the file does not exist."""
    folder: Path
    """The real path of the folder that contains reconciler.yaml."""
    root: Path | None
    """The root of the git repository that contains `folder`, or None.

    If `folder` is not in a repository, `root` is the root of the repository that contains the current folder.
    """
    bounds: frozenset[Path]
    """The folders that must contain the targets of all symbolic links."""

    @classmethod
    def around(cls, config: Path) -> "Workspace":
        """Return the folder and the git repository of the configuration file `config` as a Workspace."""
        folder = Path(os.path.realpath(config.parent))
        roots = [root for root in (find_root(folder), find_root(Path.cwd())) if root]
        return cls(config, folder, next(iter(roots), None), frozenset([folder, *roots]))

    def repository(self) -> Repository:
        """Return the git repository of the workspace. Raises GitError if git does not accept the repository."""
        return open_repository(self.root or self.folder)

    def refuse_outside_links(self, paths: Iterable[Path]) -> None:
        """Refuse paths that leave the workspace through a symbolic link.

        Raises:
            ReconcilerError: if a path leaves the workspace.
        """
        for path in paths:
            for link in self._links(path):
                if not self._includes(link):
                    link_name = name_of(path if link == Path.cwd() / path else link)
                    raise ReconcilerError(
                        f"{quote_text(name_of(path))} is not read: {quote_text(link_name)} is a link to a place "
                        f"outside {quote_text(str(self.root or self.folder))}; replace the link with the folder itself"
                    )

    def reason_unusable(self, path: Path) -> tuple[str, str] | None:
        """Return the reason why reconciler refuses a path in reconciler.yaml, and the fix.

        Return None for a valid path.
        """
        real = Path(os.path.realpath(path))
        if link := next(self._links(path), None):
            return (
                f"{quote_text(name_of(path))} contains a link ({quote_text(name_of(link))})",
                "use the path of the file, without links",
            )
        if not self._includes(path):
            return (
                f"{quote_text(name_of(path))} is outside {quote_text(str(self.root or self.folder))}",
                "move the file there",
            )
        if ".git" in real.parts:
            return f"{quote_text(name_of(path))} is inside the .git folder", "use another file"
        return None

    def refuse_checkout_links(self, path: Path, what: str) -> None:
        """Refuse to write to `path` if a part of `path` is a symbolic link that may come from the git repository.

        The error message starts with `what`, for example the name of an option. A link is allowed if git does not track
        the link. Outside a git repository, a link is allowed if its target is in the workspace.

        Raises:
            ReconcilerError: if a part of `path` is a symbolic link that may come from the git repository.
        """
        for link in self._links(path):
            if self._is_from_checkout(link):
                raise ReconcilerError(
                    f"{what}: nothing was sent, because {quote_text(name_of(path))} contains the link "
                    f"{quote_text(name_of(link))}, which may come from the checkout; remove the link, or use another "
                    "path"
                )

    def _is_from_checkout(self, link: Path) -> bool:
        """Return whether git tracks the symbolic link. If git fails, return True to be safe."""
        root = find_root(link.parent)
        if root is None:
            return not self._includes(link)
        try:
            repository = open_repository(root)
            place = Path(os.path.realpath(link.parent), link.name)
            return any(tracked_entries(repository, [repository.path_of(place)]))
        except GitError:
            return True

    def _links(self, path: Path) -> Iterator[Path]:
        """Yield each part of `path` that is a symbolic link in a folder of the workspace."""
        absolute = Path.cwd() / path
        for step in (*reversed(absolute.parents), absolute):
            if step.is_symlink() and self._includes(step.parent):
                yield step

    def _includes(self, path: Path) -> bool:
        real = Path(os.path.realpath(path))
        return any(real.is_relative_to(folder) for folder in self.bounds)

    def altered_files(self, files: Mapping[str, Path]) -> Iterator[Problem]:
        """Yield a problem for each file that git alters at checkout, for example with a filter in .gitattributes.

        An altered file may differ from the text that a reviewer saw. `files` maps the real path of a file to the path
        that messages show. The function checks the configuration file in addition to `files`. If git is not installed,
        no file is checked.

        Raises:
            GitError: if git cannot read the attributes that may apply to a file.
        """
        if self.root is None:
            return
        all_files = {**files, **({os.path.realpath(self.config): self.config} if self.config.exists() else {})}
        if not may_alter_files(self.root, {real.rpartition(os.sep)[0] for real in all_files}):
            return
        try:
            repository = self.repository()
        except GitMissingError:
            return
        in_root = (real for real in all_files if Path(real).is_relative_to(self.root))
        inside = {relpath(real, self.root): all_files[real] for real in in_root}
        for file, attribute, value in altering_attributes(repository, inside):
            what = (
                f"git alters this file at checkout ({visible(attribute)}={visible(value)}), so a review shows "
                "different text"
            )
            yield Problem(Source(name_of(inside[file])), what, f"remove {attribute} for this file from .gitattributes")
        yield from git_warnings(repository, name_of(self.root))


def tracked_folder_problems(folder: Path) -> Iterator[Problem]:
    """Yield a problem if git tracks files in `folder`, which is the path of the folder .reconciler.

    The folder .reconciler contains the journals of runs. If git tracked the folder .reconciler, a commit could contain
    a forged journal.
    """
    root = find_root(folder.parent)
    if not os.path.lexists(folder) or root is None:
        return
    place = Source(name_of(folder))
    fix = f"remove the folder from git: git rm -r --cached {name_of(folder)}; add .reconciler/ to .gitignore"
    try:
        repository = open_repository(root)
        if any(tracked_entries(repository, [repository.path_of(folder)])):
            yield Problem(place, "git tracks this folder, which is only for journals and data of tenants", fix)
    except GitMissingError:
        return
    except GitError as error:
        yield Problem(place, f"could not check whether git tracks this folder: {error}", severity=Severity.WARNING)


def git_warnings(repository: Repository, place: str) -> Iterator[Problem]:
    """Yield each warning that git wrote, as a warning about the file or folder `place`."""
    for text in repository.warnings:
        yield Problem(Source(place), f"git: {visible(text.removeprefix('warning: '))}", severity=Severity.WARNING)


def checkout_problems(paths: Iterable[Path], *, must_be_complete: bool) -> Iterator[Problem]:
    """For each path in `paths`, yield a problem if grant files that git tracks are missing in the checkout.

    The problem is an error if `must_be_complete` is true, and a warning if `must_be_complete` is false. The function
    also yields a warning if some file systems would treat two file names as equal.
    """
    for path in paths:
        real = Path(os.path.realpath(path))
        root = find_root(real if real.is_dir() else real.parent)
        if root is None:
            continue
        try:
            names, submodules = _grant_files(root, real)
        except GitError as error:
            yield from _unchecked_checkout(path, root, error, must_be_complete=must_be_complete)
            continue
        severity = Severity.ERROR if must_be_complete else Severity.WARNING
        missing = [name for name in submodules if not os.path.lexists(root / name / ".git")]
        yield from _missing_files(path, root, names, severity)
        yield from _missing_submodules(path, missing, severity)
        yield from _similar_names(path, names)
        present = [name for name in submodules if name not in missing]
        for name in present:
            yield from _other_commit(path, root, name, submodules[name], severity)
        inside = (path / (root / name).relative_to(real) for name in present)
        yield from checkout_problems(inside, must_be_complete=must_be_complete)


def _grant_files(root: Path, real: Path) -> tuple[list[str], dict[str, str]]:
    """Return the grant files and the submodules in the folder `real` that git tracks, as paths relative to `root`.

    The submodules are returned with their recorded commits. Raises GitError.
    """
    repository = open_repository(root)
    inside = real.relative_to(root).as_posix()
    below = "" if inside == "." else inside
    files: set[str] = set()
    submodules: dict[str, str] = {}
    for entry in tracked_entries(repository, [below]):
        place = PurePosixPath(entry.path).relative_to(below)
        if entry.mode == SUBMODULE:
            submodules.update({} if is_hidden(place) else {entry.path: entry.object})
        elif is_grant_file(place):
            files.add(entry.path)
    return sorted(files), dict(sorted(submodules.items()))


def _missing_submodules(path: Path, missing: Sequence[str], severity: Severity) -> Iterator[Problem]:
    """Yield a problem if submodules are not checked out, because their grant files are then unknown."""
    if missing:
        what = f"the checkout of this folder lacks {pluralize(len(missing), 'submodule')}: {join_some(missing)}"
        fix = "check the submodules out (git submodule update --init), or replace each submodule with its files"
        yield Problem(Source(name_of(path)), what, fix, severity)


def _other_commit(path: Path, root: Path, submodule: str, recorded: str, severity: Severity) -> Iterator[Problem]:
    """Yield a problem unless the submodule is checked out at the recorded commit.

    The grant files of another commit may be outdated, or nobody may have reviewed them.
    """
    try:
        commit = head_commit(open_repository(root / submodule))
    except GitError:
        return  # the check of the grant files in the submodule reports the error
    if commit != recorded:
        what = (
            f"the submodule {visible(submodule)} is checked out at {commit[:SHORT_HASH] or 'no commit'}, but git "
            f"records {recorded[:SHORT_HASH]}"
        )
        fix = "check the recorded commit out (git submodule update), or record the other commit (git add)"
        yield Problem(Source(name_of(path)), what, fix, severity)


def _missing_files(path: Path, root: Path, names: Iterable[str], severity: Severity) -> Iterator[Problem]:
    missing = [name for name in names if not os.path.lexists(root / name)]
    if missing:
        count = pluralize(len(missing), "grant file")
        what = f"git tracks {count} that the checkout of this folder lacks: {join_some(missing)}"
        fix = "check the files out (git sparse-checkout disable, git restore), or remove the files with git rm"
        yield Problem(Source(name_of(path)), what, fix, severity)


def _similar_names(path: Path, names: Iterable[str]) -> Iterator[Problem]:
    """Yield a warning for each group of file names that differ only in case or in Unicode normal form."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())].append(name)
    for group in groups.values():
        if len(group) > 1:
            what = f"some file systems treat these names as equal: {join_some([ascii(name)[1:-1] for name in group])}"
            yield Problem(Source(name_of(path)), what, "rename all but one", Severity.WARNING)


def _unchecked_checkout(path: Path, root: Path, error: GitError, *, must_be_complete: bool) -> Iterator[Problem]:
    """Yield a problem with the reason why git could not list the tracked files.

    In a sparse checkout, which may lack grant files, the problem is an error if `must_be_complete` is true. In all
    cases except this one, the problem is a warning.
    """
    is_sparse = (git_dir_of(root) / "info" / "sparse-checkout").exists()
    if isinstance(error, GitMissingError) and not is_sparse:
        return
    severity = Severity.ERROR if must_be_complete and is_sparse else Severity.WARNING
    yield Problem(
        Source(name_of(path)), f"could not check whether the checkout has all grant files: {error}", "", severity
    )
