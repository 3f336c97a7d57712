"""The token bucket of the load server, and the minimum time for a number of calls."""

from email.message import Message
from email.parser import Parser

import pytest

from benchmarks.limits import PLANS, Bucket, Plan

START = 1_700_000_000.0


def rate_limit_headers(bucket: Bucket, now: float) -> Message:
    return Parser().parsestr(bucket.headers(now))


def test_a_full_bucket_allows_one_burst() -> None:
    bucket = Bucket(Plan(burst=3, rate=2))

    assert [bucket.take(START) for _ in range(5)] == [True, True, True, False, False]


def test_a_bucket_refills_at_its_rate_up_to_the_burst() -> None:
    bucket = Bucket(Plan(burst=3, rate=2))
    at_start = [bucket.take(START) for _ in range(3)]

    after_half_a_second = [bucket.take(START + 0.5), bucket.take(START + 0.5)]
    after_a_long_time = [bucket.take(START + 1000) for _ in range(4)]

    assert at_start == [True] * 3
    assert after_half_a_second == [True, False]
    assert after_a_long_time == [True, True, True, False]


def test_headers_have_the_size_the_remaining_tokens_and_the_time_of_the_next_token() -> None:
    bucket = Bucket(Plan(burst=3, rate=0.5))
    assert bucket.take(START)

    headers = rate_limit_headers(bucket, START)

    assert headers["x-ratelimit-limit"] == "3"
    assert headers["x-ratelimit-remaining"] == "2"
    assert int(headers["x-ratelimit-reset"]) == START + 2


def test_without_limits_there_are_no_headers_and_no_refusals() -> None:
    bucket = Bucket(PLANS["none"])

    assert all(bucket.take(START) for _ in range(1000))
    assert bucket.headers(START) == ""


@pytest.mark.parametrize("name", [name for name in PLANS if name != "none"])
def test_the_minimum_time_for_calls_equals_the_time_that_a_bucket_needs(name: str) -> None:
    plan, calls = PLANS[name], 200
    bucket, now = Bucket(plan), START

    for _ in range(calls):
        while not bucket.take(now):
            now += 0.01

    assert now - START == pytest.approx(plan.minimum_seconds(calls), abs=0.05)
