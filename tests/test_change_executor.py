"""Requests between a plan and its writes. Each write is based on a newer read than the plan."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from reliability.served_workspace import ServedWorkspace, served_workspace
from support.builders import TENANT, a_spec, first_parties, rules
from support.commands import reconciler
from support.tenants import Forward, a_sandbox, connected_client, direct_response, stored_grants
from support.virtual_time import run_virtually

from auth0_sandbox.store.database import DocumentKind
from auth0_sandbox.tenant import Sandbox
from reconciler.apply import ApplyContext, StopSignal, execute_plan
from reconciler.artifacts.journal import open_journal
from reconciler.core.guards import ProtectionRules
from reconciler.core.outcome import Result
from reconciler.core.planner import make_plan
from reconciler.core.spec import GrantSpec
from reconciler.observe import RequiredListings, observe

NO_NAMES = RequiredListings(application_names=False, api_names=False, apis=False)
SEED = """
applications:
  - {name: New, client_id: new}
  - {name: One, client_id: one}
  - {name: Two, client_id: two}
  - {name: Stray, client_id: stray}
apis: [{name: Invoices, identifier: "https://api.example.com/invoices", scopes: [a, b]}]
grants:
  - {client: One, api: Invoices, scope: [a]}
  - {client: Two, api: Invoices, scope: [a]}
  - {client: Stray, api: Invoices, scope: [a]}
"""
CREATED = a_spec(client_id="new", scope=("a",))
WITH_MORE_SCOPES = tuple(a_spec(client_id=each, scope=("a", "b")) for each in ("one", "two"))
UNCHANGED = tuple(a_spec(client_id=each, scope=("a",)) for each in ("one", "two"))

TenantEdit = Callable[[Sandbox], None]


def edit_scope_of_one(sandbox: Sandbox) -> None:
    (grant,) = (each for each in stored_grants(sandbox) if each["client_id"] == "one")
    sandbox.store.replace(DocumentKind.CLIENT_GRANTS, grant["id"], {**grant, "scope": ["b"]})


def apply_specs(
    folder: Path,
    *specs: GrantSpec,
    edit_tenant: TenantEdit = lambda _: None,
    edit_after_write: TenantEdit = lambda _: None,
    write_fails: bool = False,
) -> tuple[dict[str, Result], list[str]]:
    """Make a plan, edit the tenant with `edit_tenant`, and apply the plan.

    `edit_after_write` edits the tenant after the first write. With `write_fails`, this write has no effect.
    Return the result for each holder, and the requests of the apply.
    """
    calls: list[str] = []

    async def intercept(request: httpx.Request, forward: Forward) -> httpx.Response:
        if "client-grants" not in request.url.path:
            return await forward()
        is_first = request.method != "GET" and {*calls} <= {"GET", "GET all"}
        calls.append("GET all" if request.method == "GET" and "audience" not in request.url.params else request.method)
        response = direct_response(request, 503) if is_first and write_fails else await forward()
        if is_first:
            edit_after_write(sandbox)
        return response

    async def run() -> dict[str, Result]:
        async with connected_client(sandbox, intercept) as client:
            observation = await observe(client, NO_NAMES)
            observation = observation._replace(directory=first_parties(specs, observation.grants))
            plan = make_plan(
                specs, observation, rules(protection=ProtectionRules(client.own_key()), prune=True), TENANT
            )
            calls.clear()
            edit_tenant(sandbox)
            context = ApplyContext(
                client=client,
                journal=journal,
                stop=StopSignal(),
                on_outcome=lambda _: None,
                concurrency=1,
                observed=len(observation.grants),
            )
            return {each.change.key.holder: each.result for each in await execute_plan(plan, context)}

    with a_sandbox(folder, SEED) as sandbox, closing(open_journal(folder)) as journal:
        results, _ = run_virtually(run())
    return results, calls


def test_creates_need_no_read(tmp_path: Path) -> None:
    _, calls = apply_specs(tmp_path, CREATED, *UNCHANGED, a_spec(client_id="stray", scope=("a",)))

    assert calls == ["POST"]


def test_one_grant_is_read_by_its_key_and_several_grants_by_one_listing(tmp_path: Path) -> None:
    _, calls = apply_specs(tmp_path, CREATED, *WITH_MORE_SCOPES)

    assert calls == ["POST", "GET all", "PATCH", "PATCH", "GET", "DELETE"]


def test_an_edit_after_an_update_is_noticed_before_a_delete(tmp_path: Path) -> None:
    def edit_scope_of_stray(sandbox: Sandbox) -> None:
        (grant,) = (each for each in stored_grants(sandbox) if each["client_id"] == "stray")
        sandbox.store.replace(DocumentKind.CLIENT_GRANTS, grant["id"], {**grant, "scope": ["b"]})

    results, _ = apply_specs(tmp_path, *WITH_MORE_SCOPES, edit_after_write=edit_scope_of_stray)

    assert results == {"one": Result.APPLIED, "two": Result.APPLIED, "stray": Result.CONFLICT}


@pytest.mark.parametrize(
    ("edit", "result"),
    [(lambda _: None, Result.APPLIED), (edit_scope_of_one, Result.CONFLICT)],
    ids=["unchanged", "edited"],
)
def test_a_failed_write_is_followed_by_a_read_and_a_retry(tmp_path: Path, edit: TenantEdit, result: Result) -> None:
    results, calls = apply_specs(tmp_path, *WITH_MORE_SCOPES, edit_after_write=edit, write_fails=True)

    assert results == {"one": result, "two": Result.APPLIED, "stray": Result.APPLIED}
    assert calls[:3] == ["GET all", "PATCH", "GET"]


def test_an_edit_after_the_plan_is_not_overwritten(tmp_path: Path) -> None:
    results, calls = apply_specs(tmp_path, *WITH_MORE_SCOPES, edit_tenant=edit_scope_of_one)

    assert results == {"one": Result.CONFLICT, "two": Result.APPLIED, "stray": Result.APPLIED}
    assert calls == ["GET all", "PATCH", "GET", "DELETE"]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedWorkspace]:
    with served_workspace(tmp_path, monkeypatch) as workspace:
        yield workspace


def test_with_yes_grants_are_read_again_before_the_first_update(workspace: ServedWorkspace) -> None:
    assert workspace.apply().code == 0
    assert workspace.grant_reads() == 4  # for the plan, before the update, before the delete, and after the last write


@pytest.mark.parametrize("approval", ["typed", "saved"])
def test_after_an_approval_grants_are_read_again_before_the_first_update(
    workspace: ServedWorkspace, approval: str
) -> None:
    assert reconciler("plan", "--out", "plan.json").code == 0
    before = workspace.grant_reads()

    arguments = ["--color", "never"] if approval == "typed" else ["plan.json"]
    ran = reconciler("apply", *arguments, terminal=approval == "typed", typed="yes\n")

    assert ran.code == 0
    assert workspace.grant_reads() - before == 3  # for the plan, before the update, and after the last write
