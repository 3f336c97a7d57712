from pathlib import Path
from typing import Any

import pytest
from sandbox.faulty_sandbox import FaultySandboxClient, open_faulty_sandbox
from sandbox.sandbox_client import error_of

from auth0_sandbox.errors import SandboxError
from auth0_sandbox.requests.rate_limits import PROFILES, profile
from auth0_sandbox.settings import Settings

LIST = "/client-grants?take=1"
ORGANIZATION = "/organizations/org_0000000000000000/client-grants"


def limits(response: Any) -> tuple[int, int, int]:
    """Return the limit, the remaining requests, and the seconds until the next refill."""
    size, left, reset = (int(response.headers[f"x-ratelimit-{name}"]) for name in ("limit", "remaining", "reset"))
    return size, left, reset - 1_800_000_000


def calls_until_429(caller: FaultySandboxClient, method: str, path: str) -> int:
    for number in range(10_000):
        if caller.raw(method, path).status_code == 429:
            return number
    pytest.fail("there is no limit")


@pytest.mark.parametrize(
    ("name", "method", "path", "burst"),
    [
        ("free", "GET", "/api/v2/client-grants", 2),
        ("free", "POST", "/oauth/token", 30),
        ("essentials", "GET", "/api/v2/client-grants", 10),
        ("essentials", "GET", "/api/v2/clients", 5),
        ("essentials", "GET", "/api/v2/organizations", 5),
        ("professional", "POST", "/oauth/token", 25),
        ("enterprise-nonprod", "GET", "/api/v2/client-grants", 10),
        ("enterprise-nonprod", "GET", "/api/v2/clients", 10),
        ("enterprise-nonprod", "GET", "/api/v2/clients?q=x", 5),
        ("enterprise-prod", "GET", "/api/v2/client-grants", 50),
        ("enterprise-prod", "POST", "/oauth/token", 100),
        ("enterprise-prod", "GET", "/api/v2/organizations", 10),
        ("private-20", "GET", "/api/v2/client-grants", 20),
        ("private-100", "GET", "/api/v2/client-grants", 50),
        ("private-500", "DELETE", "/api/v2/client-grants/x", 250),
    ],
)
def test_a_plan_allows_its_burst(tmp_path: Path, name: str, method: str, path: str, burst: int) -> None:
    with open_faulty_sandbox(tmp_path, rate_limit=name, settings=Settings(limit_before_token=True)) as caller:
        assert calls_until_429(caller, method, path) == burst


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("private-1500", {750, 150, 75}), ("private-3000", {1500, 300, 150}), ("private-6000", {3000, 600, 300})],
)
def test_larger_plans_have_larger_limits(name: str, sizes: set[int]) -> None:
    assert {limit.rate.burst for limit in profile(name) if limit.parameter is None} == sizes


def test_every_bucket_of_every_plan_is_refilled() -> None:
    rates = [limit.rate for limits in PROFILES.values() for limit in limits]
    assert all(rate.burst and rate.tokens and rate.seconds in {1, 60} for rate in rates)


def test_an_unknown_plan_is_an_error() -> None:
    with pytest.raises(SandboxError, match='did you mean "enterprise-prod"'):
        profile("enterprise_prod")
    with pytest.raises(SandboxError, match="use one of: none, free, "):
        profile("?")


def test_headers_count_down_and_a_refused_request_takes_no_token(tmp_path: Path) -> None:
    with open_faulty_sandbox(tmp_path, rate_limit="enterprise-nonprod") as caller:
        assert [limits(caller.call("GET", LIST))[:2] for _ in range(9)] == [(10, left) for left in range(9, 0, -1)]
        grant = caller.create()
        response = caller.call("DELETE", f"/client-grants/{grant['id']}")
        assert error_of(response) == (429, "Global limit has been reached", "too_many_requests")
        assert limits(response) == (10, 0, 1)
        assert caller.stored(grant) == grant


def test_with_windows_tokens_are_added_at_the_start_of_a_second(tmp_path: Path) -> None:
    with open_faulty_sandbox(tmp_path, rate_limit="enterprise-nonprod") as caller:
        caller.clock.now += 0.9
        assert [caller.call("GET", LIST).status_code for _ in range(11)] == [200] * 10 + [429]
        caller.clock.now += 0.2
        assert limits(caller.call("GET", LIST)) == (10, 1, 2)
        caller.clock.now += 0.7
        assert limits(caller.call("GET", LIST)) == (10, 0, 2)
        caller.clock.now += 100
        assert limits(caller.call("GET", LIST)) == (10, 9, 102)


def test_with_continuous_refill_tokens_are_added_over_time(tmp_path: Path) -> None:
    with open_faulty_sandbox(
        tmp_path, rate_limit="enterprise-nonprod", settings=Settings(refill="continuous")
    ) as caller:
        assert [caller.call("GET", LIST).status_code for _ in range(11)] == [200] * 10 + [429]
        caller.clock.now += 0.4  # the limit is two per second
        assert caller.call("GET", LIST).status_code == 429
        caller.clock.now += 0.1
        assert limits(caller.call("GET", LIST)) == (10, 0, 1)
        caller.clock.now += 100
        assert limits(caller.call("GET", LIST)) == (10, 9, 101)


def test_a_clock_that_is_set_back_removes_no_tokens(tmp_path: Path) -> None:
    with open_faulty_sandbox(tmp_path, rate_limit="free") as caller:
        assert limits(caller.call("GET", LIST))[:2] == (2, 1)
        caller.clock.now -= 100
        assert limits(caller.call("GET", LIST))[:2] == (2, 0)


def test_an_endpoint_with_its_own_limit_uses_both_buckets(tmp_path: Path) -> None:
    with open_faulty_sandbox(tmp_path, rate_limit="essentials") as caller:
        lefts = [limits(caller.call("GET", "/organizations"))[:2] for _ in range(5)]
        assert lefts == [(5, 4), (5, 3), (5, 2), (5, 1), (5, 0)]
        response = caller.call("GET", "/organizations")
        assert error_of(response) == (429, "Endpoint limit has been reached", "too_many_requests")
        assert limits(response) == (5, 0, 60)
        assert limits(caller.call("GET", LIST))[:2] == (10, 3)


def test_the_token_endpoint_has_its_own_error_format(tmp_path: Path) -> None:
    with open_faulty_sandbox(tmp_path, rate_limit="professional") as caller:
        responses = [caller.raw("POST", "/oauth/token") for _ in range(26)]
        assert responses[-1].json() == {
            "error": "too_many_requests",
            "error_description": "Global limit has been reached",
        }


@pytest.mark.parametrize(("retry_after", "header"), [(False, None), (True, "1")])
def test_a_setting_adds_retry_after(tmp_path: Path, *, retry_after: bool, header: str | None) -> None:
    settings = Settings(retry_after=retry_after)
    with open_faulty_sandbox(tmp_path, rate_limit="free", settings=settings) as caller:
        responses = [caller.call("GET", LIST) for _ in range(3)]
        assert [response.status_code for response in responses] == [200, 200, 429]
        assert responses[-1].headers.get("retry-after") == header


@pytest.mark.parametrize(("early", "left"), [(False, 2), (True, 1)], ids=["after the token", "before the token"])
def test_a_setting_counts_requests_with_an_invalid_token(tmp_path: Path, *, early: bool, left: int) -> None:
    with open_faulty_sandbox(tmp_path, rate_limit="free", settings=Settings(limit_before_token=early)) as caller:
        response = caller.raw("GET", f"/api/v2{LIST}")
        assert (response.status_code, limits(response)[1]) == (401, left)


def test_without_limits_no_request_is_refused(tmp_path: Path) -> None:
    with open_faulty_sandbox(tmp_path) as caller:
        assert [limits(caller.call("GET", LIST))[:2] for _ in range(3)] == [(10_000, 9_999)] * 3
