"""Read grant files at a git revision, with the same limits as for files in a folder."""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from reconciler.core.characters import visible
from reconciler.core.problems import Problem, Source
from reconciler.files.discover import (
    MAX_BYTES,
    NOT_A_GRANT_FILE,
    TO_HIDDEN_FOLDER,
    LinkProblem,
    follow,
    is_hidden,
    is_yaml,
    link_problem,
    too_large,
)
from reconciler.git.revision import FOLDER, LINK, SUBMODULE, Revision, TreeEntry

MAX_LINK_BYTES = 4_096
"""The maximum size of a symbolic link, in bytes. On Linux, the maximum length of a path is 4,096 bytes."""


def read_one(revision: Revision, path: Path) -> tuple[str, bytes | Problem] | None:
    """Return the name and the bytes of the file at `path` in `revision`, or None if `revision` lacks the file.

    Raises:
        GitError: if git cannot read the file, or if `path` is not in the repository.
    """
    name = _display_name(path, revision)
    match revision.find(revision.repository.path_of(path)):
        case None:
            return None
        case TreeEntry() as file if file.mode != FOLDER:
            return next(_read(revision, [(name, file)]))
        case found:
            what = found if isinstance(found, str) else "is a folder"
            return name, Problem(Source(name), f"this {what}", "use a regular file at this path")


def read_revision(revision: Revision, path: Path) -> Iterator[tuple[str, bytes | Problem]]:
    """Yield the name and the bytes of each grant file at `path` in `revision`. `path` can be a file or a folder.

    Symbolic links are followed in the same way as in the working tree. If `path` does not exist in the revision, the
    function yields nothing.

    Raises:
        GitError: if git cannot read the files, or if `path` is not in the repository.
    """
    match revision.find(revision.repository.path_of(path)):
        case None:
            return
        case str(reason):
            name = _display_name(path, revision)
            yield name, Problem(Source(name), f"this {reason}", "use the path of the files, without links")
        case TreeEntry() as found if found.mode == FOLDER:
            yield from _in_folder(revision, path, revision.list(found))
        case file:
            yield from _read(revision, [(_display_name(path, revision), file)])


def _in_folder(revision: Revision, folder: Path, entries: Sequence[TreeEntry]) -> Iterator[tuple[str, bytes | Problem]]:
    """Yield the name and the bytes of each grant file in a folder.

    If several symbolic links lead to a file, the function yields the file once.
    """
    by_path = {entry.path: entry for entry in entries}
    texts = _link_texts(revision, entries)
    folders = {str(parent) for path in by_path for parent in PurePosixPath(path).parents}
    files: list[tuple[str, TreeEntry]] = []
    targets: set[str] = set()
    for entry in entries:
        path = PurePosixPath(entry.path)
        if is_hidden(path):
            continue
        name = _display_name(folder / entry.path, revision)
        if entry.mode == SUBMODULE:
            what, fix = "this is a submodule, and submodules are not read", "replace the submodule with its files"
            yield name, Problem(Source(name), what, fix)
            continue
        target = follow(entry.path, texts.get, folders.__contains__) if entry.mode == LINK else entry.path
        if not isinstance(target, LinkProblem) and (target or ".") in folders:
            if is_hidden(PurePosixPath(target)):
                yield name, link_problem(name, TO_HIDDEN_FOLDER)
        elif not is_yaml(path):
            continue
        elif isinstance(target, LinkProblem) or target not in by_path:
            yield name, link_problem(name, target if isinstance(target, LinkProblem) else LinkProblem.NOWHERE)
        elif not is_yaml(PurePosixPath(target)):
            yield name, link_problem(name, NOT_A_GRANT_FILE)
        elif target not in targets:
            targets.add(target)
            files.append((name, by_path[target]))
    yield from _read(revision, files)


def _link_texts(revision: Revision, entries: Sequence[TreeEntry]) -> dict[str, str]:
    """Return a mapping from the path of each symbolic link to the target that is written in the link.

    For a symbolic link longer than MAX_LINK_BYTES, return the target `/`. The caller refuses symbolic links with
    absolute targets such as `/`.
    """
    links = [entry for entry in entries if entry.mode == LINK]
    short = [entry for entry in links if entry.size <= MAX_LINK_BYTES]
    texts = {entry.path: "/" for entry in links}
    for entry, text in zip(short, revision.contents(short), strict=True):
        texts[entry.path] = text.decode(errors="surrogateescape")
    return texts


def _read(revision: Revision, files: Sequence[tuple[str, TreeEntry]]) -> Iterator[tuple[str, bytes | Problem]]:
    contents = revision.contents([entry for _, entry in files if entry.size <= MAX_BYTES])
    for name, entry in files:
        yield name, next(contents) if entry.size <= MAX_BYTES else too_large(Source(name), entry.size, MAX_BYTES)


def _display_name(path: Path, revision: Revision) -> str:
    return f"{visible(path.as_posix())} in {visible(revision.name)}"
