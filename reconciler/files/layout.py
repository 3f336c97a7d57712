"""Where everything stands in the text of a YAML file that the strict loader has accepted, its comments included."""

import re
from bisect import bisect
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from io import StringIO

import yaml
from yaml.events import CollectionEndEvent, CollectionStartEvent, Event, MappingStartEvent, NodeEvent, ScalarEvent
from yaml.tokens import BlockEntryToken, Token

COMMENT = re.compile("#[^\n\r]*")
FOR_READERS = frozenset({"description", "reason"})
"""Keys whose values are read by people only."""
OF_NAMES = "variables"
"""The key of a mapping whose own keys are chosen by the user."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value and the characters that it takes, from `start` to before `end`.

    `text` is a scalar's value; `parts` are what a collection holds, in lines of their own if it `is_block`, else
    between brackets.
    """

    start: int
    end: int
    text: str = ""
    is_block: bool = False
    parts: tuple["Part", ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """An item of a list, or a value with its key, the `name`; `start` is where the hyphen or the key stands."""

    start: int
    node: Node
    name: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """A text's outermost node, and its comments."""

    root: Node
    comments: tuple[str, ...]


def layout(text: str) -> Layout:
    """Return where the only document of `text` stands."""
    reader = _Reader(text)
    root = reader.document()
    return Layout(root, tuple(reader.comments()))


def lines_of(text: str) -> list[str]:
    """Split `text` where editors do; each line keeps its end. The strict loader accepts no other line ends."""
    return StringIO(text, newline="\n").readlines()


@dataclass(slots=True)
class _Collection:
    """A collection that is being read: the key that it is the value of, and the key whose value comes next."""

    name: str
    is_mapping: bool
    key: str | None = None


def name_spans(text: str) -> list[tuple[int, int]]:
    """Return where the keys and values stand that a program reads: all but descriptions and reasons.

    The text may be any; in what is no YAML, nothing is looked for from the first error on.
    """
    spans: list[tuple[int, int]] = []
    within = [_Collection("", is_mapping=False)]
    with suppress(yaml.YAMLError):
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            _take(event, within, spans, text)
    return spans


def _take(event: Event, within: list[_Collection], spans: list[tuple[int, int]], text: str) -> None:
    """Add the span of a scalar that a program reads, and keep `within`, the open collections, up to date."""
    if isinstance(event, CollectionEndEvent):
        within.pop()
        return
    if not isinstance(event, NodeEvent):
        return
    outer = within[-1]
    is_key, name = outer.is_mapping and outer.key is None, outer.key or ""
    if isinstance(event, ScalarEvent) and (is_key or name not in FOR_READERS or outer.name == OF_NAMES):
        start, end = _span(event)
        header = text.find("\n", start, end) if event.style in {"|", ">"} else -1
        spans.append((max(start, header), end))
    if outer.is_mapping:
        outer.key = (event.value if isinstance(event, ScalarEvent) else "") if is_key else None
    if isinstance(event, CollectionStartEvent):
        within.append(_Collection(name, isinstance(event, MappingStartEvent)))


class _Reader:
    """Builds nodes by pulling events; texts that the loader accepts nest so little that recursion is safe."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._next = yaml.parse(text, Loader=yaml.CSafeLoader).__next__
        self._between = [0]
        """Where scalars begin and end, in turn, after the beginning of the text."""

    def document(self) -> Node:
        """Return the document's node."""
        self._next()  # the stream's start
        self._next()  # the document's
        return self._node(self._next())

    def comments(self) -> list[str]:
        """Return all that begins with # outside of scalars."""
        outside = [*self._between, len(self._text)]
        pieces = (self._text[start:end] for start, end in zip(outside[::2], outside[1::2], strict=True))
        return [found.group().rstrip() for piece in pieces for found in COMMENT.finditer(piece)]

    def _node(self, event: Event) -> Node:
        if isinstance(event, CollectionStartEvent):
            return self._collection(event, is_mapping=isinstance(event, MappingStartEvent))
        return self._scalar(event)

    def _scalar(self, event: Event) -> Node:
        start, end = _span(event)
        self._between += [start, end]
        node = Node(start, end, event.value if isinstance(event, ScalarEvent) else "")
        whole = self._text[start:end]
        if not whole.startswith(("|", ">")) or "+" in whole.splitlines()[0]:
            return node
        return Node(start, start + len(whole.rstrip()), node.text)  # what follows are blank lines

    def _collection(self, event: CollectionStartEvent, *, is_mapping: bool) -> Node:
        parts: list[Part] = []
        is_block = not event.flow_style
        while not isinstance(first := self._next(), CollectionEndEvent):
            if is_mapping:
                key = self._scalar(first)
                parts.append(Part(key.start, self._node(self._next()), key.text))
            else:
                node = self._node(first)
                parts.append(Part(self._hyphen(node.start) if is_block else node.start, node))
        end = parts[-1].node.end if is_block else _span(first)[1]
        return Node(_span(event)[0], end, "", is_block, tuple(parts))

    def _hyphen(self, start: int) -> int:
        """Return where the hyphen of the item at `start` is: before it on its line, as a rule."""
        place = start - 1
        while self._text[place] == " ":
            place -= 1
        return place if self._text[place] == "-" else self._hyphens[bisect(self._hyphens, start) - 1]

    @cached_property
    def _hyphens(self) -> list[int]:
        """Where all hyphens of items are; events do not tell, and to look at all tokens takes long."""
        tokens = yaml.scan(self._text, Loader=yaml.CSafeLoader)
        return [_span(token)[0] for token in tokens if isinstance(token, BlockEntryToken)]


def _span(event: Event | Token) -> tuple[int, int]:
    """Return where an event begins and ends; the C parser always knows."""
    start, end = event.start_mark, event.end_mark
    return (start.index, end.index) if start and end else (0, 0)
