"""What a budget makes of the answers that it hears, in every order and on every kind of bucket."""

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
class Bucket:
    """Tokens that are added each second at once, or all the time. `ahead` is the tenant's clock of the caller's."""

    size: int
    rate: int
    at_once: bool
    ahead: float
    tokens: float = math.inf  # more than fit in
    filled_at: float = 0.0
    lowest: int = 1000
    refused: int = 0

    def ask(self, moment: float) -> RateLimitHeaders:
        """Take a token; return what the answer says of those that are left."""
        now = self.ahead + moment
        passed = math.floor(now) - math.floor(self.filled_at) if self.at_once else now - self.filled_at
        self.tokens, self.filled_at = min(self.size, self.tokens + passed * self.rate), now
        self.refused += self.tokens < 1
        self.tokens -= self.tokens >= 1
        self.lowest = min(self.lowest, int(self.tokens))
        missing = 1 if self.at_once else (1 - self.tokens % 1) / self.rate
        reset = math.floor(now) + 1 if self.at_once else math.ceil(now + missing)
        return RateLimitHeaders(self.size, int(self.tokens), reset, math.floor(now))


def make_calls(budget: TokenBucket, bucket: Bucket, *, number: int, at_once: int, ways: Sequence[float]) -> None:
    """Make so many calls, each way of which takes one of `ways` in turn."""
    ways_taken, order = cycle(ways), count()
    now, under_way, left = 0.0, 0, number
    events: list[tuple[float, int, RateLimitHeaders | None]] = []  # a call reaches the tenant, an answer us
    while left or events:
        may_go = left and under_way < at_once
        wait = budget.wait(now) if may_go else NEEDS_RESPONSE
        if wait == 0:
            budget.record_sent(now)
            left, under_way = left - 1, under_way + 1
            heappush(events, (now + next(ways_taken), next(order), None))
        elif not events or now + wait < events[0][0]:
            now += wait
        else:
            now, _, said = heappop(events)
            if said is None:
                heappush(events, (now + next(ways_taken), next(order), bucket.ask(now)))
            else:
                under_way -= 1
                budget.record_response(said, now)


LONGEST = st.sampled_from([0.001, 0.02, 0.3, 1.0])
WAYS = LONGEST.flatmap(lambda longest: st.lists(st.floats(0, longest), min_size=1, max_size=9))


@given(
    size=st.integers(1, 60),
    rate=st.integers(1, 60),
    at_once=st.booleans(),
    share=st.sampled_from([0.0, 0.25, 0.5]),
    under_way=st.sampled_from([1, 8, 64]),
    ways=WAYS,
    phase=st.floats(0, 1, exclude_max=True),
)
@example(size=10, rate=5, at_once=False, share=0.5, under_way=64, ways=[0.01, 0.07, 0.1, 0.03], phase=0.4)
def test_whatever_the_bucket_and_the_network_nothing_is_refused_and_others_lack_a_token_at_most(
    *,
    size: int,
    rate: int,
    at_once: bool,
    share: float,
    under_way: int,
    ways: Sequence[float],
    phase: float,
) -> None:
    bucket = Bucket(size, rate, at_once, ahead=NOON + phase)

    make_calls(TokenBucket(share), bucket, number=size + 3 * rate, at_once=under_way, ways=ways)

    assert bucket.refused == 0
    assert bucket.lowest >= int(share * size) - (0 if at_once else 1)


def record_response(budget: TokenBucket, *numbers: int, second: int = 0) -> None:
    """Let calls go out one after the other at the beginning of a second, whose answers tell these numbers."""
    for number in numbers:
        budget.record_sent(second)
        budget.record_response(RateLimitHeaders(8, number, NOON + second + 1, NOON + second), second)


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
    ids=["none twice", "one twice", "found one", "found two", "found none", "others take theirs", "nothing to risk"],
)
def test_a_number_told_twice_in_a_period_lets_us_look_for_tokens_within_it(
    numbers: Sequence[int],
    share: float,
    seconds: float,
) -> None:
    budget = TokenBucket(share)

    record_response(budget, *numbers)

    assert budget.wait(0.0) == pytest.approx(seconds)


def test_who_has_looked_in_vain_looks_once_a_second_until_a_number_is_told_twice_again() -> None:
    budget = TokenBucket(0.25)
    record_response(budget, 4, 4, 3, 2, 1)

    record_response(budget, 3, 2, second=2)
    once_a_second = budget.wait(2.0)
    record_response(budget, 4, 4, 3, 2, second=4)

    assert once_a_second == pytest.approx(1.01)
    assert budget.wait(4.0) == pytest.approx(0.1)


def test_a_refusal_takes_no_token_so_that_its_number_shows_nothing() -> None:
    budget = TokenBucket(0.25)

    record_response(budget, 4, 4)
    budget.record_rate_limited(RateLimitHeaders(retry_after=0.0), 0.0, default_delay=1.0)
    record_response(budget, 3, 2)

    assert budget.wait(0.0) == pytest.approx(1.01)


@pytest.mark.parametrize(("came", "seconds"), [(1.0, 2.5), (1.3, 1.7)], ids=["it seems in time", "late, and knows it"])
def test_who_hears_of_the_second_after_the_next_comes_half_a_second_later_unless_it_came_late(
    came: float,
    seconds: float,
) -> None:
    budget = TokenBucket(0.25)
    record_response(budget, 0)

    budget.record_sent(came)
    budget.record_response(RateLimitHeaders(8, 0, NOON + 3, NOON + 1), came)

    assert budget.wait(came) == pytest.approx(seconds)
