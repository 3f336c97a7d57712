"""What surrounds the files of a run: the folder of reconciler.yaml and the git repository around that folder."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path

from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.quoting import quoted, visible
from reconciler.errors import ReconcilerError
from reconciler.files.discover import name_of
from reconciler.git.command import GitError, GitMissingError
from reconciler.git.repository import Repository, find_root, open_repository
from reconciler.git.revision import altering_attributes, may_alter, tracked


@dataclass(frozen=True, slots=True)
class Workspace:
    """`config` is the path of reconciler.yaml, which need not exist, `folder` the real path of its folder.

    `root` is the folder with the entry `.git`, at `folder` or above it, else at the current folder or above it; None
    outside a repository. `bounds` are the folders that links may not lead out of.
    """

    config: Path
    folder: Path
    root: Path | None
    bounds: frozenset[Path]

    @classmethod
    def around(cls, config: Path) -> "Workspace":
        """Return the workspace of a configuration."""
        folder = Path(os.path.realpath(config.parent))
        roots = [root for root in (find_root(folder), find_root(Path.cwd())) if root]
        return cls(config, folder, next(iter(roots), None), frozenset([folder, *roots]))

    def repository(self) -> Repository:
        """Return the repository. Raises GitError if there is none that git accepts."""
        return open_repository(self.root or self.folder)

    def refuse_stray_links(self, paths: Iterable[Path]) -> None:
        """Refuse a path from inside the workspace that a link leads out of it.

        Raises:
            ReconcilerError: naming the path and the link.
        """
        for path in paths:
            for link in self._links(path):
                if not self._includes(link):
                    shown = name_of(path if link == Path.cwd() / path else link)
                    raise ReconcilerError(
                        f"{quoted(name_of(path))} is not read: {quoted(shown)} is a link that leads out of "
                        f"{quoted(str(self.root or self.folder))}; replace it by the folder itself"
                    )

    def reason_not_ours(self, path: Path) -> tuple[str, str] | None:
        """Return why a path that the configuration names must not be used, and what to do; None if it may be."""
        real = Path(os.path.realpath(path))
        if link := next(self._links(path), None):
            return f"{quoted(name_of(path))} has a link in it ({quoted(name_of(link))})", "name the file itself"
        if not self._includes(path):
            return f"{quoted(name_of(path))} is outside {quoted(str(self.root or self.folder))}", "move the file there"
        if ".git" in real.parts:
            return f"{quoted(name_of(path))} is inside the folder of git", "name another file"
        return None

    def refuse_brought_links(self, path: Path, what: str) -> None:
        """Refuse to write to `path` if a link in it may come from the checkout; `what` names the output.

        Other links are the user's own: those that git does not track, and outside a repository those that stay inside.

        Raises:
            ReconcilerError: naming the path and the link.
        """
        for link in self._links(path):
            if self._is_brought(link):
                raise ReconcilerError(
                    f"{what}: {quoted(name_of(path))} is not written, so nothing was sent: {quoted(name_of(link))} "
                    "is a link that the checkout may have brought; remove the link, or give another path"
                )

    def _is_brought(self, link: Path) -> bool:
        """Return whether a link may come from the checkout. git is asked; where it gives no answer, it may."""
        root = find_root(link.parent)
        if root is None:
            return not self._includes(link)
        try:
            repository = open_repository(root)
            place = Path(os.path.realpath(link.parent), link.name)
            return any(tracked(repository, [repository.path_of(place)]))
        except GitError:
            return True

    def _links(self, path: Path) -> Iterator[Path]:
        """Yield each link in `path` that is in a folder of the workspace."""
        whole = Path.cwd() / path
        for step in (*reversed(whole.parents), whole):
            if step.is_symlink() and self._includes(step.parent):
                yield step

    def _includes(self, path: Path) -> bool:
        real = Path(os.path.realpath(path))
        return any(real.is_relative_to(folder) for folder in self.bounds)

    def altered(self, files: Mapping[str, Path]) -> Iterator[Problem]:
        """Yield a problem for each of `files`, by real path, and for the configuration, that git alters at checkout.

        Attributes in a commit can make the file in the checkout differ from its reviewed text. Where git is missing,
        nothing is checked.

        Raises:
            GitError: if attributes may apply and git cannot read them.
        """
        if self.root is None:
            return
        every = {**files, **({os.path.realpath(self.config): self.config} if self.config.exists() else {})}
        if not may_alter(self.root, {real.rpartition(os.sep)[0] for real in every}):
            return
        try:
            repository = self.repository()
        except GitMissingError:
            return
        in_root = (real for real in every if Path(real).is_relative_to(self.root))
        inside = {relpath(real, self.root): every[real] for real in in_root}
        for file, attribute, value in altering_attributes(repository, inside):
            what = f"git alters this file at checkout ({visible(attribute)}={visible(value)}): a review shows another"
            yield Problem(Source(name_of(inside[file])), what, f"remove {attribute} for it from .gitattributes")
        yield from git_warnings(repository, name_of(self.root))


def committed_problems(workspace: Workspace, folder: Path) -> Iterator[Problem]:
    """Yield a problem if git tracks files in our own `folder`: anybody who may commit could put journals there."""
    if not os.path.lexists(folder) or workspace.root is None:
        return
    place = Source(name_of(folder))
    fix = f"remove it from git: git rm -r --cached {name_of(folder)}; add .reconciler/ to .gitignore"
    try:
        repository = workspace.repository()
        if any(tracked(repository, [repository.path_of(folder)])):
            yield Problem(place, "git tracks this folder, which is for journals and data of tenants only", fix)
    except GitMissingError:
        return
    except GitError as error:
        yield Problem(place, f"not checked whether git tracks this folder: {error}", severity=Severity.WARNING)


def git_warnings(repository: Repository, place: str) -> Iterator[Problem]:
    """Yield what git has warned about, as warnings about `place`."""
    for text in repository.warnings:
        yield Problem(Source(place), f"git: {visible(text.removeprefix('warning: '))}", severity=Severity.WARNING)
