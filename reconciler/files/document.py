"""Represents a YAML document as plain data, with the line and column of each key and value."""

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
"""The first characters of numbers, booleans and null in YAML.

A YAML scalar without quotes is a string if FIRST_CHARACTERS does not contain the first character of the scalar.
"""

MAX_CHARACTERS = 8 * 1024  # the maximum length of a YAML scalar
MAX_DIGITS = 64  # Python raises an error for a number with more than 4,300 digits


def resolve(text: str) -> Scalar:
    """Return the Python value of a plain YAML scalar.

    Raises:
        ValueError: if the scalar is a number with too many digits.
    """
    if text in WORDS:
        return WORDS[text]
    if text[0] not in FIRST_OF_NUMBERS:
        return text
    if not FLOAT.fullmatch(text):  # the pattern FLOAT also matches whole numbers
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
"""The maximum number of problems per file and per run. A malicious file could have millions of problems."""
MAX_VALUES = 300_000
"""The maximum number of keys, values, lists and mappings per file. A parsed value takes hundreds of bytes of memory."""


MarksOfKeys = dict[str, tuple[Mark, Mark]]
"""Maps each key of a YAML mapping to the position of the key and the position of the value in the file."""


@dataclass(frozen=True, slots=True)
class CollectionPositions:
    """The positions of all keys, values and list items in a file.

    The keys of `in_mappings` and `in_sequences` are the start positions of the YAML mappings and sequences in the file.
    """

    in_mappings: dict[Mark, MarksOfKeys] = field(default_factory=dict)
    in_sequences: dict[Mark, list[Mark]] = field(default_factory=dict)


class PositionIndex:
    """The positions of keys, values and list items in a file, computed on first use.

    reconciler needs the positions only to report problems.
    """

    def __init__(self, find: Callable[[], CollectionPositions]) -> None:
        self._find = find

    @cached_property
    def found(self) -> CollectionPositions:
        """The positions of all keys, values and list items in the file."""
        return self._find()


NO_POSITIONS = PositionIndex(CollectionPositions)


class ValuePositions(Mapping[str, Mark]):
    """The line and column of each value of a YAML mapping, computed on first use."""

    __slots__ = ("_mapping",)

    def __init__(self, mapping: "YamlMapping") -> None:
        self._mapping = mapping

    def __getitem__(self, key: str) -> Mark:
        return self._mapping.marks[key][1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._mapping.marks)

    def __len__(self) -> int:
        return len(self._mapping.marks)


# The values have the type Any, because only the JSON Schema of the file defines the types of the values.
class YamlMapping(dict[str, Any]):
    """A YAML mapping as a dict. `mark` is the line and column where the mapping starts.

    `marks` contains the positions of the keys and values.
    """

    __slots__ = ("_positions", "mark")

    def __init__(self, mark: Mark = START, positions: PositionIndex = NO_POSITIONS) -> None:
        self.mark = mark
        self._positions = positions

    @property
    def marks(self) -> MarksOfKeys:
        """The line and column of each key and of each value in the file."""
        return self._positions.found.in_mappings.get(self.mark, {})

    @property
    def value_marks(self) -> ValuePositions:
        """The line and column of each value in the file."""
        return ValuePositions(self)

    def marks_within(self, name: str) -> Iterable[Mark]:
        """Return the line and column of each item in the list under the key `name`.

        If the value is not a list, return an empty tuple.
        """
        items = self.get(name)
        return items.item_marks if isinstance(items, YamlList) else ()


class YamlList(list[Any]):
    """A YAML sequence as a list. `mark` is the line and column where the sequence starts.

    `item_marks` contains the positions of the items.
    """

    __slots__ = ("_positions", "mark")

    def __init__(self, mark: Mark = START, positions: PositionIndex = NO_POSITIONS) -> None:
        self.mark = mark
        self._positions = positions

    @property
    def item_marks(self) -> list[Mark]:
        """The line and column of each list item in the file."""
        return self._positions.found.in_sequences.get(self.mark, [])


Node = YamlMapping | YamlList | Scalar


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed YAML file."""

    file: str
    """The name of the file."""
    data: Node
    """The parsed data, or None if the parser stopped before the end of the file."""
    text: str = field(default="", repr=False)
    """The content of the file, used to show the line that contains a problem."""
    problems: tuple[Problem, ...] = ()
    """The problems that the parser found in the file."""
    is_complete: bool = True
    """True if the parser reached the end of the file."""
    values: int = field(default=0, compare=False)
    """The number of values that the YAML parser has read."""


def mark_of(data: object, path: Sequence[str | int], *, key: bool = False) -> Mark:
    """Return the line and column of the value at `path` in a file.

    `path` consists of mapping keys and list indexes. If `key` is true, return the position of the mapping key instead
    of the position of the value. If no value exists at `path`, return the position of the last part of `path` that
    exists.
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
    """Return the problem that says that a file has at least MAX_PROBLEMS problems."""
    return Problem(Source(file), f"this file has {MAX_PROBLEMS:,} problems or more", "correct these first")
