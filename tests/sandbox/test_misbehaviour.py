from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sandbox.faulty_sandbox import FaultySandboxClient, on_a_grant, on_grants, open_faulty_sandbox
from sandbox.sandbox_client import START, SandboxClient, error

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
def talk(tmp_path: Path) -> Iterator[FaultySandboxClient]:
    with open_faulty_sandbox(tmp_path) as opened:
        yield opened


def ids(talk: SandboxClient, path: str = LIST) -> list[str]:
    return [grant["id"] for grant in talk.call("GET", path).json()["client_grants"]]


def count(talk: SandboxClient) -> int:
    """How many grants there are, whatever is answered."""
    return len(talk.sandbox.control.state()["client_grants"])  # type: ignore[arg-type] # it is a list


@pytest.mark.parametrize(("when", "created"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize("fault", [AnswerFault, Drop], ids=["status", "dropped connection"])
def test_a_call_fails_before_or_after_its_effect(
    talk: FaultySandboxClient, fault: type[AnswerFault | Drop], when: Any, created: int
) -> None:
    before = count(talk)
    if fault is AnswerFault:
        talk.set(on_grants(AnswerFault(status=503, when=when), "POST"))
        assert error(talk.call("POST", "/client-grants", json=NEW)) == (503, "Service Unavailable", None)
    else:
        talk.set(on_grants(Drop(when=when), "POST"))
        with pytest.raises(httpx.ReadError, match="reset"):
            talk.call("POST", "/client-grants", json=NEW)
    assert count(talk) - before == created


@pytest.mark.parametrize(
    ("fault", "type_", "body"),
    [
        pytest.param(AnswerFault(status=502, body="empty"), "application/json; charset=utf-8", "", id="empty"),
        pytest.param(
            AnswerFault(status=502, body="html"), "text/html", "<h1>502 Bad Gateway</h1>", id="page of a proxy"
        ),
        pytest.param(AnswerFault(status=502, body="text", text="{"), "application/json; charset=utf-8", "{", id="text"),
        pytest.param(
            AnswerFault(status=524), "application/json; charset=utf-8", '"error":"Error"', id="no known status"
        ),
    ],
)
def test_a_status_comes_with_the_body_of_choice(
    talk: FaultySandboxClient, fault: AnswerFault, type_: str, body: str
) -> None:
    talk.set(on_grants(fault))
    answer = talk.call("GET", LIST)
    assert (answer.status_code, answer.headers["content-type"]) == (fault.status, type_)
    assert body in answer.text


def test_an_error_of_the_token_endpoint_has_the_shape_of_oauth(talk: FaultySandboxClient) -> None:
    talk.set(Rule(AnswerFault(status=503), path="/oauth/token"))
    answer = talk.raw("POST", "/oauth/token")
    assert answer.json() == {"error": "service_unavailable", "error_description": "Service Unavailable"}


@pytest.mark.parametrize(
    ("calls", "statuses"),
    [
        pytest.param(Series(), [503] * 6, id="every call"),
        pytest.param((1, 3), [503, 200, 503, 200, 200, 200], id="by number"),
        pytest.param(Series(first=3), [200, 200, 503, 503, 503, 503], id="from one on"),
        pytest.param(Series(last=2), [503, 503, 200, 200, 200, 200], id="up to one"),
        pytest.param(Series(first=2, every=3), [200, 503, 200, 200, 503, 200], id="every third"),
    ],
)
def test_only_the_calls_that_a_rule_names_go_wrong(talk: FaultySandboxClient, calls: Any, statuses: list[int]) -> None:
    talk.set(on_grants(AnswerFault(status=503), "GET", calls=calls))
    talk.call("POST", "/client-grants", json=NEW)
    assert [talk.call("GET", LIST).status_code for _ in statuses] == statuses


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        pytest.param("/api/v2/client-grants/{id}", True, id="endpoint"),
        pytest.param("/api/v2/client-grants/cgr_0000000000000000", True, id="one id"),
        pytest.param("/api/v2/client-grants*", True, id="wildcard"),
        pytest.param("/api/v2/client-grants", False, id="list"),
        pytest.param("/api/v2/client-grants/cgr_1*", False, id="other id"),
    ],
)
def test_a_path_is_an_endpoint_or_one_with_an_id(talk: FaultySandboxClient, path: str, meant: bool) -> None:  # noqa: FBT001 - a row of the table
    talk.set(Rule(AnswerFault(status=503), path=path))
    answer = talk.call("GET", "/client-grants/cgr_0000000000000000")
    assert answer.status_code == (503 if meant else 404)


def test_of_several_rules_the_first_has_the_last_word(talk: FaultySandboxClient) -> None:
    talk.set(on_grants(Headers(set={"x-who": "first"})), on_grants(Headers(set={"x-who": "second", "x-other": "here"})))
    headers = talk.call("GET", LIST).headers
    assert (headers["x-who"], headers["x-other"]) == ("first", "here")


@pytest.mark.parametrize(("when", "created"), [("before", 0), ("after", 1)])
def test_who_gives_up_waiting_meets_a_timeout(tmp_path: Path, when: Any, created: int) -> None:
    rule = on_grants(Delay(seconds=30, when=when), "POST")
    with open_faulty_sandbox(tmp_path, rule, timeout=0.05) as talk:
        before = count(talk)
        with pytest.raises(httpx.ReadTimeout):
            talk.call("POST", "/client-grants", json=NEW)
        assert talk.slept == [30]
        assert count(talk) - before == created


@pytest.mark.parametrize("when", ["before", "after"])
def test_who_waits_gets_an_answer_that_is_late(talk: FaultySandboxClient, when: Any) -> None:
    talk.set(on_grants(Delay(seconds=3, when=when)))
    assert talk.call("GET", LIST).status_code == 200
    assert talk.slept == [3]


def test_a_truncated_body_ends_the_connection(talk: FaultySandboxClient) -> None:
    talk.set(on_grants(Damage(how="truncated")))
    with pytest.raises(httpx.RemoteProtocolError, match="within the body"):
        talk.call("GET", LIST)


@pytest.mark.parametrize("how", ["shortened", "garbled"])
def test_a_damaged_body_is_no_json(talk: FaultySandboxClient, how: Any) -> None:
    whole = talk.call("GET", LIST).content
    talk.set(on_grants(Damage(how=how)))
    answer = talk.call("GET", LIST)
    assert len(answer.content) == (len(whole) if how == "garbled" else len(whole) // 2)
    with pytest.raises(ValueError, match=r"JSON|codec|Expecting|delimiter|char"):
        answer.json()


def test_a_scope_is_lost_though_the_answer_has_it(talk: FaultySandboxClient) -> None:
    talk.set(Rule(LoseScope()))
    created = talk.create(scope=SCOPES)
    assert created["scope"] == SCOPES
    assert (talk.stored(created) or {})["scope"] == SCOPES[:1]

    changed = talk.call("PATCH", f"/client-grants/{created['id']}", json={"scope": SCOPES}).json()
    assert changed["scope"] == SCOPES
    assert (talk.stored(created) or {})["scope"] == SCOPES[:1]


def test_where_there_is_no_scope_none_is_lost(talk: FaultySandboxClient) -> None:
    talk.set(Rule(LoseScope()))
    grant = talk.create(scope=[])
    assert talk.call("GET", f"/client-grants/{grant['id']}").json() == grant
    assert error(talk.call("POST", "/client-grants", json={"scope": ["a"]}))[0] == 400


def test_a_write_is_lost_though_the_answer_says_it_is_done(talk: FaultySandboxClient) -> None:
    grant = talk.create()
    talk.set(Rule(LoseWrite()))
    changed = talk.call("PATCH", f"/client-grants/{grant['id']}", json={"scope": SCOPES})
    deleted = talk.call("DELETE", f"/client-grants/{grant['id']}")
    assert (changed.status_code, changed.json()["scope"], deleted.status_code) == (200, SCOPES, 204)
    assert talk.stored(grant) == grant


def test_for_a_time_reads_do_not_see_what_was_written(talk: FaultySandboxClient) -> None:
    talk.set(on_grants(Lag(seconds=4)))
    before = ids(talk)
    first = talk.create()["id"]
    talk.clock.now += 2
    assert ids(talk) == before
    second = talk.create(client_id="portal")["id"]
    talk.clock.now += 2
    assert ids(talk) == sorted([*before, first])
    talk.clock.now += 2
    assert ids(talk) == sorted([*before, first, second])


def test_as_many_reads_as_told_do_not_see_what_was_written(talk: FaultySandboxClient) -> None:
    talk.set(on_a_grant(Lag(reads=2)))
    grant = talk.create()
    path = f"/client-grants/{grant['id']}"
    assert [talk.call("GET", path).status_code for _ in range(3)] == [404, 404, 200]

    talk.call("PATCH", path, json={"scope": []})
    assert [talk.call("GET", path).json()["scope"] for _ in range(3)] == [grant["scope"], grant["scope"], []]
    assert talk.call("PATCH", path, json={"scope": SCOPES}).json()["scope"] == SCOPES
    assert talk.sandbox.control.faults()["counts"] == [{"meant": 6, "struck": 6}]


def test_a_late_answer_can_be_one_of_the_past(talk: FaultySandboxClient) -> None:
    talk.set(on_grants(Lag(seconds=4)), on_grants(Delay(seconds=1)))
    before = ids(talk)
    talk.create()
    assert ids(talk) == before


@pytest.mark.parametrize("query", ["take=2", "per_page=2&include_totals=true", "per_page=2"])
@pytest.mark.parametrize(
    ("how", "picked"),
    [("repeated", [0, 0, 1]), ("shifted", [1]), ("contradicting", [0, 0, 1])],
)
def test_a_page_is_not_what_it_should_be(talk: FaultySandboxClient, query: str, how: Any, picked: list[int]) -> None:
    def items() -> list[dict[str, Any]]:
        page = talk.call("GET", f"/client-grants?{query}").json()
        listed: list[dict[str, Any]] = page if isinstance(page, list) else page["client_grants"]
        return listed

    right = items()
    talk.set(on_grants(Page(how=how)))
    wrong = items()
    assert [item["id"] for item in wrong] == [right[index]["id"] for index in picked]
    assert all((each in right) for each in wrong) is (how != "contradicting")


def test_two_applications_contradict_each_other_by_name(talk: FaultySandboxClient) -> None:
    talk.set(Rule(Page(how="contradicting")))
    first, second, *_ = talk.call("GET", "/clients").json()
    assert first["client_id"] == second["client_id"]
    assert first["name"] != second["name"]


def test_a_page_comes_without_what_should_be_around_it(talk: FaultySandboxClient) -> None:
    listed = talk.call("GET", LIST).json()["client_grants"]
    talk.set(on_grants(Page(how="bare")))
    assert talk.call("GET", LIST).json() == listed


@pytest.mark.parametrize("how", ["repeated", "shifted", "contradicting", "bare"])
@pytest.mark.parametrize("path", [f"{LIST}&client_id=nobody", "/client-grants?take=0", "/client-grants/x"])
def test_what_is_no_page_or_an_empty_one_has_nothing_to_spoil(talk: FaultySandboxClient, how: Any, path: str) -> None:
    before = talk.call("GET", path)
    talk.set(Rule(Page(how=how)))
    items = before.json().get("client_grants", before.json())
    assert talk.call("GET", path).json() == (items if how == "bare" else before.json())


def test_the_last_page_has_a_next_with_an_empty_page_behind_it(talk: FaultySandboxClient) -> None:
    talk.set(on_grants(Next(how="extra")))
    last = talk.call("GET", LIST).json()
    assert talk.call("GET", f"{LIST}&from={last['next']}").json() == {"client_grants": []}


def test_a_next_leads_to_its_own_page_again(talk: FaultySandboxClient) -> None:
    talk.set(on_grants(Next(how="looping")))
    following = talk.call("GET", "/client-grants?take=1").json()["next"]
    for _ in range(3):
        assert talk.call("GET", f"/client-grants?take=1&from={following}").json()["next"] == following


def test_a_token_counts_as_expired(talk: FaultySandboxClient) -> None:
    talk.set(on_grants(ExpireToken(), calls=(1,)))
    answers = [talk.call("GET", LIST) for _ in range(2)]
    assert error(answers[0])[:2] == (401, "Expired token received for JSON Web Token validation")
    assert answers[1].status_code == 200


@pytest.mark.parametrize(
    ("fault", "headers"),
    [
        pytest.param(RateLimit(reset=7), ["1", "0", str(int(START) + 7), None], id="headers"),
        pytest.param(RateLimit(headers=False), [None, None, None, None], id="no headers"),
        pytest.param(
            RateLimit(headers=False, retry_after="Fri, 15 Jan 2027 08:00:09 GMT"),
            [None, None, None, "Fri, 15 Jan 2027 08:00:09 GMT"],
            id="a date",
        ),
    ],
)
def test_a_429_comes_out_of_the_blue(talk: FaultySandboxClient, fault: RateLimit, headers: list[str | None]) -> None:
    before = count(talk)
    talk.set(on_grants(fault))
    answer = talk.call("POST", "/client-grants", json=NEW)
    assert error(answer) == (429, "Global limit has been reached", "too_many_requests")
    names = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "retry-after")
    assert [answer.headers.get(name) for name in names] == headers
    assert count(talk) == before


@pytest.mark.parametrize(("seconds", "date"), [(3600, "09:00:00"), (-3600, "07:00:00")], ids=["fast", "slow"])
def test_the_clock_is_off(talk: FaultySandboxClient, seconds: int, date: str) -> None:
    reset = int(talk.call("GET", LIST).headers["x-ratelimit-reset"])
    talk.set(on_grants(Clock(seconds=seconds)))
    headers = talk.call("GET", LIST).headers
    assert headers["date"] == f"Fri, 15 Jan 2027 {date} GMT"
    assert int(headers["x-ratelimit-reset"]) == reset + seconds


def test_headers_are_set_and_taken_away(talk: FaultySandboxClient) -> None:
    talk.set(on_grants(Headers(set={"X-RateLimit-Reset": "soon", "Date": None})))
    headers = talk.call("GET", LIST).headers
    assert headers["x-ratelimit-reset"] == "soon"
    assert "date" not in headers


@pytest.mark.parametrize(
    "fault",
    [Next(how="looping"), LoseScope(), Page(how="shifted")],
    ids=lambda fault: type(fault).__name__,
)
def test_a_fault_that_finds_nothing_to_spoil_changes_nothing(talk: FaultySandboxClient, fault: Fault) -> None:
    path = "/client-grants/cgr_0000000000000000"
    before = talk.call("GET", path).json()
    talk.set(Rule(fault))
    assert talk.call("GET", path).json() == before
