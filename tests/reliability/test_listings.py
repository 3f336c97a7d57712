"""Faults of a listing with three pages. A plan is made only from a complete listing."""

from pathlib import Path

import pytest
from reliability.fault_runs import (
    LIST,
    Calls,
    Desired,
    InjectedFault,
    assert_second_apply_converges,
    plan_with_faults,
    run_with_faults,
)
from reliability.fault_table import ALWAYS
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
ALL_GRANTS = Desired(
    tuple(a_spec(client_id=name, scope=("a",)) for name in NAMES), dict.fromkeys(NAMES, "a"), prune=True
)
SECOND_PAGE = (2,)
FROM_SECOND_PAGE = Series(first=2)


@pytest.mark.parametrize(
    ("fault", "calls", "requests"),
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
def test_a_temporary_fault_does_not_prevent_a_complete_listing(
    tmp_path: Path, fault: Fault, calls: Calls, requests: int
) -> None:
    run = plan_with_faults(tmp_path, InjectedFault(fault, LIST, calls), desired=ALL_GRANTS, seed=SEED)

    assert isinstance(run.result, Plan)
    assert run.result.converged
    assert run.calls[LIST] == requests


@pytest.mark.parametrize(
    ("fault", "calls", "error", "requests"),
    [
        (Next(how="looping"), ALWAYS, UnreadableError, (3, 6)),
        (Page(how="contradicting"), ALWAYS, UnreadableError, (2, 2 * PAGES)),
        (Page(how="bare"), ALWAYS, UnreadableError, (10, 10)),
        (AnswerFault(status=400), FROM_SECOND_PAGE, RefusedCallError, (3, 4)),
        (AnswerFault(status=503), FROM_SECOND_PAGE, UnknownOutcomeError, (11, 12)),
        (AnswerFault(status=200, body="html"), FROM_SECOND_PAGE, UnreadableError, (11, 12)),
        (Damage(how="shortened"), FROM_SECOND_PAGE, UnreadableError, (11, 12)),
        (Drop(), FROM_SECOND_PAGE, UnknownOutcomeError, (11, 12)),
        (AnswerFault(status=403), SECOND_PAGE, RefusedCallError, (2, 2)),
    ],
    ids=repr,
)
def test_a_listing_with_a_lasting_fault_is_read_again_once_and_gives_no_plan(
    tmp_path: Path, fault: Fault, calls: Calls, error: type[Auth0Error], requests: tuple[int, int]
) -> None:
    run = plan_with_faults(tmp_path, InjectedFault(fault, LIST, calls), desired=ALL_GRANTS, seed=SEED)

    assert isinstance(run.result, error)
    assert requests[0] <= run.calls[LIST] <= requests[1]
    assert run.after == ALL_GRANTS.expected


def test_a_grant_missing_between_two_pages_is_neither_duplicated_nor_pruned(tmp_path: Path) -> None:
    run = run_with_faults(
        tmp_path, ALL_GRANTS, faults_during_plan=(InjectedFault(Page(how="shifted"), LIST, SECOND_PAGE),), seed=SEED
    )

    assert list(run.results.values()) == [Result.APPLIED]
    assert "but the change took effect" in run.outcomes[0].detail
    assert run.after == ALL_GRANTS.expected
    assert run.converged


@pytest.mark.parametrize(
    ("failing", "result", "requests"),
    [((), Result.APPLIED, PAGES), ((1, 2, 3, 4, 5, 6, 7, 8, 9, 10), Result.APPLIED, 13), (ALWAYS, Result.FAILED, 25)],
    ids=["never", "ten times", "always"],
)
def test_many_deletes_share_one_listing_and_read_single_grants_if_it_fails(
    tmp_path: Path, failing: Calls, result: Result, requests: int
) -> None:
    without_three = Desired(ALL_GRANTS.specs[3:], dict.fromkeys(NAMES[3:], "a"), prune=True)

    run = run_with_faults(tmp_path, without_three, InjectedFault(AnswerFault(status=503), LIST, failing), seed=SEED)

    assert run.results == dict.fromkeys(NAMES[:3], result)
    assert run.calls[LIST] == requests
    assert_second_apply_converges(run, without_three)
