"""Many calls at once that meet refusals: rate limits that lie, clocks that are off, a token that dies."""

from dataclasses import replace
from pathlib import Path

import pytest
from reliability.fault_runs import CREATE, LIST, TOKEN, Foreign, Strike, Trial, Wish, assert_settled, tried
from reliability.rows import ALWAYS
from support.builders import a_spec

from auth0_sandbox.faults.plan import Clock, Delay, Headers, RateLimit, Series
from auth0_sandbox.tenant import Sandbox
from reconciler.core.outcome import Result

AT_ONCE = 8
NAMES = [f"app{number}" for number in range(AT_ONCE)]
SEED = "\n".join(
    [
        "applications:",
        *(f"  - {{name: {name}, client_id: {name}}}" for name in NAMES),
        'apis: [{name: Invoices, identifier: "https://api.example.com/invoices", scopes: [a]}]',
    ]
)
ALL = Wish(tuple(a_spec(client_id=name, scope=("a",)) for name in NAMES), dict.fromkeys(NAMES, "a"))
EVERY_SECOND = Series(every=2)
ODD: dict[str, str | None] = {"x-ratelimit-remaining": "-7", "x-ratelimit-limit": "many", "x-ratelimit-reset": "NaN"}
MISSING: dict[str, str | None] = dict.fromkeys(("x-ratelimit-remaining", "x-ratelimit-limit", "x-ratelimit-reset"))
STORMS = {
    "right headers": [Strike(RateLimit(), CREATE, EVERY_SECOND)],
    "no headers": [Strike(RateLimit(headers=False), CREATE, EVERY_SECOND)],
    "reset in the past": [Strike(RateLimit(reset=-3600), CREATE, EVERY_SECOND)],
    "reset in an hour": [Strike(RateLimit(reset=3600), CREATE, EVERY_SECOND)],
    "Retry-After in seconds": [Strike(RateLimit(retry_after="2"), CREATE, EVERY_SECOND)],
    "Retry-After of half a minute": [Strike(RateLimit(retry_after="30"), CREATE, EVERY_SECOND)],
    "Retry-After as a date gone by": [
        Strike(RateLimit(retry_after="Thu, 01 Jan 2026 00:00:00 GMT"), CREATE, EVERY_SECOND)
    ],
    "Retry-After that is none": [Strike(RateLimit(retry_after="soon"), CREATE, EVERY_SECOND)],
    "a clock three hours fast": [Strike(Clock(seconds=10_800), "* *"), Strike(RateLimit(), CREATE, EVERY_SECOND)],
    "a clock three hours slow": [Strike(Clock(seconds=-10_800), "* *"), Strike(RateLimit(), CREATE, EVERY_SECOND)],
    "odd headers on every answer": [
        Strike(Headers(set=ODD), "* *", ALWAYS),
        Strike(RateLimit(), CREATE, EVERY_SECOND),
    ],
    "headers on 429 only": [Strike(RateLimit(), CREATE, EVERY_SECOND), Strike(Headers(set=MISSING), "* *", ALWAYS)],
    "no date": [Strike(Headers(set={"date": None}), "* *", ALWAYS), Strike(RateLimit(), CREATE, EVERY_SECOND)],
    "a date that is none": [
        Strike(Headers(set={"date": "yesterday"}), "* *", ALWAYS),
        Strike(RateLimit(), CREATE, EVERY_SECOND),
    ],
}
LONGEST_STORM_SECONDS = 10 * 60.0


def endured(folder: Path, *strikes: Strike) -> Trial:
    trial = tried(folder, ALL, *strikes, seed=SEED)
    assert trial.settled
    assert trial.end == ALL.goal
    return trial


@pytest.mark.parametrize("strikes", STORMS.values(), ids=STORMS)
def test_a_storm_of_429_is_weathered_without_haste(tmp_path: Path, strikes: list[Strike]) -> None:
    trial = endured(tmp_path, *strikes)

    assert set(trial.results.values()) == {Result.APPLIED}
    assert AT_ONCE < trial.calls[CREATE] <= 2 * AT_ONCE + 1
    assert 0.5 <= trial.seconds <= LONGEST_STORM_SECONDS


def test_a_storm_without_end_is_given_up(tmp_path: Path) -> None:
    trial = endured(tmp_path, Strike(RateLimit(), CREATE, ALWAYS))

    assert set(trial.results.values()) == {Result.FAILED}
    assert trial.calls == {CREATE: 5 * AT_ONCE}


@pytest.mark.parametrize("seconds", [-36_000, 36_000])
def test_a_clock_that_is_off_by_hours_costs_nothing(tmp_path: Path, seconds: float) -> None:
    trial = endured(tmp_path, Strike(Clock(seconds=seconds), "* *", ALWAYS))

    assert set(trial.results.values()) == {Result.APPLIED}
    assert trial.calls == {CREATE: AT_ONCE}
    assert trial.seconds < 2


def rotate_keys_once() -> Foreign:
    """Let the tenant forget, right behind the plan, what it has signed."""
    left = [b"another key, of as many bytes too"]

    def foreign(sandbox: Sandbox, called: str) -> None:
        if called == LIST and left:
            sandbox.store.set_tenant(replace(sandbox.store.tenant(), signing_key=left.pop()))

    return foreign


def test_a_token_that_dies_under_all_calls_at_once_is_renewed_once(tmp_path: Path) -> None:
    together = Strike(Delay(seconds=1), CREATE, ALWAYS)

    trial = tried(tmp_path, ALL, together, foreign=rotate_keys_once(), seed=SEED)

    assert set(trial.results.values()) == {Result.APPLIED}
    assert trial.calls == {CREATE: 2 * AT_ONCE, TOKEN: 1}
    assert_settled(trial, ALL)
