"""The ends of grants as days and times, and the warnings before and after them."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import a_spec

from reconciler.core.expiry import (
    EXPIRES_PATTERN,
    ExpiryChange,
    end_of,
    ends_later,
    ends_within,
    expired_warnings,
    expiry_text,
    expiry_warnings,
    has_expired,
    split_expired,
)
from reconciler.core.grant import Key
from reconciler.core.problems import Severity, Source

SCHEMAS = Path(__file__).parents[2] / "schemas"
FORTNIGHT = timedelta(days=14)
DAYS = st.dates(date(2000, 1, 1), date(2999, 12, 31))
FIRST, LAST = (int(datetime(*day, tzinfo=UTC).timestamp()) for day in ((2000, 1, 3), (2999, 12, 29)))
SECONDS = st.integers(FIRST, LAST)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def is_valid(text: str) -> bool:
    return re.fullmatch(EXPIRES_PATTERN, text) is not None


@given(DAYS)
def test_every_day_is_valid_through_its_last_moment(day: date) -> None:
    text = day.isoformat()
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)

    assert is_valid(text)
    assert end_of(text) == midnight
    assert not has_expired(a_spec(expires=text), midnight - timedelta(microseconds=1))
    assert has_expired(a_spec(expires=text), midnight)


@given(SECONDS, st.integers(-23 * 60 - 59, 23 * 60 + 59))
def test_a_time_with_a_zone_means_that_moment(seconds: int, offset: int) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    sign, (hours, minutes) = "-" if offset < 0 else "+", divmod(abs(offset), 60)
    local = moment + timedelta(minutes=offset)
    text = f"{local:%Y-%m-%dT%H:%M:%S}{sign}{hours:02}:{minutes:02}"

    assert is_valid(text)
    assert end_of(text) == moment
    assert expiry_text(text) == f"{moment:%Y-%m-%d %H:%M:%S} UTC".replace(":00 UTC", " UTC")


@given(st.integers(1990, 3010), st.integers(0, 14), st.integers(0, 33))
def test_only_days_that_exist_are_valid(year: int, month: int, day: int) -> None:
    try:
        exists = 2000 <= date(year, month, day).year < 3000
    except ValueError:
        exists = False

    assert is_valid(f"{year}-{month:02}-{day:02}") == exists


@pytest.mark.parametrize("name", ["grants.schema.json", "plan.schema.json"])
def test_the_schemas_have_the_pattern(name: str) -> None:
    assert json.dumps(EXPIRES_PATTERN) in (SCHEMAS / name).read_text(encoding="utf-8")


def test_expired_specs_lose_their_organizations() -> None:
    valid = a_spec(expires="2027-01-01", organizations=("acme",))
    expired = a_spec(expires="2026-01-01", organizations=("acme",))

    assert split_expired([expired, a_spec(), valid], at("2026-11-28T12:00Z")) == (
        (a_spec(), valid),
        (expired._replace(organizations=None),),
    )


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2027-03-16T23:59:59Z", None),
        ("2027-03-17T00:00:00Z", "in 14 days"),
        ("2027-03-29T23:00:00Z", "in 2 days"),
        ("2027-03-30T00:00:00Z", "tomorrow"),
        ("2027-03-31T23:59:59Z", "today"),
        ("2027-04-01T00:00:00Z", None),
    ],
)
def test_a_day_gets_warnings_from_14_days_before(now: str, expected: str | None) -> None:
    found = list(expiry_warnings([a_spec(expires="2027-03-31")], at(now), FORTNIGHT))

    assert [each.what for each in found] == ([f"this grant expires 2027-03-31, {expected}"] if expected else [])
    assert all(each.severity is Severity.WARNING for each in found)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2027-03-17T15:59:59Z", None),
        ("2027-03-17T16:00:00Z", "in 14 days"),
        ("2027-03-30T16:00:00Z", "in 1 day"),
        ("2027-03-30T16:00:01Z", "in 23 hours"),
        ("2027-03-31T15:30:00Z", "in less than an hour"),
        ("2027-03-31T16:00:00Z", None),
    ],
)
def test_a_time_gets_warnings_from_14_days_before(now: str, expected: str | None) -> None:
    found = list(expiry_warnings([a_spec(expires="2027-03-31T18:00+02:00")], at(now), FORTNIGHT))

    assert [each.what for each in found] == (
        [f"this grant expires 2027-03-31 16:00 UTC, {expected}"] if expected else []
    )


def test_no_time_before_the_end_means_no_warnings() -> None:
    spec = a_spec(expires="2027-03-31T18:00Z")

    assert not list(expiry_warnings([spec], at("2027-03-31T17:59:59Z"), timedelta()))


def test_the_warning_of_an_expired_grant_is_at_its_line() -> None:
    spec = a_spec(expires="2027-03-31")

    (found,) = expired_warnings([spec, a_spec(), a_spec(expires="2027-04-01")], at("2027-04-01T00:00Z"))

    assert found.source == spec.source_of("expires")
    assert found.what == "this grant expired 2027-03-31, so apply deletes it"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("2026-12-31", "2027-03-31", "expires 2027-03-31, was 2026-12-31"),
        ("", "2027-03-31", "expires 2027-03-31, had no end"),
        ("2026-12-31", "", "no longer expires, was 2026-12-31"),
        ("2026-12-31T23:00-01:00", "2026-12-31", "expires 2026-12-31, was 2027-01-01 00:00 UTC"),
    ],
)
def test_a_changed_end_shows_the_old_and_the_new_end(before: str, after: str, expected: str) -> None:
    assert str(ExpiryChange(Key("a", "b"), Source("x"), before, after)) == expected


@given(st.none() | DAYS, st.none() | DAYS)
def test_no_end_is_later_than_every_end(first: date | None, second: date | None) -> None:
    texts = [each.isoformat() if each else "" for each in (first, second)]
    order = [each or date.max for each in (first, second)]

    assert ends_later(*texts) == (order[0] > order[1])


@pytest.mark.parametrize(
    ("expires", "days", "expected"),
    [
        ("2026-12-28", 30, True),
        ("2026-12-29", 30, False),
        ("2026-12-28T12:00Z", 30, True),
        ("2026-12-28T12:01Z", 30, False),
        ("2999-12-31", None, True),
        ("", 30, False),
        ("", None, False),
    ],
)
def test_the_longest_time_is_counted_from_now(expires: str, days: int | None, expected: bool) -> None:  # noqa: FBT001
    assert ends_within(expires, at("2026-11-28T12:00Z"), days) is expected
