"""Whether a checkout has all grant files that git tracks: a file that is absent from it may still declare grants."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.quoting import counted, some
from reconciler.files.discover import SUFFIXES, name_of
from reconciler.git.command import GitError, GitMissingError
from reconciler.git.index import tracked
from reconciler.git.repository import find_root, git_dir_of, open_repository
from reconciler.git.revision import SUBMODULE


def checkout_problems(paths: Iterable[Path], *, must_be_whole: bool) -> Iterator[Problem]:
    """Yield what git tracks below `paths` and the checkout lacks, as errors if it `must_be_whole`, else as warnings.

    Also yield a warning for names that are equal on some file systems.
    """
    for path in paths:
        real = Path(os.path.realpath(path))
        root = find_root(real if real.is_dir() else real.parent)
        if root is None:
            continue
        try:
            names = _grant_files(root, real)
        except GitError as error:
            yield from _not_known(path, root, error, must_be_whole=must_be_whole)
            continue
        yield from _absent(path, root, names, Severity.ERROR if must_be_whole else Severity.WARNING)
        yield from _alike(path, names)


def _grant_files(root: Path, real: Path) -> list[str]:
    """Return the grant files that git tracks at or below a real path, as paths from the root. Raises GitError."""
    repository = open_repository(root)
    inside = real.relative_to(root).as_posix()
    below = "" if inside == "." else inside
    entries = (entry for entry in tracked(repository, [below]) if entry.mode != SUBMODULE)
    return sorted({entry.path for entry in entries if _is_grant_file(PurePosixPath(entry.path).relative_to(below))})


def _is_grant_file(path: PurePosixPath) -> bool:
    """Return whether a file at this path below the folder of grants is read."""
    return path.name.lower().endswith(SUFFIXES) and not any(part.startswith(".") for part in path.parts)


def _absent(path: Path, root: Path, names: Iterable[str], severity: Severity) -> Iterator[Problem]:
    absent = [name for name in names if not os.path.lexists(root / name)]
    if absent:
        what = f"git tracks {counted(len(absent), 'grant file')} here that the checkout does not have: {some(absent)}"
        fix = "check them out (git sparse-checkout disable, git restore), or remove them with git rm"
        yield Problem(Source(name_of(path)), what, fix, severity)


def _alike(path: Path, names: Iterable[str]) -> Iterator[Problem]:
    """Yield a warning for each group of names that differ in case or Unicode normal form only."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())].append(name)
    for group in groups.values():
        if len(group) > 1:
            what = f"some file systems take these for one file: {some([ascii(name)[1:-1] for name in group])}"
            yield Problem(Source(name_of(path)), what, "rename all but one", Severity.WARNING)


def _not_known(path: Path, root: Path, error: GitError, *, must_be_whole: bool) -> Iterator[Problem]:
    """Yield that git gave no answer; an error only if the checkout is sparse, so that files are absent for sure."""
    is_sparse = (git_dir_of(root) / "info" / "sparse-checkout").exists()
    if isinstance(error, GitMissingError) and not is_sparse:
        return
    severity = Severity.ERROR if must_be_whole and is_sparse else Severity.WARNING
    yield Problem(Source(name_of(path)), f"not checked whether the checkout has all grant files: {error}", "", severity)
