import json

import pytest
from jsonschema import Draft202012Validator
from support.builders import a_directory, a_grant, a_key, a_plan, a_spec, an_api, an_observed

from reconciler.contract import stored
from reconciler.core.outcome import ApplyReport, Outcome, Result
from reconciler.core.plan import Plan
from reconciler.output.styled import plain
from reconciler.output.text.plan import report_json, report_lines

NAMES = a_directory({"billing": "Billing"}, [an_api()])
PLAN = a_plan([a_spec()], directory=NAMES)
DONE = a_plan([a_spec()], [an_observed()])
DIFFERING = a_plan([a_spec()], [an_observed(a_grant(scope=()))], create_only=True)
(CHANGE,) = PLAN.changes


def lines(outcomes: list[Outcome], remaining: Plan | None, trouble: str = "") -> list[str]:
    return plain(report_lines(ApplyReport(tuple(outcomes), remaining, trouble), NAMES)).splitlines()


@pytest.mark.parametrize("result", Result)
def test_each_outcome_has_a_row_followed_by_its_detail(result: Result) -> None:
    rows = lines([Outcome(CHANGE, result, "because\x1b[2J")], PLAN)

    assert rows[0] == f"{result:<8}  + Billing -> Invoices API"
    assert rows[1] == "            because\\x1b[2J"


@pytest.mark.parametrize(
    ("remaining", "trouble", "end"),
    [
        (DONE, "", "the tenant equals the files."),
        (
            PLAN,
            "",
            "Auth0 accepted 1 change and did not keep all of it; running again will probably end the same way.",
        ),
        (DIFFERING, "", "the tenant has the requested changes."),
        (None, "the tenant could not be read again: GET: 500", "the tenant could not be read again: GET: 500."),
    ],
    ids=["converged", "not-converged", "create-only", "unread"],
)
def test_the_last_line_reports_only_what_was_read(remaining: Plan | None, trouble: str, end: str) -> None:
    assert lines([Outcome(CHANGE, Result.APPLIED)], remaining, trouble)[-1] == f"Apply: 1 applied; {end}"


@pytest.mark.parametrize("result", [Result.APPLIED, Result.FAILED])
def test_remaining_differences_are_shown_by_grant_and_field(result: Result) -> None:
    rows = lines([Outcome(CHANGE, result)], PLAN)

    assert rows[:6] == [
        f"{result:<8}  + Billing -> Invoices API",
        "",
        "Still differs (1)",
        "  + Billing -> Invoices API",
        "      grants/a.yaml:2",
        "      + read:invoices",
    ]


def test_another_run_is_suggested_unless_auth0_discarded_an_accepted_change() -> None:
    assert lines([Outcome(CHANGE, Result.FAILED)], PLAN)[-1].endswith(
        "the tenant does not equal the files yet, run again."
    )


def test_json_contains_the_remaining_differences_and_is_valid() -> None:
    report = ApplyReport((Outcome(CHANGE, Result.APPLIED),), PLAN)
    data = json.loads(json.dumps(report_json(report)))

    (difference,) = data["differences"]
    assert difference["fields"] == [{"field": "scope", "added": ["read:invoices"], "removed": []}]
    assert difference["accepted"] is True
    tenant = {"tenant": "test", "sandbox": False}
    Draft202012Validator(stored.load(stored.OUTCOME)).validate({**tenant, **data})


def test_the_last_line_counts_each_result() -> None:
    others = a_plan([a_spec(), a_spec(client_id="b")], [an_observed(a_grant(a_key("c")))], prune=True).changes
    outcomes = [Outcome(change, result) for change, result in zip(others, list(Result)[:3], strict=True)]

    assert lines(outcomes, PLAN)[-1].startswith("Apply: 1 applied, 1 failed, 1 conflict; ")


def test_json_contains_all_counts_and_outcomes() -> None:
    report = ApplyReport((Outcome(CHANGE, Result.UNKNOWN, "timeout"),), None, "trouble")

    assert report_json(report) == {
        "summary": {"applied": 0, "failed": 0, "conflict": 0, "unknown": 1, "skipped": 0, "converged": False},
        "blocked": [],
        "differences": [],
        "outcomes": [
            {
                "action": "create",
                "key": {
                    "client_id": "billing",
                    "default_for": None,
                    "audience": "https://api.example.com/invoices",
                    "subject_type": "client",
                },
                "outcome": "unknown",
                "detail": "timeout",
            },
        ],
    }
