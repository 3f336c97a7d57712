import re
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sandbox.sandbox_client import INVOICES, MANAGEMENT, SEED, SandboxClient, error_of, open_client

from auth0_sandbox.api.logs import new_event
from auth0_sandbox.errors import FileError
from auth0_sandbox.settings import Settings
from auth0_sandbox.store.database import DocumentKind
from auth0_sandbox.tenant import reset

DAY = 86_400
PAST = """
logs:
  - {type: seccft, days_ago: 3, client: Worker, api: Invoices API, scope: "read:invoices"}
  - {type: seccft, days_ago: 0.5, client: Worker, api: Invoices API, scope: "read:invoices"}
  - {type: s, date: "2027-01-01T08:00:00+01:00", client_id: gone, user_name: mia, ip: 10.0.0.1}
"""


def logs(caller: SandboxClient, query: str = "") -> list[dict[str, Any]]:
    response = caller.call("GET", f"/logs{query}")
    assert response.status_code == 200, response.text
    events: list[dict[str, Any]] = response.json()
    return events


def exchange(caller: SandboxClient, **changes: str) -> httpx.Response:
    form = {"grant_type": "client_credentials", "client_id": "worker", "client_secret": "hush", "audience": INVOICES}
    sdk = b64encode(b'{"name":"auth0-python","version":"6.8.0"}').decode()
    headers = {"user-agent": "tests/1", "auth0-client": sdk}
    return caller.raw("POST", "/oauth/token", data=form | changes, headers=headers)


def test_a_token_exchange_is_an_event_in_the_documented_format(caller: SandboxClient) -> None:
    caller.create(scope=["write:invoices", "read:invoices"])
    assert exchange(caller).status_code == 200
    event = logs(caller)[0]
    log_id = event["log_id"]
    assert re.fullmatch(r"90020270115080000000[0-9]{36}", log_id)
    assert list(event.items()) == [
        ("date", "2027-01-15T08:00:00.000Z"),
        ("type", "seccft"),
        ("description", "Client Credentials for Access Token"),
        ("connection_id", ""),
        ("client_id", "worker"),
        ("client_name", "Worker"),
        ("ip", "127.0.0.1"),
        ("client_ip", "127.0.0.1"),
        ("user_agent", "tests/1"),
        ("auth0_client", {"name": "auth0-python", "version": "6.8.0"}),
        ("hostname", "sandbox.test"),
        ("user_id", ""),
        ("user_name", ""),
        ("audience", INVOICES),
        ("scope", "write:invoices read:invoices"),
        ("$event_schema", {"version": "1.0.0"}),
        ("environment_name", "sandbox"),
        ("log_id", log_id),
        ("tenant_name", "acme"),
        ("_id", log_id),
        ("isMobile", False),
        ("location_info", {}),
        ("id", log_id),
    ]


@pytest.mark.parametrize(
    ("changes", "client", "reason"),
    [
        ({"client_secret": "wrong"}, ("worker", "Worker"), "Unauthorized"),
        ({"client_id": "nobody"}, ("nobody", ""), "Unauthorized"),
        ({"audience": "urn:none"}, ("worker", "Worker"), "Service not found: urn:none"),
        ({"client_assertion": "x"}, ("worker", "Worker"), "client_assertion_type must be"),
    ],
)
def test_a_refused_exchange_is_an_event(
    caller: SandboxClient, changes: dict[str, str], client: tuple[str, str], reason: str
) -> None:
    assert exchange(caller, **changes).status_code in {401, 403}
    [event] = logs(caller)
    assert (event["type"], event["client_id"], event["client_name"]) == ("feccft", *client)
    assert event["description"].startswith(reason)
    assert event["audience"] == changes.get("audience", INVOICES)
    assert "scope" not in event


def test_a_request_with_another_grant_type_is_not_an_event_of_client_credentials(caller: SandboxClient) -> None:
    assert exchange(caller, grant_type="password").status_code == 403
    assert logs(caller) == []


def test_a_write_is_an_event_with_its_request_and_response(caller: SandboxClient) -> None:
    body = {"client_id": "worker", "audience": INVOICES, "scope": []}
    headers = {"x-correlation-id": "run-1" * 20, "user-agent": "tests/1"}
    grant = caller.call("POST", "/client-grants", json=body, headers=headers).json()
    [event] = logs(caller)
    assert (event["type"], event["description"]) == ("sapi", "Create a client grant")
    assert (event["client_id"], event["client_name"]) == ("somebody", "")
    assert event["references"] == {"correlation_id": ("run-1" * 20)[:64]}
    request = event["details"]["request"]
    assert (request["method"], request["path"], request["body"]) == ("post", "/api/v2/client-grants", body)
    assert event["details"]["response"] == {"statusCode": 201, "body": grant}


# The attributes that Auth0's log schemas require (github.com/auth0/auth0-log-schemas).
ALWAYS = {"client_name", "description", "ip", "log_id", "tenant_name", "type"}
REQUIRED = {
    "seccft": ALWAYS | {"audience", "hostname"},
    "feccft": ALWAYS | {"audience", "hostname", "environment_name"},
    "sapi": ALWAYS | {"details"},
}


def test_every_event_has_the_attributes_that_its_schema_requires(caller: SandboxClient) -> None:
    caller.create()
    exchange(caller)
    exchange(caller, client_secret="wrong")
    events = {event["type"]: event for event in logs(caller)}
    assert events.keys() == REQUIRED.keys()
    for kind, names in REQUIRED.items():
        assert names <= events[kind].keys(), kind
    assert events["sapi"]["details"].keys() == {"request", "response"}


def test_reads_and_refused_writes_are_not_events(caller: SandboxClient) -> None:
    caller.call("GET", "/clients")
    assert caller.call("POST", "/client-grants", json={}).status_code == 400
    assert caller.call("PATCH", "/clients/nobody", json={"name": "x"}).status_code == 404
    assert logs(caller) == []


def test_an_event_contains_no_secret(caller: SandboxClient) -> None:
    created = caller.call("POST", "/clients", json={"name": "New"}).json()
    caller.call("POST", "/resource-servers", json={"identifier": "urn:hs", "signing_alg": "HS256"})
    events = caller.call("GET", "/logs")
    assert created["client_secret"] not in events.text
    api, client = (event["details"]["response"]["body"] for event in events.json())
    assert (api["signing_secret"], client["client_secret"]) == ("*****", "*****")


def many(caller: SandboxClient, count: int) -> list[str]:
    """Store events of successive milliseconds. Return their ids, the oldest first."""
    store, tenant = caller.sandbox.store, caller.sandbox.store.tenant()
    events = [new_event("s", caller.clock.now - count + number, {"client_id": ""}, tenant) for number in range(count)]
    with store.transaction():
        for event in events:
            store.add(DocumentKind.LOGS, event["log_id"], event)
    return [event["log_id"] for event in events]


def test_checkpoints_lead_through_all_events_in_the_order_of_their_ids(caller: SandboxClient) -> None:
    ids = many(caller, 25)
    found: list[str] = []
    path = "/api/v2/logs?take=10"
    for expected in (10, 10, 5, 0, 0):
        response = caller.raw("GET", path, headers={"authorization": f"Bearer {caller.token()}"})
        assert len(response.json()) == expected
        found += [event["log_id"] for event in response.json()]
        path = response.links["next"]["url"].removeprefix("http://sandbox.test")
        assert path == f"/api/v2/logs?from={ids[min(len(found), 25) - 1]}&take=10"
    assert found == ids
    caller.create()
    assert [event["type"] for event in logs(caller, f"?from={ids[-1]}")] == ["sapi"]


def test_a_checkpoint_ignores_all_other_parameters(caller: SandboxClient) -> None:
    ids = many(caller, 3)
    query = f"?from={ids[0]}&take=1&page=7&include_totals=true&fields=type&sort=date:-1"
    assert [event["log_id"] for event in logs(caller, query)] == [ids[1]]


def test_ids_of_events_increase_even_if_the_clock_is_set_back(caller: SandboxClient) -> None:
    for step in (0.0, 0.0, -5.0, 0.001):
        caller.clock.now += step
        caller.call("PATCH", "/clients/worker", json={"description": str(step)})
    by_id = logs(caller, "?take=100")
    described = [event["details"]["request"]["body"]["description"] for event in by_id]
    assert described == ["0.0", "0.0", "-5.0", "0.001"]


def test_pages_start_with_the_newest_event(caller: SandboxClient) -> None:
    ids = many(caller, 5)
    assert [event["log_id"] for event in logs(caller, "?per_page=2&page=1")] == [ids[2], ids[1]]
    assert [event["log_id"] for event in logs(caller, "?per_page=2&sort=date:1")] == ids[:2]
    body = caller.call("GET", "/logs?per_page=2&page=2&include_totals=true&fields=log_id").json()
    assert list(body.items()) == [
        ("start", 4),
        ("limit", 2),
        ("length", 1),
        ("total", 5),
        ("logs", [{"log_id": ids[0]}]),
    ]


def test_pages_end_after_a_thousand_events(caller: SandboxClient) -> None:
    many(caller, 1_050)
    assert len(logs(caller, "?per_page=100&page=9")) == 100
    refused = error_of(caller.call("GET", "/logs?per_page=100&page=10"))
    assert refused[0::2] == (400, "invalid_paging")
    assert refused[1].startswith("Requesting page 11 exceeds the allowed maximum of 1000 records: please consider")


def test_an_event_can_be_read_by_its_id(caller: SandboxClient) -> None:
    [log_id] = many(caller, 1)
    assert caller.call("GET", f"/logs/{log_id}").json()["log_id"] == log_id
    assert error_of(caller.call("GET", "/logs/90"))[:2] == (404, "Log not found")


@pytest.mark.parametrize("query", ["?from=x", "?take=101", "?per_page=101", "?sort=type:1", "?q=ip:1"])
def test_an_unsupported_query_is_refused(caller: SandboxClient, query: str) -> None:
    assert error_of(caller.call("GET", f"/logs{query}"))[0::2] == (400, "invalid_query_string")


def test_events_need_their_permission(caller: SandboxClient) -> None:
    reader = SandboxClient(caller.sandbox, caller.clock, scopes=("read:clients",))
    refused = error_of(reader.call("GET", "/logs"))
    assert refused[:2] == (403, "Insufficient scope, expected any of: read:logs,read:logs_users")


@pytest.fixture
def past(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SandboxClient]:
    days = getattr(request, "param", 30)
    opened = open_client(tmp_path, seed=SEED + PAST, settings=Settings(log_retention_days=days))
    with opened.sandbox:
        yield opened


def test_a_seed_can_contain_past_events(past: SandboxClient) -> None:
    login, old, new = logs(past, "?take=9")
    assert (login["date"], login["type"], login["user_name"], login["ip"]) == (
        "2027-01-01T07:00:00.000Z",
        "s",
        "mia",
        "10.0.0.1",
    )
    assert (old["date"], new["date"]) == ("2027-01-12T08:00:00.000Z", "2027-01-14T20:00:00.000Z")
    assert (old["client_id"], old["client_name"], old["audience"]) == ("worker", "Worker", INVOICES)
    exchange(past, client_secret="wrong")
    assert [event["type"] for event in logs(past)] == ["feccft", "seccft", "seccft", "s"]


@pytest.mark.parametrize(("past", "count"), [(1, 1), (5, 2), (10, 2), (30, 3)], indirect=["past"])
def test_events_are_kept_for_the_time_of_the_plan(past: SandboxClient, count: int) -> None:
    assert len(logs(past)) == len(logs(past, "?take=9")) == count
    past.create()
    past.clock.now += 31 * DAY
    assert logs(past) == []
    assert past.call("GET", "/logs?include_totals=true").json()["total"] == 0


def test_old_events_are_removed_with_the_next_event(past: SandboxClient) -> None:
    store = past.sandbox.store
    past.clock.now += 31 * DAY
    past.create()
    assert store.count(DocumentKind.LOGS, {}) == 1


def test_a_reset_restores_the_past_events(past: SandboxClient, tmp_path: Path) -> None:
    past.create()
    reset(tmp_path / "tenant.db", tmp_path / "seed.yaml", past.sandbox.store.tenant().domain, past.clock)
    assert [event["type"] for event in logs(past)] == ["seccft", "seccft", "s"]


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ("{type: s, days_ago: 1, client: Nobody}", '3: no client of this seed is named "Nobody"'),
        ("{type: s, days_ago: 1, api: Nothing}", '3: no api of this seed is named "Nothing"'),
        ("{type: s, date: yesterday}", '19: "yesterday" is not a time in ISO 8601'),
        ("{type: s}", "3: an event needs either date or days_ago; keep one of them"),
        ("{type: s, days_ago: 1, date: '2027-01-01'}", "3: an event needs either date or days_ago"),
        ("{type: s, days_ago: 1, client: a, client_id: b}", "3: an event has either client or client_id"),
        ("{days_ago: 1}", '3: "type" is missing'),
    ],
)
def test_an_invalid_event_of_a_seed_is_reported_with_its_position(tmp_path: Path, event: str, message: str) -> None:
    with pytest.raises(FileError) as caught:
        open_client(tmp_path, seed=f"logs:\n- {event}\n")
    assert f"seed.yaml:2:{message}" in str(caught.value.problems[0])


def test_an_event_of_the_tool_has_its_name(caller: SandboxClient) -> None:
    own = caller.sandbox.credentials
    exchange(caller, client_id=own.client_id, client_secret=own.client_secret, audience=MANAGEMENT)
    [event] = logs(caller)
    assert event["client_name"] == "Reconciler"


def test_a_query_selects_the_events_of_a_page(caller: SandboxClient) -> None:
    caller.create()
    caller.token()

    found = caller.call("GET", "/logs?q=type:sapi").json()

    assert {event["type"] for event in found} == {"sapi"}
