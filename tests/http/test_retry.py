"""Retries and waits for rate limits near the deadline of a run: too long a wait fails at once, with a reason."""

import re

import pytest
from support.virtual_time import run_virtually

from reconciler.auth0.errors import (
    TRANSIENT,
    Auth0Error,
    DeadlinePassedError,
    NotSentError,
    RateLimitedError,
    UnknownOutcomeError,
)
from reconciler.auth0.rate_limit import RateLimiter, RateOptions
from reconciler.http.retry import RetryPolicy, retry, time_after
from reconciler.http.retry_hints import RateLimitHeaders

MOMENT = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
ERRORS = [
    (RateLimitedError("POST x /oauth/token", 429, "quota", 3600.0), f"quota; the tenant asks to wait until {MOMENT}, "),
    (
        RateLimitedError("POST x /oauth/token", 429, "quota", 1e12),
        r"the tenant asks to wait until 1000000000000 s from",
    ),
    (NotSentError("no route"), "no route; the next attempt would come "),
    (UnknownOutcomeError("lost"), "lost; the next attempt would come "),
]


async def failing(error: Auth0Error, retry_policy: RetryPolicy) -> int:
    attempts = 0

    async def attempt() -> None:
        nonlocal attempts
        attempts += 1
        raise error

    with pytest.raises(type(error)):
        await retry(attempt, retry_policy, TRANSIENT)
    return attempts


@pytest.mark.parametrize(("error", "message"), ERRORS, ids=lambda each: type(each).__name__)
def test_a_delay_that_ends_after_the_deadline_fails_immediately(error: Auth0Error, message: str) -> None:
    attempts, seconds = run_virtually(failing(error, RetryPolicy(jitter=lambda _, high: high, deadline=0.9)))

    assert (attempts, seconds) == (1, 0.0)
    assert re.search(message, str(error))
    assert str(error).endswith("after the end of this run (--timeout)")


def test_no_request_is_sent_before_the_requested_time() -> None:
    error = RateLimitedError("POST x /oauth/token", 429, "quota", 100.0)
    notices: list[str] = []
    attempts, seconds = run_virtually(failing(error, RetryPolicy(attempts=3, deadline=1000.0, notice=notices.append)))

    assert (attempts, seconds) == (3, 200.0)
    assert re.search(f"quota; the tenant asks to wait until {MOMENT}$", str(error))
    assert [re.sub(MOMENT, "then", notice) for notice in notices] == [
        "waiting 100 s, as the tenant asks, until then"
    ] * 2


def test_a_slot_after_the_deadline_fails_immediately() -> None:
    async def acquire_slots() -> None:
        rate_limiter = RateLimiter(RateOptions())
        async with rate_limiter.acquire("clients", deadline=10.0) as slot:
            slot.record_rate_limited(RateLimitHeaders(retry_after=5.0), default_delay=1.0)
        async with rate_limiter.acquire("clients", deadline=10.0) as slot:
            slot.record_rate_limited(RateLimitHeaders(retry_after=50.0), default_delay=1.0)
        with pytest.raises(
            DeadlinePassedError, match=f"^nothing was sent: the rate limits allow the next call at {MOMENT}, after"
        ):
            async with rate_limiter.acquire("clients", deadline=10.0):
                pass

    assert run_virtually(acquire_slots())[1] == 5.0


def test_time_after_returns_date_and_time() -> None:
    assert re.fullmatch(MOMENT, time_after(60.0))


@pytest.mark.parametrize(
    ("error", "cause"),
    [(RateLimitedError("POST x", 429, "quota"), "status 429"), (NotSentError("no route"), "no valid response")],
)
def test_each_wait_is_shown_with_its_cause(error: Auth0Error, cause: str) -> None:
    shown: list[str] = []

    run_virtually(failing(error, RetryPolicy(3, jitter=lambda _, high: high, progress=shown.append)))

    assert shown == [f"{cause}, retrying in 1 s (2 of 3)", f"{cause}, retrying in 2 s (3 of 3)"]
