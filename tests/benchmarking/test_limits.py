"""The load server's token bucket, and the time that it leaves."""

from email.message import Message
from email.parser import Parser

import pytest

from benchmarks.limits import PLANS, Bucket, Plan

START = 1_700_000_000.0


def told(bucket: Bucket, now: float) -> Message:
    return Parser().parsestr(bucket.headers(now))


def test_a_full_bucket_lets_a_burst_in_and_no_more() -> None:
    bucket = Bucket(Plan(burst=3, rate=2))

    assert [bucket.take(START) for _ in range(5)] == [True, True, True, False, False]


def test_tokens_come_at_the_rate_and_never_more_than_the_burst() -> None:
    bucket = Bucket(Plan(burst=3, rate=2))
    spent = [bucket.take(START) for _ in range(3)]

    later = [bucket.take(START + 0.5), bucket.take(START + 0.5)]
    much_later = [bucket.take(START + 1000) for _ in range(4)]

    assert (spent, later, much_later) == ([True] * 3, [True, False], [True, True, True, False])


def test_the_headers_tell_the_size_what_is_left_and_the_second_of_the_next_token() -> None:
    bucket = Bucket(Plan(burst=3, rate=0.5))
    assert bucket.take(START)

    headers = told(bucket, START)

    assert headers["x-ratelimit-limit"] == "3"
    assert headers["x-ratelimit-remaining"] == "2"
    assert int(headers["x-ratelimit-reset"]) == START + 2


def test_without_limits_nothing_is_told_and_nothing_refused() -> None:
    bucket = Bucket(PLANS["none"])

    assert all(bucket.take(START) for _ in range(1000))
    assert bucket.headers(START) == ""


@pytest.mark.parametrize("name", [name for name in PLANS if name != "none"])
def test_the_least_time_for_calls_is_what_a_bucket_takes_to_let_them_in(name: str) -> None:
    plan, calls = PLANS[name], 200
    bucket, now = Bucket(plan), START

    for _ in range(calls):
        while not bucket.take(now):
            now += 0.01

    assert now - START == pytest.approx(plan.minimum_seconds(calls), abs=0.05)
