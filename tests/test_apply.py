import asyncio
import json
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.builders import TENANT, a_spec, first_parties, rules
from support.tenants import (
    Forward,
    Interceptor,
    a_sandbox,
    connected_client,
    direct_response,
    forward_only,
    stored_grants,
)
from support.virtual_time import run_virtually

from auth0_sandbox.store.database import DocumentKind
from auth0_sandbox.tenant import Sandbox
from reconciler.apply import ApplyContext, StopSignal, execute_plan
from reconciler.artifacts.journal import open_journal
from reconciler.core.guards import ProtectionRules
from reconciler.core.outcome import Outcome, Result, count_results
from reconciler.core.plan import Plan
from reconciler.core.planner import make_plan
from reconciler.core.spec import GrantSpec
from reconciler.http.retry import RetryPolicy
from reconciler.observe import RequiredListings, observe

QUICK = RetryPolicy(attempts=3)
NO_NAMES = RequiredListings(application_names=False, api_names=False, apis=False)
SEED = """
applications: [{name: New, client_id: new}, {name: Old, client_id: old}, {name: Stray, client_id: stray}]
apis: [{name: Invoices, identifier: "https://api.example.com/invoices", scopes: ["a", "b"]}]
grants:
  - {client: Old, api: Invoices, scope: [a]}
  - {client: Stray, api: Invoices, scope: [a]}
"""
CREATE = a_spec(client_id="new", scope=("a",))
KEEP = a_spec(client_id="old", scope=("a",))
UPDATE = a_spec(client_id="old", scope=("a", "b"))

TenantEdit = Callable[[Sandbox], None]


def apply_specs(
    folder: Path,
    specs: Iterable[GrantSpec],
    intercept: Interceptor = forward_only,
    edit_tenant: TenantEdit = lambda _: None,
    *,
    seed: str = SEED,
    stop: StopSignal | None = None,
    **plan_options: bool,
) -> tuple[dict[str, Result], list[dict[str, Any]], tuple[Outcome, ...]]:
    """Make a plan, edit the tenant with `edit_tenant`, and apply the plan through `intercept`.

    Return the result for each holder, the tenant's grants, and the outcomes.
    """

    async def run() -> tuple[Outcome, ...]:
        plan = await _plan(sandbox, specs, **plan_options)
        edit_tenant(sandbox)
        async with connected_client(sandbox, intercept) as client:
            context = ApplyContext(
                client=client,
                journal=journal,
                stop=stop or StopSignal(),
                on_outcome=reported.append,
                concurrency=8,
                observed=len(stored_grants(sandbox)),
                retry_policy=QUICK,
            )
            return await execute_plan(plan, context)

    reported: list[Outcome] = []
    with a_sandbox(folder, seed) as sandbox, closing(open_journal(folder)) as journal:
        outcomes, _ = run_virtually(run())
        grants = [grant for grant in stored_grants(sandbox) if grant["audience"].startswith("https://api.")]
    assert sorted(reported, key=repr) == sorted(outcomes, key=repr)
    return {outcome.change.key.holder: outcome.result for outcome in outcomes}, grants, outcomes


async def _plan(sandbox: Sandbox, specs: Iterable[GrantSpec], **plan_options: bool) -> Plan:
    async with connected_client(sandbox) as client:
        observation = await observe(client, NO_NAMES)
        observation = observation._replace(directory=first_parties(specs, observation.grants))
        return make_plan(
            specs, observation, rules(protection=ProtectionRules(client.own_key()), **plan_options), TENANT
        )


def scopes(grants: list[dict[str, Any]]) -> dict[str, str]:
    return {grant["client_id"]: "".join(sorted(grant["scope"])) for grant in grants}


def test_creates_updates_and_deletes_are_applied(tmp_path: Path) -> None:
    results, grants, _ = apply_specs(tmp_path, [CREATE, UPDATE], prune=True)

    assert set(results.values()) == {Result.APPLIED}
    assert scopes(grants) == {"new": "a", "old": "ab"}


def fault_on(method: str, fault: Interceptor) -> Interceptor:
    async def intercept(request: httpx.Request, forward: Forward) -> httpx.Response:
        is_grant = request.url.path.startswith("/api/v2/client-grants")
        return await (fault(request, forward) if request.method == method and is_grant else forward())

    return intercept


async def break_before_effect(request: httpx.Request, _: Forward) -> httpx.Response:
    raise httpx.ReadError("connection reset", request=request)


async def break_after_effect(request: httpx.Request, forward: Forward) -> httpx.Response:
    await forward()
    raise httpx.ReadTimeout("", request=request)


async def fail_before_effect(request: httpx.Request, _: Forward) -> httpx.Response:
    return direct_response(request, 503)


async def fail_after_effect(request: httpx.Request, forward: Forward) -> httpx.Response:
    await forward()
    return direct_response(request, 502, b"<html>")


async def never_sent(request: httpx.Request, _: Forward) -> httpx.Response:
    raise httpx.ConnectError("connection refused", request=request)


async def forbid(request: httpx.Request, _: Forward) -> httpx.Response:
    return direct_response(request, 403, b'{"message": "Insufficient scope"}')


HOLDER_BY_METHOD = {"POST": "new", "PATCH": "old", "DELETE": "stray"}


@pytest.mark.parametrize("method", HOLDER_BY_METHOD)
@pytest.mark.parametrize(
    ("fault", "result"),
    [
        (break_before_effect, Result.FAILED),
        (break_after_effect, Result.APPLIED),
        (fail_before_effect, Result.FAILED),
        (fail_after_effect, Result.APPLIED),
        (never_sent, Result.FAILED),
        (forbid, Result.FAILED),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_after_a_failed_write_the_result_is_determined_by_reading_the_grant(
    tmp_path: Path,
    method: str,
    fault: Interceptor,
    result: Result,
) -> None:
    results, grants, _ = apply_specs(tmp_path, [CREATE, UPDATE], fault_on(method, fault), prune=True)

    expected = {"new": Result.APPLIED, "old": Result.APPLIED, "stray": Result.APPLIED, HOLDER_BY_METHOD[method]: result}
    assert results == expected
    is_applied = result is Result.APPLIED
    assert ("new" in scopes(grants)) is (is_applied or method != "POST")
    assert (scopes(grants)["old"] == "ab") is (is_applied or method != "PATCH")
    assert ("stray" in scopes(grants)) is (not is_applied and method == "DELETE")


def test_the_result_is_unknown_if_the_grant_cannot_be_read_again(tmp_path: Path) -> None:
    creates: list[httpx.Request] = []

    async def break_after_create(request: httpx.Request, forward: Forward) -> httpx.Response:
        if request.method == "POST" and request.url.path.endswith("client-grants"):
            creates.append(request)
        return await (break_after_effect(request, forward) if creates else forward())

    results, _, (outcome,) = apply_specs(tmp_path, [CREATE, KEEP], break_after_create)

    assert results == {"new": Result.UNKNOWN}
    assert "reading the grant again failed" in outcome.detail


def edit_grant(client_id: str, **fields: object) -> TenantEdit:
    def edit_tenant(sandbox: Sandbox) -> None:
        (grant,) = (each for each in stored_grants(sandbox) if each["client_id"] == client_id)
        sandbox.store.replace(DocumentKind.CLIENT_GRANTS, grant["id"], {**grant, **fields})

    return edit_tenant


def delete_grant(client_id: str) -> TenantEdit:
    def edit_tenant(sandbox: Sandbox) -> None:
        sandbox.store.remove(DocumentKind.CLIENT_GRANTS, {"client_id": client_id})

    return edit_tenant


def create_grant(scope: list[str]) -> TenantEdit:
    def edit_tenant(sandbox: Sandbox) -> None:
        (old,) = (each for each in stored_grants(sandbox) if each["client_id"] == "old")
        created = {**old, "id": "cgr_abcdefghijklmnop", "client_id": "new", "scope": scope}
        sandbox.store.add(DocumentKind.CLIENT_GRANTS, created["id"], created)

    return edit_tenant


@pytest.mark.parametrize(
    ("edit_tenant", "client", "result", "scope"),
    [
        (edit_grant("old", scope=["b"]), "old", Result.CONFLICT, "b"),
        (edit_grant("old", organization_usage="allow"), "old", Result.CONFLICT, "a"),
        (delete_grant("old"), "old", Result.CONFLICT, None),
        (edit_grant("stray", scope=["b"]), "stray", Result.CONFLICT, "b"),
        (delete_grant("stray"), "stray", Result.APPLIED, None),
        (create_grant(["a"]), "new", Result.APPLIED, "a"),
        (create_grant(["b"]), "new", Result.CONFLICT, "b"),
    ],
    ids=[
        "edited before an update",
        "other field edited before an update",
        "deleted before an update",
        "edited before a delete",
        "deleted before a delete",
        "equal grant created before a create",
        "different grant created before a create",
    ],
)
def test_a_concurrent_edit_is_a_conflict_and_is_not_overwritten(
    tmp_path: Path,
    edit_tenant: TenantEdit,
    client: str,
    result: Result,
    scope: str | None,
) -> None:
    results, grants, _ = apply_specs(tmp_path, [CREATE, UPDATE], edit_tenant=edit_tenant, prune=True)

    assert results[client] is result
    assert scopes(grants).get(client) == scope


def test_an_update_finds_a_grant_with_a_new_id(tmp_path: Path) -> None:
    def recreate_grant(sandbox: Sandbox) -> None:
        (old,) = (each for each in stored_grants(sandbox) if each["client_id"] == "old")
        sandbox.store.remove(DocumentKind.CLIENT_GRANTS, {"id": old["id"]})
        sandbox.store.add(DocumentKind.CLIENT_GRANTS, "cgr_abcdefghijklmnop", {**old, "id": "cgr_abcdefghijklmnop"})

    results, grants, _ = apply_specs(tmp_path, [UPDATE], edit_tenant=recreate_grant)

    assert results == {"old": Result.APPLIED}
    assert scopes(grants)["old"] == "ab"


def test_access_is_not_removed_if_adding_access_failed(tmp_path: Path) -> None:
    spec_with_unknown_api = a_spec(client_id="stray", audience="urn:unknown", scope=())

    results, grants, outcomes = apply_specs(tmp_path, [spec_with_unknown_api, KEEP], prune=True)

    assert [(type(each.change).__name__, each.result) for each in outcomes] == [
        ("Create", Result.FAILED),
        ("Delete", Result.SKIPPED),
    ]
    assert "stray" in scopes(grants)
    assert results == {"stray": Result.SKIPPED}


def test_a_failed_change_does_not_stop_other_changes(tmp_path: Path) -> None:
    results, grants, _ = apply_specs(tmp_path, [CREATE, UPDATE], fault_on("POST", forbid), prune=True)

    assert results == {"new": Result.FAILED, "old": Result.APPLIED, "stray": Result.APPLIED}
    assert scopes(grants) == {"old": "ab"}


def test_after_a_signal_running_changes_finish_and_others_are_skipped(tmp_path: Path) -> None:
    stop = StopSignal()

    async def stop_at_create(request: httpx.Request, forward: Forward) -> httpx.Response:
        if request.method == "POST" and request.url.path.endswith("client-grants"):
            stop.request_stop("interrupted")
        return await forward()

    results, grants, _ = apply_specs(tmp_path, [CREATE, UPDATE], stop_at_create, stop=stop, prune=True)

    assert results == {"new": Result.APPLIED, "old": Result.SKIPPED, "stray": Result.SKIPPED}
    assert scopes(grants) == {"new": "a", "old": "a", "stray": "a"}


def test_outcomes_are_counted_by_result(tmp_path: Path) -> None:
    _, _, outcomes = apply_specs(tmp_path, [CREATE, UPDATE])
    unknown_outcome = outcomes[0]._replace(result=Result.UNKNOWN)

    assert count_results([*outcomes, unknown_outcome]) == {
        Result.APPLIED: 2,
        Result.FAILED: 0,
        Result.CONFLICT: 0,
        Result.UNKNOWN: 1,
        Result.SKIPPED: 0,
    }


def test_a_partly_applied_change_is_completed_after_a_connection_error(tmp_path: Path) -> None:
    bodies: list[dict[str, Any]] = []

    async def refuse_first_scope_update(request: httpx.Request, forward: Forward) -> httpx.Response:
        body = json.loads(request.content)
        bodies.append(body)
        if len(body) > 1:
            return direct_response(request, 400, b"{}")
        if "scope" in body and sum("scope" in each for each in bodies) <= 1 + QUICK.attempts:
            raise httpx.ConnectError("no route", request=request)
        return await forward()

    seed_with_all_scopes = SEED.replace(
        "{client: Old, api: Invoices, scope: [a]}", "{client: Old, api: Invoices, allow_all_scopes: true}"
    )
    results, grants, _ = apply_specs(
        tmp_path, [UPDATE], fault_on("PATCH", refuse_first_scope_update), seed=seed_with_all_scopes
    )

    assert results == {"old": Result.APPLIED}
    assert scopes([grant for grant in grants if grant["client_id"] == "old"]) == {"old": "ab"}
    assert [sorted(body) for body in bodies] == [
        ["allow_all_scopes", "scope"],
        ["allow_all_scopes"],
        *[["scope"]] * (QUICK.attempts + 1),
    ]


def refuse_for_long(status: int) -> Interceptor:
    async def refuse(request: httpx.Request, _: Forward) -> httpx.Response:
        return httpx.Response(status, request=request, headers={"retry-after": "100"}, stream=httpx.ByteStream(b"{}"))

    return refuse


async def never_answer(_: httpx.Request, forward: Forward) -> httpx.Response:
    await asyncio.sleep(50)
    return await forward()


@pytest.mark.parametrize("method", HOLDER_BY_METHOD)
@pytest.mark.parametrize(
    ("fault", "result"),
    [(refuse_for_long(429), Result.SKIPPED), (never_sent, Result.SKIPPED), (never_answer, Result.UNKNOWN)],
    ids=["refused by the rate limit", "never sent", "sent without a response"],
)
def test_after_an_abort_only_requests_without_a_response_have_an_unknown_result(
    tmp_path: Path, method: str, fault: Interceptor, result: Result
) -> None:
    stop = StopSignal()

    async def abort_soon(request: httpx.Request, forward: Forward) -> httpx.Response:
        asyncio.get_running_loop().call_later(0.2, stop.abort.set)
        return await fault(request, forward)

    results, _, _ = apply_specs(tmp_path, [CREATE, UPDATE], fault_on(method, abort_soon), stop=stop, prune=True)

    assert results[HOLDER_BY_METHOD[method]] is result


def test_an_abort_after_a_429_keeps_the_known_result_of_the_first_attempt(tmp_path: Path) -> None:
    stop = StopSignal()
    faults = [break_before_effect, refuse_for_long(429)]

    async def next_fault(request: httpx.Request, forward: Forward) -> httpx.Response:
        if len(faults) == 1:
            asyncio.get_running_loop().call_later(5, stop.abort.set)
        return await faults.pop(0)(request, forward)

    results, _, (outcome, *_) = apply_specs(tmp_path, [CREATE], fault_on("POST", next_fault), stop=stop)

    assert results == {"new": Result.FAILED}
    assert outcome.detail == "interrupted before the change was sent again; the change had no effect"


def test_an_abort_after_a_429_reports_a_partly_applied_change(tmp_path: Path) -> None:
    stop = StopSignal()

    async def refuse_organizations(request: httpx.Request, forward: Forward) -> httpx.Response:
        if "organizations" in request.url.path and request.method == "POST":
            asyncio.get_running_loop().call_later(5, stop.abort.set)
            return await refuse_for_long(429)(request, forward)
        return await forward()

    spec = a_spec(
        client_id="new", scope=("a",), organization_usage="allow", organizations=(acme := "org_acmeacmeacmeacme",)
    )
    seed = f"{SEED}organizations: [{{name: acme, id: {acme}}}]\n"
    results, grants, (outcome, *_) = apply_specs(tmp_path, [spec], refuse_organizations, seed=seed, stop=stop)

    assert results == {"new": Result.FAILED}
    assert outcome.detail == "interrupted before the change was complete; only part of the change took effect"
    assert "new" in scopes(grants)
