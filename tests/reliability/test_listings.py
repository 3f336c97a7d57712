"""A plan comes from a complete listing or not at all: three pages of grants, and all that pages can do wrong."""

from pathlib import Path

import pytest
from reliability.fault_runs import LIST, Calls, Strike, Wish, assert_settled, read_tried, tried
from reliability.rows import ALWAYS
from support.builders import a_spec

from auth0_sandbox.faults.plan import (
    AnswerFault,
    Damage,
    Delay,
    Drop,
    ExpireToken,
    Fault,
    Next,
    Page,
    RateLimit,
    Series,
)
from reconciler.auth0.errors import Auth0Error, RefusedCallError, UnknownOutcomeError, UnreadableError
from reconciler.core.outcome import Result
from reconciler.core.plan import Plan

GRANTS = 230
PAGES = 3
NAMES = [f"app{number:03}" for number in range(GRANTS)]
SEED = "\n".join(
    [
        "applications:",
        *(f"  - {{name: {name}, client_id: {name}}}" for name in NAMES),
        'apis: [{name: Invoices, identifier: "https://api.example.com/invoices", scopes: [a, b]}]',
        "grants:",
        *(f"  - {{client: {name}, api: Invoices, scope: [a]}}" for name in NAMES),
    ]
)
ALL = Wish(tuple(a_spec(client_id=name, scope=("a",)) for name in NAMES), dict.fromkeys(NAMES, "a"), prune=True)
SECOND_PAGE = (2,)
SECOND_PAGE_ALWAYS = Series(first=2)


@pytest.mark.parametrize(
    ("fault", "calls", "reads"),
    [
        (Next(how="extra"), ALWAYS, PAGES + 1),
        (Page(how="repeated"), ALWAYS, PAGES),
        (Next(how="looping"), SECOND_PAGE, 2 + PAGES),
        (Page(how="contradicting"), SECOND_PAGE, 2 * PAGES),
        (Page(how="bare"), SECOND_PAGE, PAGES + 1),
        (AnswerFault(status=400), SECOND_PAGE, PAGES + 2),
        (AnswerFault(status=503), SECOND_PAGE, PAGES + 1),
        (AnswerFault(status=200, body="html"), SECOND_PAGE, PAGES + 1),
        (Drop(), SECOND_PAGE, PAGES + 1),
        (Delay(seconds=45), SECOND_PAGE, PAGES + 1),
        (Damage(how="truncated"), SECOND_PAGE, PAGES + 1),
        (Damage(how="shortened"), SECOND_PAGE, PAGES + 1),
        (Damage(how="garbled"), SECOND_PAGE, PAGES + 1),
        (RateLimit(), SECOND_PAGE, PAGES + 1),
        (ExpireToken(), SECOND_PAGE, PAGES + 1),
        (AnswerFault(status=503), (2, 3, 4, 5, 6), 1 + 5 + PAGES),
    ],
    ids=repr,
)
def test_a_listing_in_trouble_is_read_to_its_end_all_the_same(
    tmp_path: Path, fault: Fault, calls: Calls, reads: int
) -> None:
    trial = read_tried(tmp_path, Strike(fault, LIST, calls), wish=ALL, seed=SEED)

    assert isinstance(trial.made, Plan)
    assert trial.made.converged
    assert trial.calls[LIST] == reads


@pytest.mark.parametrize(
    ("fault", "calls", "error", "reads"),
    [
        (Next(how="looping"), ALWAYS, UnreadableError, (3, 6)),
        (Page(how="contradicting"), ALWAYS, UnreadableError, (2, 2 * PAGES)),
        (Page(how="bare"), ALWAYS, UnreadableError, (10, 10)),
        (AnswerFault(status=400), SECOND_PAGE_ALWAYS, RefusedCallError, (3, 4)),
        (AnswerFault(status=503), SECOND_PAGE_ALWAYS, UnknownOutcomeError, (11, 12)),
        (AnswerFault(status=200, body="html"), SECOND_PAGE_ALWAYS, UnreadableError, (11, 12)),
        (Damage(how="shortened"), SECOND_PAGE_ALWAYS, UnreadableError, (11, 12)),
        (Drop(), SECOND_PAGE_ALWAYS, UnknownOutcomeError, (11, 12)),
        (AnswerFault(status=403), SECOND_PAGE, RefusedCallError, (2, 2)),
    ],
    ids=repr,
)
def test_a_listing_that_fails_for_good_is_started_over_once_and_gives_no_plan(
    tmp_path: Path, fault: Fault, calls: Calls, error: type[Auth0Error], reads: tuple[int, int]
) -> None:
    trial = read_tried(tmp_path, Strike(fault, LIST, calls), wish=ALL, seed=SEED)

    assert isinstance(trial.made, error)
    assert reads[0] <= trial.calls[LIST] <= reads[1]
    assert trial.after == ALL.goal


def test_a_grant_that_slips_through_between_two_pages_is_neither_doubled_nor_pruned(tmp_path: Path) -> None:
    trial = tried(tmp_path, ALL, planning=(Strike(Page(how="shifted"), LIST, SECOND_PAGE),), seed=SEED)

    assert list(trial.results.values()) == [Result.APPLIED]
    assert "but the change took effect" in trial.outcomes[0].detail
    assert trial.after == ALL.goal
    assert trial.converged


@pytest.mark.parametrize(
    ("failing", "result", "reads"),
    [((), Result.APPLIED, PAGES), ((1, 2, 3, 4, 5, 6, 7, 8, 9, 10), Result.APPLIED, 13), (ALWAYS, Result.FAILED, 25)],
    ids=["never", "ten times", "always"],
)
def test_one_listing_serves_many_deletes_and_where_it_fails_each_looks_for_itself(
    tmp_path: Path, failing: Calls, result: Result, reads: int
) -> None:
    fewer = Wish(ALL.specs[3:], dict.fromkeys(NAMES[3:], "a"), prune=True)

    trial = tried(tmp_path, fewer, Strike(AnswerFault(status=503), LIST, failing), seed=SEED)

    assert trial.results == dict.fromkeys(NAMES[:3], result)
    assert trial.calls[LIST] == reads
    assert_settled(trial, fewer)
