from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sandbox.faulty_sandbox import FaultySandboxClient, on_a_grant, on_grants, open_faulty_sandbox
from sandbox.sandbox_client import START, SandboxClient, error_of

from auth0_sandbox.faults.plan import (
    AnswerFault,
    Clock,
    Damage,
    Delay,
    Drop,
    ExpireToken,
    Fault,
    Headers,
    Lag,
    LoseScope,
    LoseWrite,
    Next,
    Page,
    RateLimit,
    Rule,
    Series,
)

SCOPES = ["read:invoices", "write:invoices"]
NEW = {"client_id": "worker", "audience": "https://api.example.com/invoices", "scope": SCOPES}
LIST = "/client-grants?take=100"


@pytest.fixture
def caller(tmp_path: Path) -> Iterator[FaultySandboxClient]:
    with open_faulty_sandbox(tmp_path) as opened:
        yield opened


def ids(caller: SandboxClient, path: str = LIST) -> list[str]:
    return [grant["id"] for grant in caller.call("GET", path).json()["client_grants"]]


def count(caller: SandboxClient) -> int:
    """Return the number of stored grants."""
    return len(caller.sandbox.control.state()["client_grants"])  # type: ignore[arg-type] # it is a list


@pytest.mark.parametrize(("when", "created"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize("fault", [AnswerFault, Drop], ids=["status", "dropped connection"])
def test_a_request_fails_before_or_after_its_effect(
    caller: FaultySandboxClient, fault: type[AnswerFault | Drop], when: Any, created: int
) -> None:
    before = count(caller)
    if fault is AnswerFault:
        caller.set_faults(on_grants(AnswerFault(status=503, when=when), "POST"))
        assert error_of(caller.call("POST", "/client-grants", json=NEW)) == (503, "Service Unavailable", None)
    else:
        caller.set_faults(on_grants(Drop(when=when), "POST"))
        with pytest.raises(httpx.ReadError, match="reset"):
            caller.call("POST", "/client-grants", json=NEW)
    assert count(caller) - before == created


@pytest.mark.parametrize(
    ("fault", "type_", "body"),
    [
        pytest.param(AnswerFault(status=502, body="empty"), "application/json; charset=utf-8", "", id="empty"),
        pytest.param(
            AnswerFault(status=502, body="html"), "text/html", "<h1>502 Bad Gateway</h1>", id="page of a proxy"
        ),
        pytest.param(AnswerFault(status=502, body="text", text="{"), "application/json; charset=utf-8", "{", id="text"),
        pytest.param(
            AnswerFault(status=524), "application/json; charset=utf-8", '"error":"Error"', id="unknown status"
        ),
    ],
)
def test_an_injected_status_has_the_configured_body(
    caller: FaultySandboxClient, fault: AnswerFault, type_: str, body: str
) -> None:
    caller.set_faults(on_grants(fault))
    response = caller.call("GET", LIST)
    assert (response.status_code, response.headers["content-type"]) == (fault.status, type_)
    assert body in response.text


def test_an_injected_error_of_the_token_endpoint_has_the_format_of_oauth(caller: FaultySandboxClient) -> None:
    caller.set_faults(Rule(AnswerFault(status=503), path="/oauth/token"))
    response = caller.raw("POST", "/oauth/token")
    assert response.json() == {"error": "service_unavailable", "error_description": "Service Unavailable"}


@pytest.mark.parametrize(
    ("calls", "statuses"),
    [
        pytest.param(Series(), [503] * 6, id="every call"),
        pytest.param((1, 3), [503, 200, 503, 200, 200, 200], id="by number"),
        pytest.param(Series(first=3), [200, 200, 503, 503, 503, 503], id="from a number"),
        pytest.param(Series(last=2), [503, 503, 200, 200, 200, 200], id="up to a number"),
        pytest.param(Series(first=2, every=3), [200, 503, 200, 200, 503, 200], id="every third"),
    ],
)
def test_a_rule_applies_only_to_its_calls(caller: FaultySandboxClient, calls: Any, statuses: list[int]) -> None:
    caller.set_faults(on_grants(AnswerFault(status=503), "GET", calls=calls))
    caller.call("POST", "/client-grants", json=NEW)
    assert [caller.call("GET", LIST).status_code for _ in statuses] == statuses


@pytest.mark.parametrize(
    ("path", "matches"),
    [
        pytest.param("/api/v2/client-grants/{id}", True, id="endpoint"),
        pytest.param("/api/v2/client-grants/cgr_0000000000000000", True, id="one id"),
        pytest.param("/api/v2/client-grants*", True, id="wildcard"),
        pytest.param("/api/v2/client-grants", False, id="list"),
        pytest.param("/api/v2/client-grants/cgr_1*", False, id="other id"),
    ],
)
def test_the_path_of_a_rule_is_an_endpoint_or_a_pattern(caller: FaultySandboxClient, path: str, matches: bool) -> None:  # noqa: FBT001 - a test parameter
    caller.set_faults(Rule(AnswerFault(status=503), path=path))
    response = caller.call("GET", "/client-grants/cgr_0000000000000000")
    assert response.status_code == (503 if matches else 404)


def test_the_first_matching_rule_takes_precedence(caller: FaultySandboxClient) -> None:
    caller.set_faults(
        on_grants(Headers(set={"x-who": "first"})), on_grants(Headers(set={"x-who": "second", "x-other": "here"}))
    )
    headers = caller.call("GET", LIST).headers
    assert (headers["x-who"], headers["x-other"]) == ("first", "here")


@pytest.mark.parametrize(("when", "created"), [("before", 0), ("after", 1)])
def test_a_long_delay_causes_a_timeout(tmp_path: Path, when: Any, created: int) -> None:
    rule = on_grants(Delay(seconds=30, when=when), "POST")
    with open_faulty_sandbox(tmp_path, rule, timeout=0.05) as caller:
        before = count(caller)
        with pytest.raises(httpx.ReadTimeout):
            caller.call("POST", "/client-grants", json=NEW)
        assert caller.slept == [30]
        assert count(caller) - before == created


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_delayed_response_is_complete(caller: FaultySandboxClient, when: Any) -> None:
    caller.set_faults(on_grants(Delay(seconds=3, when=when)))
    assert caller.call("GET", LIST).status_code == 200
    assert caller.slept == [3]


def test_a_truncated_body_ends_the_connection(caller: FaultySandboxClient) -> None:
    caller.set_faults(on_grants(Damage(how="truncated")))
    with pytest.raises(httpx.RemoteProtocolError, match="within the body"):
        caller.call("GET", LIST)


@pytest.mark.parametrize("how", ["shortened", "garbled"])
def test_a_damaged_body_is_not_valid_json(caller: FaultySandboxClient, how: Any) -> None:
    undamaged = caller.call("GET", LIST).content
    caller.set_faults(on_grants(Damage(how=how)))
    response = caller.call("GET", LIST)
    assert len(response.content) == (len(undamaged) if how == "garbled" else len(undamaged) // 2)
    with pytest.raises(ValueError, match=r"JSON|codec|Expecting|delimiter|char"):
        response.json()


def test_a_lost_scope_is_in_the_response_but_not_stored(caller: FaultySandboxClient) -> None:
    caller.set_faults(Rule(LoseScope()))
    created = caller.create(scope=SCOPES)
    assert created["scope"] == SCOPES
    assert (caller.stored(created) or {})["scope"] == SCOPES[:1]

    changed = caller.call("PATCH", f"/client-grants/{created['id']}", json={"scope": SCOPES}).json()
    assert changed["scope"] == SCOPES
    assert (caller.stored(created) or {})["scope"] == SCOPES[:1]


def test_a_write_without_scopes_loses_no_scope(caller: FaultySandboxClient) -> None:
    caller.set_faults(Rule(LoseScope()))
    grant = caller.create(scope=[])
    assert caller.call("GET", f"/client-grants/{grant['id']}").json() == grant
    assert error_of(caller.call("POST", "/client-grants", json={"scope": ["a"]}))[0] == 400


def test_a_lost_write_has_a_response_that_reports_success(caller: FaultySandboxClient) -> None:
    grant = caller.create()
    caller.set_faults(Rule(LoseWrite()))
    changed = caller.call("PATCH", f"/client-grants/{grant['id']}", json={"scope": SCOPES})
    deleted = caller.call("DELETE", f"/client-grants/{grant['id']}")
    assert (changed.status_code, changed.json()["scope"], deleted.status_code) == (200, SCOPES, 204)
    assert caller.stored(grant) == grant


def test_with_a_lag_in_seconds_reads_return_old_data_for_that_time(caller: FaultySandboxClient) -> None:
    caller.set_faults(on_grants(Lag(seconds=4)))
    before = ids(caller)
    first = caller.create()["id"]
    caller.clock.now += 2
    assert ids(caller) == before
    second = caller.create(client_id="portal")["id"]
    caller.clock.now += 2
    assert ids(caller) == sorted([*before, first])
    caller.clock.now += 2
    assert ids(caller) == sorted([*before, first, second])


def test_with_a_lag_in_reads_that_many_reads_return_old_data(caller: FaultySandboxClient) -> None:
    caller.set_faults(on_a_grant(Lag(reads=2)))
    grant = caller.create()
    path = f"/client-grants/{grant['id']}"
    assert [caller.call("GET", path).status_code for _ in range(3)] == [404, 404, 200]

    caller.call("PATCH", path, json={"scope": []})
    assert [caller.call("GET", path).json()["scope"] for _ in range(3)] == [grant["scope"], grant["scope"], []]
    assert caller.call("PATCH", path, json={"scope": SCOPES}).json()["scope"] == SCOPES
    assert caller.sandbox.control.faults()["counts"] == [{"meant": 6, "struck": 6}]


def test_a_delayed_response_can_contain_old_data(caller: FaultySandboxClient) -> None:
    caller.set_faults(on_grants(Lag(seconds=4)), on_grants(Delay(seconds=1)))
    before = ids(caller)
    caller.create()
    assert ids(caller) == before


@pytest.mark.parametrize("query", ["take=2", "per_page=2&include_totals=true", "per_page=2"])
@pytest.mark.parametrize(
    ("how", "picked"),
    [("repeated", [0, 0, 1]), ("shifted", [1]), ("contradicting", [0, 0, 1])],
)
def test_a_page_has_repeated_shifted_or_contradictory_items(
    caller: FaultySandboxClient, query: str, how: Any, picked: list[int]
) -> None:
    def items() -> list[dict[str, Any]]:
        page = caller.call("GET", f"/client-grants?{query}").json()
        listed: list[dict[str, Any]] = page if isinstance(page, list) else page["client_grants"]
        return listed

    correct = items()
    caller.set_faults(on_grants(Page(how=how)))
    wrong = items()
    assert [item["id"] for item in wrong] == [correct[index]["id"] for index in picked]
    assert all((each in correct) for each in wrong) is (how != "contradicting")


def test_a_page_of_applications_has_contradictory_names(caller: FaultySandboxClient) -> None:
    caller.set_faults(Rule(Page(how="contradicting")))
    first, second, *_ = caller.call("GET", "/clients").json()
    assert first["client_id"] == second["client_id"]
    assert first["name"] != second["name"]


def test_a_bare_page_is_only_the_list(caller: FaultySandboxClient) -> None:
    listed = caller.call("GET", LIST).json()["client_grants"]
    caller.set_faults(on_grants(Page(how="bare")))
    assert caller.call("GET", LIST).json() == listed


@pytest.mark.parametrize("how", ["repeated", "shifted", "contradicting", "bare"])
@pytest.mark.parametrize("path", [f"{LIST}&client_id=nobody", "/client-grants?take=0", "/client-grants/x"])
def test_empty_pages_and_other_responses_stay_unchanged(caller: FaultySandboxClient, how: Any, path: str) -> None:
    before = caller.call("GET", path)
    caller.set_faults(Rule(Page(how=how)))
    items = before.json().get("client_grants", before.json())
    assert caller.call("GET", path).json() == (items if how == "bare" else before.json())


def test_the_last_page_can_have_a_cursor_to_an_empty_page(caller: FaultySandboxClient) -> None:
    caller.set_faults(on_grants(Next(how="extra")))
    last = caller.call("GET", LIST).json()
    assert caller.call("GET", f"{LIST}&from={last['next']}").json() == {"client_grants": []}


def test_a_cursor_can_lead_to_its_own_page(caller: FaultySandboxClient) -> None:
    caller.set_faults(on_grants(Next(how="looping")))
    following = caller.call("GET", "/client-grants?take=1").json()["next"]
    for _ in range(3):
        assert caller.call("GET", f"/client-grants?take=1&from={following}").json()["next"] == following


def test_a_token_can_be_treated_as_expired(caller: FaultySandboxClient) -> None:
    caller.set_faults(on_grants(ExpireToken(), calls=(1,)))
    responses = [caller.call("GET", LIST) for _ in range(2)]
    assert error_of(responses[0])[:2] == (401, "Expired token received for JSON Web Token validation")
    assert responses[1].status_code == 200


@pytest.mark.parametrize(
    ("fault", "headers"),
    [
        pytest.param(RateLimit(reset=7), ["1", "0", str(int(START) + 7), None], id="headers"),
        pytest.param(RateLimit(headers=False), [None, None, None, None], id="no headers"),
        pytest.param(
            RateLimit(headers=False, retry_after="Fri, 15 Jan 2027 08:00:09 GMT"),
            [None, None, None, "Fri, 15 Jan 2027 08:00:09 GMT"],
            id="date",
        ),
    ],
)
def test_a_429_can_be_injected(caller: FaultySandboxClient, fault: RateLimit, headers: list[str | None]) -> None:
    before = count(caller)
    caller.set_faults(on_grants(fault))
    response = caller.call("POST", "/client-grants", json=NEW)
    assert error_of(response) == (429, "Global limit has been reached", "too_many_requests")
    names = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "retry-after")
    assert [response.headers.get(name) for name in names] == headers
    assert count(caller) == before


@pytest.mark.parametrize(("seconds", "date"), [(3600, "09:00:00"), (-3600, "07:00:00")], ids=["fast", "slow"])
def test_a_fault_can_shift_the_clock_of_the_sandbox(caller: FaultySandboxClient, seconds: int, date: str) -> None:
    reset = int(caller.call("GET", LIST).headers["x-ratelimit-reset"])
    caller.set_faults(on_grants(Clock(seconds=seconds)))
    headers = caller.call("GET", LIST).headers
    assert headers["date"] == f"Fri, 15 Jan 2027 {date} GMT"
    assert int(headers["x-ratelimit-reset"]) == reset + seconds


def test_headers_can_be_set_and_removed(caller: FaultySandboxClient) -> None:
    caller.set_faults(on_grants(Headers(set={"X-RateLimit-Reset": "soon", "Date": None})))
    headers = caller.call("GET", LIST).headers
    assert headers["x-ratelimit-reset"] == "soon"
    assert "date" not in headers


@pytest.mark.parametrize(
    "fault",
    [Next(how="looping"), LoseScope(), Page(how="shifted")],
    ids=lambda fault: type(fault).__name__,
)
def test_a_fault_that_does_not_apply_to_a_response_changes_nothing(caller: FaultySandboxClient, fault: Fault) -> None:
    path = "/client-grants/cgr_0000000000000000"
    before = caller.call("GET", path).json()
    caller.set_faults(Rule(fault))
    assert caller.call("GET", path).json() == before
