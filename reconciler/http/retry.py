"""Repeat requests after temporary errors.

The clients of the Management API and of the hosting services share the retry policy.
"""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

T = TypeVar("T")

MIN_DELAY_SECONDS = 0.5
MAX_DELAY_SECONDS = 30.0
MAX_BLOCKING_DELAY_SECONDS = 60.0

Jitter = Callable[[float, float], float]
"""A function that returns a random number between two limits, like `random.uniform`."""
AFTER_DEADLINE = "after the end of this run (--timeout)"


def ignore_notice(_: str) -> None:
    """Ignore a notice."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The maximum number of attempts for a request, and the delays between the attempts.

    No attempt starts after `deadline`, a time of the event loop's clock. Before a long delay, the function `notice`
    receives a message. The function `progress` receives a short message for the waiting user. Each message for
    `progress` replaces the previous message.
    """

    attempts: int = 5
    jitter: Jitter = random.uniform
    deadline: float = math.inf
    notice: Callable[[str], None] = ignore_notice
    progress: Callable[[str], None] = ignore_notice

    def delays(self) -> Iterator[float]:
        """Yield the delay in seconds before each further attempt.

        The delay is random, and the maximum delay doubles with each attempt.

        The delay is at least MIN_DELAY_SECONDS. Random delays spread the retries of clients whose requests failed at
        the same time.
        """
        for attempt in range(self.attempts - 1):
            yield max(MIN_DELAY_SECONDS, self.jitter(0.0, min(MAX_DELAY_SECONDS, 2.0**attempt)))


async def retry(
    attempt: Callable[[], Awaitable[T]],
    policy: RetryPolicy,
    transient: tuple[type[Exception], ...],
    should_retry: Callable[[Exception], bool] = lambda _: True,
) -> T:
    """Call `attempt` and return the result.

    If `attempt` raises an error of a type in `transient`, call `attempt` again after a delay.

    If the server requests a delay, the error has an attribute `retry_after` with the delay in seconds.

    Raises:
        Exception: the error of the last call of `attempt`. `retry` does not repeat the call after the deadline, or if
            `should_retry` returns false for the error of the call.
    """
    delays = enumerate(policy.delays(), start=2)
    while True:
        try:
            return await attempt()
        except transient as error:
            number, delay = next(delays, (0, None))
            requested = _requested_delay(error)
            seconds = max(delay or 0.0, requested)
            is_late = asyncio.get_running_loop().time() + seconds > policy.deadline
            if delay is None or is_late or not should_retry(error):
                _explain_delay(error, requested, is_late=is_late)
                raise
            if requested > MAX_DELAY_SECONDS:
                policy.notice(f"waiting {requested:.0f} s, as the tenant asks, until {time_after(requested)}")
            status = getattr(error, "status", None)
            cause = f"status {status}" if status else "no valid response"
            policy.progress(f"{cause}, retrying in {seconds:.0f} s ({number} of {policy.attempts})")
            await asyncio.sleep(seconds)


def retry_blocking(
    work: Callable[[], T],
    policy: RetryPolicy,
    transient: tuple[type[Exception], ...],
    sleep: Callable[[float], object] = time.sleep,
) -> T:
    """Call `work` and return the result.

    If `work` raises an error of a type in `transient`, wait and call `work` again.

    At each call, `work` must read the current state and write only the missing part, because the response to an earlier
    write may be lost.

    Raises:
        Exception: the exception that the last call of `work` raised.
    """
    for delay in policy.delays():
        try:
            return work()
        except transient as error:
            sleep(min(max(delay, _requested_delay(error)), MAX_BLOCKING_DELAY_SECONDS))
    return work()


def time_after(seconds: float) -> str:
    """Return the date and time that is `seconds` seconds in the future, as text for a message."""
    try:
        return f"{datetime.now(UTC) + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S} UTC"
    except OverflowError:
        return f"{seconds:.0f} s from now"


def _requested_delay(error: Exception) -> float:
    delay: float = getattr(error, "retry_after", 0.0)
    return delay


def _explain_delay(error: Exception, requested: float, *, is_late: bool) -> None:
    """Extend the error message with the delay that the tenant requests.

    If `is_late` is true, add to the error message that the delay ends after the deadline of the run.
    """
    if requested:
        end = f", {AFTER_DEADLINE}" if is_late else ""
        error.args = (f"{error}; the tenant asks to wait until {time_after(requested)}{end}",)
    elif is_late:
        error.args = (f"{error}; the next attempt would come {AFTER_DEADLINE}",)
