"""Keep requests within the tenant's rate limits, and limit how many are sent at the same time."""

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
"""Auth0 refills every documented bucket at least once a minute. A longer delay would come from a wrong clock."""
CONTINUOUS_PROBE_SECONDS = 0.1
LATE_PROBE_SECONDS = 0.25
PROBE_INTERVAL_SECONDS = 1.01  # the network may deliver a probe slightly faster than the previous one
SLOW_PROBE_INTERVAL_SECONDS = 2.5
SHARED_PATIENCE_SECONDS = 5.0
"""The time after which a request without a response no longer stops the requests of other tenants."""
NEEDS_RESPONSE = math.inf
"""The delay of a request that must wait for the response to an earlier request."""


class TokenBucket:
    """One token bucket.

    Call `wait` before a request, `record_sent` when it is sent, and `record_response` or `record_lost` at its end.

    A part of the bucket stays free for other programs: `share`, from 0 to 1. Before the first response, requests are
    sent one at a time. When only the share is left, requests wait for the next refill by the tenant's clock. Then one
    request, the probe, finds out the number of new tokens. If a response has no rate-limit headers, the bucket has no
    limit from then on, and only a 429 causes a delay.

    Responses may arrive in another order than the requests. The number of remaining tokens is therefore the lowest
    number in any response since the last refill, minus the requests in flight.

    The interval between two probes is slightly longer than a second. A probe that arrives slightly less than a second
    after the last refill may find one token too few and wait another second. The longer interval moves the probes into
    the second half of the tenant's seconds. The tenant's clock shows whole seconds, so a response may then name the
    second after the next as the time of the refill. In that case, the interval is two and a half seconds, unless the
    previous probe was late.

    Some buckets are refilled continuously. They overflow if requests wait for a whole second. Each request takes a
    token, so if a number of remaining tokens occurs twice in a period, the refill is continuous. Then a probe is sent
    every tenth of a second, as long as the share of other programs is complete. A probe that finds no new token has
    taken one of their tokens. The next probe then waits for the whole second, until a number occurs twice again.

    Several tenants may share a bucket (`is_shared`). One of them may never respond. Requests are then sent at the same
    time before the first response, and an exhausted bucket waits at most SHARED_PATIENCE_SECONDS for a response.
    """

    def __init__(self, share: float, *, is_shared: bool = False) -> None:
        self._share = share
        self._limited = not is_shared
        self._patience = SHARED_PATIENCE_SECONDS if is_shared else NEEDS_RESPONSE
        self._last_sent_at = -math.inf
        self._limit: int | None = None
        self._lowest_remaining = 0
        self._period = -math.inf  # `reset` in the responses; each refill changes it
        self._in_flight = 0
        self._probe_at = 0.0
        self._blocked_until = 0.0
        self._clock_offset = -math.inf  # a lower bound of the tenant's time minus the local time
        self._last_probe_at = -math.inf  # the time of the last probe
        self._is_probing = False  # whether a probe is in flight
        self._seen_remaining: set[int] = set()  # the numbers of remaining tokens in this period
        self._refills_continuously = False  # whether tokens are added during a period

    def wait(self, now: float) -> float:
        """Return the seconds until the next request: 0 to send it now, NEEDS_RESPONSE to wait for a response."""
        if now < self._blocked_until:
            return self._blocked_until - now
        if not self._limited or not self._is_exhausted():
            return 0.0
        if now < self._probe_at:
            return self._probe_at - now
        return max(0.0, self._last_sent_at + self._patience - now) if self._in_flight else 0.0

    def record_sent(self, now: float) -> None:
        """Record that a request is sent."""
        self._is_probing = self._limited and self._is_exhausted()
        if self._is_probing:
            self._last_probe_at = now
        self._last_sent_at = now
        self._in_flight += 1

    def record_lost(self) -> None:
        """Record that a request ended without headers of this bucket. It may have taken a token."""
        self._in_flight -= 1
        self._lowest_remaining -= 1

    def record_response(self, headers: RateLimitHeaders, now: float) -> None:
        """Record a response."""
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
        """Record a 429 after `record_response`. Return the requested delay, or `default_delay` if there is none."""
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
        """Record the number of remaining tokens from a response."""
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
        """Return the time of the next probe."""
        if self._refills_continuously and self._remaining() == self._reserve() > 0:
            return now + CONTINUOUS_PROBE_SECONDS
        return max(now + self._seconds_to_refill(headers, now), self._last_probe_at + self._min_probe_interval(headers))

    def _seconds_to_refill(self, headers: RateLimitHeaders, now: float) -> float:
        """Return the seconds until the next refill.

        The tenant's clock shows whole seconds, so the refill is never in the current second.

        If the response has no date, the tenant's clock is unknown. The result is then one second, because most buckets
        are refilled every second.
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
    """Keeps the requests of all tenants of a run below a number per second. Requests are sent in the order of arrival.

    Without `max_rps`, requests do not wait.
    """

    def __init__(self, max_rps: float | None = None) -> None:
        self._interval = 1 / max_rps if max_rps else 0.0
        self._next_send_at = -math.inf
        self._lock = asyncio.Lock()
        self._waiting = 0

    def wait(self, now: float) -> float:
        """Return the seconds until a new request may be sent, behind the requests that wait already."""
        return max(0.0, self._next_send_at - now) + self._waiting * self._interval if self._interval else 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the turn of a request. The next request waits until the context is left."""
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
        """Record that a request is sent. Call it inside `turn`."""
        self._next_send_at = now + self._interval


NOTICE_WAIT_SECONDS = 3.0
WHOLE_TENANT = "client-grants"
"""The name of the tenant's bucket. Every request takes a token from it. Paths of grants have no further bucket."""


@dataclass(frozen=True, slots=True)
class RateOptions:
    """The limits of a client.

    `rate_share` is the part of the tenant's limits that stays free for other programs, from 0 to 1. `pacer` limits the
    requests of all clients that share it. `concurrency` is the maximum number of requests in flight. `notice` receives
    a message before a long delay.
    """

    rate_share: float = 0.25
    pacer: RequestPacer = field(default_factory=RequestPacer)
    concurrency: int = 8
    notice: Callable[[str], None] = ignore_notice


@dataclass(slots=True)
class Slot:
    """The permission to send one request. It passes the rate-limit headers of the response to the buckets."""

    buckets: tuple[TokenBucket, ...]
    has_response: bool = field(default=False)

    def wait(self, now: float) -> float:
        """Return the seconds until the buckets allow the request."""
        return max(bucket.wait(now) for bucket in self.buckets)

    def record_response(self, headers: RateLimitHeaders) -> None:
        """Record a response.

        Its headers describe the bucket of the path. If the path has no bucket of its own, the headers describe the
        bucket of the tenant.
        """
        own, *others = self.buckets
        now = asyncio.get_running_loop().time()
        own.record_response(headers, now)
        for other in others:
            other.record_lost()
        self.has_response = True

    def record_rate_limited(self, headers: RateLimitHeaders, default_delay: float) -> float:
        """Record a 429. Return the requested delay in seconds."""
        now = asyncio.get_running_loop().time()
        return max(bucket.record_rate_limited(headers, now, default_delay) for bucket in self.buckets)


class RateLimiter:
    """The rate limiter of one tenant, or of the token requests of the tenants that share their limit (`is_shared`)."""

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
        """Wait until a request may be sent. It takes a token from each of the buckets `names`.

        Raises:
            DeadlinePassedError: without waiting, if the request may be sent only after the deadline.
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
        """Wait until the buckets and the pacer allow the request, and record that it is sent."""
        loop = asyncio.get_running_loop()
        while True:
            async with self._changed:
                while wait := slot.wait(loop.time()):
                    self._before_waiting(wait, deadline)
                    await self._wait_for_change(wait)
            self._before_waiting(self._pacer.wait(loop.time()), deadline)
            async with self._pacer.turn():
                now = loop.time()
                if not slot.wait(now):  # a response may have changed the buckets in the meantime
                    self._pacer.record_sent(now)
                    for bucket in slot.buckets:
                        bucket.record_sent(now)
                    return

    async def _wait_for_change(self, seconds: float) -> None:
        """Wait for `seconds`, or until a response changes the state."""
        try:
            async with asyncio.timeout(None if seconds == math.inf else seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _before_waiting(self, wait: float, deadline: float) -> None:
        """Announce a long delay. Raises DeadlinePassedError if it ends after the deadline."""
        now = asyncio.get_running_loop().time()
        if wait and math.inf > now + wait > deadline:
            raise DeadlinePassedError(
                f"nothing was sent: the rate limits allow the next call at {time_after(wait)}, {AFTER_DEADLINE}"
            )
        if NOTICE_WAIT_SECONDS < wait < math.inf and now >= self._announced_until:
            self._announced_until = now + wait
            self._notice(f"waiting {wait:.0f} s for the tenant's rate limit")
