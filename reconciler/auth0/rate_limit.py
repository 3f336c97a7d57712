"""Lets calls out at the pace that the tenant's rate limits allow, and no more than a few at once."""

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
"""No documented bucket is topped up less than once a minute: what asks for more comes from a wrong clock."""
TENTH_OF_A_SECOND = 0.1
QUARTER_OF_A_SECOND = 0.25
JUST_OVER_A_SECOND = 1.01  # so that a call that takes a little less long than the last one is no earlier
TWO_AND_A_HALF_SECONDS = 2.5
ANSWER_NEEDED = math.inf
"""The wait of a call that may go out only after an answer to an earlier one has come."""


class TokenBucket:
    """One bucket. Ask `wait` before a call, tell `sent` when it goes out and `answered` or `lost` when it is over.

    `share` of the bucket (0 to 1) is left to the tenant's other users. Until the first answer, one call goes out at a
    time. When our part is used up, nothing goes out until tokens were added by the tenant's clock, then one call, whose
    answer tells how many. An answer without these headers ends all pacing: then only a refusal makes us wait.

    Answers overtake each other, so what is left is the lowest that any answer since tokens were last added has told,
    less the calls under way, which may not be counted in it.

    Who comes for new tokens a moment less than a second after the last time may find one too few, and waits another
    second for it. So we come just over a second after the last time, never earlier. That leads into the later half of
    the tenant's seconds, sooner or later: as its clock shows whole ones, answers may then tell each time of the second
    after the next, and make us wait for twice as long as is needed. So we come two and a half seconds after the last
    time then, unless we know that we came late: the clock has gone on, and shows how far.

    A bucket that is filled all the time spills while a whole second is waited for. Each call takes a token, so a number
    that is told twice in a period shows that tokens trickle in. Then we look for them after a tenth of a second, as
    long as the others' share is whole. A look that finds none has taken one of theirs: then the second is waited out,
    and nothing but another number told twice makes us look as soon again.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._limited = True
        self._limit: int | None = None
        self._lowest = 0
        self._period = -math.inf  # the answers' `reset`: tokens are added where it changes
        self._in_flight = 0
        self._next_tokens = 0.0
        self._blocked_until = 0.0
        self._behind = -math.inf  # the least that the tenant's clock is ahead of the caller's
        self._came = -math.inf  # when a call last went out to find new tokens
        self._looking = False  # such a call is under way, alone
        self._told: set[int] = set()  # the numbers of tokens left that were told in this period
        self._trickles = False  # tokens are added within a period, too

    def wait(self, now: float) -> float:
        """Return for how long the next call has to wait: 0 to go now, ANSWER_NEEDED for an answer under way."""
        if now < self._blocked_until:
            return self._blocked_until - now
        if not self._limited or not self._spent():
            return 0.0
        if now < self._next_tokens:
            return self._next_tokens - now
        return ANSWER_NEEDED if self._in_flight else 0.0

    def sent(self, now: float) -> None:
        """Note that a call goes out."""
        self._looking = self._spent()
        if self._looking:
            self._came = now
        self._in_flight += 1

    def lost(self) -> None:
        """Note that a call is over without an answer from this bucket; it may have cost a token."""
        self._in_flight -= 1
        self._lowest -= 1

    def answered(self, said: RateLimitHeaders, now: float) -> None:
        """Note an answer."""
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
        """Note a 429 after `answered`; return the wait that it asks for, `otherwise` where it does not say."""
        self._trickles = False  # it took no token: that its number was told before shows nothing
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
        """Take in how many tokens an answer of a period tells to be left."""
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
        """Return when a call may go out to find new tokens."""
        if self._trickles and self._left() == self._reserve() > 0:
            return now + TENTH_OF_A_SECOND
        return max(now + self._until_tokens(said, now), self._came + self._pause(said))

    def _until_tokens(self, said: RateLimitHeaders, now: float) -> float:
        """Return how long until tokens are added. The tenant's clock shows whole seconds: the running one never counts.

        Without a date the tenant's clock is unknown; a second is what most buckets take.
        """
        if said.date is None or said.reset is None:
            return 1.0
        at = max(said.reset, said.date + 1)
        return min(max(0.0, at - self._behind - now), LONGEST_WAIT_SECONDS)

    def _pause(self, said: RateLimitHeaders) -> float:
        """Return how long after we last came for new tokens we come again, at the earliest."""
        if said.date is None or said.reset is None or said.reset <= said.date + 1:
            return JUST_OVER_A_SECOND
        came_late = self._came + self._behind > said.date + QUARTER_OF_A_SECOND
        return JUST_OVER_A_SECOND if came_late else TWO_AND_A_HALF_SECONDS


LONG_WAIT_SECONDS = 3.0
WHOLE_TENANT = "client-grants"
"""Endpoints of grants have no limit of their own: they draw on the tenant's bucket, as every other call does, too."""


@dataclass(frozen=True, slots=True)
class RateOptions:
    """How hard a tenant may be asked.

    `rate_share` of its limits (0 to 1) is left to others, `max_rps` caps calls a second, `concurrency` those under way.
    `notice` is told of long waits.
    """

    rate_share: float = 0.25
    max_rps: float | None = None
    concurrency: int = 8
    notice: Callable[[str], None] = ignore


@dataclass(slots=True)
class Slot:
    """A call's permission to go out, and how it reports what came of it."""

    budgets: tuple[TokenBucket, ...]
    answered: bool = field(default=False)

    def hear(self, said: RateLimitHeaders) -> None:
        """Note the answer: its headers speak of the endpoint's own bucket, which is the tenant's where it has none."""
        own, *others = self.budgets
        now = asyncio.get_running_loop().time()
        own.answered(said, now)
        for other in others:
            other.lost()
        self.answered = True

    def refuse(self, said: RateLimitHeaders, otherwise: float) -> float:
        """Note a 429; return for how many seconds it asks us to wait."""
        now = asyncio.get_running_loop().time()
        return max(budget.refused(said, now, otherwise) for budget in self.budgets)


class RateLimiter:
    """The turnstile of one tenant. Make it where its event loop runs."""

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
        """Wait for the turn of a call to an endpoint of `family` (what shares a limit), and keep a place for it.

        Raises:
            TooLateError: at once, if the turn comes after the deadline.
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
        """Wait that long, or until an answer has changed the picture."""
        try:
            async with asyncio.timeout(None if seconds == math.inf else seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _announce(self, wait: float, now: float) -> None:
        if LONG_WAIT_SECONDS < wait < math.inf and now >= self._announced_until:
            self._announced_until = now + wait
            self._notice(f"waiting {wait:.0f} s for the tenant's rate limit")
