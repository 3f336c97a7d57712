"""Read grant files in a simple subset of YAML faster than a YAML parser.

This module parses each line of a grant file on its own, and caches the parsed lines. `reconciler import` writes only
YAML that this module can read. If this module cannot read a file, or if the file contains an error, reconciler uses
the YAML parser. If `read_fast` can read a file, `read_fast` and the YAML parser return the same data and positions.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from reconciler.files.document import FIRST_CHARACTERS, PositionIndex, Scalar, YamlList, YamlMapping, resolve

WORD = r"[\w./$@()+;=&-]+(?::[\w./$@()+;=&-]+)*"  # YAML reads a word with a colon at the end as a key
WORD_IN_BLOCK = WORD.replace("@", "@{},")
PLAIN = rf"(?![-@&]){WORD}(?: {WORD})*"
PLAIN_IN_BLOCK = rf"(?![-@{{}},&]){WORD_IN_BLOCK}(?: {WORD_IN_BLOCK})*"
QUOTED = r'"[\w !#-\[\]^`{|}~]*"'  # matches printable characters except quotes and backslashes
ITEM_OF_LIST = rf"(?:{PLAIN}|{QUOTED})"
LIST = rf"\[(?:{ITEM_OF_LIST}(?:, {ITEM_OF_LIST})*)?\]"
SCALAR = rf"(?:{PLAIN_IN_BLOCK}|{QUOTED})"
KEY = r"(?!(?:true|false|null):)[a-z_]+"
COMMENT = r"#[\w !-~]*"

LINE = re.compile(
    rf"(?:(?P<lead>  - |    )(?P<key>{KEY}):(?: (?P<value>{SCALAR}|{LIST}))?|      - (?P<item>{SCALAR})|grants:)"
    rf"(?: +{COMMENT})?"
)
BLANK_LINE = re.compile(rf"(?: *{COMMENT})?")
ITEMS_OF_LIST = re.compile(ITEM_OF_LIST)

GRANT, FIELD, ITEM = 3, 5, 7
"""The columns where three parts of a grant file start: a grant's hyphen, a field, and a list item's hyphen.

The first column of a line is 1.
"""
CACHED_LINES = 4096
"""The maximum number of parsed lines in the cache."""
MAX_LINE_CHARACTERS = 1024
"""The maximum length of a line that `read_fast` accepts, in characters.

A limit on the length of lines keeps the cache of parsed lines small.
"""


class FastLine(NamedTuple):
    """A parsed line of a YAML file, with a key, a value, or both. A line with a key and no value starts a list."""

    column: int
    key: str = ""
    value: Scalar | tuple[Scalar, ...] = None


IGNORED_LINE = FastLine(0)
GRANTS_LINE = FastLine(0, "grants")


class _NotInSubsetError(ValueError):
    """A line of the file contains YAML that `read_fast` does not support, so the YAML parser must read the file."""


def read_fast(text: str, positions: PositionIndex) -> YamlMapping | None:
    """Return the data of a grant file, or None if the file needs the full YAML parser.

    `positions` computes the line and column of each value in the file.
    """
    *texts, last = text.split("\n")
    lines = enumerate(map(_line, texts), 1)
    try:
        number, first = next((each for each in lines if each[1] is not IGNORED_LINE), (1, IGNORED_LINE))
        grants = _grants(lines, positions) if first is GRANTS_LINE and not last else None
    except ValueError:  # a line contains unsupported YAML, or a number has too many digits
        return None
    if not grants:
        return None
    root = YamlMapping((number, 1), positions)
    root["grants"] = grants
    grants.mark = (grants[0].mark[0], GRANT)
    return root


def _grants(lines: Iterable[tuple[int, FastLine]], positions: PositionIndex) -> YamlList | None:
    """Return the grants that the lines of a grant file declare. Return None if a list in a grant is empty."""
    grants, grant = YamlList(positions=positions), YamlMapping()
    lists, items = list[YamlList](), None
    for number, (column, key, value) in lines:
        if column == ITEM:
            if items is None:
                raise _NotInSubsetError
            if not items:
                items.mark = (number, ITEM)
            items.append(value)
        elif column:
            if column == GRANT:
                grants.append(grant := YamlMapping((number, FIELD), positions))
            if not grants or key in grant:
                raise _NotInSubsetError
            if value is None:
                grant[key] = items = YamlList(positions=positions)
                lists.append(items)
            else:
                grant[key] = _flow_list(value, number, key, positions) if isinstance(value, tuple) else value
                items = None
        elif key:
            raise _NotInSubsetError
    return grants if all(lists) else None


def _flow_list(items: tuple[Scalar, ...], number: int, key: str, positions: PositionIndex) -> YamlList:
    sequence = YamlList((number, FIELD + len(f"{key}: ")), positions)
    sequence.extend(items)
    return sequence


@lru_cache(CACHED_LINES)
def _line(text: str) -> FastLine:
    if BLANK_LINE.fullmatch(text):
        return IGNORED_LINE
    found = LINE.fullmatch(text) if len(text) <= MAX_LINE_CHARACTERS else None
    if found is None:
        raise _NotInSubsetError
    indentation, key, value, item = found.groups()
    if item is not None:
        return FastLine(ITEM, value=_scalar(item))
    if key is None:
        return GRANTS_LINE
    parsed: Scalar | tuple[Scalar, ...] = None
    if value is not None:
        parsed = tuple(map(_scalar, ITEMS_OF_LIST.findall(value))) if value[0] == "[" else _scalar(value)
        if parsed is None:
            raise _NotInSubsetError
    return FastLine(GRANT if indentation == "  - " else FIELD, key, parsed)


def _scalar(text: str) -> Scalar:
    if text[0] in FIRST_CHARACTERS:
        return resolve(text)
    return text[1:-1] if text[0] == '"' else text
