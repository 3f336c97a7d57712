"""What the table leaves out: several faults in one change, and what else can fail between a look and a write."""

import asyncio
from pathlib import Path

import pytest
from reliability.fault_runs import (
    BEFORE,
    CREATE,
    DELETE,
    HOLDERS,
    LATENCY_SECONDS,
    LIST,
    SEED,
    TOKEN,
    UPDATE,
    VERBS,
    WIDER_NEW_AND_NO_STRAY,
    WISHES,
    Strike,
    Wish,
    assert_settled,
    assert_sound,
    tried,
)
from reliability.rows import ALWAYS
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
LOOKS_BEFORE = {"create": 0, "update": 1, "delete": 1}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fault", [BUSY, Drop(), Damage(how="garbled"), AnswerFault(status=403)], ids=repr)
@pytest.mark.parametrize("verb", VERBS)
def test_a_write_that_neither_answers_nor_can_be_looked_up_is_unknown(
    tmp_path: Path, verb: str, fault: Fault, when: When
) -> None:
    first = 1 + LOOKS_BEFORE[verb]
    lost = Strike(AnswerFault(status=503, when=when), VERBS[verb])

    trial = tried(tmp_path, WISHES[verb], lost, Strike(fault, LIST, Series(first=first)))

    assert trial.results == {HOLDERS[verb]: Result.UNKNOWN}
    assert trial.calls[VERBS[verb]] == 1
    assert trial.after == (WISHES[verb].goal if when == "after" else BEFORE)
    assert_sound(trial, WISHES[verb], HOLDERS[verb])


@pytest.mark.parametrize("verb", ["update", "delete"])
def test_where_the_look_before_a_write_fails_nothing_is_sent_and_nothing_is_unknown(tmp_path: Path, verb: str) -> None:
    trial = tried(tmp_path, WISHES[verb], Strike(BUSY, LIST, ALWAYS))

    assert trial.results == {HOLDERS[verb]: Result.FAILED}
    assert trial.calls == {LIST: 5}
    assert_sound(trial, WISHES[verb], HOLDERS[verb])


@pytest.mark.parametrize("verb", ["update", "delete"])
def test_a_look_that_fails_once_holds_nothing_up(tmp_path: Path, verb: str) -> None:
    trial = tried(tmp_path, WISHES[verb], Strike(BUSY, LIST))

    assert trial.results == {HOLDERS[verb]: Result.APPLIED}
    assert_sound(trial, WISHES[verb], HOLDERS[verb])


@pytest.mark.parametrize(("status", "requests"), [(401, 1), (403, 1), (404, 1), (409, 1), (429, 5), (500, 5)])
@pytest.mark.parametrize("verb", VERBS)
def test_the_answer_to_a_request_for_a_token_is_not_taken_for_the_answer_to_the_write(
    tmp_path: Path, verb: str, status: int, requests: int
) -> None:
    expired = Strike(ExpireToken(), VERBS[verb])

    trial = tried(tmp_path, WISHES[verb], expired, Strike(AnswerFault(status=status), TOKEN, ALWAYS))

    assert trial.results == {HOLDERS[verb]: Result.FAILED}
    assert (trial.calls[VERBS[verb]], trial.calls[TOKEN]) == (1, requests)
    assert trial.after == BEFORE
    assert_sound(trial, WISHES[verb], HOLDERS[verb])


@pytest.mark.parametrize("fault", [BUSY, AnswerFault(status=502, when="after"), Drop(), Drop(when="after")], ids=repr)
def test_faults_of_several_changes_do_not_mix(tmp_path: Path, fault: Fault) -> None:
    strikes = [Strike(fault, endpoint) for endpoint in (CREATE, UPDATE, DELETE, LIST)]

    trial = tried(tmp_path, WIDER_NEW_AND_NO_STRAY, *strikes)

    assert trial.results == dict.fromkeys(HOLDERS.values(), Result.APPLIED)
    assert trial.after == WIDER_NEW_AND_NO_STRAY.goal
    assert trial.own_unchanged
    assert_settled(trial, WIDER_NEW_AND_NO_STRAY)


def test_a_fault_that_changes_from_attempt_to_attempt_is_outlived(tmp_path: Path) -> None:
    faults: list[Fault] = [BUSY, Drop(), AnswerFault(status=429), AnswerFault(status=504, when="after")]
    strikes = [Strike(fault, CREATE, (number,)) for number, fault in enumerate(faults, start=1)]

    trial = tried(tmp_path, WISHES["create"], *strikes)

    assert trial.results == {"new": Result.APPLIED}
    assert trial.calls[CREATE] == 4
    assert_sound(trial, WISHES["create"], "new")


@pytest.mark.parametrize("fault", [LoseScope(), LoseWrite()], ids=repr)
@pytest.mark.parametrize("verb", ["create", "update"])
def test_a_success_that_was_none_shows_when_the_tenant_is_read_again(tmp_path: Path, verb: str, fault: Fault) -> None:
    trial = tried(tmp_path, WISHES[verb], Strike(fault, VERBS[verb]))

    assert trial.results == {HOLDERS[verb]: Result.APPLIED}
    assert not trial.converged
    assert_sound(trial, WISHES[verb], HOLDERS[verb])


@pytest.mark.parametrize("verb", VERBS)
def test_a_look_that_does_not_see_yet_what_took_effect_makes_no_duplicate(tmp_path: Path, verb: str) -> None:
    lost = Strike(AnswerFault(status=503, when="after"), VERBS[verb])

    trial = tried(tmp_path, WISHES[verb], lost, Strike(Lag(reads=2), LIST, ALWAYS))

    assert trial.after == WISHES[verb].goal
    assert trial.converged
    assert_sound(trial, WISHES[verb], HOLDERS[verb])


EVERYTHING_ALLOWED = SEED.replace(
    "client: Old, api: Invoices, scope: [a]", "client: Old, api: Invoices, allow_all_scopes: true"
)
NARROWER = Wish((a_spec(client_id="old", scope=("a",)),), BEFORE)
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
        "in one call",
        "in two",
        "the first step fails once",
        "the answer to the first step is lost",
        "the second step fails once",
        "the answer to the second step is lost",
        "the first step is refused, too",
        "the second step is refused",
    ],
)
def test_leaving_all_scopes_never_leaves_a_grant_without_any(
    tmp_path: Path, faults: dict[int, Fault], result: Result, patches: int, scope: str
) -> None:
    strikes = [Strike(fault, UPDATE, (number,)) for number, fault in faults.items()]

    trial = tried(tmp_path, NARROWER, *strikes, seed=EVERYTHING_ALLOWED)

    assert trial.results == {"old": result}
    assert trial.calls[UPDATE] == patches
    assert trial.after == {**BEFORE, "old": scope}
    assert_sound(trial, NARROWER, "old")


@pytest.mark.parametrize(
    ("endpoint", "strikes", "result"),
    [
        (UPDATE, [], Result.UNKNOWN),
        (TOKEN, [Strike(ExpireToken(), UPDATE)], Result.SKIPPED),
        (LIST, [Strike(BUSY, UPDATE)], Result.UNKNOWN),
        (LIST, [], Result.SKIPPED),
    ],
    ids=["under way", "while a token is renewed", "while it is settled", "while it is looked at"],
)
def test_a_change_that_is_cut_off_is_unknown_if_it_was_sent_and_not_answered(
    tmp_path: Path, endpoint: str, strikes: list[Strike], result: Result
) -> None:
    stop = StopSignal()
    last = {UPDATE: 1, TOKEN: 2, LIST: 2 + len(strikes)}[endpoint]
    calls: list[str] = []

    def cut(_: Sandbox, called: str) -> None:
        calls.append(called)
        if calls.count(endpoint) == last:
            stop.abort.set()

    trial = tried(tmp_path, WISHES["update"], *strikes, foreign=cut, stop=stop)

    assert trial.results == {"old": result}
    assert_sound(trial, WISHES["update"], "old")


def test_a_change_that_is_cut_off_before_it_is_tried_again_has_failed(tmp_path: Path) -> None:
    stop = StopSignal()
    calls: list[str] = []

    def cut(_: Sandbox, called: str) -> None:
        calls.append(called)
        if calls[-2:] == [UPDATE, LIST]:
            asyncio.get_running_loop().call_later(2 * LATENCY_SECONDS, stop.abort.set)

    trial = tried(tmp_path, WISHES["update"], Strike(BUSY, UPDATE), foreign=cut, stop=stop)

    assert trial.results == {"old": Result.FAILED}
    assert trial.calls[UPDATE] == 1
    assert_sound(trial, WISHES["update"], "old")
