"""Pure: follow symbolic links in a folder of grant files, in the same way for a checkout and a git revision."""

from collections.abc import Callable
from enum import StrEnum

from reconciler.core.problems import Problem, Source

TO_HIDDEN = "leads to a hidden folder, which is not read"
NO_GRANT_FILE = "does not lead to a grant file (*.yaml, *.yml)"
MOST_LINKS = 40
"""The limit of Linux."""


class LinkProblem(StrEnum):
    """Why a link does not lead to a file in its folder."""

    OUT = "leads out of the folder"
    ABSOLUTE = "leads out of the folder (its target is an absolute path)"
    CIRCLE = "leads to itself"
    NOWHERE = "leads to no file"


def follow(path: str, text_of: Callable[[str], str | None], is_folder: Callable[[str], bool]) -> str | LinkProblem:
    """Return the target of `path` after following all links. Both paths are relative to the folder and use `/`.

    `text_of` returns the text of the link at a path, or None if the path is not a link. `is_folder` tells whether a
    path is a folder, because `missing/../x` leads nowhere. No step may leave the folder, not even temporarily, because
    a revision does not contain files outside of it.
    """
    done: list[str] = []
    rest = path.split("/")[::-1]
    links = 0
    while rest:
        part = rest.pop()
        if part in ("", "."):
            continue
        if part == "..":
            if not done:
                return LinkProblem.OUT
            if not is_folder("/".join(done)):
                return LinkProblem.NOWHERE
            done.pop()
            continue
        text = text_of("/".join([*done, part]))
        if text is None:
            done.append(part)
            continue
        links += 1
        if links > MOST_LINKS:
            return LinkProblem.CIRCLE
        if text.startswith("/"):
            return LinkProblem.ABSOLUTE
        rest += text.split("/")[::-1]
    return "/".join(done)


def link_problem(name: str, what: str) -> Problem:
    """Return the problem of the link `name`. `what` is a Stray or one of the texts above."""
    place = "replace it by the folder itself" if what == TO_HIDDEN else "replace it by the file itself"
    return Problem(Source(name), f"this symbolic link {what}", place)
