"""Pure: a YAML document as plain data, with the positions of keys and values."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from reconciler.core.problems import Problem, Source
from reconciler.core.spec import Mark

Scalar = str | int | float | bool | None

WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
DECIMAL = re.compile(r"[-+]?[0-9]+")
OCTAL = re.compile(r"0o[0-7]+")
HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")

FIRST_OF_NUMBERS = "-+.0123456789"
FIRST_CHARACTERS = frozenset(FIRST_OF_NUMBERS + "~nNtTfF")
"""A non-empty scalar that starts with another character is a string. Most scalars need no other check."""

MAX_CHARACTERS = 8 * 1024  # per scalar
MAX_DIGITS = 64  # Python raises an error for more than 4,300 digits


def resolve(text: str) -> Scalar:
    """Return the value of a plain scalar.

    Raises:
        ValueError: if the scalar is a number with too many digits.
    """
    if text in WORDS:
        return WORDS[text]
    if text[0] not in FIRST_OF_NUMBERS:
        return text
    if not FLOAT.fullmatch(text):  # FLOAT also matches whole numbers
        return _prefixed(text)
    _refuse_long(text)
    return int(text) if DECIMAL.fullmatch(text) else float(text)


def _prefixed(text: str) -> Scalar:
    for pattern, base in ((OCTAL, 8), (HEXADECIMAL, 16)):
        if pattern.fullmatch(text):
            _refuse_long(text)
            return int(text[2:], base)
    return text


def _refuse_long(number: str) -> None:
    if len(number) > MAX_DIGITS:
        raise ValueError(f"a number of {len(number):,} characters is too long")


START: Mark = (1, 1)
MAX_PROBLEMS = 1000
"""The limit per file and per run. A malicious file could have millions of problems."""
MAX_VALUES = 300_000
"""The limit per file for keys, values, lists and mappings, because each takes hundreds of bytes of memory."""


MarksOfKeys = dict[str, tuple[Mark, Mark]]
"""The positions of each key and of its value."""


@dataclass(frozen=True, slots=True)
class CollectionPositions:
    """The positions of keys, values and items in a file, by the position of their mapping or sequence."""

    in_mappings: dict[Mark, MarksOfKeys] = field(default_factory=dict)
    in_sequences: dict[Mark, list[Mark]] = field(default_factory=dict)


class PositionIndex:
    """The positions in a file, computed on first use, because a file without problems does not need them."""

    def __init__(self, find: Callable[[], CollectionPositions]) -> None:
        self._find = find

    @cached_property
    def found(self) -> CollectionPositions:
        """All positions of the file."""
        return self._find()


NO_POSITIONS = PositionIndex(CollectionPositions)


class ValuePositions(Mapping[str, Mark]):
    """The positions of the values of a mapping, computed on first use."""

    __slots__ = ("_mapping",)

    def __init__(self, mapping: "YamlMapping") -> None:
        self._mapping = mapping

    def __getitem__(self, key: str) -> Mark:
        return self._mapping.marks[key][1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._mapping.marks)

    def __len__(self) -> int:
        return len(self._mapping.marks)


# The values have type Any because a schema describes them.
class YamlMapping(dict[str, Any]):
    """A YAML mapping with its own position `mark` and the positions of its keys and values."""

    __slots__ = ("_positions", "mark")

    def __init__(self, mark: Mark = START, positions: PositionIndex = NO_POSITIONS) -> None:
        self.mark = mark
        self._positions = positions

    @property
    def marks(self) -> MarksOfKeys:
        """The positions of each key and its value."""
        return self._positions.found.in_mappings.get(self.mark, {})

    @property
    def value_marks(self) -> ValuePositions:
        """The position of each value."""
        return ValuePositions(self)

    def marks_within(self, name: str) -> Iterable[Mark]:
        """Return the positions of the items in the list `name`, or nothing if the value is not a list."""
        items = self.get(name)
        return items.item_marks if isinstance(items, YamlList) else ()


class YamlList(list[Any]):
    """A YAML sequence with its own position `mark` and the positions of its items."""

    __slots__ = ("_positions", "mark")

    def __init__(self, mark: Mark = START, positions: PositionIndex = NO_POSITIONS) -> None:
        self.mark = mark
        self._positions = positions

    @property
    def item_marks(self) -> list[Mark]:
        """The position of each item."""
        return self._positions.found.in_sequences.get(self.mark, [])


Node = YamlMapping | YamlList | Scalar


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file.

    Attributes:
        file: The name of the file.
        data: The data, or None if the reader stopped early.
        text: The text, to show the line of a problem.
        problems: All problems.
        is_complete: Whether the reader reached the end.
        values: The number of values that the YAML parser has read.
    """

    file: str
    data: Node
    text: str = field(default="", repr=False)
    problems: tuple[Problem, ...] = ()
    is_complete: bool = True
    values: int = field(default=0, compare=False)


def mark_of(data: object, path: Sequence[str | int], *, key: bool = False) -> Mark:
    """Return the position of the node at `path` (keys and indexes), or with `key` the position of its key.

    If the path does not exist, return the position of the last existing node on it.
    """
    mark = data.mark if isinstance(data, YamlMapping | YamlList) else START
    for step in path:
        match data, step:
            case YamlMapping(), str() if step in data:
                of_key, of_value = data.marks[step]
                mark = of_key if key else of_value
                data = data[step]
            case YamlList(), int():
                mark = data.item_marks[step]
                data = data[step]
            case _:
                break
    return mark


def too_many_problems(file: str) -> Problem:
    """Return the problem of a file with too many problems."""
    return Problem(Source(file), f"this file has {MAX_PROBLEMS:,} problems or more", "correct these first")
