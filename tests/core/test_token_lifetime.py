"""How long tokens keep access that a plan removes."""

import pytest
from support.builders import INVOICES, a_directory, a_grant, a_key, a_plan, a_spec, an_api, an_observed

from reconciler.core.directory import Api
from reconciler.core.plan import Plan
from reconciler.core.risks import find_grant_risks
from reconciler.core.token_lifetime import duration

MANAGEMENT = "https://test.example/api/v2/"
DAY = 86_400


def notes(plan: Plan) -> list[str]:
    return [each for each in plan.notes if each.startswith("tokens that were issued earlier")]


def plan_without(scope: str, api: Api, lifetime: int | None) -> Plan:
    """Return a plan that removes a scope of a grant on `api`."""
    before = an_observed(a_grant(a_key(audience=api.identifier), scope=[scope, "read:clients"]))
    directory = a_directory({"billing": "Billing"}, [Api(api.identifier, api.name, token_lifetime=lifetime)])
    return a_plan([a_spec(audience=api.identifier, scope=("read:clients",))], [before], directory)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "not known"), (0, "0 seconds"), (90, "90 seconds"), (3600, "1 hour"), (129_600, "36 hours")],
)
def test_durations_use_the_largest_unit_that_divides_them(seconds: int | None, text: str) -> None:
    assert duration(seconds) == text


def test_a_plan_that_narrows_says_how_long_tokens_keep_the_access() -> None:
    plan = plan_without("write:invoices", an_api(), 7200)

    assert notes(plan) == ["tokens that were issued earlier keep the removed access for up to 2 hours: Invoices API"]


def test_a_plan_that_deletes_says_so_too() -> None:
    plan = a_plan([], [an_observed()], a_directory({"billing": "Billing"}, [an_api(token_lifetime=DAY)]), prune=True)

    assert notes(plan) == ["tokens that were issued earlier keep the removed access for up to 1 day: Invoices API"]


def test_an_unknown_lifetime_is_called_unknown() -> None:
    plan = a_plan([], [an_observed()], a_directory({"billing": "Billing"}), prune=True)

    assert notes(plan) == [f"tokens that were issued earlier keep the removed access for an unknown time: {INVOICES}"]


def test_a_plan_that_only_widens_has_no_note() -> None:
    assert notes(a_plan([a_spec(scope=("read:invoices", "write:invoices"))], [an_observed()])) == []


@pytest.mark.parametrize(
    ("scope", "lifetime", "is_found"),
    [
        ("create:users", 2 * DAY, True),
        ("create:users", DAY, False),
        ("read:stats", 2 * DAY, False),
        ("read:stats", None, False),
    ],
)
def test_removing_a_critical_scope_is_a_risk_if_tokens_live_longer_than_a_day(
    scope: str, lifetime: int | None, *, is_found: bool
) -> None:
    plan = plan_without(scope, Api(MANAGEMENT, "Auth0 Management API"), lifetime)
    messages = [risk.message for risks in plan.risks.values() for risk in risks if risk.rule == "lasting-tokens"]

    expected = "tokens that were issued earlier keep critical scopes for up to 2 days: create:users"
    assert messages == ([expected] if is_found else [])


def test_removing_a_critical_scope_is_an_unknown_risk_if_the_lifetime_is_unknown() -> None:
    plan = plan_without("create:users", Api(MANAGEMENT, "Auth0 Management API"), None)

    [found] = [risk for risks in plan.risks.values() for risk in risks if risk.rule == "lasting-tokens"]
    assert not found.is_known
    assert found.message == (
        "it is not known how long tokens that were issued earlier keep critical scopes: create:users"
    )


def test_a_grant_that_exists_has_no_risk_of_lasting_tokens() -> None:
    directory = a_directory({}, [Api(MANAGEMENT, "Auth0 Management API", token_lifetime=2 * DAY)])
    grant = a_grant(a_key(audience=MANAGEMENT), scope=["create:users"])

    assert "lasting-tokens" not in [risk.rule for risk in find_grant_risks(grant, directory)]
