"""Delay requests to stay within a tenant's rate limits, and limit the number of simultaneous requests."""

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
"""The maximum delay in seconds before reconciler sends the next request.

Auth0 refills each documented token bucket at least once a minute, so a delay of more than a minute means a wrong clock.
"""
CONTINUOUS_PROBE_SECONDS = 0.1
LATE_PROBE_SECONDS = 0.25
PROBE_INTERVAL_SECONDS = 1.01
"""The minimum interval between two probe requests in seconds.

The interval is slightly longer than one second, because the network delay may differ between two probe requests.
"""
SLOW_PROBE_INTERVAL_SECONDS = 2.5
SHARED_PATIENCE_SECONDS = 5.0
"""The maximum time that a request waits for the response from another tenant with the same token bucket, in seconds."""
NEEDS_RESPONSE = math.inf
"""The return value of `wait` if no request may be sent before the response to an earlier request arrives."""


class TokenBucket:
    """An estimate of the rate-limit tokens in a token bucket. Auth0 takes a rate-limit token for each request.

    Call `wait` before sending a request and `record_sent` when sending the request. At the end of the request, call
    `record_response` or `record_lost`.

    `share` is the fraction (0 to 1) of the rate-limit tokens that reconciler leaves to other programs. Until the first
    response arrives, reconciler sends only one request at a time. When reconciler has used its part of the rate-limit
    tokens, requests wait until Auth0 refills the bucket. When reconciler expects the refill, a single probe request
    finds out how many rate-limit tokens Auth0 has added. If no response has contained rate-limit headers, reconciler
    delays requests only after a response with status 429.

    Responses may arrive in a different order than reconciler sent the requests. The estimate is the lowest number of
    remaining rate-limit tokens in any response since the last refill, minus the number of requests in flight.

    Probe requests are sent slightly more than one second apart, so that no probe request arrives just before Auth0
    refills the bucket. Auth0 reports times in whole seconds, so a response may announce a refill time that is two
    seconds after the time in the header `date`. If a response announces a refill more than one second after the time in
    the header `date`, the interval between probe requests is usually two and a half seconds. The interval is only about
    one second if the previous probe request was late. A probe request is late if the tenant received the probe request
    more than a quarter of a second after the time in the header `date`.

    Auth0 refills some buckets continuously instead of once per second. Waiting a whole second between requests would
    waste rate-limit tokens, because a continuously refilled bucket would become full. If Auth0 refills a bucket once
    per second, the number of remaining rate-limit tokens decreases with each response until the next refill. If two
    responses report the same refill time and the same number of remaining rate-limit tokens, reconciler concludes that
    Auth0 refills the bucket continuously. If Auth0 refills the bucket continuously, reconciler sends a probe request
    every tenth of a second. reconciler stops the frequent probe requests if a probe request has used a rate-limit token
    that is reserved for other programs.

    If `is_shared` is true, several tenants share the bucket. Requests to one tenant do not wait until another tenant
    has responded, because the other tenant may never respond. If a bucket that several tenants share is empty, a
    request waits at most SHARED_PATIENCE_SECONDS for the response to an earlier request.
    """

    def __init__(self, share: float, *, is_shared: bool = False) -> None:
        self._share = share
        self._limited = not is_shared
        self._patience = SHARED_PATIENCE_SECONDS if is_shared else NEEDS_RESPONSE
        self._last_sent_at = -math.inf
        self._limit: int | None = None
        self._lowest_remaining = 0
        self._period = -math.inf  # the latest refill time that a response has announced
        self._in_flight = 0
        self._probe_at = 0.0
        self._blocked_until = 0.0
        self._clock_offset = -math.inf  # a lower bound for the difference: tenant's clock minus local clock
        self._last_probe_at = -math.inf  # the local time of the last probe request
        self._is_probing = False  # whether a probe request is in flight
        self._seen_remaining: set[int] = set()  # every `remaining` value in a response since the last refill
        self._refills_continuously = False  # whether Auth0 refills the bucket continuously instead of once per period

    def wait(self, now: float) -> float:
        """Return the number of seconds until the next request may be sent.

        The result 0 means that the request may be sent now. The result NEEDS_RESPONSE means that the request must wait
        for the response to an earlier request.
        """
        if now < self._blocked_until:
            return self._blocked_until - now
        if not self._limited or not self._is_exhausted():
            return 0.0
        if now < self._probe_at:
            return self._probe_at - now
        return max(0.0, self._last_sent_at + self._patience - now) if self._in_flight else 0.0

    def record_sent(self, now: float) -> None:
        """Record that a request was sent at the local time `now`."""
        self._is_probing = self._limited and self._is_exhausted()
        if self._is_probing:
            self._last_probe_at = now
        self._last_sent_at = now
        self._in_flight += 1

    def record_lost(self) -> None:
        """Record that a request ended without rate-limit headers for the bucket.

        Auth0 may have taken a rate-limit token for the request.
        """
        self._in_flight -= 1
        self._lowest_remaining -= 1

    def record_response(self, headers: RateLimitHeaders, now: float) -> None:
        """Update the estimated number of rate-limit tokens with the rate-limit headers of a response."""
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
        """Record a response with status 429. Return the delay in seconds before the next request.

        If the response requests no delay, return `default_delay`. Call `record_response` before `record_rate_limited`.
        """
        # A refused request consumes no rate-limit token, so responses with equal token counts do not prove that Auth0
        # refills the bucket continuously.
        self._refills_continuously = False
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
        """Update the estimated number of rate-limit tokens with the number of remaining tokens in a response."""
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
        """Return the local time at which the next probe request may be sent."""
        if self._refills_continuously and self._remaining() == self._reserve() > 0:
            return now + CONTINUOUS_PROBE_SECONDS
        return max(now + self._seconds_to_refill(headers, now), self._last_probe_at + self._min_probe_interval(headers))

    def _seconds_to_refill(self, headers: RateLimitHeaders, now: float) -> float:
        """Return the number of seconds until Auth0 refills the bucket.

        Auth0 reports times in whole seconds, so the next refill of the bucket is at least one second after the time in
        the header `date`.

        If the response has no header `date` or `x-ratelimit-reset`, return one second, because Auth0 refills most
        buckets every second.
        """
        if headers.date is None or headers.reset is None:
            return 1.0
        at = max(headers.reset, headers.date + 1)
        return min(max(0.0, at - self._clock_offset - now), MAX_WAIT_SECONDS)

    def _min_probe_interval(self, headers: RateLimitHeaders) -> float:
        """Return the minimum time in seconds between two probe requests."""
        if headers.date is None or headers.reset is None or headers.reset <= headers.date + 1:
            return PROBE_INTERVAL_SECONDS
        was_late = self._last_probe_at + self._clock_offset > headers.date + LATE_PROBE_SECONDS
        return PROBE_INTERVAL_SECONDS if was_late else SLOW_PROBE_INTERVAL_SECONDS


class RequestPacer:
    """Limits the total number of requests per second to all tenants of a run.

    Requests are sent in the order in which `turn` was called.

    If `max_rps` is None, requests do not wait.
    """

    def __init__(self, max_rps: float | None = None) -> None:
        self._interval = 1 / max_rps if max_rps else 0.0
        self._next_send_at = -math.inf
        self._lock = asyncio.Lock()
        self._waiting = 0

    def wait(self, now: float) -> float:
        """Return the number of seconds that a new request waits until all earlier requests are sent."""
        return max(0.0, self._next_send_at - now) + self._waiting * self._interval if self._interval else 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until `max_rps` allows a request. Later requests wait until the `with` block ends."""
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
        """Record that a request was sent at the local time `now`.

        Call `record_sent` inside a `with` block of `turn`.
        """
        self._next_send_at = now + self._interval


NOTICE_WAIT_SECONDS = 3.0
WHOLE_TENANT = "client-grants"
"""The name of the token bucket that limits all requests to a tenant.

Each request to the tenant takes a rate-limit token from the bucket WHOLE_TENANT.

A request to `client-grants` takes a rate-limit token only from the bucket WHOLE_TENANT.
"""


@dataclass(frozen=True, slots=True)
class RateOptions:
    """The limits for the requests of a client.

    `rate_share` is the fraction (0 to 1) of the tenant's rate limits that the client leaves to other programs. `pacer`
    limits the total number of requests per second of all clients with the same `pacer`. `concurrency` is the maximum
    number of requests that wait for a response. Before a long delay, the client calls `notice` with a message.
    """

    rate_share: float = 0.25
    pacer: RequestPacer = field(default_factory=RequestPacer)
    concurrency: int = 8
    notice: Callable[[str], None] = ignore_notice


@dataclass(slots=True)
class Slot:
    """Permission from the rate limiter to send one request."""

    buckets: tuple[TokenBucket, ...]
    has_response: bool = field(default=False)

    def wait(self, now: float) -> float:
        """Return the number of seconds until every token bucket for the request has a rate-limit token."""
        return max(bucket.wait(now) for bucket in self.buckets)

    def record_response(self, headers: RateLimitHeaders) -> None:
        """Record the rate-limit headers of a response in the token buckets that limit the request.

        The rate-limit headers describe the token bucket for the path of the request. If no token bucket exists for the
        path, the headers describe the bucket WHOLE_TENANT.
        """
        own, *others = self.buckets
        now = asyncio.get_running_loop().time()
        own.record_response(headers, now)
        for other in others:
            other.record_lost()
        self.has_response = True

    def record_rate_limited(self, headers: RateLimitHeaders, default_delay: float) -> float:
        """Record a response with status 429. Return the delay in seconds before the next request."""
        now = asyncio.get_running_loop().time()
        return max(bucket.record_rate_limited(headers, now, default_delay) for bucket in self.buckets)


class RateLimiter:
    """Delays the requests to one tenant according to the tenant's rate limits.

    If `is_shared` is true, several tenants share the limiter for token requests.
    """

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
        """Wait until a request may be sent, and yield the permission to send the request.

        The request takes a rate-limit token from each token bucket in `names`.

        Raises:
            DeadlinePassedError: if the rate limits allow the request only after the deadline. The function raises the
                error immediately, without waiting for the deadline.
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
        """Wait until the rate limits and `max_rps` allow the request, and record the request as sent."""
        loop = asyncio.get_running_loop()
        while True:
            async with self._changed:
                while wait := slot.wait(loop.time()):
                    self._before_waiting(wait, deadline)
                    await self._wait_for_change(wait)
            self._before_waiting(self._pacer.wait(loop.time()), deadline)
            async with self._pacer.turn():
                now = loop.time()
                if not slot.wait(now):  # during the wait for `turn`, a response may have changed the token buckets
                    self._pacer.record_sent(now)
                    for bucket in slot.buckets:
                        bucket.record_sent(now)
                    return

    async def _wait_for_change(self, seconds: float) -> None:
        """Wait for `seconds`, or until a request ends."""
        try:
            async with asyncio.timeout(None if seconds == math.inf else seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _before_waiting(self, wait: float, deadline: float) -> None:
        """Announce a long delay. Raises DeadlinePassedError if the delay would end after the deadline."""
        now = asyncio.get_running_loop().time()
        if wait and math.inf > now + wait > deadline:
            raise DeadlinePassedError(
                f"nothing was sent: the rate limits allow the next call at {time_after(wait)}, {AFTER_DEADLINE}"
            )
        if NOTICE_WAIT_SECONDS < wait < math.inf and now >= self._announced_until:
            self._announced_until = now + wait
            self._notice(f"waiting {wait:.0f} s for the tenant's rate limit")
