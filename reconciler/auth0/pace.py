"""Lets calls out at the pace that the tenant's rate limits allow, and no more than a few at once."""

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from reconciler.auth0.backoff import AFTER_THE_END, ignore, moment_in
from reconciler.auth0.budget import RateLimitHeaders, TokenBucket
from reconciler.auth0.errors import DeadlinePassedError

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
                        f"nothing was sent: the rate limits allow the next call at {moment_in(wait)}, {AFTER_THE_END}"
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
