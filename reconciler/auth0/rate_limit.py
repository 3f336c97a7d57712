"""Keep requests within the tenant's rate limits, and limit the number of requests at the same time."""

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from reconciler.auth0.errors import DeadlinePassedError
from reconciler.http.retry import AFTER_DEADLINE, ignore_notice, time_after
from reconciler.http.retry_hints import RateLimitHeaders

MAX_WAIT_SECONDS = 60.0
"""The maximum delay for a rate limit, in seconds.

Auth0 refills every documented token bucket at least once a minute.

A longer delay would come from a wrong clock.
"""
CONTINUOUS_PROBE_SECONDS = 0.1
LATE_PROBE_SECONDS = 0.25
PROBE_INTERVAL_SECONDS = 1.01  # the network may deliver a probe slightly faster than the previous probe
SLOW_PROBE_INTERVAL_SECONDS = 2.5
SHARED_PATIENCE_SECONDS = 5.0
"""The time in seconds after which a request without a response no longer stops the requests of other tenants."""
NEEDS_RESPONSE = math.inf
"""The delay for a request that must wait for the response to an earlier request."""


class TokenBucket:
    """The state of one token bucket.

    Call `wait` before a request, `record_sent` when the request is sent, and `record_response` or `record_lost` when
    the request ends.

    `share` is the part of the bucket that stays free for other programs, from 0 to 1. Before the first response,
    requests are sent one at a time. When only the share is left, requests wait for the next refill according to the
    tenant's clock. A single request, the probe, then finds out the number of new tokens. If a response has no
    rate-limit headers, the bucket has no limit from then on. Without a limit, only a response with status 429 causes a
    delay.

    Responses may arrive in another order than the requests. The number of remaining tokens is therefore the lowest
    number in any response since the last refill, minus the requests in flight.

    The interval between two probes is slightly longer than a second. A probe that arrives slightly less than a second
    after the last refill may find one token too few and wait another second. An interval of more than a second moves
    the probes into the second half of the tenant's seconds. The tenant's clock shows whole seconds, so a response may
    announce the refill for the second after the next second. After a response with such a late refill, the interval is
    two and a half seconds, unless the previous probe was late.

    Some buckets are refilled continuously. A continuous bucket overflows if requests wait for a whole second. Each
    request takes a token. If a number of remaining tokens occurs twice in a period, the refill must therefore be
    continuous. With a continuous refill, probes are sent every tenth of a second, as long as the share of other
    programs is complete. A probe that finds no new token has taken a token of the share. After a probe without a new
    token, probes wait for the whole second until a number occurs twice again.

    Several tenants may share a bucket (`is_shared`), and one of the tenants may never respond. In a shared bucket,
    requests are sent at the same time before the first response. An exhausted shared bucket waits at most
    SHARED_PATIENCE_SECONDS for a response.
    """

    def __init__(self, share: float, *, is_shared: bool = False) -> None:
        self._share = share
        self._limited = not is_shared
        self._patience = SHARED_PATIENCE_SECONDS if is_shared else NEEDS_RESPONSE
        self._last_sent_at = -math.inf
        self._limit: int | None = None
        self._lowest_remaining = 0
        self._period = -math.inf  # `reset` in the responses; each refill changes the value
        self._in_flight = 0
        self._probe_at = 0.0
        self._blocked_until = 0.0
        self._clock_offset = -math.inf  # a lower bound of the tenant's time minus the local time
        self._last_probe_at = -math.inf  # the time of the last probe
        self._is_probing = False  # true while a probe is in flight
        self._seen_remaining: set[int] = set()  # the numbers of remaining tokens in this period
        self._refills_continuously = False  # true if tokens are added during a period

    def wait(self, now: float) -> float:
        """Return the seconds until the next request may be sent.

        0 means that the request may be sent now. NEEDS_RESPONSE means that the request must wait for a response.
        """
        if now < self._blocked_until:
            return self._blocked_until - now
        if not self._limited or not self._is_exhausted():
            return 0.0
        if now < self._probe_at:
            return self._probe_at - now
        return max(0.0, self._last_sent_at + self._patience - now) if self._in_flight else 0.0

    def record_sent(self, now: float) -> None:
        """Record that a request was sent."""
        self._is_probing = self._limited and self._is_exhausted()
        if self._is_probing:
            self._last_probe_at = now
        self._last_sent_at = now
        self._in_flight += 1

    def record_lost(self) -> None:
        """Record that a request ended without rate-limit headers for this bucket.

        The request may have taken a token.
        """
        self._in_flight -= 1
        self._lowest_remaining -= 1

    def record_response(self, headers: RateLimitHeaders, now: float) -> None:
        """Record the rate-limit headers of a response."""
        self._in_flight -= 1
        if headers.date is not None:
            self._clock_offset = max(self._clock_offset, headers.date - now)
        if headers.limit is None or headers.remaining is None:
            self._limited = self._limit is not None
            return
        self._limited, self._limit = True, headers.limit
        period = headers.reset if headers.reset is not None else headers.date or 0.0
        self._record_remaining(headers.remaining, period)
        self._probe_at = self._next_probe_at(headers, now)

    def record_rate_limited(self, headers: RateLimitHeaders, now: float, default_delay: float) -> float:
        """Record a response with status 429 after `record_response`. Return the delay in seconds.

        If the response requests no delay, the delay is `default_delay`.
        """
        self._refills_continuously = False  # a 429 takes no token, so the same number may occur twice
        if headers.retry_after is not None:
            wait = headers.retry_after
        elif headers.reset is not None and headers.date is not None:
            wait = self._seconds_to_refill(headers, now)
        else:
            wait = default_delay
        wait = min(wait, MAX_WAIT_SECONDS)
        self._blocked_until = max(self._blocked_until, now + wait)
        return wait

    def _record_remaining(self, remaining: int, period: float) -> None:
        """Record the number of remaining tokens in a response."""
        if self._is_probing and remaining < self._lowest_remaining:
            self._refills_continuously = False
        if self._is_probing or period > self._period:
            self._period, self._lowest_remaining, self._seen_remaining = period, remaining, {remaining}
        elif period == self._period:
            self._refills_continuously |= remaining in self._seen_remaining
            self._lowest_remaining = min(self._lowest_remaining, remaining)
            self._seen_remaining.add(remaining)

    def _remaining(self) -> int:
        return self._lowest_remaining - self._in_flight

    def _reserve(self) -> int:
        return math.floor(self._share * (self._limit or 0))

    def _is_exhausted(self) -> bool:
        return self._remaining() <= self._reserve()

    def _next_probe_at(self, headers: RateLimitHeaders, now: float) -> float:
        """Return the time at which the next probe may be sent."""
        if self._refills_continuously and self._remaining() == self._reserve() > 0:
            return now + CONTINUOUS_PROBE_SECONDS
        return max(now + self._seconds_to_refill(headers, now), self._last_probe_at + self._min_probe_interval(headers))

    def _seconds_to_refill(self, headers: RateLimitHeaders, now: float) -> float:
        """Return the seconds until the next refill.

        The tenant's clock shows whole seconds, so the refill is never in the current second.

        If the response has no date, the tenant's clock is unknown. Without a date, the result is one second, because
        most buckets are refilled every second.
        """
        if headers.date is None or headers.reset is None:
            return 1.0
        at = max(headers.reset, headers.date + 1)
        return min(max(0.0, at - self._clock_offset - now), MAX_WAIT_SECONDS)

    def _min_probe_interval(self, headers: RateLimitHeaders) -> float:
        """Return the minimum interval between two probes in seconds."""
        if headers.date is None or headers.reset is None or headers.reset <= headers.date + 1:
            return PROBE_INTERVAL_SECONDS
        was_late = self._last_probe_at + self._clock_offset > headers.date + LATE_PROBE_SECONDS
        return PROBE_INTERVAL_SECONDS if was_late else SLOW_PROBE_INTERVAL_SECONDS


class RequestPacer:
    """Limits the number of requests per second for all tenants of a run. Requests are sent in the order of arrival.

    Without `max_rps`, requests do not wait.
    """

    def __init__(self, max_rps: float | None = None) -> None:
        self._interval = 1 / max_rps if max_rps else 0.0
        self._next_send_at = -math.inf
        self._lock = asyncio.Lock()
        self._waiting = 0

    def wait(self, now: float) -> float:
        """Return the seconds until a new request may be sent after all waiting requests."""
        return max(0.0, self._next_send_at - now) + self._waiting * self._interval if self._interval else 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the turn of a request. The next request waits until the context ends."""
        if not self._interval:
            yield
            return
        self._waiting += 1
        try:
            async with self._lock:
                if (seconds := self._next_send_at - asyncio.get_running_loop().time()) > 0:
                    await asyncio.sleep(seconds)
                yield
        finally:
            self._waiting -= 1

    def record_sent(self, now: float) -> None:
        """Record that a request was sent. Call this method inside the context of `turn`."""
        self._next_send_at = now + self._interval


NOTICE_WAIT_SECONDS = 3.0
WHOLE_TENANT = "client-grants"
"""The name of the token bucket of the whole tenant. Every request takes a token from this bucket.

The paths of grants have no other bucket.
"""


@dataclass(frozen=True, slots=True)
class RateOptions:
    """The rate limits of a client.

    `rate_share` is the part of the tenant's rate limits that stays free for other programs, from 0 to 1. `pacer` limits
    the requests of all clients with the same pacer. `concurrency` is the maximum number of requests in flight. `notice`
    receives a message before a long delay.
    """

    rate_share: float = 0.25
    pacer: RequestPacer = field(default_factory=RequestPacer)
    concurrency: int = 8
    notice: Callable[[str], None] = ignore_notice


@dataclass(slots=True)
class Slot:
    """The permission to send one request.

    The slot passes the rate-limit headers of the response to the token buckets.
    """

    buckets: tuple[TokenBucket, ...]
    has_response: bool = field(default=False)

    def wait(self, now: float) -> float:
        """Return the seconds until all token buckets allow the request."""
        return max(bucket.wait(now) for bucket in self.buckets)

    def record_response(self, headers: RateLimitHeaders) -> None:
        """Record a response in the token buckets.

        The rate-limit headers describe the bucket of the path. If the path has no separate bucket, the headers describe
        the bucket of the tenant.
        """
        own, *others = self.buckets
        now = asyncio.get_running_loop().time()
        own.record_response(headers, now)
        for other in others:
            other.record_lost()
        self.has_response = True

    def record_rate_limited(self, headers: RateLimitHeaders, default_delay: float) -> float:
        """Record a response with status 429. Return the delay in seconds."""
        now = asyncio.get_running_loop().time()
        return max(bucket.record_rate_limited(headers, now, default_delay) for bucket in self.buckets)


class RateLimiter:
    """The rate limiter of one tenant. With `is_shared`, several tenants share the rate limiter for token requests."""

    def __init__(self, rate_options: RateOptions, *, is_shared: bool = False) -> None:
        self._free_slots = asyncio.Semaphore(rate_options.concurrency)
        self._changed = asyncio.Condition()
        self._pacer = rate_options.pacer
        self._buckets: dict[str, TokenBucket] = defaultdict(
            lambda: TokenBucket(rate_options.rate_share, is_shared=is_shared)
        )
        self._notice = rate_options.notice
        self._announced_until = 0.0

    @asynccontextmanager
    async def acquire(self, *names: str, deadline: float = math.inf) -> AsyncIterator[Slot]:
        """Wait until a request may be sent. The request takes a token from each bucket in `names`.

        Raises:
            DeadlinePassedError: immediately, if the request may be sent only after the deadline.
        """
        slot = Slot(tuple(self._buckets[name] for name in names))
        async with self._free_slots:
            await self._wait_to_send(slot, deadline)
            try:
                yield slot
            finally:
                if not slot.has_response:
                    for bucket in slot.buckets:
                        bucket.record_lost()
                async with self._changed:
                    self._changed.notify_all()

    async def _wait_to_send(self, slot: Slot, deadline: float) -> None:
        """Wait until the token buckets and the pacer allow the request, and record that the request is sent."""
        loop = asyncio.get_running_loop()
        while True:
            async with self._changed:
                while wait := slot.wait(loop.time()):
                    self._before_waiting(wait, deadline)
                    await self._wait_for_change(wait)
            self._before_waiting(self._pacer.wait(loop.time()), deadline)
            async with self._pacer.turn():
                now = loop.time()
                if not slot.wait(now):  # another response may have changed the buckets in the meantime
                    self._pacer.record_sent(now)
                    for bucket in slot.buckets:
                        bucket.record_sent(now)
                    return

    async def _wait_for_change(self, seconds: float) -> None:
        """Wait for `seconds`, or until a response changes the state of the token buckets."""
        try:
            async with asyncio.timeout(None if seconds == math.inf else seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _before_waiting(self, wait: float, deadline: float) -> None:
        """Announce a long delay. Raises DeadlinePassedError if the delay ends after the deadline."""
        now = asyncio.get_running_loop().time()
        if wait and math.inf > now + wait > deadline:
            raise DeadlinePassedError(
                f"nothing was sent: the rate limits allow the next call at {time_after(wait)}, {AFTER_DEADLINE}"
            )
        if NOTICE_WAIT_SECONDS < wait < math.inf and now >= self._announced_until:
            self._announced_until = now + wait
            self._notice(f"waiting {wait:.0f} s for the tenant's rate limit")
