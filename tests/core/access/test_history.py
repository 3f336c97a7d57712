"""The last change of each grant, found in log events."""

import pytest
from support.builders import a_key

from reconciler.core.log_events import LogEvent, LogEvents, attribute

NEW, OLD = "2026-11-25T14:03:10.000Z", "2026-11-20T09:00:00.000Z"
KEY = a_key("billing")


def test_the_newest_event_of_a_grant_counts() -> None:
    events = (
        LogEvent(NEW, "PATCH", "cgr_1", KEY, "jane", "dashboard"),
        LogEvent(OLD, "POST", "cgr_1", KEY, "joe", "API"),
    )

    found = attribute(LogEvents(events, is_complete=True), {KEY: "cgr_1"})

    assert found == {KEY: "changed 2026-11-25 14:03 UTC by jane, dashboard"}


def test_a_delete_is_found_by_the_id_of_an_earlier_event() -> None:
    events = (LogEvent(NEW, "DELETE", "cgr_1", None, "jane", "API"), LogEvent(OLD, "POST", "cgr_1", KEY, "joe", "API"))

    assert attribute(LogEvents(events, is_complete=True), {KEY: ""})[KEY].startswith("deleted 2026-11-25")


@pytest.mark.parametrize(
    ("events", "is_complete", "expected"),
    [
        ((), True, "not known: the logs contain no requests to the Management API"),
        ((LogEvent(OLD),), True, "not known: the grant changed before the logs begin on 2026-11-20"),
        (
            (LogEvent(OLD),),
            False,
            "not known: the grant did not change since 2026-11-20 09:00 UTC, and older events were not read",
        ),
    ],
    ids=["no events", "all events", "only the newest events"],
)
def test_a_grant_without_events_is_not_known(events: tuple[LogEvent, ...], expected: str, *, is_complete: bool) -> None:
    assert attribute(LogEvents(events, is_complete=is_complete), {KEY: "cgr_1"}) == {KEY: expected}
