import asyncio
import json
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
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
NO_NAMES = RequiredListings(application_names=False, api_names=False, scopes=False)
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

Meddle = Callable[[Sandbox], None]


def applied(
    folder: Path,
    specs: Iterable[GrantSpec],
    interfere: Interceptor = forward_only,
    meddle: Meddle = lambda _: None,
    *,
    seed: str = SEED,
    stop: StopSignal | None = None,
    **shape: bool,
) -> tuple[dict[str, Result], list[dict[str, Any]], tuple[Outcome, ...]]:
    """Plan undisturbed, let `meddle` change the tenant, apply under `interfere`; results by client, and the tenant."""

    async def run() -> tuple[Outcome, ...]:
        plan = await _plan(sandbox, specs, **shape)
        meddle(sandbox)
        async with connected_client(sandbox, interfere) as client:
            context = ApplyContext(
                client=client,
                journal=journal,
                stop=stop or StopSignal(),
                on_outcome=told.append,
                concurrency=8,
                observed=len(stored_grants(sandbox)),
                retry_policy=QUICK,
            )
            return await execute_plan(plan, context)

    told: list[Outcome] = []
    with a_sandbox(folder, seed) as sandbox, closing(open_journal(folder)) as journal:
        outcomes, _ = run_virtually(run())
        after = [grant for grant in stored_grants(sandbox) if grant["audience"].startswith("https://api.")]
    assert sorted(told, key=repr) == sorted(outcomes, key=repr)
    return {outcome.change.key.holder: outcome.result for outcome in outcomes}, after, outcomes


async def _plan(sandbox: Sandbox, specs: Iterable[GrantSpec], **shape: bool) -> Plan:
    async with connected_client(sandbox) as client:
        observation = await observe(client, NO_NAMES)
        observation = replace(observation, directory=first_parties(specs, observation.grants))
        return make_plan(specs, observation, rules(protection=ProtectionRules(client.own_key()), **shape), TENANT)


def scopes(after: list[dict[str, Any]]) -> dict[str, str]:
    return {grant["client_id"]: "".join(sorted(grant["scope"])) for grant in after}


def test_creates_updates_and_deletes_are_carried_out(tmp_path: Path) -> None:
    results, after, _ = applied(tmp_path, [CREATE, UPDATE], prune=True)

    assert set(results.values()) == {Result.APPLIED}
    assert scopes(after) == {"new": "a", "old": "ab"}


def at(method: str, fault: Interceptor) -> Interceptor:
    async def interfere(request: httpx.Request, forward: Forward) -> httpx.Response:
        is_grant = request.url.path.startswith("/api/v2/client-grants")
        return await (fault(request, forward) if request.method == method and is_grant else forward())

    return interfere


async def break_before(request: httpx.Request, _: Forward) -> httpx.Response:
    raise httpx.ReadError("connection reset", request=request)


async def break_after(request: httpx.Request, forward: Forward) -> httpx.Response:
    await forward()
    raise httpx.ReadTimeout("", request=request)


async def fail_before(request: httpx.Request, _: Forward) -> httpx.Response:
    return direct_response(request, 503)


async def fail_after(request: httpx.Request, forward: Forward) -> httpx.Response:
    await forward()
    return direct_response(request, 502, b"<html>")


async def never_sent(request: httpx.Request, _: Forward) -> httpx.Response:
    raise httpx.ConnectError("connection refused", request=request)


async def forbid(request: httpx.Request, _: Forward) -> httpx.Response:
    return direct_response(request, 403, b'{"message": "Insufficient scope"}')


VERBS = {"POST": "new", "PATCH": "old", "DELETE": "stray"}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("fault", "result"),
    [
        (break_before, Result.FAILED),
        (break_after, Result.APPLIED),
        (fail_before, Result.FAILED),
        (fail_after, Result.APPLIED),
        (never_sent, Result.FAILED),
        (forbid, Result.FAILED),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_a_lost_answer_is_settled_by_looking_again(
    tmp_path: Path,
    verb: str,
    fault: Interceptor,
    result: Result,
) -> None:
    results, after, _ = applied(tmp_path, [CREATE, UPDATE], at(verb, fault), prune=True)

    expected = {"new": Result.APPLIED, "old": Result.APPLIED, "stray": Result.APPLIED, VERBS[verb]: result}
    assert results == expected
    done = result is Result.APPLIED
    assert ("new" in scopes(after)) is (done or verb != "POST")
    assert (scopes(after)["old"] == "ab") is (done or verb != "PATCH")
    assert ("stray" in scopes(after)) is (not done and verb == "DELETE")


def test_what_cannot_be_looked_up_is_unknown(tmp_path: Path) -> None:
    broken: list[httpx.Request] = []

    async def break_all(request: httpx.Request, forward: Forward) -> httpx.Response:
        if request.method == "POST" and request.url.path.endswith("client-grants"):
            broken.append(request)
        return await (break_after(request, forward) if broken else forward())

    results, _, (outcome,) = applied(tmp_path, [CREATE, KEEP], break_all)

    assert results == {"new": Result.UNKNOWN}
    assert "reading the grant again failed" in outcome.detail


def foreign_edit(client_id: str, **fields: object) -> Meddle:
    def meddle(sandbox: Sandbox) -> None:
        (grant,) = (each for each in stored_grants(sandbox) if each["client_id"] == client_id)
        sandbox.store.replace(DocumentKind.CLIENT_GRANTS, grant["id"], {**grant, **fields})

    return meddle


def foreign_delete(client_id: str) -> Meddle:
    def meddle(sandbox: Sandbox) -> None:
        sandbox.store.remove(DocumentKind.CLIENT_GRANTS, {"client_id": client_id})

    return meddle


def foreign_create(scope: list[str]) -> Meddle:
    def meddle(sandbox: Sandbox) -> None:
        (old,) = (each for each in stored_grants(sandbox) if each["client_id"] == "old")
        created = {**old, "id": "cgr_abcdefghijklmnop", "client_id": "new", "scope": scope}
        sandbox.store.add(DocumentKind.CLIENT_GRANTS, created["id"], created)

    return meddle


@pytest.mark.parametrize(
    ("meddle", "client", "result", "scope"),
    [
        (foreign_edit("old", scope=["b"]), "old", Result.CONFLICT, "b"),
        (foreign_edit("old", organization_usage="allow"), "old", Result.CONFLICT, "a"),
        (foreign_delete("old"), "old", Result.CONFLICT, None),
        (foreign_edit("stray", scope=["b"]), "stray", Result.CONFLICT, "b"),
        (foreign_delete("stray"), "stray", Result.APPLIED, None),
        (foreign_create(["a"]), "new", Result.APPLIED, "a"),
        (foreign_create(["b"]), "new", Result.CONFLICT, "b"),
    ],
    ids=[
        "changed before an update",
        "other field changed before an update",
        "gone before an update",
        "changed before a delete",
        "gone before a delete",
        "created equally before a create",
        "created differently before a create",
    ],
)
def test_somebody_elses_edit_is_a_conflict_and_is_not_overwritten(
    tmp_path: Path,
    meddle: Meddle,
    client: str,
    result: Result,
    scope: str | None,
) -> None:
    results, after, _ = applied(tmp_path, [CREATE, UPDATE], meddle=meddle, prune=True)

    assert results[client] is result
    assert scopes(after).get(client) == scope


def test_an_update_finds_its_grant_under_a_new_id(tmp_path: Path) -> None:
    def toggle(sandbox: Sandbox) -> None:
        (old,) = (each for each in stored_grants(sandbox) if each["client_id"] == "old")
        sandbox.store.remove(DocumentKind.CLIENT_GRANTS, {"id": old["id"]})
        sandbox.store.add(DocumentKind.CLIENT_GRANTS, "cgr_abcdefghijklmnop", {**old, "id": "cgr_abcdefghijklmnop"})

    results, after, _ = applied(tmp_path, [UPDATE], meddle=toggle)

    assert results == {"old": Result.APPLIED}
    assert scopes(after)["old"] == "ab"


def test_access_is_not_taken_where_giving_it_failed(tmp_path: Path) -> None:
    moved = a_spec(client_id="stray", audience="urn:unknown", scope=())

    results, after, outcomes = applied(tmp_path, [moved, KEEP], prune=True)

    assert [(type(each.change).__name__, each.result) for each in outcomes] == [
        ("Create", Result.FAILED),
        ("Delete", Result.SKIPPED),
    ]
    assert "stray" in scopes(after)
    assert results == {"stray": Result.SKIPPED}


def test_a_failure_stops_no_other_change(tmp_path: Path) -> None:
    results, after, _ = applied(tmp_path, [CREATE, UPDATE], at("POST", forbid), prune=True)

    assert results == {"new": Result.FAILED, "old": Result.APPLIED, "stray": Result.APPLIED}
    assert scopes(after) == {"old": "ab"}


def test_what_is_in_flight_when_a_signal_comes_is_finished_and_the_rest_is_skipped(tmp_path: Path) -> None:
    stop = StopSignal()

    async def signalled(request: httpx.Request, forward: Forward) -> httpx.Response:
        if request.method == "POST" and request.url.path.endswith("client-grants"):
            stop.request_stop("interrupted")
        return await forward()

    results, after, _ = applied(tmp_path, [CREATE, UPDATE], signalled, stop=stop, prune=True)

    assert results == {"new": Result.APPLIED, "old": Result.SKIPPED, "stray": Result.SKIPPED}
    assert scopes(after) == {"new": "a", "old": "a", "stray": "a"}


def test_outcomes_are_counted_by_result(tmp_path: Path) -> None:
    _, _, outcomes = applied(tmp_path, [CREATE, UPDATE])
    one = replace(outcomes[0], result=Result.UNKNOWN)

    assert count_results([*outcomes, one]) == {
        Result.APPLIED: 2,
        Result.FAILED: 0,
        Result.CONFLICT: 0,
        Result.UNKNOWN: 1,
        Result.SKIPPED: 0,
    }


def test_half_a_change_that_the_network_cut_off_is_brought_to_its_end(tmp_path: Path) -> None:
    bodies: list[dict[str, Any]] = []

    async def in_two_steps(request: httpx.Request, forward: Forward) -> httpx.Response:
        body = json.loads(request.content)
        bodies.append(body)
        if len(body) > 1:
            return direct_response(request, 400, b"{}")
        if "scope" in body and sum("scope" in each for each in bodies) <= 1 + QUICK.attempts:
            raise httpx.ConnectError("no route", request=request)
        return await forward()

    everything = SEED.replace(
        "{client: Old, api: Invoices, scope: [a]}", "{client: Old, api: Invoices, allow_all_scopes: true}"
    )
    results, after, _ = applied(tmp_path, [UPDATE], at("PATCH", in_two_steps), seed=everything)

    assert results == {"old": Result.APPLIED}
    assert scopes([grant for grant in after if grant["client_id"] == "old"]) == {"old": "ab"}
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


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("fault", "result"),
    [(refuse_for_long(429), Result.SKIPPED), (never_sent, Result.SKIPPED), (never_answer, Result.UNKNOWN)],
    ids=["refused by the rate limit", "never sent", "sent and not answered"],
)
def test_only_what_was_sent_and_not_answered_is_unknown_when_interrupted(
    tmp_path: Path, verb: str, fault: Interceptor, result: Result
) -> None:
    stop = StopSignal()

    async def cut_soon(request: httpx.Request, forward: Forward) -> httpx.Response:
        asyncio.get_running_loop().call_later(0.2, stop.abort.set)
        return await fault(request, forward)

    results, _, _ = applied(tmp_path, [CREATE, UPDATE], at(verb, cut_soon), stop=stop, prune=True)

    assert results[VERBS[verb]] is result


def test_a_refusal_after_a_lost_answer_leaves_what_is_known_of_the_first_attempt(tmp_path: Path) -> None:
    stop = StopSignal()
    faults = [break_before, refuse_for_long(429)]

    async def twice(request: httpx.Request, forward: Forward) -> httpx.Response:
        if len(faults) == 1:
            asyncio.get_running_loop().call_later(5, stop.abort.set)
        return await faults.pop(0)(request, forward)

    results, _, (outcome, *_) = applied(tmp_path, [CREATE], at("POST", twice), stop=stop)

    assert results == {"new": Result.FAILED}
    assert outcome.detail == "interrupted before it was sent again; the change had no effect"


def test_half_a_change_is_known_when_its_rest_is_refused(tmp_path: Path) -> None:
    stop = StopSignal()

    async def refuse_organizations(request: httpx.Request, forward: Forward) -> httpx.Response:
        if "organizations" in request.url.path and request.method == "POST":
            asyncio.get_running_loop().call_later(5, stop.abort.set)
            return await refuse_for_long(429)(request, forward)
        return await forward()

    wanted = a_spec(
        client_id="new", scope=("a",), organization_usage="allow", organizations=(acme := "org_acmeacmeacmeacme",)
    )
    seed = f"{SEED}organizations: [{{name: acme, id: {acme}}}]\n"
    results, after, (outcome, *_) = applied(tmp_path, [wanted], refuse_organizations, seed=seed, stop=stop)

    assert results == {"new": Result.FAILED}
    assert outcome.detail == "interrupted before it was complete; only part of the change took effect"
    assert "new" in scopes(after)
