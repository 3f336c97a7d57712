import json
from typing import Any

import pytest

from reconciler.core.journal import PastRun, choose_run, parse_run
from reconciler.errors import ReconcilerError

BEGIN = {"event": "begin", "time": "2026-08-01T10:00:00.000+00:00", "changes": 2}
END = {"event": "end", "converged": True}
NEWEST_FIRST = ["20260802T100000Z-aaaaaa", "20260801T100000Z-bbbbbb", "20260801T090000Z-cccccc"]


def an_intent(number: int, **fields: Any) -> dict[str, Any]:
    return {"event": "intent", "number": number, "action": "create", **fields}


def a_result(number: int, outcome: str = "applied") -> dict[str, Any]:
    return {"event": "result", "number": number, "outcome": outcome}


def a_run(*entries: dict[str, Any], tail: bytes = b"") -> PastRun:
    return parse_run("r", b"".join(json.dumps(entry).encode() + b"\n" for entry in entries) + tail)


def test_a_complete_journal_is_parsed() -> None:
    run = a_run(BEGIN, an_intent(1), a_result(1), an_intent(2), a_result(2, "conflict"), END)

    assert [entry.event for entry in run.entries] == ["begin", "intent", "result", "intent", "result", "end"]
    assert (run.changes, run.results) == (2, {"applied": 1, "conflict": 1})
    assert (run.unsettled, run.converged, run.unreadable_lines, run.is_truncated) == ((), True, (), False)


def test_an_intent_without_a_result_is_unsettled() -> None:
    run = a_run(BEGIN, an_intent(2, action="first"), an_intent(1), a_result(1), an_intent(2, action="again"))

    assert [(entry.number, entry.text("action")) for entry in run.unsettled] == [(2, "again")]
    assert run.converged is None


def test_a_change_with_two_intents_counts_once() -> None:
    run = a_run(BEGIN, an_intent(1), an_intent(1), a_result(1), END)

    assert (run.results, run.unsettled) == ({"applied": 1}, ())


def test_a_truncated_last_line_does_not_affect_other_lines() -> None:
    run = a_run(BEGIN, an_intent(1), tail=b'{"event": "resu')

    assert (run.unreadable_lines, run.is_truncated) == ((3,), True)
    assert [entry.number for entry in run.unsettled] == [1]


@pytest.mark.parametrize(
    "line",
    [b"\x00\xff", b"[]", b'"event"', b"{}", b'{"event": 1}', b'{"event": "end", "x": NaN}', b"[" * 100_000, b""],
    ids=["bytes", "list", "text", "no-event", "event-no-text", "nan", "deep", "empty"],
)
def test_an_invalid_line_is_counted_and_skipped(line: bytes) -> None:
    run = a_run(BEGIN, tail=line + b"\n" + json.dumps(END).encode())

    assert (run.unreadable_lines, run.is_truncated, run.converged) == ((2,), False, True)


def test_missing_values_of_a_line_are_empty() -> None:
    run = a_run({"event": "begin", "changes": "many", "tenant": "x"}, {"event": "intent", "number": True})

    assert run.begin_entry
    assert (run.changes, run.begin_entry.time, run.begin_entry.parts("tenant"), run.begin_entry.text("changed")) == (
        None,
        "",
        {},
        "",
    )
    assert [entry.number for entry in run.unsettled] == [0]


def test_an_empty_journal_has_no_values() -> None:
    run = parse_run("r", b"")

    assert (run.begin_entry, run.changes, run.results, run.converged, run.is_truncated) == (None, None, {}, None, False)


@pytest.mark.parametrize(
    ("word", "chosen"),
    [("last", 0), (NEWEST_FIRST[1], 1), ("20260802", 0), ("20260801T09", 2)],
    ids=["last", "full name", "day", "hour"],
)
def test_a_run_is_chosen_by_name_or_unique_prefix(word: str, chosen: int) -> None:
    assert choose_run(word, NEWEST_FIRST) == NEWEST_FIRST[chosen]


def test_an_exact_name_is_preferred_to_a_prefix() -> None:
    assert choose_run("a", ["ab", "a"]) == "a"


@pytest.mark.parametrize(
    ("word", "names", "shown"),
    [
        ("last", [], 'the run "last" does not exist, because no journals were found'),
        ("20260801", NEWEST_FIRST, f'"20260801" matches 2 runs: {NEWEST_FIRST[1]}, {NEWEST_FIRST[2]}; use a longer'),
        ("20260801T100000Z-bbbbbx", NEWEST_FIRST, f'did you mean "{NEWEST_FIRST[1]}"'),
        ("x", NEWEST_FIRST, f"existing runs: {', '.join(NEWEST_FIRST)}"),
        ("x", [f"r{n}" for n in range(7)], "existing runs: r0, r1, r2, r3, r4 and 2 more"),
    ],
    ids=["no runs", "ambiguous", "similar", "unknown", "many"],
)
def test_the_error_for_an_unknown_run_lists_the_existing_runs(word: str, names: list[str], shown: str) -> None:
    with pytest.raises(ReconcilerError) as caught:
        choose_run(word, names)

    assert shown in str(caught.value)


@pytest.mark.parametrize(
    ("begin", "outcomes", "applied"),
    [
        ({"saved_plan": "abc"}, ("applied", "applied"), True),
        ({"saved_plan": "abc"}, ("applied", "conflict"), False),
        ({"saved_plan": "abc"}, ("applied",), False),
        ({"saved_plan": "xyz"}, ("applied", "applied"), False),
        ({}, ("applied", "applied"), False),
    ],
    ids=["all", "a conflict", "broken off", "another plan", "no plan"],
)
def test_a_saved_plan_is_applied_if_all_its_changes_were_applied(
    begin: dict[str, Any], outcomes: tuple[str, ...], *, applied: bool
) -> None:
    results = (a_result(number, outcome) for number, outcome in enumerate(outcomes))

    assert a_run({**BEGIN, **begin}, *results).has_applied("abc") is applied
