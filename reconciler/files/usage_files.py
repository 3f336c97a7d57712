"""Read log events from log stream files, and read the last use of each scope from API metrics files.

The log events are JSON lines, plain or compressed with gzip. Amazon EventBridge, Datadog and Auth0's webhooks may wrap
each event in another JSON object. The metrics are CSV with a header, or JSON lines.
"""

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from json.scanner import make_scanner
from pathlib import Path
from typing import Any, NamedTuple, cast

from reconciler.core.problems import Problem
from reconciler.core.usage.events import API_OPERATION, MAX_FUTURE, UsageEvent, usage_event
from reconciler.core.usage.records import DAY_LENGTH, UsedScope, moment, time_text
from reconciler.errors import ReconcilerError
from reconciler.files.discover import name_of, read

GZIP_MAGIC = b"\x1f\x8b"
BLOCK_BYTES = 65_536
MAX_LINE_BYTES = 10_000_000
WRAPPERS = ("detail", "data", "attributes", "message", "event")
"""The JSON keys under which log services store a wrapped event. The value of the key `message` may be JSON text."""
MAX_DEPTH = 5
MAX_REMEMBERED = 100_000
"""The minimum number of event ids that an EventReader keeps to recognize repeated events.

A duplicate of a log event usually follows soon after the original event.
"""
CONTROL_CHARACTERS = bytes(each for each in range(32) if each != ord("\n"))
MAX_LAYOUT_LENGTH = 10_000
MAX_LAYOUTS = 50
"""The maximum number of lines that reconciler analyzes to learn where the fields of log events are.

The analysis of a line takes about a millisecond.
"""
MAX_LAYOUTS_OF_TYPE = 3
ANY_TEXT = '[^"]*+'
MISSING = r"(\0)?"
"""A regex group that captures nothing, for a field that a log line does not contain.

The group can match only a control character. reconciler never matches a line with control characters against a regular
expression.
"""
TYPE_MARK = '"type"'
TYPE_MARK_LENGTH = len('"type":"seccft')
"""The length of the part of a line that identifies the event type. The part starts with TYPE_MARK."""

Event = Mapping[str, Any]


@dataclass(slots=True)
class LineCounts:
    """The counts of lines without an event, of repeated events, and of events without an id."""

    foreign: int = 0
    """The number of lines without an Auth0 log event."""
    repeated: int = 0
    without_id: int = 0
    """The number of events without an id. A repeated event without an id counts twice."""


class EventReader:
    """Reads the log events in several files. Skips repeated events."""

    def __init__(self) -> None:
        self.counts = LineCounts()
        self._layouts = _LineLayouts()
        self._recent: set[int] = set()
        self._older: set[int] = set()

    def read(self, file: io.BufferedReader, name: str) -> Iterator[tuple[int, UsageEvent]]:
        """Yield the line number and the content of each log event in a file.

        Messages use `name` as the name of the file.

        Raises:
            ReconcilerError: if a line is not valid JSON, or if the file is damaged or truncated.
        """
        find, is_new = self._layouts.event, self._is_new
        with _naming_damage(name):
            for first, lines in _blocks(file, name):
                for number, line in enumerate(lines, first):
                    event = find(line) if isinstance(line, str) else None
                    if event is not None:
                        if is_new(event.log_id):
                            yield number, event
                        continue
                    if _is_blank(line):
                        continue
                    found = [usage_event(each) for each in _inner_events(_parse(line, name, number), MAX_DEPTH)]
                    self.counts.foreign += not found
                    for each in found:
                        if is_new(each.log_id):
                            yield number, each

    def _is_new(self, log_id: str) -> bool:
        if not log_id:
            self.counts.without_id += 1
            return True
        key, recent = hash(log_id), self._recent
        if key in recent or key in self._older:
            self.counts.repeated += 1
            return False
        recent.add(key)
        if len(recent) >= MAX_REMEMBERED:
            self._older, self._recent = recent, set()
        return True


def _blocks(file: io.BufferedReader, name: str) -> Iterator[tuple[int, Sequence[str | bytes]]]:
    """Yield the lines of a file in blocks. Each block is paired with the number of its first line.

    The lines of a block are strings if the block is UTF-8 without control characters, and bytes if not.
    """
    source = file
    if file.peek(len(GZIP_MAGIC))[: len(GZIP_MAGIC)] == GZIP_MAGIC:
        source = io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=file)))
    first = 1
    rest = bytearray()
    while block := source.read1(BLOCK_BYTES):
        end = block.rfind(b"\n")
        if end >= 0:
            lines = _lines(rest + block[:end] if rest else block[:end])
            yield first, lines
            first += len(lines)
            rest.clear()
        rest += block[end + 1 :]
        if len(rest) > MAX_LINE_BYTES:
            raise ReconcilerError(f"{name}:{first}: the line is longer than {MAX_LINE_BYTES // 1_000_000} MB")
    if rest:
        yield first, _lines(rest)


def _lines(block: bytes | bytearray) -> Sequence[str | bytes]:
    if len(block.translate(None, CONTROL_CHARACTERS)) == len(block):
        try:
            return block.decode().split("\n")
        except UnicodeDecodeError:
            pass
    return bytes(block).split(b"\n")


class _Layout(NamedTuple):
    """A regular expression that matches every log line with a certain JSON structure.

    `groups` contains the number of the regex group for each field of UsageEvent.
    """

    match: Callable[[str], re.Match[str] | None]
    groups: tuple[int, ...]


class _LineLayouts:
    """Finds events in lines without decoding JSON, because decoding takes most of the time.

    Most lines of a log stream differ from an earlier line only in the content of JSON strings. If a line is valid JSON,
    each line that differs only in the content of strings is valid JSON with the same structure. A line with a backslash
    or a control character is always decoded as JSON.
    """

    def __init__(self) -> None:
        self._by_type: dict[str, list[_Layout]] = {}
        self._tries = 0
        self._latest = _Layout(re.compile(r"(?!)").fullmatch, ())

    def event(self, line: str) -> UsageEvent | None:
        """Find the log event in `line` without decoding JSON. Return None if the caller must decode `line` as JSON.

        `line` must not contain control characters.
        """
        if "\\" in line:
            return None
        match, groups = self._latest
        found = match(line)
        if found is None:
            layout = self._find(line)
            if layout is None:
                return None
            self._latest = layout
            return self.event(line)
        event = tuple.__new__(UsageEvent, found.group(*groups))  # `UsageEvent._make` would be slower
        return event if event.log_id else None

    def _find(self, line: str) -> _Layout | None:
        """Return the layout of a line (a regular expression for its JSON structure), or None if no layout matches.

        To save time, the function tries only the regular expressions of earlier lines with the same event type.
        """
        start = line.find(TYPE_MARK)
        mark = line[start : start + TYPE_MARK_LENGTH]
        known = self._by_type.get(mark, [])
        layout = next((each for each in known if each.match(line)), None)
        if layout or self._tries == MAX_LAYOUTS or len(known) == MAX_LAYOUTS_OF_TYPE or len(line) > MAX_LAYOUT_LENGTH:
            return layout
        self._tries += 1
        layout = _layout_of(line)
        if layout:
            self._by_type.setdefault(mark, []).append(layout)
        return layout


def _layout_of(line: str) -> _Layout | None:
    """Return the layout of a line: a regular expression that matches lines with the same JSON structure.

    `line` must not contain backslashes or control characters.

    Return None if a regular expression cannot read lines with this structure.

    To find the fields of the event, the function copies the line, replaces each JSON string value with its position in
    the line, and decodes the copy. The decoded fields contain the positions of the fields' values in the line.
    """
    parts = line.split('"')
    strings = range(1, len(parts) - 1, 2)
    values = {each for each in strings if not parts[each + 1].lstrip().startswith(":")}
    numbered = '"'.join(str(position) if position in values else part for position, part in enumerate(parts))
    try:
        value, end = _scan(numbered, 0)
        (found,) = _inner_events(value, MAX_DEPTH)
    except (StopIteration, ValueError, RecursionError):
        return None
    fields = usage_event(found)._replace(details=None)  # only events of the type API_OPERATION need the field `details`
    are_texts = all(each is None or isinstance(each, str) for each in fields)
    if numbered[end:].strip() or not are_texts or not fields.log_id:
        return None
    positions = [None if each is None else int(each) for each in fields]
    type_position = int(fields.type)
    if parts[type_position] == API_OPERATION:
        return None
    patterns = [ANY_TEXT if position in values else re.escape(part) for position, part in enumerate(parts)]
    patterns[type_position] = re.escape(parts[type_position])
    in_order = sorted(each for each in positions if each is not None)
    for each in in_order:
        patterns[each] = f"({patterns[each]})"
    missing = len(in_order) + 1
    groups = tuple(missing if each is None else in_order.index(each) + 1 for each in positions)
    return _Layout(re.compile('"'.join(patterns) + MISSING).fullmatch, groups)


@contextmanager
def _naming_damage(name: str) -> Iterator[None]:
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ReconcilerError(f"{name}: the compressed file is damaged or truncated; export it again") from error
    except OSError as error:
        raise ReconcilerError(f"{name} cannot be read: {error.strerror}") from error


_scan = make_scanner(json.JSONDecoder())  # type: ignore[arg-type] # `make_scanner` needs only a decoder


def _is_blank(line: str | bytes) -> bool:
    return not (line.strip(" ") if isinstance(line, str) else line.strip())


def _parse(line: str | bytes, name: str, number: int) -> object:
    """Decode a line as JSON. Raises ReconcilerError."""
    if isinstance(line, str):
        try:  # json.loads takes a third longer for bytes than for a string
            value, end = _scan(line, 0)
            if not line[end:].strip(" "):
                return value
        except (StopIteration, ValueError, RecursionError):
            pass
        line = line.encode()
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ReconcilerError(
            f"{name}:{number}: this line is not valid JSON, so an event may be lost; correct or remove the line"
        ) from error


def _inner_events(value: object, depth: int) -> Iterator[Event]:
    """Yield the events in a JSON value: the value itself, the events in a list, or the events in a wrapper."""
    if isinstance(value, dict):
        if "date" in value and isinstance(value.get("type"), str):
            yield value
            return
        inner: Iterable[object] = (_content(value, key) for key in WRAPPERS if key in value)
    elif isinstance(value, list):
        inner = value
    else:
        return
    for each in inner if depth else ():
        yield from _inner_events(each, depth - 1)


def _content(wrapper: Mapping[str, Any], key: str) -> object:
    """Return the content of a wrapper (a JSON object around an event).

    If the wrapper contains a string, parse the string as JSON. If the event has no id, copy the id from the JSON object
    around the event.
    """
    value = wrapper[key]
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if isinstance(value, dict) and "log_id" in wrapper and "log_id" not in value:
        return {**value, "log_id": wrapper["log_id"]}
    return value


MAX_FILE_BYTES = 50_000_000
NAMES: Mapping[str, tuple[str, ...]] = {
    "client_id": ("client_id", "client"),
    "audience": ("audience",),
    "scope": ("scope",),
    "last_used": ("last_used", "last used", "last_use"),
}
"""The column names of a metrics file, and the accepted spellings of each name."""


def read_scopes(path: Path, now: datetime) -> tuple[tuple[UsedScope, str], ...]:
    """Read a file with an API's metrics, and return the time of the last use of each scope.

    Raises:
        ReconcilerError: if the file cannot be read completely, or if a time in the file is more than a day after `now`.
    """
    content = read(path, MAX_FILE_BYTES)
    if isinstance(content, Problem):
        raise ReconcilerError(f"{content.source}: {content.what}; {content.fix}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReconcilerError(f"{name_of(path)} is not UTF-8 text") from error
    rows = _json_lines(text) if text.lstrip().startswith("{") else _csv(text)
    return tuple(_checked(rows, name_of(path), time_text(now + MAX_FUTURE)))


def _json_lines(text: str) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                yield number, None


def _csv(text: str) -> Iterator[tuple[int, object]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            yield reader.line_num, {str(name).strip().lower(): value for name, value in row.items()}
    except csv.Error:
        yield reader.line_num, None


def _checked(rows: Iterable[tuple[int, object]], name: str, latest: str) -> Iterator[tuple[UsedScope, str]]:
    for number, row in rows:
        try:
            values = {column: _value(row if isinstance(row, dict) else {}, column) for column in NAMES}
            last = _time(values["last_used"], latest)
            yield UsedScope(values["client_id"], values["audience"], values["scope"]), last
        except ValueError as error:
            raise ReconcilerError(
                f"{name}:{number}: this line does not have client_id, audience, scope and last_used (a day, or a time "
                "with a zone, not in the future)"
            ) from error


def _value(row: Mapping[str, Any], column: str) -> str:
    found = next((row[each] for each in NAMES[column] if row.get(each)), None)
    if not isinstance(found, str):
        raise ValueError(column)  # noqa: TRY004 - the caller catches ValueError to report the line
    return found.strip()


def _time(text: str, latest: str) -> str:
    """Parse a time.

    A date without a time means the end of the day. Raises ValueError if the time is after `latest`.
    """
    found = time_text(datetime.fromisoformat(f"{text}T23:59:59.999Z") if len(text) == DAY_LENGTH else moment(text))
    if found > latest:
        raise ValueError("the time is in the future")
    return found
