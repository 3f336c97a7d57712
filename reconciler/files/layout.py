"""Locate all values and comments in a YAML file that `loader.py` has accepted."""

import re
from bisect import bisect
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from io import StringIO

import yaml
from yaml.events import CollectionEndEvent, CollectionStartEvent, Event, MappingStartEvent, NodeEvent, ScalarEvent
from yaml.tokens import BlockEntryToken, Token

from reconciler.files.yaml_messages import PARSER

COMMENT = re.compile("#[^\n\r]*")
BLOCK_HEADER = re.compile(r"[|>](?P<indicators>[-+0-9]*)[ \t]*(?P<comment>#[^\n\r]*)?")
"""Matches the first line of a block scalar (`|` or `>`), including a comment on the line."""
PROSE_KEYS = frozenset({"description", "reason"})
"""The keys in grant files whose values are free text for readers."""
VARIABLES_KEY = "variables"
"""The key in reconciler.yaml that contains the variables. A variable can be named `description` or `reason`."""


@dataclass(frozen=True, slots=True)
class Node:
    """A YAML value that starts at the index `start` of a text and ends before the index `end`.

    `text` is the value of a scalar. `parts` are the items of a list or the key-value pairs of a mapping. If `is_block`
    is true, each item or pair starts on a new line (block style). If `is_block` is false, the items or pairs are
    between brackets (flow style).
    """

    start: int
    end: int
    text: str = ""
    is_block: bool = False
    parts: tuple["LayoutPart", ...] = ()


@dataclass(frozen=True, slots=True)
class LayoutPart:
    """An item of a list, or a key-value pair with the key `name`.

    `start` is the index in the text at which the list item's hyphen or the key starts.
    """

    start: int
    node: Node
    name: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """The root value of a YAML file, and the comments in the file."""

    root: Node
    comments: tuple[str, ...]


def read_layout(text: str) -> Layout:
    """Return the values and comments in `text`, which contains one YAML document."""
    reader = _LayoutReader(text)
    root = reader.document()
    return Layout(root, tuple(reader.comments()))


def split_lines(text: str) -> list[str]:
    """Split `text` into lines at LF and keep the line ends.

    reconciler's YAML loader refuses files with line ends other than LF and CRLF.
    """
    return StringIO(text, newline="\n").readlines()


@dataclass(slots=True)
class _Collection:
    """A YAML mapping or list that the parser has not read to its end yet.

    A parent mapping contains the collection under the key `name`. `key` is the mapping key whose value the parser reads
    next. `key` is None for a list, or if the parser reads a key next.
    """

    name: str
    is_mapping: bool
    key: str | None = None


def find_name_spans(text: str) -> list[tuple[int, int]]:
    """Return the start and end of each key and value in `text`, except the values of `description` and `reason`.

    If the text is not valid YAML, return only the keys and values before the first error.
    """
    spans: list[tuple[int, int]] = []
    open_collections = [_Collection("", is_mapping=False)]
    with suppress(yaml.YAMLError):
        for event in yaml.parse(text, Loader=PARSER):
            _add_span(event, open_collections, spans, text)
    return spans


def _add_span(event: Event, open_collections: list[_Collection], spans: list[tuple[int, int]], text: str) -> None:
    """Add the start and end of a scalar to `spans`, unless the scalar is the value of `description` or `reason`.

    `open_collections` contains the mappings and lists around the scalar, the innermost at the end.
    """
    if isinstance(event, CollectionEndEvent):
        open_collections.pop()
        return
    if not isinstance(event, NodeEvent):
        return
    outer = open_collections[-1]
    is_key, name = outer.is_mapping and outer.key is None, outer.key or ""
    if isinstance(event, ScalarEvent) and (is_key or name not in PROSE_KEYS or outer.name == VARIABLES_KEY):
        start, end = _span(event)
        header = text.find("\n", start, end) if event.style in {"|", ">"} else -1
        spans.append((max(start, header), end))
    if outer.is_mapping:
        outer.key = (event.value if isinstance(event, ScalarEvent) else "") if is_key else None
    if isinstance(event, CollectionStartEvent):
        open_collections.append(_Collection(name, isinstance(event, MappingStartEvent)))


class _LayoutReader:
    """Builds the tree of YAML values from the events of the YAML parser.

    Recursion is safe, because the loader limits the depth of nesting.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._next = yaml.parse(text, Loader=PARSER).__next__
        self._scalar_bounds = [0]
        """Indexes in the text: 0, and the start and end of every scalar."""

    def document(self) -> Node:
        """Return the root node of the YAML document."""
        self._next()  # skip the event at the start of the YAML stream
        self._next()  # skip the event at the start of the YAML document
        return self._node(self._next())

    def comments(self) -> list[str]:
        """Return all comments of the text. A comment starts at a `#` outside of scalars."""
        outside = [*self._scalar_bounds, len(self._text)]
        pieces = (self._text[start:end] for start, end in zip(outside[::2], outside[1::2], strict=True))
        return [found.group().rstrip() for piece in pieces for found in COMMENT.finditer(piece)]

    def _node(self, event: Event) -> Node:
        if isinstance(event, CollectionStartEvent):
            return self._collection(event, is_mapping=isinstance(event, MappingStartEvent))
        return self._scalar(event)

    def _scalar(self, event: Event) -> Node:
        start, end = _span(event)
        self._scalar_bounds += [start, end]
        node = Node(start, end, event.value if isinstance(event, ScalarEvent) else "")
        source = self._text[start:end]
        header = BLOCK_HEADER.match(source)
        if not header or "+" in header.group("indicators"):
            return node
        # the node of a block scalar ends before the blank lines that follow the scalar
        return Node(start, start + len(source.rstrip()), node.text)

    def _collection(self, event: CollectionStartEvent, *, is_mapping: bool) -> Node:
        parts: list[LayoutPart] = []
        is_block = not event.flow_style
        while not isinstance(first := self._next(), CollectionEndEvent):
            if is_mapping:
                key = self._scalar(first)
                parts.append(LayoutPart(key.start, self._node(self._next()), key.text))
            else:
                node = self._node(first)
                parts.append(LayoutPart(self._hyphen(node.start) if is_block else node.start, node))
        end = parts[-1].node.end if is_block else _span(first)[1]
        return Node(_span(event)[0], end, "", is_block, tuple(parts))

    def _hyphen(self, start: int) -> int:
        """Return the index of the hyphen before the list item at the index `start`."""
        position = start - 1
        while self._text[position] == " ":
            position -= 1
        return position if self._text[position] == "-" else self._hyphens[bisect(self._hyphens, start) - 1]

    @cached_property
    def _hyphens(self) -> list[int]:
        """The positions of all hyphens in the text, computed on first use because scanning all tokens is slow."""
        tokens = yaml.scan(self._text, Loader=PARSER)
        return [_span(token)[0] for token in tokens if isinstance(token, BlockEntryToken)]


def _span(event: Event | Token) -> tuple[int, int]:
    """Return the start and end position of a YAML event in the text."""
    start, end = event.start_mark, event.end_mark
    return (start.index, end.index) if start and end else (0, 0)
