"""When a grant or a scope is called used, unused or not known."""

from datetime import timedelta

import pytest
from support.builders import INVOICES, NOW, a_directory, a_grant, a_key, an_observed

from reconciler.contract import stored
from reconciler.core.grant import Key
from reconciler.core.usage.records import Period, Usage, Use, UsedGrant, UsedOperation, UsedScope, time_text
from reconciler.core.usage.report import GrantUse, UsageWindow, UseState, grant_uses

OPERATIONS = stored.load(stored.WRITES)["operations"]
MANAGEMENT = "https://test.example/api/v2/"
QUARTER = timedelta(days=90)


def ago(days: float) -> str:
    return time_text(NOW - timedelta(days=days))


def used(days: float) -> Use:
    return Use(ago(days), ago(days), {ago(days)[:10]: 1})


def seen(*spans: tuple[float, float]) -> tuple[Period, ...]:
    return tuple(Period(ago(first), ago(last)) for first, last in spans)


def report(
    usage: Usage,
    key: Key | None = None,
    scope: tuple[str, ...] = ("read:invoices",),
    length: timedelta | None = QUARTER,
) -> GrantUse:
    observed = an_observed(a_grant(key or a_key(), scope))
    (found,) = grant_uses([observed], a_directory(), usage, UsageWindow(NOW, usage.periods, length), OPERATIONS)
    return found


BILLING = UsedGrant("billing", INVOICES, "client")


@pytest.mark.parametrize(
    ("periods", "uses", "expected"),
    [
        (seen((100, 0)), {}, (UseState.UNUSED, "unused for 90 days")),
        (seen((90, 0)), {}, (UseState.UNUSED, "unused for 90 days")),
        (seen((100, 0.9)), {}, (UseState.UNUSED, "unused for 90 days")),
        (seen((100, 1.1)), {}, (UseState.UNKNOWN, "not known, logs cover 88 of 90 days")),
        (seen((89, 0)), {}, (UseState.UNKNOWN, "not known, logs cover 89 of 90 days")),
        (seen((100, 50), (49, 0)), {}, (UseState.UNKNOWN, "not known, logs cover 89 of 90 days")),
        (seen((30, 0)), {}, (UseState.UNKNOWN, "not known, logs cover 30 of 90 days")),
        ((), {}, (UseState.UNKNOWN, "not known, logs cover 0 of 90 days")),
        ((), {BILLING: used(89)}, (UseState.USED, "last used 2026-08-31, once since 2026-08-31")),
        (seen((100, 0)), {BILLING: used(91)}, (UseState.UNUSED, "unused for 90 days, last used 2026-08-29")),
        (
            seen((10, 0)),
            {BILLING: used(91)},
            (UseState.UNKNOWN, "not known, logs cover 10 of 90 days, last used 2026-08-29"),
        ),
    ],
)
def test_unused_is_only_claimed_where_everything_was_seen(
    periods: tuple[Period, ...], uses: dict[UsedGrant, Use], expected: tuple[UseState, str]
) -> None:
    found = report(Usage(periods=periods, grants=uses))

    assert (found.state, found.text) == expected


@pytest.mark.parametrize(
    "possible",
    [
        UsedGrant("billing", INVOICES, ""),
        UsedGrant("billing", "", "client"),
        UsedGrant("", INVOICES, "client"),
        UsedGrant("", "", "client"),
    ],
)
def test_an_event_that_may_be_a_use_makes_the_use_unknown(possible: UsedGrant) -> None:
    found = report(Usage(periods=seen((100, 0)), grants={possible: used(1), BILLING: used(95)}))
    expected = "not known: an event on 2026-11-27 does not show which grant was used, last used 2026-08-25"

    assert (found.state, found.text) == (UseState.UNKNOWN, expected)
    assert report(Usage(periods=seen((100, 0)), grants={possible: used(91)})).state is UseState.UNUSED
    assert report(Usage(periods=seen((100, 0)), grants={possible: used(1), BILLING: used(2)})).state is UseState.USED


@pytest.mark.parametrize(
    "other", [UsedGrant("portal", INVOICES, ""), UsedGrant("billing", "", "user"), UsedGrant("", "urn:x", "client")]
)
def test_an_event_of_another_grant_is_not_a_possible_use(other: UsedGrant) -> None:
    assert report(Usage(periods=seen((100, 0)), grants={other: used(1)})).state is UseState.UNUSED


def test_a_write_without_an_exchange_uses_a_token_from_the_time_before_the_logs() -> None:
    usage = Usage(periods=seen((100, 0)), writes={UsedOperation("billing", "POST /clients"): used(1)})

    assert report(usage, Key("billing", MANAGEMENT)).state is UseState.UNKNOWN
    assert report(usage, Key("portal", MANAGEMENT)).state is UseState.UNUSED
    assert report(usage).state is UseState.UNUSED


def test_a_write_of_an_unknown_application_makes_the_use_of_scopes_unknown() -> None:
    usage = Usage(periods=seen((100, 0)), writes={UsedOperation("", "POST /users"): used(1)})

    found = report(usage, Key("billing", MANAGEMENT), ("create:clients",))

    assert (found.state, [each.state for each in found.scopes]) == (UseState.UNKNOWN, [UseState.UNKNOWN])


def test_a_grant_with_a_scope_in_the_metrics_of_the_period_is_not_called_unused() -> None:
    usage = Usage(periods=seen((100, 0)), scopes={UsedScope("billing", INVOICES, "read:invoices"): ago(2)})

    assert report(usage).state is UseState.UNKNOWN
    assert report(usage, a_key("portal")).state is UseState.UNUSED


def test_without_a_time_no_grant_is_called_unused() -> None:
    found = report(Usage(periods=seen((100, 0))), length=None)

    assert (found.state, found.text) == (UseState.UNKNOWN, "not used in 100 days of logs")


@pytest.mark.parametrize(
    "key",
    [
        Key(None, INVOICES, default_for="third_party_clients"),
        a_key(subject_type="anonymous_user"),
        Key(None, INVOICES, other_holder="something new"),
    ],
    ids=["default", "anonymous", "other"],
)
def test_a_grant_that_events_do_not_name_is_never_called_unused(key: Key) -> None:
    found = report(Usage(periods=seen((100, 0))), key)

    assert found.state is UseState.UNKNOWN
    assert found.text.startswith("not known: ")


def test_users_and_applications_have_separate_uses() -> None:
    usage = Usage(periods=seen((100, 0)), grants={BILLING: used(1)})

    assert report(usage).state is UseState.USED
    assert report(usage, a_key(subject_type="user")).state is UseState.UNUSED


def scopes(usage: Usage, *names: str) -> dict[str, tuple[UseState, str]]:
    found = report(usage, Key("billing", MANAGEMENT), names)
    return {each.name: (each.state, each.text) for each in found.scopes}


def test_scopes_without_a_write_are_candidates_and_reads_are_not_known() -> None:
    writes = {
        UsedOperation("billing", "PATCH /clients/{id}"): used(3),
        UsedOperation("billing", "POST /users"): used(95),
        UsedOperation("other", "DELETE /users/{id}"): used(1),
    }

    assert scopes(
        Usage(periods=seen((100, 0)), writes=writes),
        *("update:clients", "create:users", "delete:users", "read:clients", "read:stats"),
    ) == {
        "update:clients": (UseState.USED, "last used 2026-11-25"),
        "create:users": (UseState.UNUSED, "no write request in 90 days"),
        "delete:users": (UseState.UNUSED, "no write request in 90 days"),
        "read:clients": (UseState.UNKNOWN, "not known: the logs do not show reads"),
        "read:stats": (UseState.UNKNOWN, "not known: the logs do not show reads"),
    }


def test_every_scope_that_allows_a_used_operation_is_used() -> None:
    usage = Usage(periods=seen((100, 0)), writes={UsedOperation("billing", "PATCH /clients/{id}"): used(3)})

    assert {state for state, _ in scopes(usage, "update:clients", "update:client_keys").values()} == {UseState.USED}


def test_no_scope_is_a_candidate_while_logs_are_missing_or_operations_unknown() -> None:
    unknown = {UsedOperation("billing", "?"): used(3)}

    assert scopes(Usage(periods=seen((30, 0))), "create:users") == {
        "create:users": (UseState.UNKNOWN, "not known, logs cover 30 of 90 days")
    }
    assert scopes(Usage(periods=seen((100, 0)), writes=unknown), "create:users")["create:users"][0] is UseState.UNKNOWN


def test_metrics_show_the_scopes_of_a_custom_api() -> None:
    metrics = {
        UsedScope("billing", INVOICES, "read:invoices"): ago(2),
        UsedScope("billing", INVOICES, "write:invoices"): ago(100),
    }
    usage = Usage(periods=seen((100, 0)), scopes=metrics)
    found = report(usage, scope=("read:invoices", "write:invoices", "void:invoices"))

    assert {each.name: each.state for each in found.scopes} == {
        "read:invoices": UseState.USED,
        "write:invoices": UseState.UNKNOWN,  # the metrics may be old
        "void:invoices": UseState.UNKNOWN,
    }
    assert report(Usage(periods=seen((100, 0)))).scopes == ()


def test_the_longest_unused_grants_come_first() -> None:
    grants = [an_observed(a_grant(a_key(name)), f"cgr_{name}") for name in ("b", "a", "c")]
    usage = Usage(grants={UsedGrant("a", INVOICES, "client"): used(1), UsedGrant("b", INVOICES, "client"): used(5)})

    found = grant_uses(grants, a_directory(), usage, UsageWindow(NOW, (), None), OPERATIONS)

    assert [each.key.client_id for each in found] == ["c", "b", "a"]
