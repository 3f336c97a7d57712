"""Log events in files: the search in lines of a known layout finds the same events as decoding each line."""

import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.core.usage.events import UsageEvent, usage_event
from reconciler.errors import ReconcilerError
from reconciler.files.usage_files import BLOCK_BYTES, MAX_LINE_BYTES, EventReader, LineCounts

EVENT = {
    "date": "2026-11-27T10:00:00.000Z",
    "type": "seccft",
    "client_id": "billing",
    "scope": "read:invoices",
    "audience": "urn:x",
    "isMobile": False,
    "details": {"actions": {"executions": ["a"]}, "type": "x"},
    "tenant_name": "acme",
    "log_id": "1",
}


def read(content: bytes) -> tuple[list[tuple[int, UsageEvent]], LineCounts]:
    reader = EventReader()
    return list(reader.read(io.BufferedReader(io.BytesIO(content)), "events")), reader.counts


def result(content: bytes) -> object:
    """Return what a reader returns or raises. The details of events are left out unless they are needed."""
    try:
        events, counts = read(content)
    except ReconcilerError as error:
        return str(error)
    return [(number, each if each.type == "sapi" else each._replace(details=None)) for number, each in events], counts


def decoded(lines: list[bytes]) -> object:
    """Return the result for lines that are always decoded, because each has a control character at its end."""
    return result(b"".join(each.rstrip(b"\r") + b"\t\n" for each in lines))


texts = st.sampled_from(["", "a", "é", "\u2028", 'a"b', "a\\b", "a\nb", "sapi", "{}", "7", '{"type":"s","date":"x"}'])
values = texts | st.sampled_from([None, 0, 17, -1.5e9, True, float("nan"), [], ["a", "b"], {"x": ["a"]}])
changed = st.dictionaries(st.sampled_from([*EVENT, "_id", "data", "message"]), values, max_size=3)
reduced = st.lists(st.sampled_from([*EVENT]), max_size=2, unique=True)


def changed_event(more: dict[str, Any], without: list[str], order: list[str]) -> dict[str, Any]:
    event = EVENT | more
    return {key: event[key] for key in dict.fromkeys([*order, *event]) if key not in without}


WRAPPINGS: list[Callable[[Any], Any]] = [
    lambda event: event,
    lambda event: {"log_id": "9", "data": event},
    lambda event: {"version": "0", "detail-type": "Auth0 log", "detail": {"log_id": "9", "data": event}},
    lambda event: {"message": json.dumps(event), "log_id": "9"},
    lambda event: [event, event],
    lambda event: {"message": "17", "data": event, "event": event},
]
SEPARATORS = [(",", ":"), (", ", ": ")]
lines = st.builds(
    lambda event, wrap, separators, escaped: json.dumps(
        wrap(event), separators=separators, ensure_ascii=escaped
    ).encode(),
    st.builds(changed_event, changed, reduced, st.permutations([*EVENT]) | st.just([])),
    st.sampled_from(WRAPPINGS),
    st.sampled_from(SEPARATORS),
    st.booleans(),
)


def replaced(line: bytes, position: int, length: int, text: bytes) -> bytes:
    start = position % (len(line) + 1)
    return line[:start] + text + line[start + length :]


damages = st.sampled_from(
    [*(b'"', b"\\", b"\\u0073", b",", b"}", b" ", b"\x1f", b"\xff", b"\xed\xa0\x80", b'","log_id":"8'), b"NaN", b"\r"]
)
damaged = st.builds(replaced, lines, st.integers(0, 500), st.integers(0, 3), damages)
plain = json.dumps(EVENT, separators=(",", ":")).encode()


@given(st.lists(lines, min_size=1, max_size=4), st.lists(damaged, max_size=3))
@example([plain], [plain.replace(b"seccft", b"\\u0073eccft")])
@example([plain], [plain.replace(b'"client_id"', b'"client_id":"other","client_id"')])
@example([plain], [plain.replace(b'"1"', b'"2","data":{"log_id":"3"}')])
@example([plain], [plain.replace(b"urn:x", b"urn:\x00x")])
@example([plain], [plain + b"x"])
@example([plain], [b"[" * 100_000])
def test_lines_are_read_as_if_each_was_decoded(content: list[bytes], others: list[bytes]) -> None:
    same_layout = [each.replace(b"billing", b"other").replace(b'"1"', b'"2"') for each in content]
    all_lines = [*content, *same_layout, *others]

    assert result(b"\n".join(all_lines)) == decoded(all_lines)


def test_escapes_are_decoded_in_a_line_with_a_known_layout() -> None:
    plain = b'{"date": "2026-11-27T10:00:00.000Z", "type": "seccft", "client_id": "billing", "log_id": "1"}'
    escaped = plain.replace(b"billing", rb"bill\u0069ng").replace(b'"1"', b'"2"')

    found, _ = read(b"\n".join([plain, escaped]))

    assert [each.client_id for _, each in found] == ["billing"] * 2


def test_the_fields_of_an_event_are_found_in_any_order() -> None:
    backwards = dict(reversed({**EVENT, "log_id": "2"}.items()))
    events, counts = read(b"\n".join(json.dumps(each).encode() for each in (EVENT, backwards, EVENT)))

    assert [each for _, each in events] == [
        usage_event({**EVENT, "details": None}),
        usage_event({**backwards, "details": None}),
    ]
    assert counts == LineCounts(repeated=1)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_lines_that_are_longer_than_a_block(pack: Callable[[bytes], bytes]) -> None:
    events = [
        {**EVENT, "log_id": str(number), "scope": "x" * size} for number, size in enumerate((0, 3 * BLOCK_BYTES, 1, 2))
    ]
    content = b"\n".join(json.dumps(each).encode() for each in events)

    assert [(number, each.log_id) for number, each in read(pack(content))[0]] == [
        (1, "0"),
        (2, "1"),
        (3, "2"),
        (4, "3"),
    ]


def test_a_line_without_end_is_refused_while_it_is_read() -> None:
    with pytest.raises(ReconcilerError, match="events:2: the line is longer than 10 MB"):
        read(plain + b"\n" + b"x" * (MAX_LINE_BYTES + 2 * BLOCK_BYTES))
