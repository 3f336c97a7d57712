"""Somebody else is at work on the same tenant: by hand, at the worst moments, or with the same files."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from reliability.fault_runs import (
    BEFORE,
    CREATE,
    DELETE,
    HOLDERS,
    LIST,
    SEED,
    UPDATE,
    VERBS,
    WIDER_NEW_AND_NO_STRAY,
    WISHES,
    Foreign,
    Strike,
    Wire,
    assert_settled,
    carried_out,
    client_of,
    fault_rules,
    planned,
    scopes_of,
    tried,
)
from support.tenants import a_sandbox, stored_grants
from support.virtual_time import run_virtually

from auth0_sandbox.faults.plan import AnswerFault
from auth0_sandbox.store.database import DocumentKind
from auth0_sandbox.tenant import Sandbox
from reconciler.artifacts.journal import open_journal
from reconciler.core.outcome import Outcome, Result

Runs = tuple[Outcome, ...]
Edit = Callable[[Sandbox, str], None]
"""What somebody does to the grant of a holder."""


def after(endpoint: str, number: int, edit: Edit, holder: str) -> Foreign:
    """Let somebody make `edit` right behind the call of `endpoint` with that number; the plan's own reading counts."""
    left = [number]

    def foreign(sandbox: Sandbox, called: str) -> None:
        left[0] -= called == endpoint
        if called == endpoint and left[0] == 0:
            edit(sandbox, holder)

    return foreign


def grant_of(sandbox: Sandbox, holder: str) -> dict[str, object]:
    (grant,) = (each for each in stored_grants(sandbox) if each["client_id"] == holder)
    return grant


def with_b(sandbox: Sandbox, holder: str) -> None:
    grant = grant_of(sandbox, holder)
    sandbox.store.replace(DocumentKind.CLIENT_GRANTS, str(grant["id"]), {**grant, "scope": ["b"]})


def gone(sandbox: Sandbox, holder: str) -> None:
    sandbox.store.remove(DocumentKind.CLIENT_GRANTS, {"client_id": holder})


def under_a_new_id(sandbox: Sandbox, holder: str) -> None:
    """Toggle the grant in the dashboard, off and on."""
    grant = grant_of(sandbox, holder)
    gone(sandbox, holder)
    sandbox.store.add(DocumentKind.CLIENT_GRANTS, "cgr_abcdefghijklmnop", {**grant, "id": "cgr_abcdefghijklmnop"})


def created(scope: str) -> Edit:
    def edit(sandbox: Sandbox, holder: str) -> None:
        like = grant_of(sandbox, "guard")
        grant = {**like, "id": "cgr_abcdefghijklmnop", "client_id": holder, "scope": [scope]}
        sandbox.store.add(DocumentKind.CLIENT_GRANTS, "cgr_abcdefghijklmnop", grant)

    return edit


@pytest.mark.parametrize(
    ("verb", "edit", "result", "scope"),
    [
        ("create", created("a"), Result.APPLIED, "a"),
        ("create", created("b"), Result.CONFLICT, "b"),
        ("update", with_b, Result.CONFLICT, "b"),
        ("update", gone, Result.CONFLICT, None),
        ("update", under_a_new_id, Result.APPLIED, "ab"),
        ("delete", with_b, Result.CONFLICT, "b"),
        ("delete", gone, Result.APPLIED, None),
        ("delete", under_a_new_id, Result.APPLIED, None),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_an_edit_between_plan_and_write_is_not_overwritten(
    tmp_path: Path, verb: str, edit: Edit, result: Result, scope: str | None
) -> None:
    holder = HOLDERS[verb]

    trial = tried(tmp_path, WISHES[verb], foreign=after(LIST, 1, edit, holder))

    assert trial.results == {holder: result}
    assert trial.after.get(holder) == scope
    assert trial.own_unchanged
    assert_settled(trial, WISHES[verb])


@pytest.mark.parametrize(("verb", "result"), [("update", Result.CONFLICT), ("delete", Result.APPLIED)])
def test_a_grant_that_goes_in_the_last_moment_is_not_made_again(tmp_path: Path, verb: str, result: Result) -> None:
    holder = HOLDERS[verb]

    trial = tried(tmp_path, WISHES[verb], foreign=after(LIST, 2, gone, holder))

    assert trial.results == {holder: result}
    assert holder not in trial.after
    assert_settled(trial, WISHES[verb])


def test_an_application_that_goes_before_its_grant_comes_is_named(tmp_path: Path) -> None:
    def application_gone(sandbox: Sandbox, holder: str) -> None:
        sandbox.store.remove(DocumentKind.CLIENTS, {"id": holder})

    trial = tried(tmp_path, WISHES["create"], foreign=after(LIST, 1, application_gone, "new"))

    assert trial.results == {"new": Result.FAILED}
    assert "404 Client not found" in trial.outcomes[0].detail
    assert trial.after == BEFORE


@pytest.mark.parametrize("verb", ["create", "update"])
@pytest.mark.parametrize("edit", [with_b, gone], ids=["changed", "gone"])
def test_an_edit_right_behind_a_write_shows_when_the_tenant_is_read_again(
    tmp_path: Path, verb: str, edit: Edit
) -> None:
    trial = tried(tmp_path, WISHES[verb], foreign=after(VERBS[verb], 1, edit, HOLDERS[verb]))

    assert trial.results == {HOLDERS[verb]: Result.APPLIED}
    assert not trial.converged
    assert_settled(trial, WISHES[verb])


@pytest.mark.parametrize(
    ("verb", "edit"),
    [("create", with_b), ("update", with_b), ("update", gone), ("delete", created("b"))],
    ids=["create, changed", "update, changed", "update, gone", "delete, made anew"],
)
def test_an_edit_between_a_lost_answer_and_the_look_is_a_conflict(tmp_path: Path, verb: str, edit: Edit) -> None:
    lost = Strike(AnswerFault(status=503, when="after"), VERBS[verb])

    trial = tried(tmp_path, WISHES[verb], lost, foreign=after(VERBS[verb], 1, edit, HOLDERS[verb]))

    assert trial.results == {HOLDERS[verb]: Result.CONFLICT}
    assert trial.calls[VERBS[verb]] == 1
    assert_settled(trial, WISHES[verb])


def both_applied(folder: Path, *strikes: Strike) -> tuple[tuple[Runs, Runs], dict[str, str]]:
    """Let two runs plan, and then apply at the same time."""
    wish = WIDER_NEW_AND_NO_STRAY

    async def run() -> tuple[Runs, Runs]:
        async with client_of(sandbox, Wire(sandbox)) as one, client_of(sandbox, Wire(sandbox)) as other:
            plans = [await planned(one, wish), await planned(other, wish)]
            sandbox.control.set_faults(fault_rules(strikes))
            return await asyncio.gather(
                carried_out(plans[0], one, first),
                carried_out(plans[1], other, second),
            )

    with (
        a_sandbox(folder, SEED) as sandbox,
        closing(open_journal(folder / "one")) as first,
        closing(open_journal(folder / "other")) as second,
    ):
        return run_virtually(run())[0], scopes_of(sandbox)


@pytest.mark.parametrize(
    "strikes",
    [[], [Strike(AnswerFault(status=503, when="after"), endpoint) for endpoint in (CREATE, UPDATE, DELETE)]],
    ids=["undisturbed", "with lost answers"],
)
def test_two_applies_at_once_come_to_one_tenant_without_duplicates(tmp_path: Path, strikes: list[Strike]) -> None:
    runs, tenant = both_applied(tmp_path, *strikes)

    assert {outcome.result for outcomes in runs for outcome in outcomes} == {Result.APPLIED}
    assert tenant == WIDER_NEW_AND_NO_STRAY.goal
