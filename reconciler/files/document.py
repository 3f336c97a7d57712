"""Pure: a YAML document as plain data that remembers where everything stands."""

from collections.abc import Sequence as Steps
from dataclasses import dataclass, field
from typing import Any

from reconciler.core.problems import Problem, Source
from reconciler.core.spec import Mark
from reconciler.files.scalars import Scalar

START: Mark = (1, 1)
MOST_PROBLEMS = 1000  # of one file: nobody reads more, and a hostile file could make millions


# What the values are is for a schema to say, not for Python's types, hence Any.
class Mapping(dict[str, Any]):
    """A YAML mapping, with the place of itself, of each key and of each value."""

    __slots__ = ("key_marks", "mark", "value_marks")

    def __init__(self, mark: Mark = START) -> None:
        super().__init__()
        self.mark = mark
        self.key_marks: dict[str, Mark] = {}
        self.value_marks: dict[str, Mark] = {}


class Sequence(list[Any]):
    """A YAML sequence, with the place of itself and of each item."""

    __slots__ = ("item_marks", "mark")

    def __init__(self, mark: Mark = START) -> None:
        super().__init__()
        self.mark = mark
        self.item_marks: list[Mark] = []


Node = Mapping | Sequence | Scalar


@dataclass(frozen=True, slots=True)
class Document:
    """One file as read: its data, its text (for showing a problem's line), and what was wrong with it.

    Where reading had to stop in the middle, `whole` is false and `data` is None.
    """

    file: str
    data: Node
    text: str = field(default="", repr=False)
    problems: tuple[Problem, ...] = ()
    whole: bool = True


def mark_of(data: object, path: Steps[str | int], *, key: bool = False) -> Mark:
    """Return where the node at `path` (keys and indexes, from the outside in) stands; with `key`, where its key does.

    A path that leads nowhere ends at the last node there is.
    """
    mark = data.mark if isinstance(data, Mapping | Sequence) else START
    for step in path:
        match data, step:
            case Mapping(), str() if step in data:
                mark = (data.key_marks if key else data.value_marks)[step]
                data = data[step]
            case Sequence(), int():
                mark = data.item_marks[step]
                data = data[step]
            case _:
                return mark
    return mark


def too_many(file: str) -> Problem:
    """Return what is said where a file has more problems than are looked for."""
    return Problem(
        Source(file), f"this file has {MOST_PROBLEMS:,} problems or more", "mend those shown, then look again"
    )
