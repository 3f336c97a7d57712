"""The workspace of a run: the folder of reconciler.yaml and the git repository around that folder."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path

from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.quoting import quote_text, visible
from reconciler.errors import ReconcilerError
from reconciler.files.discover import name_of
from reconciler.git.command import GitError, GitMissingError
from reconciler.git.repository import Repository, find_root, open_repository
from reconciler.git.revision import altering_attributes, may_alter_files, tracked_entries


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folders of a run.

    `config` is the path of reconciler.yaml, which may not exist. `folder` is the real path of its folder. `root` is the
    folder with the entry `.git`: `folder` or a parent of it, otherwise the current folder or a parent of it. It is None
    outside a repository. Links may not leave the folders in `bounds`.
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
        """Return the repository. Raises GitError if git accepts none."""
        return open_repository(self.root or self.folder)

    def refuse_stray_links(self, paths: Iterable[Path]) -> None:
        """Refuse a path inside the workspace that leaves the workspace through a link.

        Raises:
            ReconcilerError: with the path and the link.
        """
        for path in paths:
            for link in self._links(path):
                if not self._includes(link):
                    shown = name_of(path if link == Path.cwd() / path else link)
                    raise ReconcilerError(
                        f"{quote_text(name_of(path))} is not read: {quote_text(shown)} is a link out of "
                        f"{quote_text(str(self.root or self.folder))}; replace it by the folder itself"
                    )

    def reason_not_ours(self, path: Path) -> tuple[str, str] | None:
        """Return why a path in the configuration must not be used, and what to do, or None."""
        real = Path(os.path.realpath(path))
        if link := next(self._links(path), None):
            return (
                f"{quote_text(name_of(path))} contains a link ({quote_text(name_of(link))})",
                "use the path of the file itself",
            )
        if not self._includes(path):
            return (
                f"{quote_text(name_of(path))} is outside {quote_text(str(self.root or self.folder))}",
                "move the file there",
            )
        if ".git" in real.parts:
            return f"{quote_text(name_of(path))} is inside the .git folder", "use another file"
        return None

    def refuse_brought_links(self, path: Path, what: str) -> None:
        """Refuse to write to `path` if a link in it may come from the checkout. `what` names the output.

        Other links belong to the user: links that git does not track, and outside a repository links that stay inside.

        Raises:
            ReconcilerError: with the path and the link.
        """
        for link in self._links(path):
            if self._is_brought(link):
                raise ReconcilerError(
                    f"{what}: {quote_text(name_of(path))} is not written, so nothing was sent: "
                    f"{quote_text(name_of(link))} is a link that may come from the checkout; remove the link, or "
                    "use another path"
                )

    def _is_brought(self, link: Path) -> bool:
        """Return whether git tracks the link. If git fails, the answer is yes."""
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
        """Yield each link in `path` inside a folder of the workspace."""
        whole = Path.cwd() / path
        for step in (*reversed(whole.parents), whole):
            if step.is_symlink() and self._includes(step.parent):
                yield step

    def _includes(self, path: Path) -> bool:
        real = Path(os.path.realpath(path))
        return any(real.is_relative_to(folder) for folder in self.bounds)

    def altered(self, files: Mapping[str, Path]) -> Iterator[Problem]:
        """Yield a problem for each of `files`, by real path, and for the configuration, if git alters it at checkout.

        Attributes in a commit can make the checked-out file differ from its reviewed text. Without git, nothing is
        checked.

        Raises:
            GitError: if attributes may apply and git cannot read them.
        """
        if self.root is None:
            return
        every = {**files, **({os.path.realpath(self.config): self.config} if self.config.exists() else {})}
        if not may_alter_files(self.root, {real.rpartition(os.sep)[0] for real in every}):
            return
        try:
            repository = self.repository()
        except GitMissingError:
            return
        in_root = (real for real in every if Path(real).is_relative_to(self.root))
        inside = {relpath(real, self.root): every[real] for real in in_root}
        for file, attribute, value in altering_attributes(repository, inside):
            what = (
                f"git alters this file at checkout ({visible(attribute)}={visible(value)}), so a review shows "
                "different text"
            )
            yield Problem(Source(name_of(inside[file])), what, f"remove {attribute} for this file from .gitattributes")
        yield from git_warnings(repository, name_of(self.root))


def committed_problems(workspace: Workspace, folder: Path) -> Iterator[Problem]:
    """Yield a problem if git tracks files in our own `folder`.

    Otherwise anybody with commit access could add journals.
    """
    if not os.path.lexists(folder) or workspace.root is None:
        return
    place = Source(name_of(folder))
    fix = f"remove it from git: git rm -r --cached {name_of(folder)}; add .reconciler/ to .gitignore"
    try:
        repository = workspace.repository()
        if any(tracked_entries(repository, [repository.path_of(folder)])):
            yield Problem(place, "git tracks this folder, which is only for journals and data of tenants", fix)
    except GitMissingError:
        return
    except GitError as error:
        yield Problem(place, f"could not check whether git tracks this folder: {error}", severity=Severity.WARNING)


def git_warnings(repository: Repository, place: str) -> Iterator[Problem]:
    """Yield the warnings of git as warnings about `place`."""
    for text in repository.warnings:
        yield Problem(Source(place), f"git: {visible(text.removeprefix('warning: '))}", severity=Severity.WARNING)
