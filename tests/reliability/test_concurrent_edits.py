"""Edits of the same tenant by others: by hand at any moment, or by a concurrent apply."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from reliability.fault_runs import (
    ALL_ACTIONS,
    BEFORE,
    CREATE,
    DELETE,
    DESIRED,
    HOLDERS,
    LIST,
    SEED,
    UPDATE,
    WRITE_ENDPOINTS,
    AfterRequest,
    FaultInjector,
    InjectedFault,
    apply_plan,
    assert_second_apply_converges,
    client_through,
    fault_rules,
    plan_tenant,
    run_with_faults,
    scopes_of,
)
from support.tenants import a_sandbox, stored_grants
from support.virtual_time import run_virtually

from auth0_sandbox.faults.plan import AnswerFault
from auth0_sandbox.store.database import DocumentKind
from auth0_sandbox.tenant import Sandbox
from reconciler.artifacts.journal import open_journal
from reconciler.core.outcome import Outcome, Result

RunOutcomes = tuple[Outcome, ...]
Edit = Callable[[Sandbox, str], None]
"""Edits the grant of a holder."""


def edit_after(endpoint: str, number: int, edit: Edit, holder: str) -> AfterRequest:
    """Return a function that edits the tenant after the request to `endpoint` with this number.

    Requests of the plan are counted too.
    """
    remaining = [number]

    def after_request(sandbox: Sandbox, requested: str) -> None:
        remaining[0] -= requested == endpoint
        if requested == endpoint and remaining[0] == 0:
            edit(sandbox, holder)

    return after_request


def grant_of(sandbox: Sandbox, holder: str) -> dict[str, object]:
    (grant,) = (each for each in stored_grants(sandbox) if each["client_id"] == holder)
    return grant


def edit_scope(sandbox: Sandbox, holder: str) -> None:
    grant = grant_of(sandbox, holder)
    sandbox.store.replace(DocumentKind.CLIENT_GRANTS, str(grant["id"]), {**grant, "scope": ["b"]})


def delete_grant(sandbox: Sandbox, holder: str) -> None:
    sandbox.store.remove(DocumentKind.CLIENT_GRANTS, {"client_id": holder})


def recreate_grant(sandbox: Sandbox, holder: str) -> None:
    """Delete the grant and create it again, like the switch in the dashboard."""
    grant = grant_of(sandbox, holder)
    delete_grant(sandbox, holder)
    sandbox.store.add(DocumentKind.CLIENT_GRANTS, "cgr_abcdefghijklmnop", {**grant, "id": "cgr_abcdefghijklmnop"})


def create_grant(scope: str) -> Edit:
    def edit(sandbox: Sandbox, holder: str) -> None:
        guard_grant = grant_of(sandbox, "guard")
        grant = {**guard_grant, "id": "cgr_abcdefghijklmnop", "client_id": holder, "scope": [scope]}
        sandbox.store.add(DocumentKind.CLIENT_GRANTS, "cgr_abcdefghijklmnop", grant)

    return edit


@pytest.mark.parametrize(
    ("action", "edit", "result", "scope"),
    [
        ("create", create_grant("a"), Result.APPLIED, "a"),
        ("create", create_grant("b"), Result.CONFLICT, "b"),
        ("update", edit_scope, Result.CONFLICT, "b"),
        ("update", delete_grant, Result.CONFLICT, None),
        ("update", recreate_grant, Result.APPLIED, "ab"),
        ("delete", edit_scope, Result.CONFLICT, "b"),
        ("delete", delete_grant, Result.APPLIED, None),
        ("delete", recreate_grant, Result.APPLIED, None),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_an_edit_between_plan_and_write_is_not_overwritten(
    tmp_path: Path, action: str, edit: Edit, result: Result, scope: str | None
) -> None:
    holder = HOLDERS[action]

    run = run_with_faults(tmp_path, DESIRED[action], after_request=edit_after(LIST, 1, edit, holder))

    assert run.results == {holder: result}
    assert run.after.get(holder) == scope
    assert run.own_unchanged
    assert_second_apply_converges(run, DESIRED[action])


@pytest.mark.parametrize(("action", "result"), [("update", Result.CONFLICT), ("delete", Result.APPLIED)])
def test_a_grant_deleted_before_the_write_is_not_created_again(tmp_path: Path, action: str, result: Result) -> None:
    holder = HOLDERS[action]

    run = run_with_faults(tmp_path, DESIRED[action], after_request=edit_after(LIST, 2, delete_grant, holder))

    assert run.results == {holder: result}
    assert holder not in run.after
    assert_second_apply_converges(run, DESIRED[action])


def test_a_create_for_a_deleted_application_fails(tmp_path: Path) -> None:
    def delete_application(sandbox: Sandbox, holder: str) -> None:
        sandbox.store.remove(DocumentKind.CLIENTS, {"id": holder})

    run = run_with_faults(tmp_path, DESIRED["create"], after_request=edit_after(LIST, 1, delete_application, "new"))

    assert run.results == {"new": Result.FAILED}
    assert "404 Client not found" in run.outcomes[0].detail
    assert run.after == BEFORE


@pytest.mark.parametrize("action", ["create", "update"])
@pytest.mark.parametrize("edit", [edit_scope, delete_grant], ids=["edited", "deleted"])
def test_an_edit_after_a_write_is_found_by_the_verification(tmp_path: Path, action: str, edit: Edit) -> None:
    run = run_with_faults(
        tmp_path, DESIRED[action], after_request=edit_after(WRITE_ENDPOINTS[action], 1, edit, HOLDERS[action])
    )

    assert run.results == {HOLDERS[action]: Result.APPLIED}
    assert not run.converged
    assert_second_apply_converges(run, DESIRED[action])


@pytest.mark.parametrize(
    ("action", "edit"),
    [("create", edit_scope), ("update", edit_scope), ("update", delete_grant), ("delete", create_grant("b"))],
    ids=["create, edited", "update, edited", "update, deleted", "delete, created again"],
)
def test_an_edit_after_a_lost_response_is_a_conflict(tmp_path: Path, action: str, edit: Edit) -> None:
    lost_response = InjectedFault(AnswerFault(status=503, when="after"), WRITE_ENDPOINTS[action])

    run = run_with_faults(
        tmp_path,
        DESIRED[action],
        lost_response,
        after_request=edit_after(WRITE_ENDPOINTS[action], 1, edit, HOLDERS[action]),
    )

    assert run.results == {HOLDERS[action]: Result.CONFLICT}
    assert run.calls[WRITE_ENDPOINTS[action]] == 1
    assert_second_apply_converges(run, DESIRED[action])


def apply_twice_concurrently(
    folder: Path, *injected: InjectedFault
) -> tuple[tuple[RunOutcomes, RunOutcomes], dict[str, str]]:
    """Make two plans, and apply them concurrently. Return the outcomes of both runs and the tenant's scopes."""
    desired = ALL_ACTIONS

    async def run() -> tuple[RunOutcomes, RunOutcomes]:
        async with (
            client_through(sandbox, FaultInjector(sandbox)) as first_client,
            client_through(sandbox, FaultInjector(sandbox)) as second_client,
        ):
            plans = [await plan_tenant(first_client, desired), await plan_tenant(second_client, desired)]
            sandbox.control.set_faults(fault_rules(injected))
            return await asyncio.gather(
                apply_plan(plans[0], first_client, first_journal),
                apply_plan(plans[1], second_client, second_journal),
            )

    with (
        a_sandbox(folder, SEED) as sandbox,
        closing(open_journal(folder / "one")) as first_journal,
        closing(open_journal(folder / "other")) as second_journal,
    ):
        return run_virtually(run())[0], scopes_of(sandbox)


@pytest.mark.parametrize(
    "injected",
    [[], [InjectedFault(AnswerFault(status=503, when="after"), endpoint) for endpoint in (CREATE, UPDATE, DELETE)]],
    ids=["without faults", "with lost responses"],
)
def test_two_concurrent_applies_converge_without_duplicates(tmp_path: Path, injected: list[InjectedFault]) -> None:
    runs, tenant = apply_twice_concurrently(tmp_path, *injected)

    assert {outcome.result for outcomes in runs for outcome in outcomes} == {Result.APPLIED}
    assert tenant == ALL_ACTIONS.expected
