"""Pure: a fast reader for grant files with a simple layout, such as those that `import` writes.

It knows a small subset of YAML in which the meaning of a line does not depend on other lines, so results for lines can
be cached. It leaves all other files, and all files with errors, to the parser. For the files that it reads, it returns
the same data and positions as the parser.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from reconciler.files.document import FIRST_CHARACTERS, PositionIndex, Scalar, YamlList, YamlMapping, resolve

WORD = r"[\w./$@()+;=&-]+(?::[\w./$@()+;=&-]+)*"  # a colon at the end would make it a key
WORD_IN_BLOCK = WORD.replace("@", "@{},")
PLAIN = rf"(?![-@&]){WORD}(?: {WORD})*"
PLAIN_IN_BLOCK = rf"(?![-@{{}},&]){WORD_IN_BLOCK}(?: {WORD_IN_BLOCK})*"
QUOTED = r'"[\w !#-\[\]^`{|}~]*"'  # printable characters except quotes and backslashes
ITEM_OF_LIST = rf"(?:{PLAIN}|{QUOTED})"
LIST = rf"\[(?:{ITEM_OF_LIST}(?:, {ITEM_OF_LIST})*)?\]"
SCALAR = rf"(?:{PLAIN_IN_BLOCK}|{QUOTED})"
KEY = r"(?!(?:true|false|null):)[a-z_]+"
COMMENT = r"#[\w !-~]*"

LINE = re.compile(
    rf"(?:(?P<lead>  - |    )(?P<key>{KEY}):(?: (?P<value>{SCALAR}|{LIST}))?|      - (?P<item>{SCALAR})|grants:)"
    rf"(?: +{COMMENT})?"
)
NOTHING = re.compile(rf"(?: *{COMMENT})?")
ITEMS_OF_LIST = re.compile(ITEM_OF_LIST)

GRANT, FIELD, ITEM = 3, 5, 7
"""The column (from 1) of the first field of a grant, of its other fields, and of the items in a list."""
MOST_LINES = 4096
"""The size of the cache, in lines."""
MOST_CHARACTERS = 1024
"""The length of the longest line that is cached."""


class FastLine(NamedTuple):
    """The content of a line: a key, a value, or both. A key without a value starts a list."""

    column: int
    key: str = ""
    value: Scalar | tuple[Scalar, ...] = None


ASIDE = FastLine(0)
HEAD = FastLine(0, "grants")


class _NotInSubsetError(ValueError):
    """The line is not in the subset, so the parser must read the file."""


def at_a_glance(text: str, places: PositionIndex) -> YamlMapping | None:
    """Return the data of a file, with `places` for its positions, or None if the parser must read the file."""
    *lines, rest = text.split("\n")
    said = enumerate(map(_line, lines), 1)
    try:
        number, head = next((each for each in said if each[1] is not ASIDE), (1, ASIDE))
        grants = _grants(said, places) if head is HEAD and not rest else None
    except ValueError:  # not in the subset, or a number with too many digits
        return None
    if not grants:
        return None
    root = YamlMapping((number, 1), places)
    root["grants"] = grants
    grants.mark = (grants[0].mark[0], GRANT)
    return root


def _grants(said: Iterable[tuple[int, FastLine]], places: PositionIndex) -> YamlList | None:
    """Return the list of grants from numbered lines, or None if a list is empty."""
    grants, grant = YamlList(within=places), YamlMapping()
    opened, items = list[YamlList](), None
    for number, (column, key, value) in said:
        if column == ITEM:
            if items is None:
                raise _NotInSubsetError
            if not items:
                items.mark = (number, ITEM)
            items.append(value)
        elif column:
            if column == GRANT:
                grants.append(grant := YamlMapping((number, FIELD), places))
            if not grants or key in grant:
                raise _NotInSubsetError
            if value is None:
                grant[key] = items = YamlList(within=places)
                opened.append(items)
            else:
                grant[key] = _in_line(value, number, key, places) if isinstance(value, tuple) else value
                items = None
        elif key:
            raise _NotInSubsetError
    return grants if all(opened) else None


def _in_line(items: tuple[Scalar, ...], number: int, key: str, places: PositionIndex) -> YamlList:
    sequence = YamlList((number, FIELD + len(f"{key}: ")), places)
    sequence.extend(items)
    return sequence


@lru_cache(MOST_LINES)
def _line(text: str) -> FastLine:
    if NOTHING.fullmatch(text):
        return ASIDE
    found = LINE.fullmatch(text) if len(text) <= MOST_CHARACTERS else None
    if found is None:
        raise _NotInSubsetError
    lead, key, value, item = found.groups()
    if item is not None:
        return FastLine(ITEM, value=_scalar(item))
    if key is None:
        return HEAD
    meant = None if value is None else _value(value)
    if value is not None and meant is None:
        raise _NotInSubsetError
    return FastLine(GRANT if lead == "  - " else FIELD, key, meant)


def _value(text: str) -> Scalar | tuple[Scalar, ...]:
    return tuple(map(_scalar, ITEMS_OF_LIST.findall(text))) if text[0] == "[" else _scalar(text)


def _scalar(text: str) -> Scalar:
    if text[0] in FIRST_CHARACTERS:
        return resolve(text)
    return text[1:-1] if text[0] == '"' else text
