"""Pure: the rate limits of the load server, and the minimum time for requests under these limits.

Times are in seconds.

Auth0 documents one token bucket per plan for the whole Management API (operational policies, August 2026). Client
grants have no separate bucket.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, inf

ROUNDING_TOLERANCE = 1e-9  # the tolerance for sums of fractions of tokens


@dataclass(frozen=True, slots=True)
class Plan:
    """A token bucket of `burst` tokens. `rate` tokens are added each second, continuously."""

    burst: float
    rate: float

    def minimum_seconds(self, calls: int) -> float:
        """Return the minimum time in seconds for a number of calls, starting with a full bucket."""
        return max(0.0, calls - self.burst) / self.rate


PLANS: Mapping[str, Plan] = {
    "none": Plan(inf, inf),
    "free": Plan(2, 2),
    "enterprise-nonprod": Plan(10, 2),
    "enterprise-prod": Plan(50, 16),
    "private-100": Plan(50, 50),
}


class Bucket:
    """The token bucket of one tenant. The bucket is full at the start."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._tokens = plan.burst
        self._filled_at = 0.0

    def take(self, now: float) -> bool:
        """Take a token. Return False if the bucket is empty."""
        if self._plan.burst == inf:
            return True
        added = (now - self._filled_at) * self._plan.rate if self._filled_at else 0.0
        self._tokens, self._filled_at = min(self._plan.burst, self._tokens + added), now
        if self._tokens < 1 - ROUNDING_TOLERANCE:
            return False
        self._tokens -= 1
        return True

    def headers(self, now: float) -> str:
        """Return the lines of the rate limit headers. `x-ratelimit-reset` is the UNIX time of the next token."""
        if self._plan.burst == inf:
            return ""
        missing = 1 - (self._tokens + ROUNDING_TOLERANCE) % 1
        return (
            f"x-ratelimit-limit: {int(self._plan.burst)}\r\n"
            f"x-ratelimit-remaining: {int(self._tokens + ROUNDING_TOLERANCE)}\r\n"
            f"x-ratelimit-reset: {ceil(now + missing / self._plan.rate)}\r\n"
        )
