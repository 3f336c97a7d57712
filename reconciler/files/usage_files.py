"""Read log events from files of a log stream, and the last use of scopes from files with the metrics of an API.

Log events are JSON lines, plain or compressed with gzip. They may be wrapped as Amazon EventBridge, Datadog or Auth0's
webhooks wrap them. Metrics are CSV with a header, or JSON lines.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from json.scanner import make_scanner
from pathlib import Path
from typing import Any, cast

from reconciler.core.problems import Problem
from reconciler.core.usage.events import event_id
from reconciler.core.usage.records import DAY_LENGTH, UsedScope, moment, time_text
from reconciler.errors import ReconcilerError
from reconciler.files.discover import name_of, read

GZIP_MAGIC = b"\x1f\x8b"
MAX_LINE_BYTES = 10_000_000
WRAPPERS = ("detail", "data", "attributes", "message", "event")
"""The keys under which services store an event. `message` may be JSON text."""
MAX_DEPTH = 5
MAX_REMEMBERED = 100_000
"""The number of ids that are compared to find repeated events, at least. A log stream repeats an event soon."""

Event = Mapping[str, Any]


@dataclass(slots=True)
class LineCounts:
    """The numbers of lines and events that were not used."""

    foreign: int = 0
    """Lines without a log event of Auth0."""
    repeated: int = 0
    without_id: int = 0
    """Events that cannot be compared with others, so a repeated one is counted twice."""


class EventReader:
    """Reads the events of several files, each once."""

    def __init__(self) -> None:
        self.counts = LineCounts()
        self._recent: set[int] = set()
        self._older: set[int] = set()

    def read(self, file: io.BufferedReader, name: str) -> Iterator[tuple[int, Event]]:
        """Yield the events of a file with their line. `name` is for messages.

        Raises:
            ReconcilerError: if a line is not valid JSON, or the file is damaged or truncated.
        """
        with _naming_damage(name):
            for number, line in enumerate(_lines(file, name), 1):
                event = _exported_event(line)
                if event is not None:
                    if self._is_new(event):
                        yield number, event
                    continue
                events = list(_inner_events(_parse(line, name, number), MAX_DEPTH))
                self.counts.foreign += not events and bool(line.strip())
                for each in events:
                    if self._is_new(each):
                        yield number, each

    def _is_new(self, event: Event) -> bool:
        identity = event.get("log_id") or event_id(event)
        if not isinstance(identity, str) or not identity:
            self.counts.without_id += 1
            return True
        key = hash(identity)
        if key in self._recent or key in self._older:
            self.counts.repeated += 1
            return False
        self._recent.add(key)
        if len(self._recent) >= MAX_REMEMBERED:
            self._older, self._recent = self._recent, set()
        return True


def _lines(file: io.BufferedReader, name: str) -> Iterator[bytes]:
    source = file
    if file.peek(len(GZIP_MAGIC))[: len(GZIP_MAGIC)] == GZIP_MAGIC:
        source = io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=file)))
    number = 0
    while line := source.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise ReconcilerError(f"{name}:{number}: the line is longer than {MAX_LINE_BYTES // 1_000_000} MB")
        yield line


@contextmanager
def _naming_damage(name: str) -> Iterator[None]:
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ReconcilerError(f"{name}: the compressed file is damaged or truncated; export it again") from error
    except OSError as error:
        raise ReconcilerError(f"{name} cannot be read: {error.strerror}") from error


_scan = make_scanner(json.JSONDecoder())  # type: ignore[arg-type] # a decoder is what it needs


def _exported_event(line: bytes) -> Event | None:
    """Return the event in a line in the form of Auth0's own exports, or None for a line of another form.

    Nearly all lines have this form, and decoding JSON takes most of the time. json.loads of bytes takes a third longer.
    """
    try:
        text = line.decode()
        value, end = _scan(text, 0)
        event = value.get("data", value)
        is_event = type(event) is dict and "date" in event and "type" in event and "log_id" in event
    except (StopIteration, ValueError, RecursionError, AttributeError):
        return None
    return event if is_event and not text[end:].strip() else None


def _parse(line: bytes, name: str, number: int) -> object:
    """Return the JSON value of a line. A blank line is None."""
    if not line.strip():
        return None
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ReconcilerError(
            f"{name}:{number}: this line is not valid JSON, so an event may be lost; correct or remove it"
        ) from error


def _is_event(value: Mapping[str, Any]) -> bool:
    return "date" in value and isinstance(value.get("type"), str)


def _inner_events(value: object, depth: int) -> Iterator[Event]:
    """Yield the events in a value: the value itself, the items of a list, or the content of a wrapper."""
    if isinstance(value, dict):
        if _is_event(value):
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
    """Return the content of a wrapper, with the id that the wrapper has. A text is parsed as JSON."""
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
"""The columns or keys, with other spellings."""


def read_scopes(path: Path) -> tuple[tuple[UsedScope, str], ...]:
    """Return the last use of each scope in a file. Raises ReconcilerError for a file that cannot be read completely."""
    content = read(path, MAX_FILE_BYTES)
    if isinstance(content, Problem):
        raise ReconcilerError(f"{content.source}: {content.what}; {content.fix}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReconcilerError(f"{name_of(path)} is not UTF-8 text") from error
    rows = _json_lines(text) if text.lstrip().startswith("{") else _csv(text)
    return tuple(_checked(rows, name_of(path)))


def _json_lines(text: str) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(text.splitlines(), 1):
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


def _checked(rows: Iterable[tuple[int, object]], name: str) -> Iterator[tuple[UsedScope, str]]:
    for number, row in rows:
        try:
            values = {column: _value(row if isinstance(row, dict) else {}, column) for column in NAMES}
            yield UsedScope(values["client_id"], values["audience"], values["scope"]), _time(values["last_used"])
        except ValueError as error:
            raise ReconcilerError(
                f"{name}:{number}: this line does not have client_id, audience, scope and last_used (a day, or a time "
                "with a zone)"
            ) from error


def _value(row: Mapping[str, Any], column: str) -> str:
    found = next((row[each] for each in NAMES[column] if row.get(each)), None)
    if not isinstance(found, str):
        raise ValueError(column)  # noqa: TRY004 - the caller reports the line
    return found.strip()


def _time(text: str) -> str:
    """Return a time. A day means its last moment."""
    return time_text(datetime.fromisoformat(f"{text}T23:59:59.999Z") if len(text) == DAY_LENGTH else moment(text))
