"""Concurrent requests with 429 responses, wrong rate-limit headers, wrong clocks, and a revoked token."""

from dataclasses import replace
from pathlib import Path

import pytest
from reliability.fault_runs import (
    CREATE,
    LIST,
    TOKEN,
    AfterRequest,
    Desired,
    FaultRun,
    InjectedFault,
    assert_second_apply_converges,
    run_with_faults,
)
from reliability.fault_table import ALWAYS
from support.builders import a_spec

from auth0_sandbox.faults.plan import Clock, Delay, Headers, RateLimit, Series
from auth0_sandbox.tenant import Sandbox
from reconciler.core.outcome import Result

CONCURRENT_REQUESTS = 8
NAMES = [f"app{number}" for number in range(CONCURRENT_REQUESTS)]
SEED = "\n".join(
    [
        "applications:",
        *(f"  - {{name: {name}, client_id: {name}}}" for name in NAMES),
        'apis: [{name: Invoices, identifier: "https://api.example.com/invoices", scopes: [a]}]',
    ]
)
ALL_GRANTS = Desired(tuple(a_spec(client_id=name, scope=("a",)) for name in NAMES), dict.fromkeys(NAMES, "a"))
EVERY_SECOND = Series(every=2)
INVALID_HEADERS: dict[str, str | None] = {
    "x-ratelimit-remaining": "-7",
    "x-ratelimit-limit": "many",
    "x-ratelimit-reset": "NaN",
}
WITHOUT_HEADERS: dict[str, str | None] = dict.fromkeys(
    ("x-ratelimit-remaining", "x-ratelimit-limit", "x-ratelimit-reset")
)
RATE_LIMIT_FAULTS = {
    "correct headers": [InjectedFault(RateLimit(), CREATE, EVERY_SECOND)],
    "no headers": [InjectedFault(RateLimit(headers=False), CREATE, EVERY_SECOND)],
    "reset in the past": [InjectedFault(RateLimit(reset=-3600), CREATE, EVERY_SECOND)],
    "reset in an hour": [InjectedFault(RateLimit(reset=3600), CREATE, EVERY_SECOND)],
    "Retry-After in seconds": [InjectedFault(RateLimit(retry_after="2"), CREATE, EVERY_SECOND)],
    "Retry-After of half a minute": [InjectedFault(RateLimit(retry_after="30"), CREATE, EVERY_SECOND)],
    "Retry-After with a past date": [
        InjectedFault(RateLimit(retry_after="Thu, 01 Jan 2026 00:00:00 GMT"), CREATE, EVERY_SECOND)
    ],
    "invalid Retry-After": [InjectedFault(RateLimit(retry_after="soon"), CREATE, EVERY_SECOND)],
    "a clock three hours fast": [
        InjectedFault(Clock(seconds=10_800), "* *"),
        InjectedFault(RateLimit(), CREATE, EVERY_SECOND),
    ],
    "a clock three hours slow": [
        InjectedFault(Clock(seconds=-10_800), "* *"),
        InjectedFault(RateLimit(), CREATE, EVERY_SECOND),
    ],
    "invalid headers in every response": [
        InjectedFault(Headers(set=INVALID_HEADERS), "* *", ALWAYS),
        InjectedFault(RateLimit(), CREATE, EVERY_SECOND),
    ],
    "headers in 429 responses only": [
        InjectedFault(RateLimit(), CREATE, EVERY_SECOND),
        InjectedFault(Headers(set=WITHOUT_HEADERS), "* *", ALWAYS),
    ],
    "no date": [
        InjectedFault(Headers(set={"date": None}), "* *", ALWAYS),
        InjectedFault(RateLimit(), CREATE, EVERY_SECOND),
    ],
    "invalid date": [
        InjectedFault(Headers(set={"date": "yesterday"}), "* *", ALWAYS),
        InjectedFault(RateLimit(), CREATE, EVERY_SECOND),
    ],
}
MAX_SECONDS = 10 * 60.0


def run_and_check(folder: Path, *injected: InjectedFault) -> FaultRun:
    run = run_with_faults(folder, ALL_GRANTS, *injected, seed=SEED)
    assert run.second_converged
    assert run.after_second == ALL_GRANTS.expected
    return run


@pytest.mark.parametrize("injected", RATE_LIMIT_FAULTS.values(), ids=RATE_LIMIT_FAULTS)
def test_requests_with_a_429_are_retried_after_a_delay(tmp_path: Path, injected: list[InjectedFault]) -> None:
    run = run_and_check(tmp_path, *injected)

    assert set(run.results.values()) == {Result.APPLIED}
    assert CONCURRENT_REQUESTS < run.calls[CREATE] <= 2 * CONCURRENT_REQUESTS + 1
    assert 0.5 <= run.seconds <= MAX_SECONDS


def test_an_endless_429_fails_after_five_attempts(tmp_path: Path) -> None:
    run = run_and_check(tmp_path, InjectedFault(RateLimit(), CREATE, ALWAYS))

    assert set(run.results.values()) == {Result.FAILED}
    assert run.calls == {CREATE: 5 * CONCURRENT_REQUESTS}


@pytest.mark.parametrize("seconds", [-36_000, 36_000])
def test_a_wrong_clock_causes_no_additional_request(tmp_path: Path, seconds: float) -> None:
    run = run_and_check(tmp_path, InjectedFault(Clock(seconds=seconds), "* *", ALWAYS))

    assert set(run.results.values()) == {Result.APPLIED}
    assert run.calls == {CREATE: CONCURRENT_REQUESTS}
    assert run.seconds < 2


def rotate_key_once() -> AfterRequest:
    """Replace the tenant's signing key after the plan, so that it refuses earlier tokens."""
    keys = [b"another key with enough bytes...."]

    def after_request(sandbox: Sandbox, called: str) -> None:
        if called == LIST and keys:
            sandbox.store.set_tenant(replace(sandbox.store.tenant(), signing_key=keys.pop()))

    return after_request


def test_a_token_revoked_during_concurrent_requests_is_renewed_once(tmp_path: Path) -> None:
    overlapping = InjectedFault(Delay(seconds=1), CREATE, ALWAYS)

    run = run_with_faults(tmp_path, ALL_GRANTS, overlapping, after_request=rotate_key_once(), seed=SEED)

    assert set(run.results.values()) == {Result.APPLIED}
    assert run.calls == {CREATE: 2 * CONCURRENT_REQUESTS, TOKEN: 1}
    assert_second_apply_converges(run, ALL_GRANTS)
