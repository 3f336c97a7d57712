"""Combinations of faults in one change, and interruptions of requests."""

import asyncio
from pathlib import Path

import pytest
from reliability.fault_runs import (
    ALL_ACTIONS,
    BEFORE,
    CREATE,
    DELETE,
    DESIRED,
    HOLDERS,
    LATENCY_SECONDS,
    LIST,
    SEED,
    TOKEN,
    UPDATE,
    WRITE_ENDPOINTS,
    Desired,
    InjectedFault,
    assert_consistent,
    assert_second_apply_converges,
    run_with_faults,
)
from reliability.fault_table import ALWAYS
from support.builders import a_spec

from auth0_sandbox.faults.plan import (
    AnswerFault,
    Damage,
    Drop,
    ExpireToken,
    Fault,
    Lag,
    LoseScope,
    LoseWrite,
    Series,
    When,
)
from auth0_sandbox.tenant import Sandbox
from reconciler.apply import StopSignal
from reconciler.core.outcome import Result

BUSY = AnswerFault(status=503)
READS_BEFORE = {"create": 0, "update": 1, "delete": 1}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fault", [BUSY, Drop(), Damage(how="garbled"), AnswerFault(status=403)], ids=repr)
@pytest.mark.parametrize("action", WRITE_ENDPOINTS)
def test_a_write_is_unknown_if_its_response_is_lost_and_the_grant_cannot_be_read(
    tmp_path: Path, action: str, fault: Fault, when: When
) -> None:
    first_failed_read = 1 + READS_BEFORE[action]
    lost_response = InjectedFault(AnswerFault(status=503, when=when), WRITE_ENDPOINTS[action])

    run = run_with_faults(
        tmp_path,
        DESIRED[action],
        lost_response,
        InjectedFault(fault, LIST, Series(first=first_failed_read)),
    )

    assert run.results == {HOLDERS[action]: Result.UNKNOWN}
    assert run.calls[WRITE_ENDPOINTS[action]] == 1
    assert run.after == (DESIRED[action].expected if when == "after" else BEFORE)
    assert_consistent(run, DESIRED[action], HOLDERS[action])


@pytest.mark.parametrize("action", ["update", "delete"])
def test_a_change_fails_without_a_write_if_the_read_before_it_fails(tmp_path: Path, action: str) -> None:
    run = run_with_faults(tmp_path, DESIRED[action], InjectedFault(BUSY, LIST, ALWAYS))

    assert run.results == {HOLDERS[action]: Result.FAILED}
    assert run.calls == {LIST: 5}
    assert_consistent(run, DESIRED[action], HOLDERS[action])


@pytest.mark.parametrize("action", ["update", "delete"])
def test_a_read_that_fails_once_is_repeated(tmp_path: Path, action: str) -> None:
    run = run_with_faults(tmp_path, DESIRED[action], InjectedFault(BUSY, LIST))

    assert run.results == {HOLDERS[action]: Result.APPLIED}
    assert_consistent(run, DESIRED[action], HOLDERS[action])


@pytest.mark.parametrize(("status", "requests"), [(401, 1), (403, 1), (404, 1), (409, 1), (429, 5), (500, 5)])
@pytest.mark.parametrize("action", WRITE_ENDPOINTS)
def test_a_failed_token_request_is_a_failed_write_without_effect(
    tmp_path: Path, action: str, status: int, requests: int
) -> None:
    expired_token = InjectedFault(ExpireToken(), WRITE_ENDPOINTS[action])

    run = run_with_faults(
        tmp_path, DESIRED[action], expired_token, InjectedFault(AnswerFault(status=status), TOKEN, ALWAYS)
    )

    assert run.results == {HOLDERS[action]: Result.FAILED}
    assert (run.calls[WRITE_ENDPOINTS[action]], run.calls[TOKEN]) == (1, requests)
    assert run.after == BEFORE
    assert_consistent(run, DESIRED[action], HOLDERS[action])


@pytest.mark.parametrize("fault", [BUSY, AnswerFault(status=502, when="after"), Drop(), Drop(when="after")], ids=repr)
def test_faults_of_several_changes_are_independent(tmp_path: Path, fault: Fault) -> None:
    injected = [InjectedFault(fault, endpoint) for endpoint in (CREATE, UPDATE, DELETE, LIST)]

    run = run_with_faults(tmp_path, ALL_ACTIONS, *injected)

    assert run.results == dict.fromkeys(HOLDERS.values(), Result.APPLIED)
    assert run.after == ALL_ACTIONS.expected
    assert run.own_unchanged
    assert_second_apply_converges(run, ALL_ACTIONS)


def test_different_faults_of_successive_attempts_are_survived(tmp_path: Path) -> None:
    faults: list[Fault] = [BUSY, Drop(), AnswerFault(status=429), AnswerFault(status=504, when="after")]
    injected = [InjectedFault(fault, CREATE, (number,)) for number, fault in enumerate(faults, start=1)]

    run = run_with_faults(tmp_path, DESIRED["create"], *injected)

    assert run.results == {"new": Result.APPLIED}
    assert run.calls[CREATE] == 4
    assert_consistent(run, DESIRED["create"], "new")


@pytest.mark.parametrize("fault", [LoseScope(), LoseWrite()], ids=repr)
@pytest.mark.parametrize("action", ["create", "update"])
def test_a_write_without_effect_is_found_by_the_verification(tmp_path: Path, action: str, fault: Fault) -> None:
    run = run_with_faults(tmp_path, DESIRED[action], InjectedFault(fault, WRITE_ENDPOINTS[action]))

    assert run.results == {HOLDERS[action]: Result.APPLIED}
    assert not run.converged
    assert_consistent(run, DESIRED[action], HOLDERS[action])


@pytest.mark.parametrize("action", WRITE_ENDPOINTS)
def test_a_lagging_read_causes_no_duplicate(tmp_path: Path, action: str) -> None:
    lost_response = InjectedFault(AnswerFault(status=503, when="after"), WRITE_ENDPOINTS[action])

    run = run_with_faults(tmp_path, DESIRED[action], lost_response, InjectedFault(Lag(reads=2), LIST, ALWAYS))

    assert run.after == DESIRED[action].expected
    assert run.converged
    assert_consistent(run, DESIRED[action], HOLDERS[action])


SEED_WITH_ALL_SCOPES = SEED.replace(
    "client: Old, api: Invoices, scope: [a]", "client: Old, api: Invoices, allow_all_scopes: true"
)
NARROWED = Desired((a_spec(client_id="old", scope=("a",)),), BEFORE)
REFUSED = AnswerFault(status=400)


@pytest.mark.parametrize(
    ("faults", "result", "patches", "scope"),
    [
        ({}, Result.APPLIED, 1, "a"),
        ({1: REFUSED}, Result.APPLIED, 3, "a"),
        ({1: REFUSED, 2: BUSY}, Result.APPLIED, 3, "a"),
        ({1: REFUSED, 2: Drop(when="after")}, Result.APPLIED, 3, "a"),
        ({1: REFUSED, 3: BUSY}, Result.APPLIED, 4, "a"),
        ({1: REFUSED, 3: Drop(when="after")}, Result.APPLIED, 3, "a"),
        ({1: REFUSED, 2: REFUSED}, Result.FAILED, 2, "*"),
        ({1: REFUSED, 3: REFUSED}, Result.FAILED, 4, "*"),
    ],
    ids=[
        "one request",
        "two requests",
        "the first step fails once",
        "the response to the first step is lost",
        "the second step fails once",
        "the response to the second step is lost",
        "the first step is refused",
        "the second step is refused",
    ],
)
def test_a_change_from_all_scopes_never_leaves_a_grant_without_scopes(
    tmp_path: Path, faults: dict[int, Fault], result: Result, patches: int, scope: str
) -> None:
    injected = [InjectedFault(fault, UPDATE, (number,)) for number, fault in faults.items()]

    run = run_with_faults(tmp_path, NARROWED, *injected, seed=SEED_WITH_ALL_SCOPES)

    assert run.results == {"old": result}
    assert run.calls[UPDATE] == patches
    assert run.after == {**BEFORE, "old": scope}
    assert_consistent(run, NARROWED, "old")


@pytest.mark.parametrize(
    ("endpoint", "injected", "result"),
    [
        (UPDATE, [], Result.UNKNOWN),
        (TOKEN, [InjectedFault(ExpireToken(), UPDATE)], Result.SKIPPED),
        (LIST, [InjectedFault(BUSY, UPDATE)], Result.UNKNOWN),
        (LIST, [], Result.SKIPPED),
    ],
    ids=[
        "during the write",
        "during a token request",
        "during the read after the write",
        "during the read before the write",
    ],
)
def test_an_aborted_change_is_unknown_if_it_was_sent_without_a_response(
    tmp_path: Path, endpoint: str, injected: list[InjectedFault], result: Result
) -> None:
    stop = StopSignal()
    last_request = {UPDATE: 1, TOKEN: 2, LIST: 2 + len(injected)}[endpoint]
    calls: list[str] = []

    def abort_at(_: Sandbox, requested: str) -> None:
        calls.append(requested)
        if calls.count(endpoint) == last_request:
            stop.abort.set()

    run = run_with_faults(tmp_path, DESIRED["update"], *injected, after_request=abort_at, stop=stop)

    assert run.results == {"old": result}
    assert_consistent(run, DESIRED["update"], "old")


def test_a_change_aborted_before_its_retry_has_failed(tmp_path: Path) -> None:
    stop = StopSignal()
    calls: list[str] = []

    def abort_at(_: Sandbox, requested: str) -> None:
        calls.append(requested)
        if calls[-2:] == [UPDATE, LIST]:
            asyncio.get_running_loop().call_later(2 * LATENCY_SECONDS, stop.abort.set)

    run = run_with_faults(tmp_path, DESIRED["update"], InjectedFault(BUSY, UPDATE), after_request=abort_at, stop=stop)

    assert run.results == {"old": Result.FAILED}
    assert run.calls[UPDATE] == 1
    assert_consistent(run, DESIRED["update"], "old")
