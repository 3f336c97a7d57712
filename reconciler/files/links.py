"""Pure: where a symbolic link in a folder of grant files leads, the same in a checkout and in a revision of git."""

from collections.abc import Callable
from enum import StrEnum

from reconciler.core.problems import Problem, Source

TO_HIDDEN = "leads to a hidden folder, which is not read"
NO_GRANT_FILE = "does not lead to a grant file (*.yaml, *.yml)"
MOST_LINKS = 40
"""As many as Linux follows."""


class Stray(StrEnum):
    """Why a link leads to no place in its folder."""

    OUT = "leads out of the folder"
    ABSOLUTE = "leads out of the folder (its target is an absolute path)"
    CIRCLE = "leads to itself"
    NOWHERE = "leads to no file"


def follow(path: str, text_of: Callable[[str], str | None], is_folder: Callable[[str], bool]) -> str | Stray:
    """Return the path that `path` stands for once all links are followed. Both count from the folder, with `/`.

    `text_of` returns the text of the link at a path, or None if there is no link. `is_folder` tells whether a path is a
    folder: `missing/../x` leads nowhere. No step may leave the folder, not even to come back, because a revision does
    not contain what is outside.
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
                return Stray.OUT
            if not is_folder("/".join(done)):
                return Stray.NOWHERE
            done.pop()
            continue
        text = text_of("/".join([*done, part]))
        if text is None:
            done.append(part)
            continue
        links += 1
        if links > MOST_LINKS:
            return Stray.CIRCLE
        if text.startswith("/"):
            return Stray.ABSOLUTE
        rest += text.split("/")[::-1]
    return "/".join(done)


def link_problem(name: str, what: str) -> Problem:
    """Return the problem of the link called `name`; `what` is Stray or one of the texts above."""
    place = "put the folder itself in its place" if what == TO_HIDDEN else "put the file itself into the folder"
    return Problem(Source(name), f"this symbolic link {what}", place)
