"""Pure: a YAML document as plain data that remembers where everything stands."""

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Mapping as Lookup
from collections.abc import Sequence as Steps
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from reconciler.core.problems import Problem, Source
from reconciler.core.spec import Mark
from reconciler.files.scalars import Scalar

START: Mark = (1, 1)
MOST_PROBLEMS = 1000  # of one file, and of one run: nobody reads more, and a hostile file could make millions
MOST_VALUES = 300_000
"""Of one file, keys, lists and mappings included: each takes hundreds of bytes."""


MarksOfKeys = dict[str, tuple[Mark, Mark]]
"""Where each key stands, and where its value does."""


@dataclass(frozen=True, slots=True)
class Found:
    """What stands in each mapping and each sequence of a file, by where that begins."""

    in_mappings: dict[Mark, MarksOfKeys] = field(default_factory=dict)
    in_sequences: dict[Mark, list[Mark]] = field(default_factory=dict)


class Places:
    """Where everything in a file stands, found when it is first asked for: of a file without problems nobody asks."""

    def __init__(self, find: Callable[[], Found]) -> None:
        self._find = find

    @cached_property
    def found(self) -> Found:
        """The places."""
        return self._find()


NOWHERE = Places(Found)


class Marks(Lookup[str, Mark]):
    """Where the values of a mapping stand, looked up when it is asked for."""

    __slots__ = ("_mapping",)

    def __init__(self, mapping: "Mapping") -> None:
        self._mapping = mapping

    def __getitem__(self, key: str) -> Mark:
        return self._mapping.marks[key][1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._mapping.marks)

    def __len__(self) -> int:
        return len(self._mapping.marks)


# What the values are is for a schema to say, not for Python's types, hence Any.
class Mapping(dict[str, Any]):
    """A YAML mapping that knows its own place, and whom to ask for those of its keys and values."""

    __slots__ = ("_within", "mark")

    def __init__(self, mark: Mark = START, within: Places = NOWHERE) -> None:
        self.mark = mark
        self._within = within

    @property
    def marks(self) -> MarksOfKeys:
        """Where each key and its value stand."""
        return self._within.found.in_mappings.get(self.mark, {})

    @property
    def value_marks(self) -> Marks:
        """Where each value stands."""
        return Marks(self)

    def marks_within(self, name: str) -> Iterable[Mark]:
        """Return where each item of the list stands that is the value of `name`; none where it is no list."""
        items = self.get(name)
        return items.item_marks if isinstance(items, Sequence) else ()


class Sequence(list[Any]):
    """A YAML sequence that knows its own place, and whom to ask for those of its items."""

    __slots__ = ("_within", "mark")

    def __init__(self, mark: Mark = START, within: Places = NOWHERE) -> None:
        self.mark = mark
        self._within = within

    @property
    def item_marks(self) -> list[Mark]:
        """Where each item stands."""
        return self._within.found.in_sequences.get(self.mark, [])


Node = Mapping | Sequence | Scalar


@dataclass(frozen=True, slots=True)
class Document:
    """One file as read: its data, its text (for showing a problem's line), and what was wrong with it.

    Where reading had to stop in the middle, `whole` is false and `data` is None. `values` counts what the parser found.
    """

    file: str
    data: Node
    text: str = field(default="", repr=False)
    problems: tuple[Problem, ...] = ()
    whole: bool = True
    values: int = field(default=0, compare=False)


def mark_of(data: object, path: Steps[str | int], *, key: bool = False) -> Mark:
    """Return where the node at `path` (keys and indexes, from the outside in) stands; with `key`, where its key does.

    A path that leads nowhere ends at the last node there is.
    """
    mark = data.mark if isinstance(data, Mapping | Sequence) else START
    for step in path:
        match data, step:
            case Mapping(), str() if step in data:
                of_key, of_value = data.marks[step]
                mark = of_key if key else of_value
                data = data[step]
            case Sequence(), int():
                mark = data.item_marks[step]
                data = data[step]
            case _:
                break
    return mark


def too_many(file: str) -> Problem:
    """Return what is said where a file has more problems than are looked for."""
    return Problem(
        Source(file), f"this file has {MOST_PROBLEMS:,} problems or more", "mend those shown, then look again"
    )
