"""Read log events from files of a log stream: JSON lines, plain or compressed with gzip.

The events may be wrapped as Amazon EventBridge, Datadog or Auth0's webhooks wrap them.
"""

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from json.scanner import make_scanner
from typing import Any, cast

from reconciler.core.usage_events import event_id
from reconciler.errors import ReconcilerError

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
