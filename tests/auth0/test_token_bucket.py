"""Delays of TokenBucket for responses in any order, and for tenants with any kind of bucket."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count, cycle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.auth0.rate_limit import NEEDS_RESPONSE, TokenBucket
from reconciler.http.retry_hints import RateLimitHeaders

NOON = 1_800_000_000.0


@dataclass
class TenantBucket:
    """A bucket of the tenant. It is refilled once a second, or continuously.

    `ahead` is the tenant's time minus the local time in seconds.
    """

    size: int
    rate: int
    refills_each_second: bool
    ahead: float
    tokens: float = math.inf  # limited to `size` by the first request
    filled_at: float = 0.0
    lowest: int = 1000
    refused: int = 0

    def take_token(self, moment: float) -> RateLimitHeaders:
        """Take a token at a local time. Return the rate-limit headers of the response."""
        now = self.ahead + moment
        passed = math.floor(now) - math.floor(self.filled_at) if self.refills_each_second else now - self.filled_at
        self.tokens, self.filled_at = min(self.size, self.tokens + passed * self.rate), now
        self.refused += self.tokens < 1
        self.tokens -= self.tokens >= 1
        self.lowest = min(self.lowest, int(self.tokens))
        missing = 1 if self.refills_each_second else (1 - self.tokens % 1) / self.rate
        reset = math.floor(now) + 1 if self.refills_each_second else math.ceil(now + missing)
        return RateLimitHeaders(self.size, int(self.tokens), reset, math.floor(now))


def send_requests(
    bucket: TokenBucket, tenant_bucket: TenantBucket, *, number: int, in_flight_limit: int, delays: Sequence[float]
) -> None:
    """Send `number` requests. Each request and each response is delayed by the next value of `delays`."""
    next_delays, order = cycle(delays), count()
    now, in_flight, unsent = 0.0, 0, number
    # An event without headers is a request that reaches the tenant. An event with headers is a response.
    events: list[tuple[float, int, RateLimitHeaders | None]] = []
    while unsent or events:
        may_send = unsent and in_flight < in_flight_limit
        wait = bucket.wait(now) if may_send else NEEDS_RESPONSE
        if wait == 0:
            bucket.record_sent(now)
            unsent, in_flight = unsent - 1, in_flight + 1
            heappush(events, (now + next(next_delays), next(order), None))
        elif not events or now + wait < events[0][0]:
            now += wait
        else:
            now, _, headers = heappop(events)
            if headers is None:
                heappush(events, (now + next(next_delays), next(order), tenant_bucket.take_token(now)))
            else:
                in_flight -= 1
                bucket.record_response(headers, now)


MAX_DELAYS = st.sampled_from([0.001, 0.02, 0.3, 1.0])
DELAYS = MAX_DELAYS.flatmap(lambda max_delay: st.lists(st.floats(0, max_delay), min_size=1, max_size=9))


@given(
    size=st.integers(1, 60),
    rate=st.integers(1, 60),
    refills_each_second=st.booleans(),
    share=st.sampled_from([0.0, 0.25, 0.5]),
    in_flight=st.sampled_from([1, 8, 64]),
    delays=DELAYS,
    phase=st.floats(0, 1, exclude_max=True),
)
@example(size=10, rate=5, refills_each_second=False, share=0.5, in_flight=64, delays=[0.01, 0.07, 0.1, 0.03], phase=0.4)
def test_no_request_is_refused_and_the_share_of_others_lacks_at_most_one_token(
    *,
    size: int,
    rate: int,
    refills_each_second: bool,
    share: float,
    in_flight: int,
    delays: Sequence[float],
    phase: float,
) -> None:
    tenant_bucket = TenantBucket(size, rate, refills_each_second, ahead=NOON + phase)

    send_requests(TokenBucket(share), tenant_bucket, number=size + 3 * rate, in_flight_limit=in_flight, delays=delays)

    assert tenant_bucket.refused == 0
    assert tenant_bucket.lowest >= int(share * size) - (0 if refills_each_second else 1)


def send_in_turn(bucket: TokenBucket, *numbers: int, second: int = 0) -> None:
    """Send one request after the other in the same second. `numbers` are the remaining tokens in the responses."""
    for number in numbers:
        bucket.record_sent(second)
        bucket.record_response(RateLimitHeaders(8, number, NOON + second + 1, NOON + second), second)


@pytest.mark.parametrize(
    ("numbers", "share", "seconds"),
    [
        ((4, 3, 2), 0.25, 1.01),
        ((4, 4, 3, 2), 0.25, 0.1),
        ((4, 4, 3, 2, 2), 0.25, 0.1),
        ((4, 4, 3, 2, 3), 0.25, 0.0),
        ((4, 4, 3, 2, 1), 0.25, 1.01),
        ((4, 4, 3, 1), 0.25, 1.01),
        ((1, 1, 0), 0.0, 1.01),
    ],
    ids=[
        "no repeated number",
        "repeated number",
        "probe found one token",
        "probe found two tokens",
        "probe found no token",
        "others took tokens",
        "no share for others",
    ],
)
def test_a_repeated_number_in_a_period_shortens_the_interval_between_probes(
    numbers: Sequence[int],
    share: float,
    seconds: float,
) -> None:
    bucket = TokenBucket(share)

    send_in_turn(bucket, *numbers)

    assert bucket.wait(0.0) == pytest.approx(seconds)


def test_a_failed_probe_restores_the_long_interval_until_a_number_repeats() -> None:
    bucket = TokenBucket(0.25)
    send_in_turn(bucket, 4, 4, 3, 2, 1)

    send_in_turn(bucket, 3, 2, second=2)
    delay_after_failed_probe = bucket.wait(2.0)
    send_in_turn(bucket, 4, 4, 3, 2, second=4)

    assert delay_after_failed_probe == pytest.approx(1.01)
    assert bucket.wait(4.0) == pytest.approx(0.1)


def test_a_repeated_number_after_a_429_does_not_shorten_the_interval() -> None:
    bucket = TokenBucket(0.25)

    send_in_turn(bucket, 4, 4)
    bucket.record_rate_limited(RateLimitHeaders(retry_after=0.0), 0.0, default_delay=1.0)
    send_in_turn(bucket, 3, 2)

    assert bucket.wait(0.0) == pytest.approx(1.01)


@pytest.mark.parametrize(("sent_at", "seconds"), [(1.0, 2.5), (1.3, 1.7)], ids=["probe in time", "late probe"])
def test_the_interval_is_longer_if_the_refill_is_in_the_second_after_the_next(
    sent_at: float,
    seconds: float,
) -> None:
    bucket = TokenBucket(0.25)
    send_in_turn(bucket, 0)

    bucket.record_sent(sent_at)
    bucket.record_response(RateLimitHeaders(8, 0, NOON + 3, NOON + 1), sent_at)

    assert bucket.wait(sent_at) == pytest.approx(seconds)
