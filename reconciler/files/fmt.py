"""Pure: sort a grant file. Only the order changes, and every comment is kept.

A comment belongs to the value on its line, or to the value below it. A comment that is indented deeper than the next
line belongs to the value above it. Blank lines between sorted items stay in place. Comments that a blank line separates
from the first item of a list stay at the top of the list.
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
from reconciler.files.layout import LayoutPart, Node, layout, lines_of
from reconciler.files.loader import parse

BLOCK_HEADER = re.compile(r"(?P<style>[|>])[+-]?(?P<indent>\d?)[+-]?")


class NodeKind(Enum):
    """The kind of a node, which decides how its parts are sorted."""

    FILE = auto()
    GRANTS = auto()
    GRANT = auto()
    SET = auto()
    OTHER = auto()


def canonical(text: str, file: str) -> str | Problem:
    """Return the text of a valid grant file in canonical order. `file` is its name.

    If the sorted text would declare something else or lose a comment, return a problem instead.
    """
    before = layout(text)
    if _in_order(before.root, NodeKind.FILE):
        return text
    whole = text
    if not text.endswith("\n"):
        whole = _with_a_last_line_end(text, before.root)
        before = layout(whole)
    ordered = "".join(_Lines(_flow(whole, before.root, NodeKind.FILE, 0, len(whole))).ordered())
    if not _declares_the_same(text, ordered) or Counter(layout(ordered).comments) != Counter(before.comments):
        return Problem(Source(file), "this layout cannot be sorted", "write each key and each item on its own line")
    return text if ordered == whole else ordered


def _with_a_last_line_end(text: str, root: Node) -> str:
    """Add a line end. If the text ends in a block scalar, its header then says that the value has none."""
    last = root
    while last.parts:
        last = last.parts[-1].node
    header = BLOCK_HEADER.match(text, last.start)
    if header is None or text[last.end :].strip():
        return f"{text}\n"
    return f"{text[: header.start()]}{header['style']}{header['indent']}-{text[header.end() :]}\n"


def _in_order(node: Node, kind: NodeKind) -> bool:
    """Return whether a node and all nodes in it are sorted."""
    order = _order(kind, node.parts)
    return order == sorted(order) and all(_in_order(part.node, _kind(kind, part)) for part in node.parts)


def _kind(outer: NodeKind, part: LayoutPart) -> NodeKind:
    """Return the kind of `part` within a node of the kind `outer`."""
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
    """Return the indexes of the parts of a node in canonical order. The sort is stable."""
    match kind:
        case NodeKind.GRANTS:
            places = [grant_order({each.name: each.node.text for each in part.node.parts}) for part in parts]
        case NodeKind.GRANT:
            places = [(f"{field_order(part.name):04}",) for part in parts]
        case NodeKind.SET:
            places = [(part.node.text,) for part in parts]
        case NodeKind.FILE | NodeKind.OTHER:
            places = [() for _ in parts]
    return sorted(range(len(parts)), key=places.__getitem__)


def _flow(text: str, node: Node, kind: NodeKind, start: int, end: int) -> str:
    """Return `text` from `start` to `end` around `node`, with everything between brackets sorted.

    Separators keep their places. Brackets with comments are not sorted.
    """
    if not node.parts:
        return text[start:end]
    pieces = [_flow(text, part.node, _kind(kind, part), part.start, part.node.end) for part in node.parts]
    starts, ends = [part.start for part in node.parts], [part.node.end for part in node.parts]
    between = [text[one:other] for one, other in zip([start, *ends], [*starts, end], strict=True)]
    inside = [text[node.start : starts[0]], *between[1:-1], text[ends[-1] : node.end]]
    if not node.is_block and not any("#" in each for each in inside):
        pieces = [pieces[index] for index in _order(kind, node.parts)]
    return "".join(chain.from_iterable(zip_longest(between, pieces, fillvalue="")))


class _Lines:
    """The lines of a text, whose blocks can be sorted."""

    def __init__(self, text: str) -> None:
        self._lines = lines_of(text)
        self._starts = [0, *accumulate(map(len, self._lines))]
        self._root = layout(text).root

    def ordered(self) -> list[str]:
        """Return the lines with all blocks sorted."""
        return self._value(self._root, NodeKind.FILE, 0, len(self._lines))

    def _value(self, node: Node, kind: NodeKind, begin: int, end: int) -> list[str]:
        """Return the sorted lines of `node`, which takes the lines from `begin` to before `end`."""
        if not node.is_block:
            return self._lines[begin:end]
        first = self._line(node.parts[0].start)
        column = node.parts[0].start - self._starts[first]
        opening = self._lines[begin:first]
        top = max((place for place, each in enumerate(opening, start=1) if not each.strip()), default=0)
        slots, closing = self._slots(node, kind, column, end)
        slots[0] = replace(slots[0], head=opening[top:])
        ordered = _moved(slots, [slots[index] for index in _order(kind, node.parts)], column)
        return [*opening[:top], *ordered, *closing]

    def _slots(self, node: Node, kind: NodeKind, column: int, end: int) -> tuple[list["_Slot"], list[str]]:
        """Return the parts of a block with their comments, and the lines after the last part."""
        begins = [self._line(part.start) for part in node.parts]
        slots: list[_Slot] = []
        gap: list[str] = []
        head: list[str] = []
        for part, begin, following in zip(node.parts, begins, [*begins[1:], end], strict=True):
            done = self._line(part.node.end - 1) + 1
            loose = self._lines[done:following]
            tail, blank = _split(loose, column)
            slots.append(_Slot(gap, head, self._part(part, kind, begin, done + tail)))
            gap, head = loose[tail:blank], loose[blank:]
        return slots, [*gap, *head]

    def _part(self, part: LayoutPart, kind: NodeKind, begin: int, end: int) -> list[str]:
        node = part.node
        starts_here = node.is_block and self._line(node.parts[0].start) == begin
        inner = begin if starts_here or not node.is_block else begin + 1
        return [*self._lines[begin:inner], *self._value(node, _kind(kind, part), inner, end)]

    def _line(self, index: int) -> int:
        return bisect(self._starts, index) - 1


@dataclass(frozen=True, slots=True)
class _Slot:
    """A part of a block: the blank lines before it, the comments above it, and its own lines."""

    gap: list[str]
    head: list[str]
    lines: list[str]


def _split(loose: list[str], column: int) -> tuple[int, int]:
    """Split lines without values: return the end of the comments that belong above, and the end of the blank lines."""
    indented = ((place, len(each) - len(each.lstrip(" \t"))) for place, each in enumerate(loose) if each.strip())
    blank = next((place for place, indent in indented if indent <= column), len(loose))
    tail = blank
    while tail and not loose[tail - 1].strip():
        tail -= 1
    return tail, blank


def _moved(slots: list[_Slot], ordered: list[_Slot], column: int) -> list[str]:
    """Return the lines of `ordered`. Blank lines and the text before the first part keep their places in `slots`."""
    before = slots[0].lines[0][:column]
    outer = before[: len(before) - len(before.lstrip())]
    lines: list[str] = []
    for slot, each in zip(slots, ordered, strict=True):
        head, own = each.head, each.lines
        if each is slots[0]:
            own = [" " * column + own[0][column:], *own[1:]]
        if not lines:
            head = [outer + one.lstrip() if one.strip() else one for one in head]
            own = [before + own[0][column:], *own[1:]]
        lines += [*slot.gap, *head, *own]
    return lines


def _declares_the_same(before: str, after: str) -> bool:
    one, other = (parse(text.encode(), "") for text in (before, after))
    return not other.problems and _meaning(one.data) == _meaning(other.data)


def _meaning(data: Any) -> tuple[object, ...]:  # noqa: ANN401 - a document's data; it has passed the schema
    """Return what a grant file declares, independent of its order."""
    grants = sorted(
        json.dumps({name: _unordered(name, value) for name, value in item.items()}, sort_keys=True)
        for item in data["grants"]
    )
    return ({name: value for name, value in data.items() if name != "grants"}, grants)


def _unordered(name: str, value: Any) -> Any:  # noqa: ANN401 - see above
    return sorted(value) if name in SETS else value
