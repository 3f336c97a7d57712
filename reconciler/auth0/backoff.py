"""How often a call is repeated, and after how long."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from reconciler.auth0.errors import Auth0Error, NotSentError, RateLimitedError, UnclearError

T = TypeVar("T")

SHORTEST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0

Jitter = Callable[[float, float], float]
"""Returns a number between two, as random.uniform does."""


@dataclass(frozen=True, slots=True)
class Persistence:
    """How many attempts a call is worth, and what spreads them."""

    attempts: int = 5
    jitter: Jitter = random.uniform

    def delays(self) -> Iterator[float]:
        """Yield the seconds before each further attempt: exponential with full jitter, never under half a second.

        Full jitter keeps many clients that failed together from coming back together.
        """
        for attempt in range(self.attempts - 1):
            yield max(SHORTEST_DELAY_SECONDS, self.jitter(0.0, min(LONGEST_DELAY_SECONDS, 2.0**attempt)))


async def persistently(
    attempt: Callable[[], Awaitable[T]],
    persistence: Persistence,
    again: Callable[[Auth0Error], bool] = lambda _: True,
) -> T:
    """Return what `attempt` does, made again after a failure that may pass, if `again` says so.

    Raises:
        Auth0Error: the failure that did not pass, or that `again` does not want repeated.
    """
    waits = persistence.delays()
    while True:
        try:
            return await attempt()
        except (NotSentError, RateLimitedError, UnclearError) as error:
            wait = next(waits, None)
            if wait is None or not again(error):
                raise
            asked = error.retry_after if isinstance(error, RateLimitedError) else 0.0
            await asyncio.sleep(max(wait, min(asked, LONGEST_DELAY_SECONDS)))
