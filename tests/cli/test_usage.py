"""`reconciler usage`: collect from the tenant's logs and from files, list by last use, and prune the files."""

import gzip
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BufferedReader
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from starlette.types import ASGIApp, Receive, Scope, Send
from support.commands import CONFIG, DATABASE, DOMAIN, SEED, CommandResult, a_workspace, reconciler, run_process, served
from support.repository import commit_all, git

from auth0_sandbox.api.logs import new_event
from auth0_sandbox.store.database import DocumentKind
from auth0_sandbox.tenant import open_sandbox
from reconciler.app.console import Console
from reconciler.app.options import GlobalOptions
from reconciler.app.usage_collect import collect_files
from reconciler.artifacts.usage_file import write_usage
from reconciler.contract import stored
from reconciler.core.usage.records import Checkpoint, Period, Usage, time_text

INVOICES = "https://api.example.com/invoices"
PERMISSIONS = '"read:client_grants", "read:clients", "read:resource_servers"'
TENANT = (
    SEED.replace("client_id: own,", f'client_id: own, scope: [{PERMISSIONS}, "read:logs"],')
    + "  - {client: Billing, api: Invoices API, scope: ['read:invoices']}\n"
    + f"  - {{client: Portal, audience: 'https://{DOMAIN}/api/v2/', scope: ['create:users', 'update:clients']}}\n"
)
FILE = Path("grants/billing.yaml")
PORTAL = """\
  # nobody knows why
  - client: Portal  # the old one
    api: Invoices API
    scope: [read:invoices]
"""
USAGE = Path(".reconciler/usage/local.json")


@pytest.fixture(autouse=True)
def workspace(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return a_workspace(here, monkeypatch, tenant=TENANT)


Sandbox = Any


@contextmanager
def sandbox() -> Iterator[Sandbox]:
    with open_sandbox(DATABASE, Path("tenant.yaml"), DOMAIN) as opened:
        yield opened


def record(kind: str = "seccft", days_ago: float = 1.0, count: int = 1, **more: Any) -> list[str]:
    """Add events to the tenant's logs. Return their ids."""
    ids = []
    with sandbox() as tenant:
        for number in range(count):
            at = (datetime.now(UTC) - timedelta(days=days_ago)).timestamp() + number
            attributes = {"client_id": "billing", "client_name": "Billing", "audience": INVOICES} | more
            event = new_event(kind, at, attributes, tenant.store.tenant())
            tenant.store.add(DocumentKind.LOGS, event["log_id"], event)
            ids.append(event["log_id"])
    return ids


def forget(log_id: str) -> None:
    """Remove an event from the tenant's logs, as the retention does."""
    with sandbox() as tenant:
        tenant.store.remove(DocumentKind.LOGS, {"id": log_id})


def content() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(USAGE.read_text())
    return found


def count_of(client: str, audience: str = INVOICES) -> int:
    return sum(
        sum(each["days"].values())
        for each in content()["grants"]
        if (each["client_id"], each["audience"]) == (client, audience)
    )


def collect(*arguments: str | Path, **options: Any) -> CommandResult:
    ran = reconciler("usage", "collect", *arguments, **options)
    assert ran.code == 0, ran.output
    return ran


def listed(*arguments: str, **options: Any) -> dict[str, str]:
    """Return the text of each grant by its label."""
    data = reconciler("usage", "--format", "json", *arguments, **options).data
    return {f"{each['application']} -> {each['api']}": each["text"] for each in data["grants"]}


def test_each_event_is_counted_once() -> None:
    record(days_ago=3, count=250)
    collect()
    record(days_ago=0)
    collect()
    collect()

    assert count_of("billing") == 251
    Draft202012Validator(stored.load(stored.USAGE)).validate(content())
    assert len(content()["periods"]) == 1


def test_the_list_starts_with_the_longest_unused_grant() -> None:
    record(days_ago=3)
    collect()

    assert list(listed())[:3] == ["Portal -> Auth0 Management API", "Portal -> Invoices API", "Billing -> Invoices API"]
    assert listed()["Billing -> Invoices API"].startswith("last used ")


def test_unused_is_only_claimed_if_the_whole_time_was_seen() -> None:
    record("s", days_ago=10)
    collect()

    assert listed("--unused-for", "9d")["Portal -> Invoices API"] == "unused for 9 days"
    assert listed("--unused-for", "90d")["Portal -> Invoices API"] == "not known, logs cover 10 of 90 days"


def test_a_collection_that_is_too_old_claims_nothing() -> None:
    record("s", days_ago=10)
    collect()

    late = datetime.now(UTC) + timedelta(days=3)
    assert listed("--unused-for", "9d", now=late)["Portal -> Invoices API"].startswith(
        "not known, logs cover 6 of 9 days"
    )


def time_ago(days: float) -> str:
    return time_text(datetime.now(UTC) - timedelta(days=days))


def collected_before(log_id: str) -> None:
    """Write a usage file of a tenant whose logs were read up to an event, from 20 to 15 days ago."""
    checkpoint = Checkpoint(time_ago(15), log_id)
    write_usage(USAGE, Usage(tenant="sandbox", periods=(Period(time_ago(20), time_ago(15)),), checkpoint=checkpoint))


def test_an_expired_checkpoint_is_a_gap() -> None:
    (old,) = record("s", days_ago=15)
    collected_before(old)
    forget(old)
    record("s", days_ago=5)

    ran = collect()

    assert "may be missing, so the usage file has a gap after this time" in ran.stderr
    assert len(content()["periods"]) == 2
    assert listed("--unused-for", "18d")["Portal -> Invoices API"] == "not known, logs cover 8 of 18 days"
    assert "Gap: the logs from " in reconciler("usage").stdout


def test_a_checkpoint_that_still_exists_causes_no_gap() -> None:
    (old,) = record("s", days_ago=15)
    collected_before(old)
    record("s", days_ago=5)

    collect()

    assert len(content()["periods"]) == 1
    assert listed("--unused-for", "18d")["Portal -> Invoices API"] == "unused for 18 days"


def failing(fails: Callable[[int, str], bool]) -> Callable[[ASGIApp], ASGIApp]:
    """Return a middleware that answers requests with 500 if `fails` returns true for their number and query."""
    numbers = iter(range(1_000))

    def wrap(app: ASGIApp) -> ASGIApp:
        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"] == "/api/v2/logs":
                query = scope["query_string"].decode()
                if fails(next(numbers), query):
                    await send({"type": "http.response.start", "status": 500, "headers": []})
                    await send({"type": "http.response.body", "body": b"{}"})
                    return
            await app(scope, receive, send)

        return wrapped

    return wrap


def connected(variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    Path("reconciler.yaml").unlink()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RECONCILER_USAGE_COLLECT_ATTEMPTS", "1")


def test_an_interrupted_collection_keeps_what_it_has_read(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(days_ago=3, count=450)
    broken = [True]
    usage = here / "usage.json"
    with served(here, failing(lambda number, _: broken[0] and number == 3)) as variables:
        connected(variables, monkeypatch)
        first = reconciler("usage", "collect", "--usage", usage)
        after_failure = json.loads(usage.read_text())
        broken[0] = False
        second = reconciler("usage", "collect", "--usage", usage)

    assert (first.code, second.code) == (1, 0)
    counts = [sum(use["days"].values()) for use in after_failure["grants"] if use["client_id"] == "billing"]
    assert counts == [201]  # the oldest event and two pages
    (period,) = after_failure["periods"]
    assert period[1] == after_failure["checkpoint"]["until"]
    complete = json.loads(usage.read_text())
    assert [sum(use["days"].values()) for use in complete["grants"] if use["client_id"] == "billing"] == [450]
    assert len(complete["periods"]) == 1


JSON_HEADERS = [(b"content-type", b"application/json")]
ENDLESS = [{"log_id": "900", "date": "2026-01-01T00:00:00.000Z"}]


def rewriting(rewrite: Callable[[list[Any]], list[Any]]) -> Callable[[ASGIApp], ASGIApp]:
    """Return a middleware that changes the events in responses of the logs."""

    def wrap(app: ASGIApp) -> ASGIApp:
        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            body = b""

            async def capture(message: Any) -> None:
                nonlocal body
                if message["type"] == "http.response.body":
                    body += message.get("body", b"")

            if scope["type"] != "http" or scope["path"] != "/api/v2/logs":
                await app(scope, receive, send)
                return
            await app(scope, receive, capture)
            changed = json.dumps(rewrite(json.loads(body))).encode()
            await send(
                {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]}
            )
            await send({"type": "http.response.body", "body": changed})

        return wrapped

    return wrap


@pytest.mark.parametrize(
    ("rewrite", "message"),
    [
        (lambda events: [each | {"log_id": "", "_id": ""} for each in events], "have no id"),
        (lambda events: [each | {"date": "yesterday"} for each in events], "no valid date"),
        (
            lambda events: (
                [each | {"log_id": "900"} for each in events] or [{"log_id": "900", "date": "2026-01-01T00:00:00.000Z"}]
            ),
            "the list of log events repeats",
        ),
        (lambda events: {"logs": events}, "not a list of events"),
        (lambda events: [1, *events], "not a list of events"),
    ],
    ids=["ids", "dates", "endless", "object", "number"],
)
def test_wrong_responses_are_errors(
    here: Path, monkeypatch: pytest.MonkeyPatch, rewrite: Callable[[Any], Any], message: str
) -> None:
    record(days_ago=3, count=3)
    with served(here, rewriting(rewrite)) as variables:
        connected(variables, monkeypatch)
        ran = reconciler("usage", "collect", "--usage", here / "usage.json")

    assert ran.code == 1
    assert message in ran.stderr


def test_an_event_without_an_id_at_the_end_of_a_page_is_not_lost(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(days_ago=3, count=3)

    def without_last_id(events: list[Any]) -> list[Any]:
        more = len(events) > 1
        return [*events[:-1], events[-1] | {"log_id": None, "_id": None}] if more else events

    with served(here, rewriting(without_last_id)) as variables:
        connected(variables, monkeypatch)
        assert reconciler("usage", "collect", "--usage", here / "usage.json").code == 0

    (use,) = [
        each for each in json.loads((here / "usage.json").read_text())["grants"] if each["client_id"] == "billing"
    ]
    assert sum(use["days"].values()) == 3


def test_without_the_permission_nothing_is_stored(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_workspace(here, monkeypatch)

    ran = reconciler("usage", "collect")

    assert ran.code == 1
    assert "; give reconciler's application the permission read:logs" in ran.stderr
    assert not USAGE.exists()


NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def an_event(hours_ago: float = 1.0, kind: str = "seccft", **more: Any) -> dict[str, Any]:
    date = f"{NOW - timedelta(hours=hours_ago):%Y-%m-%dT%H:%M:%S}.000Z"
    own = {"date": date, "type": kind, "client_id": "billing", "audience": INVOICES, "tenant_name": "acme"}
    return own | {"log_id": f"900{hours_ago:020.6f}"} | more


def wrapped(name: str, event: dict[str, Any]) -> object:
    without_id = {key: value for key, value in event.items() if key != "log_id"}
    match name:
        case "plain":
            return event
        case "webhook":
            return {"log_id": event["log_id"], "data": event}
        case "eventbridge":
            detail = {"log_id": event["log_id"], "data": without_id}
            return {"version": "0", "detail-type": "Auth0 log", "source": "aws.partner/auth0.com/x", "detail": detail}
        case "datadog":
            return {"_id": "x", "source": "auth0", "attributes": {"log_id": event["log_id"], "data": without_id}}
        case "text":
            return {"message": json.dumps({"log_id": event["log_id"], "data": without_id})}
        case _:
            return [event]


def write_events(file: Path, *events: dict[str, Any], form: str = "plain") -> Path:
    text = "".join(f"{json.dumps(wrapped(form, each))}\n" for each in events)
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())
    return file


@pytest.mark.parametrize("form", ["plain", "webhook", "eventbridge", "datadog", "text", "array"])
@pytest.mark.parametrize("name", ["events.jsonl", "events.jsonl.gz"])
def test_files_of_log_streams_are_read(here: Path, form: str, name: str) -> None:
    events = [an_event(hours_ago / 2) for hours_ago in range(1, 50)]
    file = write_events(here / name, *events, *events[:3], form=form)

    ran = collect(file, now=NOW)

    assert count_of("billing") == 49
    assert "Skipped 3 repeated events." in ran.stderr
    assert content()["periods"] == [["2026-11-27T11:30:00.000Z", "2026-11-28T11:30:00.000Z"]]


def test_standard_input_is_read(here: Path) -> None:
    file = write_events(here / "x.gz", an_event())
    with file.open("rb") as stream:
        ran = run_process("usage", "collect", "-", stdin=stream)

    assert ran.code == 0, ran.output
    assert count_of("billing") == 1


def test_collecting_a_file_again_changes_nothing(here: Path) -> None:
    file = write_events(here / "x.jsonl", *(an_event(hours) for hours in (1, 1.5, 2)))
    collect(file, now=NOW)
    before = content()

    collect(file, now=NOW)

    assert content() == before


def test_two_collectors_at_once_lose_no_event(here: Path) -> None:
    slow = write_events(here / "slow.jsonl", an_event(30))
    other = write_events(here / "other.jsonl", an_event(2))
    options = GlobalOptions(config="reconciler.yaml", now=NOW)

    def slow_files() -> Iterator[tuple[str, BufferedReader]]:
        """Run the second collector between the start and the end of the first one."""
        collect(other, now=NOW)
        with slow.open("rb") as file:
            yield "slow.jsonl", file

    collect_files(options, USAGE, slow_files(), None, Console(options))

    assert count_of("billing") == 2


def test_a_missing_file_is_a_gap_and_a_period_closes_it(here: Path) -> None:
    file = write_events(here / "x.jsonl", an_event(30), an_event(29.5), an_event(3), an_event(2.5))

    ran = collect(file, now=NOW)

    assert "Gap: no events from 2026-11-27 06:30 to 2026-11-28 09:00" in ran.stderr
    assert len(content()["periods"]) == 2
    collect(file, "--period", "2026-11-27/2026-11-28", now=NOW)
    assert content()["periods"] == [["2026-11-27T00:00:00.000Z", "2026-11-28T12:00:00.000Z"]]


@pytest.mark.parametrize("period", ["2026-11-27", "2026-11-28/2026-11-27", "a/b", "2026-11-27T10:00/2026-11-28", "/"])
def test_an_invalid_period_is_refused(here: Path, period: str) -> None:
    assert reconciler("usage", "collect", write_events(here / "x.jsonl", an_event()), "--period", period).code == 1


@pytest.mark.parametrize(
    ("content_of_file", "message"),
    [
        (b'{"date": "2026-11-27T10:00:00.000Z", "type": "seccft"\n', "x.jsonl:1: this line is not valid JSON"),
        (b"{}\nnot json\n", "x.jsonl:2: this line is not valid JSON"),
        (b'{"date": "x", "type": "seccft"}\n', "x.jsonl:1: this event has no valid date"),
        (b"[" * 100_000 + b"\n", "x.jsonl:1: this line is not valid JSON"),
        (b"\xff\xfe\n", "x.jsonl:1: this line is not valid JSON"),
        (gzip.compress(b'{"a": 1}\n' * 1000, mtime=0)[:-20], "damaged or truncated"),
        (b"\x1f\x8bnot gzip", "damaged or truncated"),
    ],
)
def test_a_damaged_file_changes_nothing(here: Path, content_of_file: bytes, message: str) -> None:
    good = write_events(here / "good.jsonl", an_event())
    (here / "x.jsonl").write_bytes(content_of_file)

    ran = reconciler("usage", "collect", good, here / "x.jsonl", now=NOW)

    assert ran.code == 1
    assert message in ran.stderr
    assert not USAGE.exists()


def test_lines_of_other_programs_and_tenants_are_counted_and_skipped(here: Path) -> None:
    file = write_events(here / "x.jsonl", an_event(), an_event(2, tenant_name="other"), {"service": "web"})

    ran = collect(file, now=NOW)

    assert "Skipped 1 line without a log event of Auth0." in ran.stderr
    assert "Skipped 1 event of another tenant." in ran.stderr
    assert content()["tenant"] == "acme"


def test_a_file_of_another_tenant_is_not_mixed_in(here: Path) -> None:
    collect(write_events(here / "x.jsonl", an_event()), now=NOW)

    ran = collect(write_events(here / "y.jsonl", an_event(2, tenant_name="other")), now=NOW)

    assert "Skipped 1 event of another tenant." in ran.stderr
    assert count_of("billing") == 1


def test_writes_of_the_management_api_are_attributed_to_scopes(here: Path) -> None:
    details = {"request": {"method": "post", "path": "/api/v2/users"}}
    events = [an_event(hours / 2, "s") for hours in range(1, 60)]
    file = write_events(here / "x.jsonl", *events, an_event(1.2, "sapi", client_id="portal", details=details))
    collect(file, now=NOW)

    data = reconciler("usage", "--unused-for", "24h", "--format", "json", now=NOW).data
    (grant,) = [each for each in data["grants"] if each["key"]["client_id"] == "portal" and each["scopes"]]

    states = {each["name"]: each["state"] for each in grant["scopes"]}
    assert states == {"create:users": "used", "update:clients": "unused"}


METRICS = "client_id,audience,scope,last_used\nbilling,https://api.example.com/invoices,read:invoices,2026-11-27\n"


@pytest.mark.parametrize(
    "text",
    [
        METRICS,
        json.dumps(dict(zip(*(line.split(",") for line in METRICS.splitlines()), strict=True))),
        METRICS.replace("client_id", "client").replace("2026-11-27", "2026-11-27T10:00:00+02:00"),
    ],
    ids=["csv", "json", "time"],
)
@pytest.mark.parametrize("stores", [True, False])
def test_metrics_of_an_api_show_its_scopes(here: Path, text: str, stores: bool) -> None:  # noqa: FBT001
    metrics = here / "metrics"
    metrics.write_text(text)
    collect(write_events(here / "x.jsonl", an_event()), now=NOW)
    if stores:
        collect("--scopes", metrics)

    shown = reconciler("usage", *([] if stores else ["--scopes", str(metrics)]), now=NOW).stdout

    assert "read:invoices: last used 2026-11-27" in shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a,b\n1,2\n",
        METRICS.replace("2026-11-27", "soon"),
        METRICS.replace("2026-11-27", "2999-01-01"),
        METRICS.replace("read:invoices", ""),
        '{"client_id": 1}',
        "{",
    ],
)
def test_wrong_metrics_are_an_error_at_their_line(here: Path, text: str) -> None:
    (here / "metrics").write_text(text)
    collect(write_events(here / "x.jsonl", an_event()), now=NOW)
    before = content()

    ran = reconciler("usage", "collect", "--scopes", here / "metrics")

    assert ran.code == (0 if not text else 1)
    assert not text or "metrics:" in ran.stderr
    assert content() == before


def collect_ten_days() -> None:
    """Collect the logs of ten days, in which only Billing used its grant."""
    record(days_ago=1)
    record("s", days_ago=10)
    collect()


def commit_long_ago(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit the files with a date in the past."""
    for name in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):
        monkeypatch.setenv(name, "2020-01-01T00:00:00Z")
    (here / ".gitignore").write_text(".reconciler/\n")
    commit_all(here)
    for name in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):
        monkeypatch.delenv(name)


def test_prune_removes_unused_grants_from_the_files_only(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FILE.write_text(FILE.read_text() + PORTAL)
    commit_long_ago(here, monkeypatch)
    collect_ten_days()
    grants_before = reconciler("plan", "--format", "json").data["summary"]

    diff = reconciler("usage", "prune", "--unused-for", "9d", "--diff")
    before = FILE.read_text()
    ran = reconciler("usage", "prune", "--unused-for", "9d")

    assert (diff.code, ran.code) == (0, 0)
    assert "-  - client: Portal  # the old one" in diff.stdout
    assert before.endswith(PORTAL)
    assert FILE.read_text() == before.removesuffix(PORTAL)
    assert "Removed: 1 grant of local SANDBOX" in ran.stdout
    assert reconciler("plan", "--format", "json").data["summary"]["unmanaged"] == grants_before["unmanaged"] + 1


def test_prune_removes_nothing_that_may_be_used() -> None:
    FILE.write_text(FILE.read_text() + PORTAL)
    record("s", days_ago=10)
    collect()
    before = FILE.read_text()

    ran = reconciler("usage", "prune", "--unused-for", "90d")

    assert ran.code == 0
    assert FILE.read_text() == before
    assert "grants/billing.yaml:9:5: warning: not removed: not known, logs cover 10 of 90 days" in ran.stderr


def test_prune_leaves_declarations_with_several_clients_to_people(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FILE.write_text(FILE.read_text() + PORTAL.replace("client: Portal", "clients: [Portal]"))
    commit_long_ago(here, monkeypatch)
    collect_ten_days()
    before = FILE.read_text()

    ran = reconciler("usage", "prune", "--unused-for", "9d")

    assert ran.code == 0
    assert "but the declaration has several clients; remove the client by hand" in ran.stderr
    assert FILE.read_text() == before


@pytest.mark.parametrize("author_date", ["", "2026-01-01T12:00:00Z"], ids=["new", "rebased"])
def test_prune_keeps_a_grant_that_was_committed_recently(
    here: Path, monkeypatch: pytest.MonkeyPatch, author_date: str
) -> None:
    """A rebase keeps the date of the author."""
    FILE.write_text(FILE.read_text() + PORTAL)
    (here / ".gitignore").write_text(".reconciler/\n")
    monkeypatch.setenv("GIT_AUTHOR_DATE", author_date)
    commit_all(here)
    record("s", days_ago=10)
    collect()

    ran = reconciler("usage", "prune", "--unused-for", "9d")

    assert "after the start of the period" in ran.stderr
    assert PORTAL in FILE.read_text()


def test_prune_keeps_a_grant_if_an_event_does_not_show_the_api(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FILE.write_text(FILE.read_text() + PORTAL)
    commit_long_ago(here, monkeypatch)
    record("s", days_ago=10)
    record(days_ago=1, client_id="portal", audience=None)

    collected = collect()
    ran = reconciler("usage", "prune", "--unused-for", "9d")

    assert "1 event may report an issued token without showing which grant was used" in collected.stderr
    assert "does not show which grant was used" in ran.stderr
    assert PORTAL in FILE.read_text()


@pytest.mark.parametrize(
    "events",
    [[], [{"service": "web"}], [an_event(hours_ago=2, tenant_name="other")], [an_event(hours_ago=24 * 40)]],
    ids=["empty", "foreign", "other-tenant", "other-time"],
)
def test_a_period_without_an_event_of_the_tenant_is_refused(here: Path, events: list[dict[str, Any]]) -> None:
    collect(write_events(here / "own.jsonl", an_event()), now=NOW)
    before = USAGE.read_text()

    file = write_events(here / "other.jsonl", *events)
    ran = reconciler("usage", "collect", file, "--period", "2026-11-01/2026-11-27", now=NOW)

    assert ran.code == 1
    assert "--period: the files contain no event of the tenant acme in this time span" in ran.stderr
    assert USAGE.read_text() == before


def test_the_usage_of_another_tenant_is_refused_if_only_the_token_shows_the_tenant(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(days_ago=3)
    usage, other = here / "usage.json", here / "other.json"
    write_usage(other, Usage(tenant="other", periods=(Period(time_text(NOW - timedelta(days=99)), time_text(NOW)),)))
    with served(here) as variables:
        connected(variables, monkeypatch)
        monkeypatch.setenv("AUTH0_DOMAIN", variables["AUTH0_DOMAIN"])
        collected = reconciler("usage", "collect", "--usage", usage)
        own = reconciler("usage", "--usage", usage)
        wrong = reconciler("usage", "--usage", other, "--unused-for", "90d")

    assert (collected.code, own.code, wrong.code) == (0, 0, 1)
    assert f"the usage file belongs to the tenant other, not to {DOMAIN}" in wrong.stderr


def test_the_logs_of_another_tenant_are_refused() -> None:
    record(days_ago=3)
    USAGE.parent.mkdir(parents=True)
    write_usage(USAGE, Usage(tenant="other"))
    before = USAGE.read_text()

    ran = reconciler("usage", "collect")

    assert ran.code == 1
    assert "but the usage file belongs to the tenant other; choose another file with --usage" in ran.stderr
    assert USAGE.read_text() == before


def test_prune_knows_the_commits_of_all_named_files(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    portal = here / "grants/portal.yaml"
    portal.write_text(f"grants:\n{PORTAL}")
    commit_long_ago(here, monkeypatch)
    collect_ten_days()

    ran = reconciler("usage", "prune", FILE, portal, "--unused-for", "9d")

    assert ran.code == 0, ran.output
    assert "1 removed" in ran.stdout
    assert "Portal" not in portal.read_text()


def test_prune_keeps_a_grant_whose_commit_is_not_known() -> None:
    FILE.write_text(FILE.read_text() + PORTAL)
    collect_ten_days()

    ran = reconciler("usage", "prune", "--unused-for", "9d")

    assert "not removed: the commit of the declaration is not known" in ran.stderr
    assert PORTAL in FILE.read_text()


def test_prune_keeps_the_lines_of_an_expired_grant(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FILE.write_text(FILE.read_text() + PORTAL.rstrip("\n") + "\n    expires: 2020-06-30\n")
    commit_long_ago(here, monkeypatch)
    collect_ten_days()

    ran = reconciler("usage", "prune", "--unused-for", "9d")

    assert "not removed: the grant has expired" in ran.stderr
    assert "2020-06-30" in FILE.read_text()


def test_prune_refuses_the_usage_of_another_tenant(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FILE.write_text(FILE.read_text() + PORTAL)
    commit_long_ago(here, monkeypatch)
    collect_ten_days()
    file = here / ".reconciler/usage/local.json"
    file.write_text(re.sub(r'"client_id": "', '"client_id": "other-', file.read_text()))

    ran = reconciler("usage", "prune", "--unused-for", "9d")

    assert (ran.code, "the usage file has no grant of this tenant" in ran.stderr) == (1, True)
    assert PORTAL in FILE.read_text()


def test_a_declaration_of_several_tenants_stays_for_the_others(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "reconciler.yaml").write_text(CONFIG + "  other: {domain: other.eu.auth0.com}\n")
    FILE.write_text(FILE.read_text() + PORTAL)
    commit_long_ago(here, monkeypatch)
    collect_ten_days()

    assert reconciler("usage", "prune", "--unused-for", "9d").code == 0

    text = FILE.read_text()
    assert "client: Portal" in text
    assert "      - other\n" in text


def test_the_access_report_shows_the_last_use() -> None:
    before = reconciler("access", "--format", "json").data["tenants"][0]["grants"]
    record(days_ago=2)
    record("s", days_ago=10)
    collect()

    data = reconciler("access", "--format", "json").data
    Draft202012Validator(stored.load(stored.ACCESS)).validate(data)
    uses = {f"{each['application']} -> {each['api']}": each["last_use"] for each in data["tenants"][0]["grants"]}

    assert {each["last_use"] for each in before} == {None}
    assert uses["Billing -> Invoices API"]["text"].startswith("last used ")
    assert uses["Portal -> Invoices API"] == {"time": "unknown", "text": "not used in 10 days of logs"}
    for name in ("text", "csv", "markdown", "html"):
        assert "not used in 10 days of logs" in reconciler("access", "--format", name).stdout


def test_usage_is_printed_as_text_and_csv(here: Path) -> None:
    collect(write_events(here / "x.jsonl", an_event()), now=NOW)

    text, csv = (reconciler("usage", "--format", name, now=NOW).stdout for name in ("text", "csv"))

    assert "4 grants: 1 used, 0 unused, 3 not known." in text
    assert csv.splitlines()[0].startswith('"tenant","application"')
    assert "last used 2026-11-28, once since 2026-11-28" in csv


def test_without_a_usage_file_the_message_says_what_to_do() -> None:
    ran = reconciler("usage")

    assert ran.code == 1
    assert "run `reconciler usage collect` first" in ran.stderr


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"format_version": "1"}', "[" * 10_000, '{"format_version": "2", "tenant": 1}']
)
def test_a_damaged_usage_file_is_refused_and_kept(text: str) -> None:
    USAGE.parent.mkdir(parents=True)
    USAGE.write_text(text)

    for arguments in (["usage"], ["usage", "collect"], ["access"]):
        ran = reconciler(*arguments)
        assert ran.code == 1
        assert "is not a usage file" in ran.stderr
    assert USAGE.read_text() == text


def test_a_link_from_the_checkout_is_not_followed(here: Path) -> None:
    target = here.parent / "elsewhere.json"
    git(here, "init", "--quiet")
    (here / "link.json").symlink_to(target)
    git(here, "add", ".")

    ran = reconciler("usage", "collect", write_events(here / "x.jsonl", an_event()), "--usage", "link.json", now=NOW)

    assert ran.code == 1
    assert not os.path.lexists(target)
