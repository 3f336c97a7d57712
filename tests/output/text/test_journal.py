import json
from typing import Any

from reconciler.core.journal import PastRun, parse_run
from reconciler.output.styled import plain
from reconciler.output.text.journal import run_json, run_lines, runs_json, runs_lines

KEY = {"client_id": "billing", "default_for": None, "audience": "https://api", "subject_type": "client"}
DEFAULT_KEY = {
    "client_id": None,
    "default_for": "third_party_clients",
    "audience": "https://api",
    "subject_type": "user",
}
BEGIN = {"event": "begin", "tenant": {"name": "prod", "domain": "x.auth0.com"}, "changes": 2}
COMPLETE = (
    BEGIN,
    {"event": "intent", "number": 1, "action": "create", "key": KEY, "before": None, "after": {"scope": ["é\u202e"]}},
    {"event": "result", "number": 1, "outcome": "applied", "detail": ""},
    {"event": "intent", "number": 2, "action": "delete", "key": DEFAULT_KEY, "before": {"scope": []}, "after": None},
    {"event": "result", "number": 2, "outcome": "conflict", "detail": "edited\x1b[2J"},
    {"event": "end", "converged": False},
)


def a_run(*entries: dict[str, Any], tail: str = "") -> PastRun:
    timed = [{"time": f"2026-08-01T10:00:0{second}.000+00:00", **each} for second, each in enumerate(entries)]
    return parse_run("r", ("".join(f"{json.dumps(each)}\n" for each in timed) + tail).encode())


def test_a_run_is_listed_with_its_results() -> None:
    assert plain(runs_lines([a_run(*COMPLETE)])) == (
        "r  2026-08-01 10:00:00 UTC  prod (x.auth0.com)\n  2 changes: 1 applied, 1 conflict; not converged\n"
    )


def test_a_write_without_a_result_is_highlighted() -> None:
    assert plain(runs_lines([a_run(*COMPLETE[:2], tail='{"event": "r')])).splitlines() == [
        "r  2026-08-01 10:00:00 UTC  prod (x.auth0.com)",
        "  2 changes: no result; no end recorded: the run was interrupted or is still running",
        "  NO RESULT for 1 write: it is unknown whether they took effect",
        "    1 create billing -> https://api",
        "  -> run apply again: apply reads the tenant before it writes",
        "  The last line is incomplete: the run ended while writing it.",
    ]


def test_a_malformed_journal_is_reported() -> None:
    assert plain(runs_lines([a_run(tail="x\ny\n{}")])).splitlines() == [
        "r  the start of the run is not recorded",
        "  unknown number of changes: no result; no end recorded: the run was interrupted or is still running",
        "  Unreadable lines: 1, 2, 3.",
    ]


def test_a_run_is_shown_with_its_entries() -> None:
    assert plain(run_lines(a_run(*COMPLETE), "j.jsonl", verbose=False)).splitlines()[2:] == [
        "  j.jsonl",
        "",
        "10:00:00.000  begin   2026-08-01 10:00:00 UTC  prod (x.auth0.com)",
        "10:00:01.000  intent  1 create billing -> https://api",
        "10:00:02.000  result  1 applied",
        "10:00:03.000  intent  2 delete third_party_clients -> https://api (user)",
        "10:00:04.000  result  2 conflict: edited\\x1b[2J",
        "10:00:05.000  end     not converged",
    ]


def test_verbose_output_shows_the_grants() -> None:
    shown = plain(run_lines(a_run(*COMPLETE), "j.jsonl", verbose=True)).splitlines()

    assert shown[6:8] == [
        "              before null",
        '              after  {"scope": ["é\\u202e"]}',
    ]


def test_an_event_of_another_version_is_shown_by_its_name() -> None:
    assert "10:00:01.000  pause" in plain(run_lines(a_run(BEGIN, {"event": "pause"}), "j", verbose=False))


def test_json_contains_the_counts_and_the_entries() -> None:
    run = a_run(*COMPLETE[:4])
    listed = {
        "run": "r",
        "time": "2026-08-01T10:00:00.000+00:00",
        "tenant": {"name": "prod", "domain": "x.auth0.com"},
        "changes": 2,
        "results": {"applied": 1},
        "unsettled": [2],
        "converged": None,
        "damaged_lines": [],
    }

    assert runs_json([run]) == {"runs": [listed]}
    assert run_json(run) == {**listed, "entries": [dict(entry.content) for entry in run.entries]}
    assert runs_json([a_run()])["runs"] == [
        {**listed, "time": None, "tenant": None, "changes": None, "results": {}, "unsettled": []}
    ]
