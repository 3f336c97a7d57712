import pytest
from support.builders import a_directory, a_grant, a_key, a_plan, a_spec, an_api, an_observed

from reconciler.core.outcome import Outcome, Report, Result
from reconciler.core.plan import Plan
from reconciler.render.outcomes import report_json, report_lines
from reconciler.render.styled import plain

NAMES = a_directory({"billing": "Billing"}, [an_api()])
PLAN = a_plan([a_spec()], directory=NAMES)
DONE = a_plan([a_spec()], [an_observed()])
DIFFERING = a_plan([a_spec()], [an_observed(a_grant(scope=()))], create_only=True)
(CHANGE,) = PLAN.changes


def said(outcomes: list[Outcome], remaining: Plan | None, trouble: str = "") -> list[str]:
    return plain(report_lines(Report(tuple(outcomes), remaining, trouble), NAMES)).splitlines()


@pytest.mark.parametrize("result", Result)
def test_each_outcome_has_a_row_with_its_detail_below(result: Result) -> None:
    rows = said([Outcome(CHANGE, result, "because\x1b[2J")], PLAN)

    assert rows[0] == f"{result:<8}  + Billing -> Invoices API"
    assert rows[1] == "            because\\x1b[2J"


@pytest.mark.parametrize(
    ("remaining", "trouble", "end"),
    [
        (DONE, "", "the tenant equals the files."),
        (PLAN, "", "the tenant does not equal the files yet, run again."),
        (DIFFERING, "", "the tenant has what was asked for."),
        (None, "the tenant could not be read again: GET: 500", "the tenant could not be read again: GET: 500."),
    ],
    ids=["converged", "not-converged", "create-only", "unread"],
)
def test_the_last_line_claims_no_more_than_was_seen(remaining: Plan | None, trouble: str, end: str) -> None:
    assert said([Outcome(CHANGE, Result.APPLIED)], remaining, trouble)[-1] == f"Apply: 1 applied; {end}"


def test_what_was_applied_and_still_differs_is_shown() -> None:
    rows = said([Outcome(CHANGE, Result.APPLIED)], PLAN)

    assert rows[:2] == ["applied   + Billing -> Invoices API", "differs   + Billing -> Invoices API"]


def test_what_was_not_applied_differs_as_a_matter_of_course() -> None:
    assert "differs" not in "".join(said([Outcome(CHANGE, Result.FAILED)], PLAN))


def test_the_last_line_counts_every_result_that_occurred() -> None:
    others = a_plan([a_spec(), a_spec(client_id="b")], [an_observed(a_grant(a_key("c")))], prune=True).changes
    outcomes = [Outcome(change, result) for change, result in zip(others, list(Result)[:3], strict=True)]

    assert said(outcomes, PLAN)[-1].startswith("Apply: 1 applied, 1 failed, 1 conflict; ")


def test_a_report_as_data_has_every_count_and_every_outcome() -> None:
    report = Report((Outcome(CHANGE, Result.UNKNOWN, "timeout"),), None, "trouble")

    assert report_json(report) == {
        "summary": {"applied": 0, "failed": 0, "conflict": 0, "unknown": 1, "skipped": 0, "converged": False},
        "blocked": [],
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
