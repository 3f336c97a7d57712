from pathlib import Path
from typing import Any

import pytest
from sandbox.faulty_sandbox import FaultySandboxClient, open_faulty_sandbox
from sandbox.sandbox_client import error

from auth0_sandbox.errors import SandboxError
from auth0_sandbox.requests.rate_limits import PROFILES, profile
from auth0_sandbox.settings import Settings

LIST = "/client-grants?take=1"
ORGANIZATION = "/organizations/org_0000000000000000/client-grants"


def limits(answer: Any) -> tuple[int, int, int]:
    """Size, what is left, and in how many seconds more is added."""
    size, left, reset = (int(answer.headers[f"x-ratelimit-{name}"]) for name in ("limit", "remaining", "reset"))
    return size, left, reset - 1_800_000_000


def calls_until_429(talk: FaultySandboxClient, method: str, path: str) -> int:
    for number in range(10_000):
        if talk.raw(method, path).status_code == 429:
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
    with open_faulty_sandbox(tmp_path, rate_limit=name, settings=Settings(limit_before_token=True)) as talk:
        assert calls_until_429(talk, method, path) == burst


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("private-1500", {750, 150, 75}), ("private-3000", {1500, 300, 150}), ("private-6000", {3000, 600, 300})],
)
def test_larger_tiers_have_more_of_everything(name: str, sizes: set[int]) -> None:
    assert {limit.rate.burst for limit in profile(name) if limit.parameter is None} == sizes


def test_no_plan_has_buckets_that_are_never_filled() -> None:
    rates = [limit.rate for limits in PROFILES.values() for limit in limits]
    assert all(rate.burst and rate.tokens and rate.seconds in {1, 60} for rate in rates)


def test_an_unknown_plan_is_told() -> None:
    with pytest.raises(SandboxError, match='did you mean "enterprise-prod"'):
        profile("enterprise_prod")
    with pytest.raises(SandboxError, match="there are: none, free, "):
        profile("?")


def test_headers_count_down_and_a_refused_call_changes_nothing(tmp_path: Path) -> None:
    with open_faulty_sandbox(tmp_path, rate_limit="enterprise-nonprod") as talk:
        assert [limits(talk.call("GET", LIST))[:2] for _ in range(9)] == [(10, left) for left in range(9, 0, -1)]
        grant = talk.create()
        answer = talk.call("DELETE", f"/client-grants/{grant['id']}")
        assert error(answer) == (429, "Global limit has been reached", "too_many_requests")
        assert limits(answer) == (10, 0, 1)
        assert talk.stored(grant) == grant


def test_in_windows_tokens_are_added_at_the_top_of_a_second(tmp_path: Path) -> None:
    with open_faulty_sandbox(tmp_path, rate_limit="enterprise-nonprod") as talk:
        talk.clock.now += 0.9
        assert [talk.call("GET", LIST).status_code for _ in range(11)] == [200] * 10 + [429]
        talk.clock.now += 0.2
        assert limits(talk.call("GET", LIST)) == (10, 1, 2)
        talk.clock.now += 0.7
        assert limits(talk.call("GET", LIST)) == (10, 0, 2)
        talk.clock.now += 100
        assert limits(talk.call("GET", LIST)) == (10, 9, 102)


def test_continuously_tokens_are_added_as_time_goes_by(tmp_path: Path) -> None:
    with open_faulty_sandbox(tmp_path, rate_limit="enterprise-nonprod", settings=Settings(refill="continuous")) as talk:
        assert [talk.call("GET", LIST).status_code for _ in range(11)] == [200] * 10 + [429]
        talk.clock.now += 0.4  # of two a second
        assert talk.call("GET", LIST).status_code == 429
        talk.clock.now += 0.1
        assert limits(talk.call("GET", LIST)) == (10, 0, 1)
        talk.clock.now += 100
        assert limits(talk.call("GET", LIST)) == (10, 9, 101)


def test_a_clock_that_goes_back_takes_no_tokens(tmp_path: Path) -> None:
    with open_faulty_sandbox(tmp_path, rate_limit="free") as talk:
        assert limits(talk.call("GET", LIST))[:2] == (2, 1)
        talk.clock.now -= 100
        assert limits(talk.call("GET", LIST))[:2] == (2, 0)


def test_an_endpoint_with_a_limit_of_its_own_draws_on_both_buckets(tmp_path: Path) -> None:
    with open_faulty_sandbox(tmp_path, rate_limit="essentials") as talk:
        lefts = [limits(talk.call("GET", "/organizations"))[:2] for _ in range(5)]
        assert lefts == [(5, 4), (5, 3), (5, 2), (5, 1), (5, 0)]
        answer = talk.call("GET", "/organizations")
        assert error(answer) == (429, "Endpoint limit has been reached", "too_many_requests")
        assert limits(answer) == (5, 0, 60)
        assert limits(talk.call("GET", LIST))[:2] == (10, 3)


def test_the_token_endpoint_refuses_in_its_own_shape(tmp_path: Path) -> None:
    with open_faulty_sandbox(tmp_path, rate_limit="professional") as talk:
        answers = [talk.raw("POST", "/oauth/token") for _ in range(26)]
        assert answers[-1].json() == {
            "error": "too_many_requests",
            "error_description": "Global limit has been reached",
        }


@pytest.mark.parametrize(("retry_after", "header"), [(False, None), (True, "1")])
def test_retry_after_comes_along_if_set(tmp_path: Path, *, retry_after: bool, header: str | None) -> None:
    settings = Settings(retry_after=retry_after)
    with open_faulty_sandbox(tmp_path, rate_limit="free", settings=settings) as talk:
        answers = [talk.call("GET", LIST) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[-1].headers.get("retry-after") == header


@pytest.mark.parametrize(("early", "left"), [(False, 2), (True, 1)], ids=["later", "before the token"])
def test_a_bad_token_draws_on_the_limit_if_set(tmp_path: Path, *, early: bool, left: int) -> None:
    with open_faulty_sandbox(tmp_path, rate_limit="free", settings=Settings(limit_before_token=early)) as talk:
        answer = talk.raw("GET", f"/api/v2{LIST}")
        assert (answer.status_code, limits(answer)[1]) == (401, left)


def test_without_limits_there_is_always_plenty(tmp_path: Path) -> None:
    with open_faulty_sandbox(tmp_path) as talk:
        assert [limits(talk.call("GET", LIST))[:2] for _ in range(3)] == [(10_000, 9_999)] * 3
