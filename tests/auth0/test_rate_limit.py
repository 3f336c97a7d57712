"""The rate of requests: in virtual time against the sandbox with Auth0's rate limits, and delays of TokenBucket."""

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count, cycle
from pathlib import Path

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.builders import a_key
from support.tenants import DOMAIN, Forward, InterceptingTransport
from support.virtual_time import run_virtually

from auth0_sandbox.server.transport import SandboxTransport
from auth0_sandbox.settings import Settings
from auth0_sandbox.tenant import Sandbox, open_sandbox
from reconciler.auth0.client import ManagementClient, open_client
from reconciler.auth0.credentials import ClientSecret
from reconciler.auth0.errors import DeadlinePassedError
from reconciler.auth0.management import ClientOptions
from reconciler.auth0.rate_limit import NEEDS_RESPONSE, RateLimiter, RateOptions, RequestPacer, TokenBucket
from reconciler.http.retry import RetryPolicy
from reconciler.http.retry_hints import RateLimitHeaders

pytestmark = pytest.mark.slow

START = 1_800_000_000.4
LATENCY_SECONDS = 0.3  # as measured with real tenants
JITTER_SECONDS = (0.003, 0.0, 0.005, 0.002, 0.004, 0.001, 0.0045)  # added to each request and each response
APIS = 12
ACME = "org_acmeacmeacmeacme"
SEED = "\n".join(
    [
        "applications: [{name: App, client_id: app}]",
        "apis:",
        *(f'  - {{name: API {n}, identifier: "urn:{n}", scopes: [a]}}' for n in range(APIS)),
        f"organizations: [{{name: acme, id: {ACME}}}]",
        "grants:",
        *(f'  - {{client: App, audience: "urn:{n}", id: cgr_{n:016}, organization_usage: allow}}' for n in range(APIS)),
    ],
)
SLOW_RATE = 2
RATE_LIMITS = {  # by profile: bucket size, tokens per second
    "free": (2, 2),
    "enterprise-nonprod": (10, 2),
    "enterprise-prod": (50, 16),
    "private-100": (50, 50),
}


class LimitedTenant:
    """A sandbox with the clock of the event loop plus `skew` seconds. It counts the statuses of its responses."""

    def __init__(
        self,
        folder: Path,
        profile: str,
        refill: str = "window",
        skew: float = 0.0,
        *,
        latency: float = LATENCY_SECONDS,
        fault: Callable[[httpx.Request], httpx.Response | None] = lambda _: None,
    ) -> None:
        self.statuses: Counter[int] = Counter()
        self.lowest = 1000
        self._folder, self._profile, self._refill, self._skew, self._fault = folder, profile, refill, skew, fault
        self._delays = (latency / 2 + jitter for jitter in cycle(JITTER_SECONDS))

    def open_sandbox_now(self) -> Sandbox:
        seed = self._folder / "seed.yaml"
        seed.write_text(SEED)
        loop = asyncio.get_running_loop()
        return open_sandbox(
            self._folder / "sandbox.db",
            seed,
            DOMAIN,
            settings=Settings(refill="window" if self._refill == "window" else "continuous"),
            clock=lambda: START + self._skew + loop.time(),
            rate_limit=self._profile,
        )

    async def record(self, request: httpx.Request, forward: Forward) -> httpx.Response:
        await asyncio.sleep(next(self._delays))
        response = self._fault(request) or await forward()
        self.statuses[response.status_code] += 1
        self.lowest = min(self.lowest, int(response.headers.get("x-ratelimit-remaining", self.lowest)))
        await asyncio.sleep(next(self._delays))
        return response


def first_request_refused(headers: dict[str, str]) -> Callable[[httpx.Request], httpx.Response | None]:
    """Return a function that refuses the first request for grants with a 429 with these headers."""
    statuses = [429]

    def respond(request: httpx.Request) -> httpx.Response | None:
        if "client-grants" not in request.url.path or not statuses:
            return None
        return httpx.Response(statuses.pop(), request=request, headers=headers, stream=httpx.ByteStream(b""))

    return respond


async def find_grants(client: ManagementClient, number: int) -> None:
    """Send `number` requests that use the rate limit of the whole tenant, as concurrently as the client permits."""
    await asyncio.gather(*(client.find(a_key("app", f"urn:{n % APIS}")) for n in range(number)))


SendRequests = Callable[[ManagementClient, int], Awaitable[None]]


def seconds_for(
    tenant: LimitedTenant,
    number: int,
    rate_options: RateOptions = RateOptions(concurrency=64),  # noqa: B008 - the value is immutable
    send_requests: SendRequests = find_grants,
) -> float:
    """Return the virtual seconds that `number` requests take."""

    async def run() -> None:
        with tenant.open_sandbox_now() as sandbox:
            own = sandbox.credentials
            credentials = ClientSecret(own.client_id, own.client_secret, f"https://{DOMAIN}/api/v2/")
            transport = InterceptingTransport(SandboxTransport(sandbox.app), tenant.record)
            client_options = ClientOptions(rate_options, RetryPolicy(jitter=lambda low, _: low))
            async with open_client(
                f"http://{DOMAIN}", credentials, transport=transport, client_options=client_options
            ) as client:
                await send_requests(client, number)

    _, seconds = run_virtually(run())
    return seconds


@pytest.mark.parametrize("refill", ["window", "continuous"])
@pytest.mark.parametrize("profile", RATE_LIMITS)
@pytest.mark.parametrize(
    "skew",
    [0.0, -86_400.0, 0.4, 0.7],
    ids=["no skew", "one day behind", "0.4 s ahead", "0.7 s ahead"],
)
def test_requests_use_almost_the_whole_share_and_none_is_refused(
    tmp_path: Path,
    profile: str,
    refill: str,
    skew: float,
) -> None:
    bucket, rate = RATE_LIMITS[profile]
    share = bucket - bucket // 4
    share_per_second = min(rate, share) if refill == "window" else rate  # the reserve is not refilled
    number = (
        share + (12 if rate > SLOW_RATE else 40) * share_per_second
    )  # it takes some requests to learn when the tenant's seconds begin
    tenant = LimitedTenant(tmp_path, profile, refill, skew)

    seconds = seconds_for(tenant, number)

    assert tenant.statuses[429] == 0
    assert seconds <= (number - share) / share_per_second * 1.15 + 4 * LATENCY_SECONDS


@pytest.mark.parametrize("profile", ["enterprise-nonprod", "enterprise-prod", "private-100"])
def test_the_share_of_others_lacks_at_most_one_token(tmp_path: Path, profile: str) -> None:
    bucket, rate = RATE_LIMITS[profile]
    number = bucket + 12 * rate
    tenant = LimitedTenant(tmp_path, profile, "continuous", latency=0.005)

    seconds = seconds_for(tenant, number, RateOptions())

    assert tenant.statuses[429] == 0
    assert tenant.lowest >= bucket // 4 - 1
    assert seconds <= (number - bucket + bucket // 4) / rate * 1.05 + 1


def test_max_rps_limits_the_rate_of_a_fast_tenant(tmp_path: Path) -> None:
    tenant = LimitedTenant(tmp_path, "private-10000")

    assert seconds_for(tenant, 20, RateOptions(pacer=RequestPacer(4))) == pytest.approx(5.0, abs=3 * LATENCY_SECONDS)


def test_tenants_share_one_pacer_in_turn() -> None:
    """Three tenants wait for the same pacer. The requests are sent at an even distance, one tenant after the other."""
    sent: list[tuple[float, int]] = []

    async def send_some(tenant: int, pacer: RequestPacer) -> None:
        limiter = RateLimiter(RateOptions(pacer=pacer))
        for _ in range(3):
            async with limiter.acquire("grants") as slot:
                sent.append((asyncio.get_running_loop().time(), tenant))
                slot.record_response(RateLimitHeaders())

    async def send_all() -> None:
        pacer = RequestPacer(max_rps=2)
        await asyncio.gather(*(send_some(tenant, pacer) for tenant in range(3)))

    run_virtually(send_all())

    assert [moment for moment, _ in sent] == [0.5 * number for number in range(9)]
    assert [tenant for _, tenant in sent][1:7] == [0, 1, 2] * 2


def test_a_request_whose_turn_comes_after_the_deadline_fails_at_once() -> None:
    async def send(limiter: RateLimiter) -> None:
        async with limiter.acquire("grants", deadline=2.5):
            pass

    async def send_all() -> list[object]:
        limiter = RateLimiter(RateOptions(pacer=RequestPacer(max_rps=1)))
        return list(await asyncio.gather(*(send(limiter) for _ in range(5)), return_exceptions=True))

    results, seconds = run_virtually(send_all())

    assert [type(each) for each in results] == [type(None)] * 3 + [DeadlinePassedError] * 2
    assert seconds == 2.0


def test_a_tenant_without_a_response_does_not_stop_the_token_requests_of_others() -> None:
    """All tenants share a bucket of five tokens. The first tenant never responds."""
    ended: dict[int, float] = {}

    async def request_token(tenant: int, limiter: RateLimiter) -> None:
        async with limiter.acquire("/oauth/token") as slot:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(0.1 if tenant else 60.0)
            remaining = max(0, 4 - len(ended)) if loop.time() < 1 else 4
            slot.record_response(
                RateLimitHeaders(limit=5, remaining=remaining, reset=loop.time() + 1, date=loop.time())
            )
            ended[tenant] = loop.time()

    async def request_all() -> None:
        limiter = RateLimiter(RateOptions(rate_share=0.0), is_shared=True)
        await asyncio.gather(*(request_token(tenant, limiter) for tenant in range(12)))

    run_virtually(request_all())

    assert max(moment for tenant, moment in ended.items() if tenant) < 10
    assert ended[0] == 60.0


def test_concurrency_limits_concurrent_requests(tmp_path: Path) -> None:
    tenant = LimitedTenant(tmp_path, "private-10000")

    seconds = seconds_for(tenant, 31, RateOptions(concurrency=3))

    assert seconds == pytest.approx(12 * LATENCY_SECONDS, abs=LATENCY_SECONDS)


def test_the_rate_share_of_others_is_never_used(tmp_path: Path) -> None:
    tenant = LimitedTenant(tmp_path, "enterprise-prod")

    seconds_for(tenant, 120, RateOptions(rate_share=0.5, concurrency=64))

    assert tenant.lowest >= 25


def test_a_long_wait_is_reported_once(tmp_path: Path) -> None:
    notices: list[str] = []
    tenant = LimitedTenant(tmp_path, "none", fault=first_request_refused({"retry-after": "20"}))

    seconds = seconds_for(tenant, 3, RateOptions(notice=notices.append))

    assert notices == ["waiting 20 s for the tenant's rate limit"]
    assert seconds == pytest.approx(20, abs=3)


@pytest.mark.parametrize(
    ("headers", "max_seconds"),
    [
        ({}, 5.0),
        ({"retry-after": "7"}, 10.0),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:10 GMT", "date": "Fri, 15 Jan 2027 08:00:00 GMT"}, 13.0),
        ({"x-ratelimit-reset": "1800000005", "date": "Fri, 15 Jan 2027 08:00:00 GMT"}, 8.0),
        ({"x-ratelimit-reset": "1800009999", "date": "Fri, 15 Jan 2027 08:00:00 GMT"}, 63.0),
        ({"x-ratelimit-reset": "1", "date": "Fri, 15 Jan 2027 08:00:00 GMT"}, 4.0),
        ({"x-ratelimit-reset": "soon", "retry-after": "never", "date": "today"}, 5.0),
        ({"retry-after": "-5"}, 5.0),
    ],
    ids=["no headers", "seconds", "date", "reset", "late reset", "past reset", "invalid", "negative"],
)
def test_the_wait_after_a_429_follows_the_headers_and_is_limited(
    tmp_path: Path,
    headers: dict[str, str],
    max_seconds: float,
) -> None:
    tenant = LimitedTenant(tmp_path, "none", fault=first_request_refused(headers))

    seconds = seconds_for(tenant, 2)

    assert tenant.statuses == {429: 1, 200: 3}
    assert 0.5 <= seconds <= max_seconds


async def associate(client: ManagementClient, number: int) -> None:
    """Add `number` grants to an organization. This endpoint has its own rate limit."""
    await asyncio.gather(*(client.associations.add(ACME, f"cgr_{n:016}") for n in range(number)))


async def associate_and_dissociate(client: ManagementClient, number: int) -> None:
    """Use up the rate limit for adding grants, and then remove `number` grants, which has another limit."""
    await client.grants()
    await associate(client, 4)
    await asyncio.gather(*(client.associations.remove(ACME, f"cgr_{n:016}") for n in range(number)))


@pytest.mark.parametrize("profile", ["professional", "enterprise-prod", "private-100"])
def test_the_rate_limit_for_grants_of_organizations_is_kept(tmp_path: Path, profile: str) -> None:
    tenant = LimitedTenant(tmp_path, profile, "continuous")

    seconds = seconds_for(tenant, APIS, send_requests=associate)

    assert tenant.statuses[429] == 0
    assert (APIS - 5) / 2.5 <= seconds <= 60


def test_the_rate_limit_of_one_endpoint_does_not_delay_another_endpoint(tmp_path: Path) -> None:
    tenant = LimitedTenant(tmp_path, "enterprise-prod")

    seconds = seconds_for(tenant, APIS, send_requests=associate_and_dissociate)

    assert tenant.statuses[429] == 0
    assert seconds <= 12 * LATENCY_SECONDS


NOON = 1_800_000_000.0


@dataclass
class TenantBucket:
    """A bucket of the tenant. It is refilled once a second, or continuously.

    `ahead` is the tenant's time minus the local time in seconds.
    """

    size: int
    rate: int
    refills_each_second: bool
    ahead: float
    tokens: float = math.inf  # limited to `size` by the first request
    filled_at: float = 0.0
    lowest: int = 1000
    refused: int = 0

    def take_token(self, moment: float) -> RateLimitHeaders:
        """Take a token at a local time. Return the rate-limit headers of the response."""
        now = self.ahead + moment
        passed = math.floor(now) - math.floor(self.filled_at) if self.refills_each_second else now - self.filled_at
        self.tokens, self.filled_at = min(self.size, self.tokens + passed * self.rate), now
        self.refused += self.tokens < 1
        self.tokens -= self.tokens >= 1
        self.lowest = min(self.lowest, int(self.tokens))
        missing = 1 if self.refills_each_second else (1 - self.tokens % 1) / self.rate
        reset = math.floor(now) + 1 if self.refills_each_second else math.ceil(now + missing)
        return RateLimitHeaders(self.size, int(self.tokens), reset, math.floor(now))


def send_requests(
    bucket: TokenBucket, tenant_bucket: TenantBucket, *, number: int, in_flight_limit: int, delays: Sequence[float]
) -> None:
    """Send `number` requests. Each request and each response is delayed by the next value of `delays`."""
    next_delays, order = cycle(delays), count()
    now, in_flight, unsent = 0.0, 0, number
    # An event without headers is a request that reaches the tenant. An event with headers is a response.
    events: list[tuple[float, int, RateLimitHeaders | None]] = []
    while unsent or events:
        may_send = unsent and in_flight < in_flight_limit
        wait = bucket.wait(now) if may_send else NEEDS_RESPONSE
        if wait == 0:
            bucket.record_sent(now)
            unsent, in_flight = unsent - 1, in_flight + 1
            heappush(events, (now + next(next_delays), next(order), None))
        elif not events or now + wait < events[0][0]:
            now += wait
        else:
            now, _, headers = heappop(events)
            if headers is None:
                heappush(events, (now + next(next_delays), next(order), tenant_bucket.take_token(now)))
            else:
                in_flight -= 1
                bucket.record_response(headers, now)


MAX_DELAYS = st.sampled_from([0.001, 0.02, 0.3, 1.0])
DELAYS = MAX_DELAYS.flatmap(lambda max_delay: st.lists(st.floats(0, max_delay), min_size=1, max_size=9))


@given(
    size=st.integers(1, 60),
    rate=st.integers(1, 60),
    refills_each_second=st.booleans(),
    share=st.sampled_from([0.0, 0.25, 0.5]),
    in_flight=st.sampled_from([1, 8, 64]),
    delays=DELAYS,
    phase=st.floats(0, 1, exclude_max=True),
)
@example(size=10, rate=5, refills_each_second=False, share=0.5, in_flight=64, delays=[0.01, 0.07, 0.1, 0.03], phase=0.4)
def test_no_request_is_refused_and_the_share_of_others_lacks_at_most_one_token(
    *,
    size: int,
    rate: int,
    refills_each_second: bool,
    share: float,
    in_flight: int,
    delays: Sequence[float],
    phase: float,
) -> None:
    tenant_bucket = TenantBucket(size, rate, refills_each_second, ahead=NOON + phase)

    send_requests(TokenBucket(share), tenant_bucket, number=size + 3 * rate, in_flight_limit=in_flight, delays=delays)

    assert tenant_bucket.refused == 0
    assert tenant_bucket.lowest >= int(share * size) - (0 if refills_each_second else 1)


def send_in_turn(bucket: TokenBucket, *numbers: int, second: int = 0) -> None:
    """Send one request after the other in the same second. `numbers` are the remaining tokens in the responses."""
    for number in numbers:
        bucket.record_sent(second)
        bucket.record_response(RateLimitHeaders(8, number, NOON + second + 1, NOON + second), second)


@pytest.mark.parametrize(
    ("numbers", "share", "seconds"),
    [
        ((4, 3, 2), 0.25, 1.01),
        ((4, 4, 3, 2), 0.25, 0.1),
        ((4, 4, 3, 2, 2), 0.25, 0.1),
        ((4, 4, 3, 2, 3), 0.25, 0.0),
        ((4, 4, 3, 2, 1), 0.25, 1.01),
        ((4, 4, 3, 1), 0.25, 1.01),
        ((1, 1, 0), 0.0, 1.01),
    ],
    ids=[
        "no repeated number",
        "repeated number",
        "probe found one token",
        "probe found two tokens",
        "probe found no token",
        "others took tokens",
        "no share for others",
    ],
)
def test_a_repeated_number_in_a_period_shortens_the_interval_between_probes(
    numbers: Sequence[int],
    share: float,
    seconds: float,
) -> None:
    bucket = TokenBucket(share)

    send_in_turn(bucket, *numbers)

    assert bucket.wait(0.0) == pytest.approx(seconds)


def test_a_failed_probe_restores_the_long_interval_until_a_number_repeats() -> None:
    bucket = TokenBucket(0.25)
    send_in_turn(bucket, 4, 4, 3, 2, 1)

    send_in_turn(bucket, 3, 2, second=2)
    delay_after_failed_probe = bucket.wait(2.0)
    send_in_turn(bucket, 4, 4, 3, 2, second=4)

    assert delay_after_failed_probe == pytest.approx(1.01)
    assert bucket.wait(4.0) == pytest.approx(0.1)


def test_a_repeated_number_after_a_429_does_not_shorten_the_interval() -> None:
    bucket = TokenBucket(0.25)

    send_in_turn(bucket, 4, 4)
    bucket.record_rate_limited(RateLimitHeaders(retry_after=0.0), 0.0, default_delay=1.0)
    send_in_turn(bucket, 3, 2)

    assert bucket.wait(0.0) == pytest.approx(1.01)


@pytest.mark.parametrize(("sent_at", "seconds"), [(1.0, 2.5), (1.3, 1.7)], ids=["probe in time", "late probe"])
def test_the_interval_is_longer_if_the_refill_is_in_the_second_after_the_next(
    sent_at: float,
    seconds: float,
) -> None:
    bucket = TokenBucket(0.25)
    send_in_turn(bucket, 0)

    bucket.record_sent(sent_at)
    bucket.record_response(RateLimitHeaders(8, 0, NOON + 3, NOON + 1), sent_at)

    assert bucket.wait(sent_at) == pytest.approx(seconds)
