"""Limit the rate and the number of simultaneous requests according to the tenant's rate limits."""

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from reconciler.auth0.errors import DeadlinePassedError
from reconciler.http.retry import AFTER_THE_END, ignore, time_after
from reconciler.http.retry_hints import RateLimitHeaders

LONGEST_WAIT_SECONDS = 60.0
"""Every documented bucket is refilled at least once a minute. A longer wait comes from a wrong clock."""
TENTH_OF_A_SECOND = 0.1
QUARTER_OF_A_SECOND = 0.25
JUST_OVER_A_SECOND = 1.01  # a request that takes slightly less time than the previous one must not arrive earlier
TWO_AND_A_HALF_SECONDS = 2.5
ANSWER_NEEDED = math.inf
"""The delay of a request that needs the response to an earlier one first."""


class TokenBucket:
    """One token bucket. Call `wait` before a request, `sent` when it is sent, and `answered` or `lost` at its end.

    `share` of the bucket (0 to 1) stays free for other programs. Until the first response, one request is sent at a
    time. When the bucket is used up, requests wait for the next refill by the tenant's clock. Then one request finds
    out the number of new tokens. A response without rate-limit headers ends the limit: from then on, only a 429 causes
    a delay.

    Responses may overtake each other. The remaining tokens are therefore the lowest number in any response since the
    last refill, minus the requests in flight, which may not be counted in it.

    A request that arrives slightly less than a second after the previous refill may find one token too few and wait
    another second. The delay is therefore just over a second. This moves the requests into the second half of the
    tenant's seconds. Its clock shows whole seconds, so responses may then name the second after the next, which doubles
    the delay. The delay is two and a half seconds in that case, unless the previous request was late.

    A bucket with continuous refill overflows during a delay of a whole second. Each request takes a token, so a number
    that occurs twice in a period shows continuous refill. Requests then look for tokens after a tenth of a second, as
    long as the share of other programs is complete. A request that finds no token has taken one of theirs. The next one
    waits for the whole second, and the short delay returns only after another repeated number.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._limited = True
        self._limit: int | None = None
        self._lowest = 0
        self._period = -math.inf  # `reset` of the responses; a refill changes it
        self._in_flight = 0
        self._next_tokens = 0.0
        self._blocked_until = 0.0
        self._behind = -math.inf  # the minimum by which the tenant's clock is ahead
        self._came = -math.inf  # the time of the last request that looked for tokens
        self._looking = False  # whether such a request is in flight, alone
        self._told: set[int] = set()  # the remaining numbers of this period
        self._trickles = False  # whether tokens are added within a period

    def wait(self, now: float) -> float:
        """Return the delay of the next request: 0 to send it now, ANSWER_NEEDED to wait for a response."""
        if now < self._blocked_until:
            return self._blocked_until - now
        if not self._limited or not self._spent():
            return 0.0
        if now < self._next_tokens:
            return self._next_tokens - now
        return ANSWER_NEEDED if self._in_flight else 0.0

    def sent(self, now: float) -> None:
        """Record that a request is sent."""
        self._looking = self._spent()
        if self._looking:
            self._came = now
        self._in_flight += 1

    def lost(self) -> None:
        """Record that a request ended without a response from this bucket. It may have taken a token."""
        self._in_flight -= 1
        self._lowest -= 1

    def answered(self, said: RateLimitHeaders, now: float) -> None:
        """Record a response."""
        self._in_flight -= 1
        if said.date is not None:
            self._behind = max(self._behind, said.date - now)
        if said.limit is None or said.remaining is None:
            self._limited = self._limit is not None
            return
        self._limited, self._limit = True, said.limit
        period = said.reset if said.reset is not None else said.date or 0.0
        self._count(said.remaining, period)
        self._next_tokens = self._tokens_at(said, now)

    def refused(self, said: RateLimitHeaders, now: float, otherwise: float) -> float:
        """Record a 429 after `answered`. Return the requested delay, or `otherwise` if there is none."""
        self._trickles = False  # a 429 takes no token, so a repeated number shows nothing
        if said.retry_after is not None:
            wait = said.retry_after
        elif said.reset is not None and said.date is not None:
            wait = self._until_tokens(said, now)
        else:
            wait = otherwise
        wait = min(wait, LONGEST_WAIT_SECONDS)
        self._blocked_until = max(self._blocked_until, now + wait)
        return wait

    def _count(self, remaining: int, period: float) -> None:
        """Record the remaining tokens of a response."""
        if self._looking and remaining < self._lowest:
            self._trickles = False
        if self._looking or period > self._period:
            self._period, self._lowest, self._told = period, remaining, {remaining}
        elif period == self._period:
            self._trickles |= remaining in self._told
            self._lowest = min(self._lowest, remaining)
            self._told.add(remaining)

    def _left(self) -> int:
        return self._lowest - self._in_flight

    def _reserve(self) -> int:
        return math.floor(self._share * (self._limit or 0))

    def _spent(self) -> bool:
        return self._left() <= self._reserve()

    def _tokens_at(self, said: RateLimitHeaders, now: float) -> float:
        """Return the time of the next request that may look for tokens."""
        if self._trickles and self._left() == self._reserve() > 0:
            return now + TENTH_OF_A_SECOND
        return max(now + self._until_tokens(said, now), self._came + self._pause(said))

    def _until_tokens(self, said: RateLimitHeaders, now: float) -> float:
        """Return the seconds until the next refill.

        The tenant's clock shows whole seconds, so the current one never counts.

        Without a date, the tenant's clock is unknown. Most buckets are refilled every second.
        """
        if said.date is None or said.reset is None:
            return 1.0
        at = max(said.reset, said.date + 1)
        return min(max(0.0, at - self._behind - now), LONGEST_WAIT_SECONDS)

    def _pause(self, said: RateLimitHeaders) -> float:
        """Return the minimum delay between two requests that look for tokens."""
        if said.date is None or said.reset is None or said.reset <= said.date + 1:
            return JUST_OVER_A_SECOND
        came_late = self._came + self._behind > said.date + QUARTER_OF_A_SECOND
        return JUST_OVER_A_SECOND if came_late else TWO_AND_A_HALF_SECONDS


LONG_WAIT_SECONDS = 3.0
WHOLE_TENANT = "client-grants"
"""Paths of grants have no rate limit of their own. They use the tenant's bucket, like every other request."""


@dataclass(frozen=True, slots=True)
class RateOptions:
    """The limits of a client.

    `rate_share` of the tenant's limits (0 to 1) stays free for other programs. `max_rps` is the maximum number of
    requests per second, and `concurrency` the maximum number in flight. `notice` receives a message before a long
    delay.
    """

    rate_share: float = 0.25
    max_rps: float | None = None
    concurrency: int = 8
    notice: Callable[[str], None] = ignore


@dataclass(slots=True)
class Slot:
    """The permission to send a request. It records the response."""

    budgets: tuple[TokenBucket, ...]
    answered: bool = field(default=False)

    def hear(self, said: RateLimitHeaders) -> None:
        """Record a response.

        Its headers describe the bucket of the path, or the tenant's bucket if the path has none.
        """
        own, *others = self.budgets
        now = asyncio.get_running_loop().time()
        own.answered(said, now)
        for other in others:
            other.lost()
        self.answered = True

    def refuse(self, said: RateLimitHeaders, otherwise: float) -> float:
        """Record a 429. Return the requested delay in seconds."""
        now = asyncio.get_running_loop().time()
        return max(budget.refused(said, now, otherwise) for budget in self.budgets)


class RateLimiter:
    """The rate limiter of one tenant. Create it inside its event loop."""

    def __init__(self, pacing: RateOptions, deadline: float = math.inf) -> None:
        self._deadline = deadline
        self._free = asyncio.Semaphore(pacing.concurrency)
        self._changed = asyncio.Condition()
        self._gap = 1 / pacing.max_rps if pacing.max_rps else 0.0
        self._next_departure = 0.0
        self._budgets: dict[str, TokenBucket] = defaultdict(lambda: TokenBucket(pacing.rate_share))
        self._notice = pacing.notice
        self._announced_until = 0.0

    @asynccontextmanager
    async def turn(self, family: str) -> AsyncIterator[Slot]:
        """Wait until a request of `family` may be sent. `family` is the group that shares a rate limit.

        Raises:
            DeadlinePassedError: at once, if the delay ends after the deadline.
        """
        names = (family,) if family == WHOLE_TENANT else (family, WHOLE_TENANT)
        turn = Slot(tuple(self._budgets[name] for name in names))
        async with self._free:
            await self._depart(turn)
            try:
                yield turn
            finally:
                if not turn.answered:
                    for budget in turn.budgets:
                        budget.lost()
                async with self._changed:
                    self._changed.notify_all()

    async def _depart(self, turn: Slot) -> None:
        loop = asyncio.get_running_loop()
        async with self._changed:
            while wait := self._wait(turn, loop.time()):
                if math.inf > loop.time() + wait > self._deadline:
                    raise DeadlinePassedError(
                        f"nothing was sent: the rate limits allow the next call at {time_after(wait)}, {AFTER_THE_END}"
                    )
                self._announce(wait, loop.time())
                await self._pause(wait)
            now = loop.time()
            self._next_departure = now + self._gap
            for budget in turn.budgets:
                budget.sent(now)

    def _wait(self, turn: Slot, now: float) -> float:
        return max(self._next_departure - now, 0.0, *(budget.wait(now) for budget in turn.budgets))

    async def _pause(self, seconds: float) -> None:
        """Wait for `seconds`, or until a response changes the state."""
        try:
            async with asyncio.timeout(None if seconds == math.inf else seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _announce(self, wait: float, now: float) -> None:
        if LONG_WAIT_SECONDS < wait < math.inf and now >= self._announced_until:
            self._announced_until = now + wait
            self._notice(f"waiting {wait:.0f} s for the tenant's rate limit")
