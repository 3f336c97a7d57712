"""How fast a tenant is asked, in virtual time, against the sandbox with Auth0's documented rate limits."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import cycle
from pathlib import Path

import httpx
import pytest
from support.builders import a_key
from support.tenants import DOMAIN, Forward, InterceptingTransport
from support.virtual_time import run_virtually

from auth0_sandbox.server.transport import SandboxTransport
from auth0_sandbox.settings import Settings
from auth0_sandbox.tenant import Sandbox, open_sandbox
from reconciler.auth0.client import ManagementClient, open_client
from reconciler.auth0.credentials import ClientSecret
from reconciler.auth0.management import ClientOptions
from reconciler.auth0.rate_limit import RateOptions
from reconciler.http.retry import RetryPolicy

pytestmark = pytest.mark.slow

START = 1_800_000_000.4
LATENCY_SECONDS = 0.3  # what real tenants take
JITTER_SECONDS = (0.003, 0.0, 0.005, 0.002, 0.004, 0.001, 0.0045)  # each way, in turn
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
FEW = 2
SUSTAINED = {  # profile: bucket, tokens a second
    "free": (2, 2),
    "enterprise-nonprod": (10, 2),
    "enterprise-prod": (50, 16),
    "private-100": (50, 50),
}


class Tenant:
    """A sandbox on the loop's clock, `behind` seconds off, that counts the statuses of what it answers."""

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
        self._ways = (latency / 2 + jitter for jitter in cycle(JITTER_SECONDS))

    def opened(self) -> Sandbox:
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

    async def note(self, request: httpx.Request, forward: Forward) -> httpx.Response:
        await asyncio.sleep(next(self._ways))
        response = self._fault(request) or await forward()
        self.statuses[response.status_code] += 1
        self.lowest = min(self.lowest, int(response.headers.get("x-ratelimit-remaining", self.lowest)))
        await asyncio.sleep(next(self._ways))
        return response


def throttled(headers: dict[str, str]) -> Callable[[httpx.Request], httpx.Response | None]:
    """Answers the first call on grants with a 429 that has these headers."""
    left = [429]

    def answer(request: httpx.Request) -> httpx.Response | None:
        if "client-grants" not in request.url.path or not left:
            return None
        return httpx.Response(left.pop(), request=request, headers=headers, stream=httpx.ByteStream(b""))

    return answer


async def looks(client: ManagementClient, number: int) -> None:
    """Make so many calls on the tenant's own bucket, as many at once as the client lets out."""
    await asyncio.gather(*(client.find(a_key("app", f"urn:{n % APIS}")) for n in range(number)))


Calls = Callable[[ManagementClient, int], Awaitable[None]]


def asked(
    tenant: Tenant,
    number: int,
    rate_options: RateOptions = RateOptions(concurrency=64),  # noqa: B008 - frozen
    calls: Calls = looks,
) -> float:
    """Return the seconds that `number` calls take."""

    async def run() -> None:
        with tenant.opened() as sandbox:
            own = sandbox.credentials
            credentials = ClientSecret(own.client_id, own.client_secret, f"https://{DOMAIN}/api/v2/")
            transport = InterceptingTransport(SandboxTransport(sandbox.app), tenant.note)
            client_options = ClientOptions(rate_options, RetryPolicy(jitter=lambda low, _: low))
            async with open_client(
                f"http://{DOMAIN}", credentials, transport=transport, client_options=client_options
            ) as client:
                await calls(client, number)

    _, seconds = run_virtually(run())
    return seconds


@pytest.mark.parametrize("refill", ["window", "continuous"])
@pytest.mark.parametrize("profile", SUSTAINED)
@pytest.mark.parametrize(
    "skew",
    [0.0, -86_400.0, 0.4, 0.7],
    ids=["in time", "a day behind", "by 0.4", "by 0.7"],
)
def test_no_limit_is_passed_and_hardly_any_of_our_part_is_left_unused(
    tmp_path: Path,
    profile: str,
    refill: str,
    skew: float,
) -> None:
    bucket, rate = SUSTAINED[profile]
    ours = bucket - bucket // 4
    ours_a_second = min(rate, ours) if refill == "window" else rate  # a reserve in the bucket need not be added again
    number = ours + (12 if rate > FEW else 40) * ours_a_second  # to learn when the tenant's seconds begin takes some
    tenant = Tenant(tmp_path, profile, refill, skew)

    seconds = asked(tenant, number)

    assert tenant.statuses[429] == 0
    assert seconds <= (number - ours) / ours_a_second * 1.15 + 4 * LATENCY_SECONDS


@pytest.mark.parametrize("profile", ["enterprise-nonprod", "enterprise-prod", "private-100"])
def test_what_is_left_to_others_makes_no_bucket_spill_and_lacks_a_token_at_most(tmp_path: Path, profile: str) -> None:
    bucket, rate = SUSTAINED[profile]
    number = bucket + 12 * rate
    tenant = Tenant(tmp_path, profile, "continuous", latency=0.005)

    seconds = asked(tenant, number, RateOptions())

    assert tenant.statuses[429] == 0
    assert tenant.lowest >= bucket // 4 - 1
    assert seconds <= (number - bucket + bucket // 4) / rate * 1.05 + 1


def test_a_cap_of_calls_a_second_holds_whatever_the_tenant_allows(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path, "private-10000")

    assert asked(tenant, 20, RateOptions(max_rps=4)) == pytest.approx(5.0, abs=3 * LATENCY_SECONDS)


def test_no_more_calls_than_asked_for_are_under_way(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path, "private-10000")

    seconds = asked(tenant, 31, RateOptions(concurrency=3))

    assert seconds == pytest.approx(12 * LATENCY_SECONDS, abs=LATENCY_SECONDS)


def test_a_share_of_the_bucket_is_never_touched(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path, "enterprise-prod")

    asked(tenant, 120, RateOptions(rate_share=0.5, concurrency=64))

    assert tenant.lowest >= 25


def test_a_long_wait_is_announced_once(tmp_path: Path) -> None:
    said: list[str] = []
    tenant = Tenant(tmp_path, "none", fault=throttled({"retry-after": "20"}))

    seconds = asked(tenant, 3, RateOptions(notice=said.append))

    assert said == ["waiting 20 s for the tenant's rate limit"]
    assert seconds == pytest.approx(20, abs=3)


@pytest.mark.parametrize(
    ("headers", "longest"),
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
    ids=["nothing said", "seconds", "a date", "reset", "reset far off", "reset long ago", "garbage", "minus"],
)
def test_a_refusal_is_waited_out_by_the_tenants_clock_and_never_for_long(
    tmp_path: Path,
    headers: dict[str, str],
    longest: float,
) -> None:
    tenant = Tenant(tmp_path, "none", fault=throttled(headers))

    seconds = asked(tenant, 2)

    assert tenant.statuses == {429: 1, 200: 3}
    assert 0.5 <= seconds <= longest


async def ties(client: ManagementClient, number: int) -> None:
    """Let an organization use so many grants, which has a limit of its own."""
    await asyncio.gather(*(client.associations.add(ACME, f"cgr_{n:016}") for n in range(number)))


async def ties_and_cuts(client: ManagementClient, number: int) -> None:
    """Use up what there is for the one; the other is held up by the limit of the whole tenant alone."""
    await client.grants()
    await ties(client, 4)
    await asyncio.gather(*(client.associations.remove(ACME, f"cgr_{n:016}") for n in range(number)))


@pytest.mark.parametrize("profile", ["professional", "enterprise-prod", "private-100"])
def test_the_limit_on_new_grants_of_organizations_is_kept_to(tmp_path: Path, profile: str) -> None:
    tenant = Tenant(tmp_path, profile, "continuous")

    seconds = asked(tenant, APIS, calls=ties)

    assert tenant.statuses[429] == 0
    assert (APIS - 5) / 2.5 <= seconds <= 60


def test_a_limit_of_one_call_about_organizations_holds_up_no_other(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path, "enterprise-prod")

    seconds = asked(tenant, APIS, calls=ties_and_cuts)

    assert tenant.statuses[429] == 0
    assert seconds <= 12 * LATENCY_SECONDS
