"""Pure: token buckets over a tenant's calls, as Auth0 documents its rate limits. Time is an argument."""

from dataclasses import dataclass
from http import HTTPStatus
from math import ceil, floor
from threading import Lock

from reconciler.sandbox.answers import SandboxResponse
from reconciler.sandbox.settings import Refill
from reconciler.sandbox.traffic import ANY, Arrival, error_answer

PLENTY = 10_000
GLOBAL_LIMIT = "Global limit has been reached"
TINY = 1e-9  # of a token: what sums of fractions may miss


@dataclass(frozen=True, slots=True)
class Rate:
    """A bucket: it holds `burst` tokens, and `tokens` are added every `seconds`."""

    burst: int
    tokens: int
    seconds: int = 1


@dataclass(frozen=True, slots=True)
class Limit:
    """A bucket for all calls that `method` and `path` mean (wildcards as in file names), with that query parameter."""

    rate: Rate
    path: str
    method: str = ANY
    parameter: str | None = None
    message: str = GLOBAL_LIMIT

    def covers(self, arrival: Arrival) -> bool:
        """Tell whether a call draws on this bucket."""
        has_parameter = self.parameter is None or arrival.asked(self.parameter) is not None
        return has_parameter and arrival.is_for(self.method, self.path)


Profile = tuple[Limit, ...]  # in the order in which the buckets are asked


@dataclass(frozen=True, slots=True)
class BucketLevel:
    """What the headers say: the bucket's size, what is left in it, and when (UNIX seconds) tokens are next added."""

    limit: int
    remaining: int
    reset: int


@dataclass(frozen=True, slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class Buckets:
    """The buckets of one server process: each starts full. Calls take microseconds, and are safe in several threads."""

    def __init__(self, profile: Profile, refill: Refill) -> None:
        self._profile = profile
        self._refill = refill
        self._lock = Lock()
        self._buckets: dict[Limit, _Bucket] = {}

    def spend(self, arrival: Arrival) -> Limit | None:
        """Take a token from each bucket that the call draws on; return the first one that has none, or None.

        Auth0 asks the global bucket first; a call that it lets through has used it, whatever the next bucket says.
        """
        with self._lock:
            for limit in self._drawn_on(arrival):
                bucket = self._filled(limit, arrival.now)
                if bucket.tokens < 1 - TINY:
                    return limit
                self._buckets[limit] = _Bucket(bucket.tokens - 1, bucket.filled_at)
        return None

    def level(self, arrival: Arrival) -> BucketLevel:
        """Return what is left for calls like this one: of several buckets the emptiest (an assumption)."""
        with self._lock:
            levels = [self._level(limit, arrival.now) for limit in self._drawn_on(arrival)]
        return min(
            levels, key=lambda level: level.remaining, default=BucketLevel(PLENTY, PLENTY - 1, int(arrival.now) + 1)
        )

    def _drawn_on(self, arrival: Arrival) -> list[Limit]:
        return [limit for limit in self._profile if limit.covers(arrival)]

    def _level(self, limit: Limit, now: float) -> BucketLevel:
        tokens = self._filled(limit, now).tokens
        return BucketLevel(limit.rate.burst, int(tokens + TINY), self._next_added(limit.rate, tokens, now))

    def _filled(self, limit: Limit, now: float) -> _Bucket:
        """Return the bucket with what has been added since it was last looked at."""
        rate = limit.rate
        before = self._buckets.get(limit, _Bucket(rate.burst, now))
        passed = self._passed(rate, before.filled_at, now)
        if passed <= 0:
            return before
        bucket = _Bucket(min(float(rate.burst), before.tokens + passed * rate.tokens), now)
        self._buckets[limit] = bucket
        return bucket

    def _passed(self, rate: Rate, since: float, now: float) -> float:
        """Return how many times `rate.tokens` have been added: whole windows by the clock, or any fraction of one."""
        if self._refill == "window":
            return floor(now / rate.seconds) - floor(since / rate.seconds)
        return (now - since) / rate.seconds

    def _next_added(self, rate: Rate, tokens: float, now: float) -> int:
        if self._refill == "window":
            return (floor(now / rate.seconds) + 1) * rate.seconds
        missing = 1 - (tokens + TINY) % 1
        return ceil(now + missing * rate.seconds / rate.tokens)


def throttled_answer(arrival: Arrival, message: str) -> SandboxResponse:
    """Return the 429 for a call that met an empty bucket; the shape at /oauth/token is an assumption."""
    return error_answer(arrival, HTTPStatus.TOO_MANY_REQUESTS, message, "too_many_requests")
