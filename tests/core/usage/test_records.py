"""Records of use: merging, periods, and the events that are counted."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.artifacts.usage_file import read_usage, write_usage
from reconciler.contract import stored
from reconciler.core.usage.events import SUBJECT_TYPES, OperationTable, UsageCounter, usage_event
from reconciler.core.usage.records import (
    Checkpoint,
    Period,
    Usage,
    Use,
    UsedGrant,
    UsedOperation,
    UsedScope,
    add,
    gaps,
    merge,
    moment,
    seen_time,
    time_text,
    union,
)
from reconciler.errors import ReconcilerError

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
START = datetime(2026, 9, 1, tzinfo=UTC)

times = st.integers(0, 80 * 24 * 60).map(lambda minutes: time_text(START + timedelta(minutes=minutes)))
names = st.sampled_from("abc")
days = st.dictionaries(times.map(lambda time: time[:10]), st.integers(1, 9), max_size=3)
uses = st.builds(lambda first, last, days: Use(min(first, last), max(first, last), days), times, times, days)
usages = st.builds(
    lambda grants, writes, scopes, periods, checkpoint: Usage(
        tenant="acme", grants=grants, writes=writes, scopes=scopes, periods=union(periods), checkpoint=checkpoint
    ),
    st.dictionaries(st.builds(UsedGrant, names, names, st.sampled_from(["client", "user"])), uses, max_size=4),
    st.dictionaries(st.builds(UsedOperation, names, names), uses, max_size=3),
    st.dictionaries(st.builds(UsedScope, names, names, names), times, max_size=3),
    st.lists(st.builds(Period, times, times), max_size=4),
    st.none() | st.builds(Checkpoint, times, names),
)


@given(usages, usages, usages)
def test_merging_is_associative_commutative_and_idempotent(first: Usage, second: Usage, third: Usage) -> None:
    assert merge(merge(first, second), third) == merge(first, merge(second, third))
    assert merge(first, second) == merge(second, first)
    assert merge(first, first) == first
    assert merge(merge(first, second), second) == merge(first, second)
    assert merge(first, Usage()) == first


@given(usages, usages)
def test_a_merge_loses_no_use(first: Usage, second: Usage) -> None:
    both = merge(first, second)

    for each in (first, second):
        for key, use in each.grants.items():
            found = both.grants[key]
            assert found.first <= use.first <= use.last <= found.last
            assert all(found.days[day] >= count for day, count in use.days.items())


@given(usage=usages)
def test_a_written_usage_file_is_read_back_unchanged(tmp_path_factory: pytest.TempPathFactory, usage: Usage) -> None:
    file = tmp_path_factory.mktemp("usage") / "usage.json"

    write_usage(file, usage)

    assert read_usage(file) == usage


@given(st.lists(st.builds(Period, times, times), max_size=6), times, times)
def test_the_union_covers_the_same_times_as_the_periods(periods: list[Period], first: str, last: str) -> None:
    found = union(periods)

    assert union(found) == found
    for time in (first, last):
        assert any(each.start <= time < each.end for each in found) == any(
            each.start <= time < each.end for each in periods
        )
    assert all(before.end < after.start for before, after in pairwise(found))
    whole = seen_time(periods, START, START + timedelta(days=100))
    assert whole == sum((moment(each.end) - moment(each.start) for each in found), timedelta())


def test_gaps_are_the_times_between_periods() -> None:
    first = Period("2026-11-01T00:00:00.000Z", "2026-11-02T00:00:00.000Z")
    second = Period("2026-11-03T00:00:00.000Z", "2026-11-04T00:00:00.000Z")

    assert gaps([second, first]) == (Period("2026-11-02T00:00:00.000Z", "2026-11-03T00:00:00.000Z"),)


def test_records_of_different_tenants_cannot_be_combined() -> None:
    with pytest.raises(ReconcilerError, match="belong to the tenant b"):
        merge(Usage(tenant="a"), Usage(tenant="b"))


def test_new_events_of_a_day_are_added() -> None:
    key = UsedGrant("a", "x", "client")
    day = {"2026-11-27": 2}
    first = Usage(tenant="acme", grants={key: Use("2026-11-27T01:00:00.000Z", "2026-11-27T02:00:00.000Z", day)})
    second = Usage(
        tenant="acme", grants={key: Use("2026-11-27T03:00:00.000Z", "2026-11-27T03:00:00.000Z", {"2026-11-27": 1})}
    )

    assert add(first, second).grants[key].total == 3
    assert merge(first, second).grants[key].total == 2


TABLE = OperationTable(stored.load(stored.WRITES)["operations"])


def event(kind: str = "seccft", date: str = "2026-11-27T10:00:00.000Z", **more: Any) -> dict[str, Any]:
    return {"type": kind, "date": date, "client_id": "billing", "audience": "urn:x", "tenant_name": "acme", **more}


def counted(*events: dict[str, Any], tenant: str = "") -> UsageCounter:
    counter = UsageCounter(TABLE, NOW, tenant)
    for each in events:
        counter.add(usage_event(each))
    return counter


@pytest.mark.parametrize("kind", sorted(SUBJECT_TYPES))
def test_a_token_exchange_is_a_use_of_its_grant(kind: str) -> None:
    (key,) = counted(event(kind)).usage().grants

    assert key == UsedGrant("billing", "urn:x", "client" if kind == "seccft" else "user")


@pytest.mark.parametrize(
    "kind",
    [
        *("feccft", "fapi", "f", "slo", "sapi", "w", "ciba_exchange_failed", "failed_on_behalf_of_token_exchange"),
        *("seta", "gd_auth_succeed", "jwt_bearer_exchange_failed", "connected_accounts_connection_succeeded"),
    ],
)
def test_an_event_that_is_not_a_token_exchange_is_not_a_use(kind: str) -> None:
    counter = counted(event(kind))

    assert counter.usage().grants == {}
    assert counter.events == 1


@pytest.mark.parametrize("kind", ["", "SECCFT", "new_exchange_succeeded", None, ["seccft"]])
def test_an_event_of_an_unknown_type_may_be_a_use_of_each_grant_on_the_api(kind: object) -> None:
    counter = counted(event() | {"type": kind})

    assert set(counter.usage().grants) == {UsedGrant("billing", "urn:x", "")}
    assert counter.incomplete == 1


@pytest.mark.parametrize("kind", ["s", "ssa", "scoa"])
def test_a_login_without_an_api_may_be_a_use_of_each_grant_for_users(kind: str) -> None:
    assert set(counted(event(kind, audience=None)).usage().grants) == {UsedGrant("billing", "", "user")}
    assert counted(event(kind, client_id=None)).usage().grants == {}  # no application got a token


@pytest.mark.parametrize("more", [{"client_id": None}, {"audience": None}])
def test_an_event_of_an_unknown_type_without_an_application_or_an_api_is_not_a_use(more: dict[str, Any]) -> None:
    assert counted(event("new", **more)).usage().grants == {}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"client_id": None}, UsedGrant("", "urn:x", "client")),
        ({"client_id": ""}, UsedGrant("", "urn:x", "client")),
        ({"client_id": ["a"]}, UsedGrant("", "urn:x", "client")),
        ({"audience": None}, UsedGrant("billing", "", "client")),
        ({"audience": {}}, UsedGrant("billing", "", "client")),
        ({"audience": []}, UsedGrant("billing", "", "client")),
        ({"audience": [1]}, UsedGrant("billing", "", "client")),
        ({"client_id": None, "audience": None}, UsedGrant("", "", "client")),
    ],
)
def test_an_exchange_without_its_parties_may_be_a_use_of_several_grants(
    more: dict[str, Any], expected: UsedGrant
) -> None:
    counter = counted(event(**more))

    assert set(counter.usage().grants) == {expected}
    assert counter.incomplete == 1


@pytest.mark.parametrize("more", [{"type": "new"}, {"client_id": ""}, {"client_id": None}, {"audience": ""}])
def test_each_event_that_does_not_show_the_grant_counts_as_incomplete(more: dict[str, Any]) -> None:
    assert counted(*(event() | more,) * 3).incomplete == 3


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [("09", "11", True), ("10", "11", True), ("09", "10", False), ("11", "12", False)],
)
def test_a_period_contains_events_from_its_start_and_before_its_end(start: str, end: str, *, expected: bool) -> None:
    period = Period(f"2026-11-27T{start}:00:00.000Z", f"2026-11-27T{end}:00:00.000Z")

    assert counted(event(date="2026-11-27T10:00:00.000Z")).has_events_in(period) is expected


def test_several_audiences_are_several_uses() -> None:
    assert {key.audience for key in counted(event("seacft", audience=["a", "b"])).usage().grants} == {"a", "b"}


@pytest.mark.parametrize(
    "date",
    [
        *(None, "", 5, "yesterday", "2026-02-30T10:00:00.000Z", "2026-11-27T10:00:00", "2999-01-01T00:00:00.000Z"),
        *("0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00"),
    ],
)
def test_an_event_without_a_valid_date_is_an_error(date: object) -> None:
    with pytest.raises(ValueError, match=r"date|Invalid|zone|day|format"):
        counted(event() | {"date": date})


@pytest.mark.parametrize("rest", ["", ":61:00.000Z", ":00:00.000", ":00:00.000Z and more", ":00:00.000\u0665Z"])
def test_an_invalid_time_in_a_known_hour_is_an_error(rest: str) -> None:
    valid = event()

    with pytest.raises(ValueError, match=r"date|Invalid|zone|minute|format"):
        counted(valid, valid, valid | {"date": f"2026-11-27T10{rest}"})


def test_dates_are_converted_to_utc_with_milliseconds() -> None:
    counter = counted(event(date="2026-11-27T11:00:00+01:00"), event(date="2026-11-27T09:59:59.123456Z"))
    ((_, use),) = counter.usage().grants.items()

    assert (use.first, use.last, use.days) == (
        "2026-11-27T09:59:59.123Z",
        "2026-11-27T10:00:00.000Z",
        {"2026-11-27": 2},
    )


def test_dates_of_early_years_have_four_digits() -> None:
    assert time_text(datetime(1, 2, 3, 4, 5, 6, 7999, tzinfo=UTC)) == "0001-02-03T04:05:06.007Z"


@pytest.mark.parametrize("tenant", [["x"], {}, 5, None])
def test_an_event_whose_tenant_has_a_wrong_type_is_counted(tenant: object) -> None:
    assert counted(event(), event() | {"tenant_name": tenant}).events == 2


def test_events_of_other_tenants_are_skipped() -> None:
    counter = counted(event(), event(tenant_name="other"), event(tenant_name=None))

    assert (counter.tenant, counter.events, counter.other_tenants) == ("acme", 2, 1)
    assert counted(event(), tenant="other").other_tenants == 1


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("post", "/api/v2/client-grants", "POST /client-grants"),
        ("PATCH", "/api/v2/clients/abc", "PATCH /clients/{id}"),
        ("delete", "/api/v2/users/auth0%7C1/multifactor/x", "DELETE /users/{id}/multifactor/{id}"),
        ("post", "/api/v2/jobs/users-imports?x=1", "POST /jobs/users-imports"),
        ("post", "/api/v2/clients/cimd/register", "POST /clients/cimd/register"),
        ("post", "/api/v2/of/the/future", "?"),
        ("post", None, "?"),
    ],
)
def test_a_write_is_attributed_to_its_operation(method: str, path: str | None, operation: str) -> None:
    (found,) = counted(event("sapi", details={"request": {"method": method, "path": path}})).usage().writes

    assert found == UsedOperation("billing", operation)


def test_a_read_is_not_a_write() -> None:
    details = {"request": {"method": "get", "path": "/api/v2/users"}}

    assert counted(event("sapi", details=details)).usage().writes == {}


@pytest.mark.parametrize("details", [None, {}, {"request": None}, {"request": {"method": 5, "path": "/api/v2/users"}}])
def test_a_write_without_details_may_be_any_write(details: object) -> None:
    assert set(counted(event("sapi", details=details)).usage().writes) == {UsedOperation("billing", "?")}


def test_a_write_without_an_application_may_belong_to_any_application() -> None:
    details = {"request": {"method": "post", "path": "/api/v2/users"}}

    (found,) = counted(event("sapi", details=details, client_id=None)).usage().writes

    assert found == UsedOperation("", "POST /users")


def test_every_operation_of_the_table_is_found() -> None:
    operations = stored.load(stored.WRITES)["operations"]

    for operation in operations:
        method, _, path = operation.partition(" ")
        assert TABLE.find(method, f"/api/v2{path.replace('{id}', 'x_1')}") == operation


def test_a_long_silence_in_files_is_a_gap() -> None:
    dates = [
        "2026-11-27T10:00:00.000Z",
        "2026-11-27T11:00:00.000Z",
        "2026-11-27T12:00:00.001Z",
        "2026-11-27T12:30:00.000Z",
    ]

    assert counted(*(event("s", date=each) for each in dates)).periods() == (
        Period("2026-11-27T10:00:00.000Z", "2026-11-27T11:00:00.000Z"),
        Period("2026-11-27T12:00:00.001Z", "2026-11-27T12:30:00.000Z"),
    )


def test_a_period_does_not_reach_into_the_future() -> None:
    counter = counted(event(date="2026-11-28T11:30:00.000Z"), event(date="2026-11-28T12:20:00.000Z"))

    assert counter.periods() == (Period("2026-11-28T11:30:00.000Z", time_text(NOW)),)
