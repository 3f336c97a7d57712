"""Token buckets for the requests to a tenant. The buckets imitate Auth0's documented rate limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil, floor
from threading import Lock

from auth0_sandbox.errors import SandboxError
from auth0_sandbox.requests.responses import SandboxResponse
from auth0_sandbox.requests.traffic import ANY, UncheckedRequest, error_answer
from auth0_sandbox.settings import Refill
from auth0_sandbox.yaml_files import suggest

UNLIMITED = 10_000
GLOBAL_LIMIT = "Global limit has been reached"
ROUNDING_ERROR = 1e-9  # the tolerance for sums of fractions of tokens


@dataclass(frozen=True, slots=True)
class Rate:
    """A bucket with at most `burst` tokens. Every `seconds` seconds, `tokens` tokens are added."""

    burst: int
    tokens: int
    seconds: int = 1


@dataclass(frozen=True, slots=True)
class Limit:
    """A bucket for all requests that match `method`, `path` (with wildcards, as in file names) and `parameter`."""

    rate: Rate
    path: str
    method: str = ANY
    parameter: str | None = None
    message: str = GLOBAL_LIMIT

    def applies_to(self, request: UncheckedRequest) -> bool:
        """Return whether a request takes a token from this bucket."""
        has_parameter = self.parameter is None or request.query_value(self.parameter) is not None
        return has_parameter and request.is_for(self.method, self.path)


Profile = tuple[Limit, ...]  # the buckets in the order of checking


@dataclass(frozen=True, slots=True)
class BucketLevel:
    """The values of the rate limit headers: bucket size, remaining tokens, and next refill (UNIX seconds)."""

    limit: int
    remaining: int
    reset: int


@dataclass(frozen=True, slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class Buckets:
    """The buckets of one server process. All buckets are full at the start. Methods are thread-safe."""

    def __init__(self, profile: Profile, refill: Refill) -> None:
        self._profile = profile
        self._refill = refill
        self._lock = Lock()
        self._buckets: dict[Limit, _Bucket] = {}

    def take_tokens(self, request: UncheckedRequest) -> Limit | None:
        """Take a token from each bucket of a request. Return the first empty bucket, or None.

        Auth0 checks the global bucket first. If a later bucket is empty, the request has still used a token of the
        global bucket.
        """
        with self._lock:
            for limit in self._limits_for(request):
                bucket = self._refilled(limit, request.now)
                if bucket.tokens < 1 - ROUNDING_ERROR:
                    return limit
                self._buckets[limit] = _Bucket(bucket.tokens - 1, bucket.filled_at)
        return None

    def level(self, request: UncheckedRequest) -> BucketLevel:
        """Return the level of the emptiest bucket of a request (an assumption)."""
        with self._lock:
            levels = [self._level(limit, request.now) for limit in self._limits_for(request)]
        return min(
            levels,
            key=lambda level: level.remaining,
            default=BucketLevel(UNLIMITED, UNLIMITED - 1, int(request.now) + 1),
        )

    def _limits_for(self, request: UncheckedRequest) -> list[Limit]:
        return [limit for limit in self._profile if limit.applies_to(request)]

    def _level(self, limit: Limit, now: float) -> BucketLevel:
        tokens = self._refilled(limit, now).tokens
        return BucketLevel(limit.rate.burst, int(tokens + ROUNDING_ERROR), self._next_refill(limit.rate, tokens, now))

    def _refilled(self, limit: Limit, now: float) -> _Bucket:
        """Refill the bucket of a limit and return the bucket."""
        rate = limit.rate
        before = self._buckets.get(limit, _Bucket(rate.burst, now))
        refills = self._refills(rate, before.filled_at, now)
        if refills <= 0:
            return before
        bucket = _Bucket(min(float(rate.burst), before.tokens + refills * rate.tokens), now)
        self._buckets[limit] = bucket
        return bucket

    def _refills(self, rate: Rate, since: float, now: float) -> float:
        """Return the number of refills since `since`: whole windows of the clock, or fractions."""
        if self._refill == "window":
            return floor(now / rate.seconds) - floor(since / rate.seconds)
        return (now - since) / rate.seconds

    def _next_refill(self, rate: Rate, tokens: float, now: float) -> int:
        if self._refill == "window":
            return (floor(now / rate.seconds) + 1) * rate.seconds
        missing = 1 - (tokens + ROUNDING_ERROR) % 1
        return ceil(now + missing * rate.seconds / rate.tokens)


def throttled_answer(request: UncheckedRequest, message: str) -> SandboxResponse:
    """Return the 429 response for an empty bucket. The form of the response at /oauth/token is an assumption."""
    return error_answer(request, HTTPStatus.TOO_MANY_REQUESTS, message, "too_many_requests")


MINUTE = 60
_API = "/api/v2/*"
_TOKEN = "/oauth/token"  # noqa: S105 - a path, no secret
_ENDPOINT_LIMIT = (
    "Endpoint limit has been reached"  # an assumption; only the message of the global limit has been observed
)


def _global_limits(api: Rate, authentication: Rate | None) -> Profile:
    api_limit = Limit(api, _API)
    return (api_limit, Limit(authentication, _TOKEN)) if authentication else (api_limit,)


def _endpoint(method: str, path: str, rate: Rate, parameter: str | None = None) -> Limit:
    return Limit(rate, f"/api/v2{path}", method, parameter, _ENDPOINT_LIMIT)


def _organizations(factor: int = 1) -> Profile:
    """Return the limits for grants of organizations.

    The limits for grants of organizations are documented for plans with up to 100 requests per second, and are scaled
    for larger plans. The equal factor for both methods is an assumption.
    """
    path = "/organizations/{id}/client-grants"
    return (
        _endpoint("GET", path, Rate(10 * factor, 100 * factor, MINUTE)),
        _endpoint("POST", path, Rate(5 * factor, 150 * factor, MINUTE)),
    )


def _private(rate: int, factor: int = 1) -> Profile:
    """Return the limits of a private cloud tier. The burst rate and the sustained rate of a tier are equal."""
    return (*_global_limits(Rate(rate, rate), None), _SEARCH, *_organizations(factor))


_SEARCH = _endpoint("GET", "/clients", Rate(5, 150, MINUTE), "q")
_SELF_SERVICE: Profile = (
    # The documentation has no global limit for Essentials and Professional. The sandbox uses the lowest limit of a paid
    # plan. A client within this limit is also within every higher limit.
    *_global_limits(Rate(10, 2), Rate(25, 25)),
    _endpoint("GET", "/clients", Rate(5, 100, MINUTE)),
    _SEARCH,
    _endpoint("GET", "/organizations", Rate(5, 50, MINUTE)),
    *_organizations(),
)
_ENTERPRISE: Profile = (_SEARCH, _endpoint("GET", "/organizations", Rate(10, 100, MINUTE)), *_organizations())

PROFILES: Mapping[str, Profile] = {
    "none": (),
    "free": (*_global_limits(Rate(2, 2), Rate(300, 300, MINUTE)), Limit(Rate(30, 30), _TOKEN, message=_ENDPOINT_LIMIT)),
    "essentials": _SELF_SERVICE,
    "professional": _SELF_SERVICE,
    "enterprise-nonprod": (*_global_limits(Rate(10, 2), Rate(100, 100)), *_ENTERPRISE),
    "enterprise-prod": (*_global_limits(Rate(50, 16), Rate(100, 100)), *_ENTERPRISE),
    "private-20": _private(20),
    "private-100": _private(50),
    "private-500": _private(250, 5),
    "private-1500": _private(750, 15),
    "private-3000": _private(1500, 30),
    "private-6000": _private(3000, 60),
    "private-10000": _private(5000, 100),
}


def profile(name: str) -> Profile:
    """Return the limits of an Auth0 plan.

    Raises:
        SandboxError: if the plan is unknown.
    """
    if name not in PROFILES:
        hint = suggest(name, PROFILES) or f"use one of: {', '.join(PROFILES)}"
        raise SandboxError(f'the rate limits of "{name}" are unknown; {hint}')
    return PROFILES[name]
