"""How often a call is repeated, and after how long."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from reconciler.auth0.errors import Auth0Error, NotSentError, RateLimitedError, UnknownOutcomeError

T = TypeVar("T")

SHORTEST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0

Jitter = Callable[[float, float], float]
"""Returns a number between two, as random.uniform does."""
AFTER_THE_END = "after the end of this run (--timeout)"


def ignore(_: str) -> None:
    """Ignore a notice."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How many attempts a call is worth, and what spreads them.

    No attempt is made after `deadline`, a time of the event loop's clock. `notice` is called before long waits.
    """

    attempts: int = 5
    jitter: Jitter = random.uniform
    deadline: float = math.inf
    notice: Callable[[str], None] = ignore

    def delays(self) -> Iterator[float]:
        """Yield the seconds before each further attempt: exponential with full jitter, never under half a second.

        Full jitter keeps many clients that failed together from coming back together.
        """
        for attempt in range(self.attempts - 1):
            yield max(SHORTEST_DELAY_SECONDS, self.jitter(0.0, min(LONGEST_DELAY_SECONDS, 2.0**attempt)))


async def persistently(
    attempt: Callable[[], Awaitable[T]],
    persistence: RetryPolicy,
    again: Callable[[Auth0Error], bool] = lambda _: True,
) -> T:
    """Return what `attempt` does, made again after a failure that may pass, if `again` says so.

    Raises:
        Auth0Error: the failure that did not pass, that `again` does not want repeated, or that can only be repeated
            after the deadline.
    """
    waits = persistence.delays()
    while True:
        try:
            return await attempt()
        except (NotSentError, RateLimitedError, UnknownOutcomeError) as error:
            wait = next(waits, None)
            asked = error.retry_after if isinstance(error, RateLimitedError) else 0.0
            seconds = max(wait or 0.0, asked)
            is_late = asyncio.get_running_loop().time() + seconds > persistence.deadline
            if wait is None or is_late or not again(error):
                _add_the_wait(error, asked, is_late=is_late)
                raise
            if asked > LONGEST_DELAY_SECONDS:
                persistence.notice(f"waiting {asked:.0f} s, as the tenant asks, until {moment_in(asked)}")
            await asyncio.sleep(seconds)


def moment_in(seconds: float) -> str:
    """Return the time of day after so many seconds, as messages show it."""
    try:
        return f"{datetime.now(UTC) + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S} UTC"
    except OverflowError:
        return f"{seconds:.0f} s from now"


def _add_the_wait(error: Auth0Error, asked: float, *, is_late: bool) -> None:
    """Add to the message of an error until when the tenant asks to wait, and whether the run ends before that."""
    if asked:
        error.args = (f"{error}; the tenant asks to wait until {moment_in(asked)}{f', {AFTER_THE_END}' * is_late}",)
    elif is_late:
        error.args = (f"{error}; the next attempt would come {AFTER_THE_END}",)
