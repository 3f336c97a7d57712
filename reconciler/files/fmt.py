"""Sort a grant file. The sort changes only the order of grants, fields and list items, and keeps every comment.

A comment on the line of a value moves with the value. A comment on a separate line moves with the value below the
comment. A comment that is indented deeper than the next line moves with the value above the comment. Blank lines
between sorted items stay in place. A comment at the top of a list stays at the top if a blank line separates the
comment from the first item.
"""

import json
import re
from bisect import bisect
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import accumulate, chain, zip_longest
from typing import Any

from reconciler.core.fields import SETS, field_order, grant_order
from reconciler.core.problems import Problem, Source
from reconciler.files.layout import LayoutPart, Node, read_layout, split_lines
from reconciler.files.loader import parse

BLOCK_HEADER = re.compile(r"(?P<style>[|>])[+-]?(?P<indent>\d?)[+-]?")


class NodeKind(Enum):
    """The kinds of YAML values in a grant file, for example a grant or a set of scopes.

    The kind of a YAML value determines the order of its items, for example alphabetical order for a set of scopes.
    """

    FILE = auto()
    GRANTS = auto()
    GRANT = auto()
    SET = auto()
    OTHER = auto()


def sort_file(text: str, file: str) -> str | Problem:
    """Return the text of a valid grant file in canonical order. `file` is the name of the file.

    Return a problem if sorting would lose a comment or change the declared grants.
    """
    if parse(text.encode(), file).data is None:
        return text  # only comments
    before = read_layout(text)
    if _in_order(before.root, NodeKind.FILE):
        return text
    ended = text
    if not text.endswith("\n"):
        ended = _add_last_line_end(text, before.root)
        before = read_layout(ended)
    ordered = "".join(_Lines(_sort_flow(ended, before.root, NodeKind.FILE, 0, len(ended))).ordered())
    old, new = (parse(each.encode(), "") for each in (text, ordered))
    is_equivalent = not new.problems and _declared_content(old.data) == _declared_content(new.data)
    if not is_equivalent or Counter(read_layout(ordered).comments) != Counter(before.comments):
        return Problem(
            Source(file), "a file with this layout cannot be sorted", "write each key and each item on its own line"
        )
    return text if ordered == ended else ordered


def _add_last_line_end(text: str, root: Node) -> str:
    """Return the content of a file with a newline added.

    If the file ends with a block scalar, also write the indicator `-` in the header of the block scalar. The
    indicator `-` keeps the added newline out of the value of the block scalar.
    """
    last = root
    while last.parts:
        last = last.parts[-1].node
    header = BLOCK_HEADER.match(text, last.start)
    if header is None or text[last.end :].strip():
        return f"{text}\n"
    return f"{text[: header.start()]}{header['style']}{header['indent']}-{text[header.end() :]}\n"


def _in_order(node: Node, kind: NodeKind) -> bool:
    """Return whether a YAML value and all nested values are in canonical order."""
    order = _order(kind, node.parts)
    return order == sorted(order) and all(_in_order(part.node, _kind(kind, part)) for part in node.parts)


def _kind(outer: NodeKind, part: LayoutPart) -> NodeKind:
    """Return the kind of the YAML value in `part`.

    `outer` is the kind of the mapping or list that contains `part`: the whole file, a list of grants, or a grant.
    """
    match outer:
        case NodeKind.FILE if part.name == "grants":
            return NodeKind.GRANTS
        case NodeKind.GRANTS:
            return NodeKind.GRANT
        case NodeKind.GRANT if part.name in SETS:
            return NodeKind.SET
        case _:
            return NodeKind.OTHER


def _order(kind: NodeKind, parts: Sequence[LayoutPart]) -> list[int]:
    """Return the indexes of the items or fields in `parts`, in canonical order.

    If two items have the same sort key, the items keep their order in the file.
    """
    match kind:
        case NodeKind.GRANTS:
            sort_keys = [grant_order({each.name: _text(each.node) for each in part.node.parts}) for part in parts]
        case NodeKind.GRANT:
            sort_keys = [(f"{field_order(part.name):04}",) for part in parts]
        case NodeKind.SET:
            sort_keys = [(part.node.text,) for part in parts]
        case NodeKind.FILE | NodeKind.OTHER:
            sort_keys = [() for _ in parts]
    return sorted(range(len(parts)), key=sort_keys.__getitem__)


def _text(node: Node) -> str:
    """Return the text of a YAML scalar, or the text of the first item of a YAML list."""
    return node.text or (node.parts[0].node.text if node.parts else "")


def _sort_flow(text: str, node: Node, kind: NodeKind, start: int, end: int) -> str:
    """Return `text` from `start` to `end`, with the bracketed (flow-style) lists and mappings of `node` sorted.

    The commas between items stay in place. A bracketed list or mapping that contains a comment is not sorted.
    """
    if not node.parts:
        return text[start:end]
    pieces = [_sort_flow(text, part.node, _kind(kind, part), part.start, part.node.end) for part in node.parts]
    starts, ends = [part.start for part in node.parts], [part.node.end for part in node.parts]
    between = [text[first:second] for first, second in zip([start, *ends], [*starts, end], strict=True)]
    inside = [text[node.start : starts[0]], *between[1:-1], text[ends[-1] : node.end]]
    if not node.is_block and not any("#" in each for each in inside):
        pieces = [pieces[index] for index in _order(kind, node.parts)]
    return "".join(chain.from_iterable(zip_longest(between, pieces, fillvalue="")))


class _Lines:
    """Sorts the YAML lists and mappings that have a separate line for each item (block style)."""

    def __init__(self, text: str) -> None:
        self._lines = split_lines(text)
        self._starts = [0, *accumulate(map(len, self._lines))]
        self._root = read_layout(text).root

    def ordered(self) -> list[str]:
        """Sort all block-style lists and mappings of the file, and return the lines of the sorted file."""
        return self._value(self._root, NodeKind.FILE, 0, len(self._lines))

    def _value(self, node: Node, kind: NodeKind, begin: int, end: int) -> list[str]:
        """Return the sorted lines of the YAML value `node`.

        The value starts at the line with the index `begin` and ends before the line with the index `end`.
        """
        if not node.is_block:
            return self._lines[begin:end]
        first = self._line(node.parts[0].start)
        column = node.parts[0].start - self._starts[first]
        opening = self._lines[begin:first]
        top = max((index for index, each in enumerate(opening, start=1) if not each.strip()), default=0)
        slots, closing = self._slots(node, kind, column, end)
        slots[0] = replace(slots[0], comments=opening[top:])
        ordered = _arrange(slots, [slots[index] for index in _order(kind, node.parts)], column)
        return [*opening[:top], *ordered, *closing]

    def _slots(self, node: Node, kind: NodeKind, column: int, end: int) -> tuple[list["_Slot"], list[str]]:
        """Return the items of a block-style list or mapping with their comments, and the lines after the last item."""
        begins = [self._line(part.start) for part in node.parts]
        slots: list[_Slot] = []
        blank_lines: list[str] = []
        comments: list[str] = []
        for part, begin, next_begin in zip(node.parts, begins, [*begins[1:], end], strict=True):
            value_end = self._line(part.node.end - 1) + 1
            between = self._lines[value_end:next_begin]
            tail, blank = _split(between, column)
            slots.append(_Slot(blank_lines, comments, self._part(part, kind, begin, value_end + tail)))
            blank_lines, comments = between[tail:blank], between[blank:]
        return slots, [*blank_lines, *comments]

    def _part(self, part: LayoutPart, kind: NodeKind, begin: int, end: int) -> list[str]:
        node = part.node
        starts_here = node.is_block and self._line(node.parts[0].start) == begin
        inner = begin if starts_here or not node.is_block else begin + 1
        return [*self._lines[begin:inner], *self._value(node, _kind(kind, part), inner, end)]

    def _line(self, index: int) -> int:
        return bisect(self._starts, index) - 1


@dataclass(frozen=True, slots=True)
class _Slot:
    """An item of a block-style YAML list or mapping, with the blank lines and comments above the item."""

    blank_lines: list[str]
    comments: list[str]
    lines: list[str]


def _split(between: list[str], column: int) -> tuple[int, int]:
    """Decide which comments between two items belong to the first item, and which comments to the second item.

    `between` contains the last comments of the first item, blank lines, and the comments of the second item.

    Return the index of the first blank line, and the index of the first comment of the second item.
    """
    indented = ((index, len(each) - len(each.lstrip(" \t"))) for index, each in enumerate(between) if each.strip())
    blank = next((index for index, indent in indented if indent <= column), len(between))
    tail = blank
    while tail and not between[tail - 1].strip():
        tail -= 1
    return tail, blank


def _arrange(slots: list[_Slot], ordered: list[_Slot], column: int) -> list[str]:
    """Return the lines of all items of a list or mapping, in the order of `ordered`.

    Sorting moves only the items and their comments. Blank lines and the text before the first item stay in place.
    """
    before = slots[0].lines[0][:column]
    outer = before[: len(before) - len(before.lstrip())]
    lines: list[str] = []
    for slot, each in zip(slots, ordered, strict=True):
        comments, own = each.comments, each.lines
        if each is slots[0]:
            own = [" " * column + own[0][column:], *own[1:]]
        if not lines:
            comments = [outer + comment.lstrip() if comment.strip() else comment for comment in comments]
            own = [before + own[0][column:], *own[1:]]
        lines += [*slot.blank_lines, *comments, *own]
    return lines


def _declared_content(data: Any) -> tuple[object, ...]:  # noqa: ANN401 - parsed YAML data can have any type
    """Convert the content of a grant file for comparisons that ignore the order of grants, fields and list items."""
    grants = sorted(
        json.dumps({name: sorted(value) if name in SETS else value for name, value in item.items()}, sort_keys=True)
        for item in data["grants"]
    )
    return ({name: value for name, value in data.items() if name != "grants"}, grants)
