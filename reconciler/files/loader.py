"""Parse YAML into plain data with positions, and report problems. Only this module and layout.py use PyYAML.

The loader builds the data from the events of PyYAML's parser. PyYAML's own constructors are not safe for untrusted
files. PyYAML's constructors drop duplicate keys without an error, expand aliases to gigabytes, read `no` as false, and
crash on deep nesting.

The loader refuses characters that mislead a reviewer of a file:

- Editors, Git and GitHub end a line at LF and CRLF only. YAML also ends a line at a lone CR, U+0085, U+2028 and U+2029.
  In an editor, a grant declaration after a lone CR could look like part of a comment.
- Invisible characters make two different names look equal.
- Some characters change the direction of text, so that editors show the characters of a line out of order.

Authors of files can write a refused character as an escape sequence in double quotes.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from reconciler.core.characters import (
    INVISIBLE,
    belongs_to_text,
    changes_direction,
    character_class,
    character_name,
    escape_for_yaml,
    is_invisible,
    quote_text,
)
from reconciler.core.problems import Problem, Source
from reconciler.core.spec import Mark
from reconciler.files.document import (
    FIRST_CHARACTERS,
    MAX_CHARACTERS,
    MAX_PROBLEMS,
    MAX_VALUES,
    NO_POSITIONS,
    START,
    CollectionPositions,
    Document,
    Node,
    PositionIndex,
    Scalar,
    YamlList,
    YamlMapping,
    resolve,
    too_many_problems,
)
from reconciler.files.fast_yaml import read_fast
from reconciler.files.layout import find_name_spans
from reconciler.files.yaml_messages import (
    IS_SLOW,
    MAX_LEVELS,
    PARSER,
    SHOWN_AT_START,
    TOO_DEEP,
    USE_FEWER_LEVELS,
    explain,
    explain_surrogate,
)

LINE_ENDS = frozenset("\r\x85\u2028\u2029")
MISREAD_CLASS = r"\x85\u2028\u2029\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff"
"""Line ends that editors do not recognize, and characters that YAML forbids (YAML 1.2, chapter 5.1)."""
MISREAD = re.compile(rf"[{MISREAD_CLASS}]|\r(?!\n)")
SUSPECT = re.compile(rf"[\r{MISREAD_CLASS}{character_class(INVISIBLE)}]")
"""Matches every suspect character with a single character class, because `re` searches a single class quickly.

The character class also matches the CR of a CRLF, although a CRLF is valid.
"""


def is_misread(text: str) -> bool:
    """Return whether the text contains a character that YAML forbids or a line end that editors do not recognize."""
    return bool(MISREAD.search(text))


def raw_character_problems(text: str, file: str) -> tuple[Problem, ...]:
    """Return a problem for each character of `text` that must be written as an escape sequence, up to MAX_PROBLEMS."""
    problems = _problems(text, file)
    first = tuple(islice(problems, MAX_PROBLEMS))
    return (*first, too_many_problems(file)) if next(problems, None) else first


def _problems(text: str, file: str) -> Iterator[Problem]:
    names: Sequence[tuple[int, int]] | None = None
    line, start_of_line, counted = 1, 0, 0
    for found in SUSPECT.finditer(text):
        index, char = found.start(), found.group()
        if char == "\r" and text.startswith("\n", index + 1):
            continue
        if is_invisible(char) and belongs_to_text(text, index):
            names = find_name_spans(MISREAD.sub(" ", text)) if names is None else names
            position = bisect_right(names, index, key=itemgetter(0)) - 1
            is_within_name = position >= 0 and index < names[position][1]
            if not is_within_name:
                continue
        line += text.count("\n", counted, index)
        start_of_line = max(start_of_line, text.rfind("\n", counted, index) + 1)
        counted = index
        yield Problem(Source(file, line, index - start_of_line + 1), *_message(char))


def _message(char: str) -> tuple[str, str]:
    """Return what is wrong with a character, and how to fix the problem."""
    name, written = character_name(char), f'write the character as "{escape_for_yaml(char)}" in double quotes'
    if char == "\r":
        return f"{name} without a line feed is a line break only in YAML", f"end lines with LF or CRLF, or {written}"
    if char in LINE_ENDS:
        what = f"{name} is a line break only in YAML"
    elif not is_invisible(char):
        what = f"the control character {name} is not allowed in YAML"
    elif changes_direction(char):
        what = f"{name} changes the direction of text"
    elif char.isspace():
        return f"{name} looks like an ordinary space", f"write a space, or {written}"
    else:
        what = f"{name} is invisible"
    return what, f"remove the character, or {written}"


BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MERGE_KEY = "<<"
MAX_ESCAPE_CHARACTERS = 10  # d83d\ude80
CORE_TAGS = "tag:yaml.org,2002:"  # the namespace of the tags that a file writes with !!


class _StopError(Exception):
    """Stops reading a document. The last reported problem explains why reconciler stopped reading."""


def parse(data: bytes, file: str) -> Document:
    """Return the YAML document in `data`. `file` is the name of the file in messages about problems.

    The data of an empty file is None. An empty file is not a problem for the loader, because the schema decides whether
    the file may be empty.
    """
    data = data.removeprefix(BYTE_ORDER_MARK)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        text = data.decode(errors="replace")
        what = f"byte 0x{data[error.start]:02x} is not valid UTF-8"
        valid = data[: error.start].decode()
        line, column = valid.count("\n") + 1, len(valid) - valid.rfind("\n")
        problem = Problem(Source(file, line, column), what, "save the file as UTF-8")
        return Document(file, None, text, (problem,), is_complete=False)
    if text.isascii() and (
        document := _parse_fast(text, file)
    ):  # `read_fast` rejects every lone CR and every control character
        return document
    if raw_problems := raw_character_problems(text, file):
        return _parse_with_problems(raw_problems, text, file)
    return (None if text.isascii() else _parse_fast(text, file)) or parse_by_events(text, file)


def _parse_fast(text: str, file: str) -> Document | None:
    document = read_fast(text, PositionIndex(partial(_read_positions, text, file)))
    return None if document is None else Document(file, document, text)


def _parse_with_problems(raw_problems: tuple[Problem, ...], text: str, file: str) -> Document:
    """Return the document with the problems in `raw_problems`, followed by the problems that the parser finds."""
    if is_misread(text):
        return Document(file, None, text, raw_problems, is_complete=False)
    parsed = parse_by_events(text, file)
    return replace(parsed, problems=(*raw_problems, *parsed.problems))


def parse_by_events(text: str, file: str) -> Document:
    """Return the YAML document in `text`, read with PyYAML instead of `read_fast`."""
    try:
        reader = _DocumentReader(text, file, PositionIndex(partial(_read_positions, text, file)))
    except yaml.YAMLError as error:  # the constructor of the pure Python parser checks all characters
        return Document(file, None, text, (_syntax_problem(error, text, file),), is_complete=False)
    try:
        root = reader.document()
    except _StopError:
        return Document(file, None, text, tuple(reader.problems), is_complete=False, values=reader.values)
    except yaml.YAMLError as error:
        problems = (*reader.problems, _syntax_problem(error, text, file))
        return Document(file, None, text, problems, is_complete=False, values=reader.values)
    return Document(file, root, text, tuple(reader.problems), values=reader.values)


def _read_positions(text: str, file: str) -> CollectionPositions:
    """Read a valid file a second time and return the positions of keys, values and list items.

    The first parsing of a file does not record positions, because recording positions makes parsing 20 % slower.
    """
    recorded = CollectionPositions()
    _DocumentReader(text, file, NO_POSITIONS, recorded).document()
    return recorded


class _DocumentReader:
    """Builds a document from the events of the YAML parser.

    Recursion is safe because the depth of nesting is limited to MAX_LEVELS.
    """

    def __init__(
        self, text: str, file: str, positions: PositionIndex, recorded: CollectionPositions | None = None
    ) -> None:
        self._next = iter(PARSER(text).get_event, None).__next__  # yaml.parse checks each event twice
        self._file = file
        self._positions = positions
        self._recorded = recorded
        self.problems: list[Problem] = []
        self.values = 0

    def document(self) -> Node:
        """Return the data of the YAML document."""
        self._next()  # skip the StreamStartEvent
        if isinstance(self._next(), StreamEndEvent):
            return None
        root = self._value(self._next(), 1)
        self._next()  # skip the DocumentEndEvent
        if isinstance(end := self._next(), DocumentStartEvent):
            self._stop(end, "a second document starts here", "write each document to a separate file")
        return root

    def _value(self, event: Event, level: int) -> Node:
        return self._scalar(event) if isinstance(event, ScalarEvent) else self._collection(event, level)

    def _collection(self, event: Event, level: int) -> Node:
        if isinstance(event, MappingStartEvent):
            return self._mapping(event, level)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(event, level)
        return self._stop_at_alias(event)

    def _scalar(self, event: ScalarEvent) -> Scalar:
        self._count(event)
        if event.anchor is not None or event.tag is not None:
            self._refuse_properties(event)
        text = event.value
        if len(text) > MAX_CHARACTERS:
            what = f"this text has {len(text):,} characters"
            self._report(event, what, f"write at most {MAX_CHARACTERS:,} characters")
        if IS_SLOW and event.style == '"' and (surrogate := explain_surrogate(ascii(text))):
            self._report(event, *surrogate)
            return ""
        if event.style or (text and text[0] not in FIRST_CHARACTERS):
            return text
        try:
            return resolve(text)
        except ValueError as error:
            self._report(event, str(error), "put the number in quotes if it is text")
            return text

    def _mapping(self, event: MappingStartEvent, level: int) -> YamlMapping:
        self._enter(event, level)
        mapping, next_event = YamlMapping(_mark(event), self._positions), self._next
        events: list[Event] = []
        while not isinstance(event_of_key := next_event(), MappingEndEvent):
            key = self._key(event_of_key, mapping, events)
            event_of_value = next_event()
            value = self._value(event_of_value, level + 1)
            if key is not None:
                mapping[key] = value
                events += (event_of_key, event_of_value)
        if self._recorded:
            self._recorded.in_mappings[mapping.mark] = {
                key: (_mark(of_key), _mark(of_value))
                for key, of_key, of_value in zip(mapping, events[::2], events[1::2], strict=True)
            }
        return mapping

    def _sequence(self, event: SequenceStartEvent, level: int) -> YamlList:
        self._enter(event, level)
        sequence, next_event = YamlList(_mark(event), self._positions), self._next
        marks = self._recorded.in_sequences.setdefault(sequence.mark, []) if self._recorded else None
        while not isinstance(event_of_item := next_event(), SequenceEndEvent):
            sequence.append(self._value(event_of_item, level + 1))
            if marks is not None:
                marks.append(_mark(event_of_item))
        return sequence

    def _key(self, event: Event, mapping: YamlMapping, events: list[Event]) -> str | None:
        """Return the mapping key that `event` contains, or None if the key is not allowed.

        The caller reads the value even if the key is not allowed, to find problems in the value.

        `events` contains the parser events of the keys and values that precede the key in the mapping.
        """
        if not isinstance(event, ScalarEvent):
            if isinstance(event, AliasEvent):
                self._stop_at_alias(event)
            self._stop(event, "a mapping or a list cannot be a key", "use a string as the key")
        key = self._scalar(event)
        if not isinstance(key, str):
            self._report(event, f"the key {quote_text(event.value)} is not text", "put it in quotes")
        elif key == MERGE_KEY:
            self._report(event, 'merge keys ("<<") are not allowed', "write the keys out")
        elif key in mapping:
            line, _ = _mark(events[2 * list(mapping).index(key)])
            self._report(event, f"duplicate key {quote_text(key)} (first in line {line})", "keep one of them")
        else:
            return key
        return None

    def _count(self, event: Event) -> None:
        self.values += 1
        if self.values > MAX_VALUES:
            self._stop(event, f"this file has more than {MAX_VALUES:,} keys and values", "split it")

    def _enter(self, event: CollectionStartEvent, level: int) -> None:
        self._count(event)
        if level > MAX_LEVELS:
            self._stop(event, TOO_DEEP, USE_FEWER_LEVELS)
        if event.anchor is not None or event.tag is not None:
            self._refuse_properties(event)

    def _refuse_properties(self, event: ScalarEvent | CollectionStartEvent) -> None:
        if event.anchor is not None:
            self._report(event, f"anchors ({quote_text('&' + event.anchor)}) are not allowed", "remove it")
        if event.tag is not None:
            tag = event.tag.replace(CORE_TAGS, "!!")
            self._report(
                event, f"tags ({quote_text(tag)}) are not allowed", "remove the tag, and put strings in quotes"
            )

    def _stop_at_alias(self, event: Event) -> NoReturn:
        anchor = event.anchor if isinstance(event, AliasEvent) else ""
        self._stop(event, f"aliases ({quote_text(f'*{anchor}')}) are not allowed", "write the value out")

    def _report(self, event: Event, what: str, fix: str) -> None:
        self.problems.append(Problem(Source(self._file, *_mark(event)), what, fix))
        if len(self.problems) >= MAX_PROBLEMS:
            self.problems.append(too_many_problems(self._file))
            raise _StopError

    def _stop(self, event: Event, what: str, fix: str) -> NoReturn:
        self._report(event, what, fix)
        raise _StopError


def _mark(event: Event) -> Mark:
    """Return the start of a YAML event as a line and a column, both counted from 1."""
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else START


def _syntax_problem(error: yaml.YAMLError, text: str, file: str) -> Problem:
    """Return the problem to report for a YAML syntax error."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return Problem(Source(file), *explain(str(error).partition("\n")[0], ""))
    message = error.problem or str(error)
    mark = error.context_mark if message in SHOWN_AT_START else error.problem_mark
    line, column, index = (mark.line + 1, mark.column + 1, mark.index) if mark else (0, 0, 0)
    after, before = text[index : index + MAX_ESCAPE_CHARACTERS], text[max(index - 1, 0) : index]
    return Problem(Source(file, line, column), *explain(message, after, before))
