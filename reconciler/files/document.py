"""Pure: a YAML document as plain data that remembers where everything stands."""

from collections.abc import Iterator
from collections.abc import Mapping as Lookup
from collections.abc import Sequence as Steps
from dataclasses import dataclass, field
from typing import Any, Protocol

from reconciler.core.problems import Problem, Source
from reconciler.core.spec import Mark
from reconciler.files.scalars import Scalar

START: Mark = (1, 1)
MOST_PROBLEMS = 1000  # of one file: nobody reads more, and a hostile file could make millions


class Place(Protocol):
    """Where something begins, as the parser says it: line and column count from 0."""

    @property
    def line(self) -> int: ...  # noqa: D102 - the class says it

    @property
    def column(self) -> int: ...  # noqa: D102 - the class says it


def mark_at(place: Place | None) -> Mark:
    """Return a place as people count it; the start of the file where there is none."""
    return (place.line + 1, place.column + 1) if place else START


class Marks(Lookup[str, Mark]):
    """Where the values of a mapping stand. A mark is made when it is asked for: of most, nobody ever asks."""

    __slots__ = ("_places",)

    def __init__(self, places: dict[str, tuple[Place | None, Place | None]]) -> None:
        self._places = places

    def __getitem__(self, key: str) -> Mark:
        return mark_at(self._places[key][1])

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class ItemMarks:
    """Where the items of a sequence stand; made in the same way."""

    __slots__ = ("_places",)

    def __init__(self, places: list[Place | None]) -> None:
        self._places = places

    def __iter__(self) -> Iterator[Mark]:
        return map(mark_at, self._places)


# What the values are is for a schema to say, not for Python's types, hence Any.
class Mapping(dict[str, Any]):
    """A YAML mapping, with the place of itself; `places` has those of each key and of its value."""

    __slots__ = ("place", "places")

    def __init__(self, place: Place | None = None) -> None:
        self.place = place
        self.places: dict[str, tuple[Place | None, Place | None]] = {}

    @property
    def mark(self) -> Mark:
        """Where the mapping begins."""
        return mark_at(self.place)

    @property
    def value_marks(self) -> Marks:
        """Where each value stands."""
        return Marks(self.places)


class Sequence(list[Any]):
    """A YAML sequence, with the place of itself; `places` has those of its items."""

    __slots__ = ("place", "places")

    def __init__(self, place: Place | None = None) -> None:
        self.place = place
        self.places: list[Place | None] = []

    @property
    def mark(self) -> Mark:
        """Where the sequence begins."""
        return mark_at(self.place)

    @property
    def item_marks(self) -> ItemMarks:
        """Where each item stands."""
        return ItemMarks(self.places)


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
    place = data.place if isinstance(data, Mapping | Sequence) else None
    for step in path:
        match data, step:
            case Mapping(), str() if step in data:
                of_key, of_value = data.places[step]
                place = of_key if key else of_value
                data = data[step]
            case Sequence(), int():
                place = data.places[step]
                data = data[step]
            case _:
                break
    return mark_at(place)


def too_many(file: str) -> Problem:
    """Return what is said where a file has more problems than are looked for."""
    return Problem(
        Source(file), f"this file has {MOST_PROBLEMS:,} problems or more", "mend those shown, then look again"
    )
