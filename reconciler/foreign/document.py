"""Parse a YAML or JSON file of another tool, and keep positions and comments.

reconciler refuses YAML anchors and merge keys in grant files. In the files of other tools, reconciler accepts anchors
and merge keys, up to a maximum number of values. An alias shares the node of its anchor, so aliases need no additional
memory.
"""

import json
import re
from bisect import bisect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import yaml
from yaml.events import (
    AliasEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from reconciler.core.problems import Problem, Source
from reconciler.core.spec import Mark
from reconciler.files.document import Scalar, resolve
from reconciler.files.layout import COMMENT, split_lines
from reconciler.files.yaml_messages import PARSER, explain

MAX_LEVELS = 100
MAX_NODES = 500_000
TOO_LARGE = ("this file is too large or nested too deeply", "split it")
MERGE_KEY = "<<"
SURROGATE_PAIR = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


class ForeignSyntaxError(Exception):
    """A file of another tool is not valid YAML or JSON. `problem` contains the position and the reason."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(slots=True, eq=False)
class ForeignNode:
    """A value of a file. `value` is a string, a number, a boolean, a list of nodes, or a mapping from keys to nodes.

    `end` is the number of the last line of the value.
    """

    mark: Mark
    value: "Scalar | list[ForeignNode] | dict[str, ForeignNode]" = None
    end: int = 0

    def get(self, name: str) -> "ForeignNode | None":
        """Return the value of the key `name`, or None if the node is not a mapping or lacks the key."""
        return self.value.get(name) if isinstance(self.value, dict) else None

    @property
    def items(self) -> "list[ForeignNode]":
        """The nodes in a list, or an empty list if the node is not a list."""
        return self.value if isinstance(self.value, list) else []


@dataclass(frozen=True, slots=True)
class ForeignComment:
    """A comment without its `#`. `is_alone` is true if the line contains only the comment."""

    line: int
    column: int
    text: str
    is_alone: bool


@dataclass(frozen=True, slots=True)
class ForeignDocument:
    """A parsed file of another tool: the top node, the comments from top to bottom, and the lines of the file."""

    root: ForeignNode
    comments: tuple[ForeignComment, ...] = field(default=(), repr=False)
    lines: tuple[str, ...] = field(default=(), repr=False)


def read_yaml_text(text: str, file: str) -> ForeignDocument:
    """Parse YAML that contains a single document.

    Raises:
        ForeignSyntaxError: if the text is not valid YAML or is too large.
    """
    reader = _NodeReader(text, file)
    try:
        root = reader.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        position = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        what, fix = explain(error.problem or str(error), text[mark.index : mark.index + 10] if mark else "")
        raise ForeignSyntaxError(Problem(Source(file, *position), what, fix)) from error
    except (yaml.YAMLError, ValueError) as error:
        raise ForeignSyntaxError(Problem(Source(file), f"this is not valid YAML ({error})")) from error
    return ForeignDocument(root, tuple(_comments(text, reader.bounds)), tuple(split_lines(text)))


def read_json_text(text: str, file: str) -> ForeignDocument:
    """Parse JSON text.

    The JSON parser does not report positions, so a YAML parser finds the positions of the values.

    Raises:
        ForeignSyntaxError: if the text is not valid JSON or is too large.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        source = Source(file, error.lineno, error.colno)
        raise ForeignSyntaxError(Problem(source, f"this is not valid JSON ({error.msg})", "correct it")) from error
    except (RecursionError, ValueError) as error:
        raise ForeignSyntaxError(Problem(Source(file), f"this is not valid JSON ({error})")) from error
    if is_nested_deeper(data, MAX_LEVELS):
        raise ForeignSyntaxError(Problem(Source(file), *TOO_LARGE))
    try:
        document = read_yaml_text(json_as_yaml(text), file)
    except ForeignSyntaxError:
        document = None
    if document is None or plain(document.root) != data:
        return ForeignDocument(_from_data(data))
    return ForeignDocument(document.root)


def is_nested_deeper(data: object, levels: int) -> bool:
    """Return whether JSON data has more than `levels` levels of lists and mappings.

    Code that reads nested data with recursion needs a limit, because Python limits the recursion.
    """
    level = [data]
    for _ in range(levels + 1):
        inner = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [value for values in inner for value in values]
        if not level:
            return False
    return True


def json_as_yaml(text: str) -> str:
    """Convert JSON to YAML by replacing tabs and escaped surrogate pairs."""

    def character(found: re.Match[str]) -> str:
        high, low = int(found[1], 16), int(found[2], 16)
        return f"\\U{0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF):08X}"

    return SURROGATE_PAIR.sub(character, text.replace("\t", " "))


def plain(node: ForeignNode) -> object:
    """Return the value of a node as plain data without positions. An alias becomes the value of its anchor."""
    match node.value:
        case dict() as mapping:
            return {name: plain(each) for name, each in mapping.items()}
        case list() as items:
            return [plain(each) for each in items]
        case scalar:
            return scalar


def _from_data(data: object) -> ForeignNode:
    node = ForeignNode((1, 1), end=1)
    match data:
        case dict():
            node.value = {str(name): _from_data(each) for name, each in data.items()}
        case list():
            node.value = [_from_data(each) for each in data]
        case str() | bool() | int() | float():
            node.value = data
        case _:
            node.value = None
    return node


def _comments(text: str, bounds: list[int]) -> Iterator[ForeignComment]:
    """Yield the comments in the YAML document `text`.

    A comment starts with a `#` after a space or at the start of a line.
    """
    line, counted = 1, 0
    position = 0
    while found := COMMENT.search(text, position):
        start = found.start()
        index = bisect(bounds, start)
        if index % 2:
            position = bounds[index]
            continue
        if start and text[start - 1] not in " \t\n\r":
            position = start + 1
            continue
        line += text.count("\n", counted, start)
        counted, position = start, found.end()
        line_start = text.rfind("\n", 0, start) + 1
        before = text[line_start:start]
        yield ForeignComment(line, start - line_start + 1, found.group()[1:].strip(), not before.strip())


class _NodeReader:
    """Creates nodes from the events of a YAML parser.

    `bounds` contains the start and the end of each YAML scalar in the file.
    """

    def __init__(self, text: str, file: str) -> None:
        self._next: Callable[[], Event] = yaml.parse(text, Loader=PARSER).__next__
        self._file = file
        self._anchors: dict[str, ForeignNode] = {}
        self._nodes = 0
        self.bounds: list[int] = []

    def document(self) -> ForeignNode:
        """Return the top node of the only document in the text."""
        self._next()  # skip the event for the start of the stream
        if isinstance(self._next(), StreamEndEvent):
            return ForeignNode((1, 1))
        root = self._node(self._next(), 1)
        self._next()  # skip the event for the end of the document
        if not isinstance(end := self._next(), StreamEndEvent):
            self._refuse(end, "a second document starts here", "write each document to a separate file")
        return root

    def _node(self, event: Event, level: int) -> ForeignNode:
        self._count(event, 1)
        if level > MAX_LEVELS:
            self._refuse(event, *TOO_LARGE)
        if isinstance(event, AliasEvent):
            if event.anchor not in self._anchors:
                self._refuse(event, f'the anchor "{event.anchor}" does not exist', "define it above")
            return self._anchors[event.anchor or ""]
        node = ForeignNode(_mark(event))
        if isinstance(event, ScalarEvent):
            node.value, node.end = self._scalar(event), _end_line(event)
        elif isinstance(event, MappingStartEvent):
            node.value = dict(self._pairs(node, level))
        else:
            node.value = list(self._list_items(node, level))
        if isinstance(event, NodeEvent) and event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _count(self, event: Event, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            self._refuse(event, *TOO_LARGE)

    def _scalar(self, event: ScalarEvent) -> Scalar:
        start, end = event.start_mark, event.end_mark
        if start and end and end.index > start.index:
            self.bounds += [start.index, end.index]
        return event.value if event.style else resolve(event.value)

    def _pairs(self, node: ForeignNode, level: int) -> Iterator[tuple[str, ForeignNode]]:
        """Yield the keys of a mapping with their values.

        Yield merged keys first, so that a key of the mapping itself overrides a merged key.
        """
        own: dict[str, ForeignNode] = {}
        while isinstance(event := self._next(), NodeEvent):
            key = self._node(event, level + 1)
            value = self._node(self._next(), level + 1)
            if isinstance(key.value, list | dict):
                self._refuse(event, "a mapping or a list cannot be a key", "use a string as the key")
            name = event.value if isinstance(event, ScalarEvent) else str(key.value)
            if name == MERGE_KEY:
                yield from self._merged(event, value)
                continue
            if name in own:
                self._refuse(event, f'duplicate key "{name}"', "keep one of them")
            own[name] = value
        node.end = max(
            _end_line(event) if _is_flow_end(event) else 0, *(each.end for each in own.values()), node.mark[0]
        )
        yield from own.items()

    def _merged(self, event: Event, value: ForeignNode) -> Iterator[tuple[str, ForeignNode]]:
        for each in reversed(value.items or [value]):
            if not isinstance(each.value, dict):
                self._refuse(event, 'the value of a merge key ("<<") must be a mapping', "correct it")
            else:
                self._count(event, len(each.value))
                yield from each.value.items()

    def _list_items(self, node: ForeignNode, level: int) -> Iterator[ForeignNode]:
        node.end = node.mark[0]
        while not isinstance(event := self._next(), SequenceEndEvent):
            item = self._node(event, level + 1)
            node.end = max(node.end, item.end if not isinstance(event, AliasEvent) else _mark(event)[0])
            yield item
        node.end = max(node.end, _end_line(event) if _is_flow_end(event) else 0)

    def _refuse(self, event: Event, what: str, fix: str) -> None:
        raise ForeignSyntaxError(Problem(Source(self._file, *_mark(event)), what, fix))


def _mark(event: Event) -> Mark:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _end_line(event: Event) -> int:
    """Return the number of the line in which a YAML scalar or a closing bracket ends."""
    start, end = event.start_mark, event.end_mark
    if not start or not end:
        return 0
    return end.line + 1 if end.column or end.line == start.line else end.line


def _is_flow_end(event: Event) -> bool:
    """Return whether a list or mapping ends with a bracket.

    For a list or mapping without brackets, the end event of the YAML parser covers no characters.
    """
    start, end = event.start_mark, event.end_mark
    return bool(start and end and end.index > start.index)
