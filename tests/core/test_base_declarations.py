"""Tests for grants that the base revision declares under names that the tenant no longer has."""

from typing import Any

import pytest
from support.builders import (
    INVOICES,
    NOW,
    a_directory,
    a_grant,
    a_key,
    a_plan,
    a_spec,
    an_api,
    an_observed,
)

from reconciler.core.base_declarations import resolve_base
from reconciler.core.directory import Directory
from reconciler.core.plan import Origin, Plan, Reason
from reconciler.core.resolve import resolve
from reconciler.core.settings import Policy, PolicyRule, Verdict

OLD = a_spec(client="Old Billing")
DENY = Policy((PolicyRule("removal-without-effect", Verdict.DENY),))
ACME = "org_acmeacmeacmeacme"


def directory() -> Directory:
    """Return a tenant in which the application `Old Billing` was renamed to `Billing`."""
    return a_directory({"billing": "Billing"}, [an_api()], {ACME: "acme"})


def blocked(plan: Plan) -> list[str]:
    return [each.reason for each in plan.blocked]


def test_a_missing_organization_at_the_base_does_not_hide_a_removal() -> None:
    observed = an_observed(a_grant(organization_usage="allow", organizations=frozenset({ACME})))
    base = [a_spec(client="Billing", organization_usage="allow", organizations=("acme", "deleted"))]

    plan = a_plan([], [observed], directory(), base=base)

    assert [each.observed for each in plan.no_longer_declared] == [observed]
    assert blocked(a_plan([], [observed], directory(), base=base, policy=DENY)) == [
        "policy: removal-without-effect is denied"
    ]


def test_a_removed_declaration_with_an_old_name_is_noted() -> None:
    plan = a_plan([], [an_observed()], directory(), base=[OLD])

    assert plan.no_longer_declared == ()
    assert [each.reason for each in plan.left_alone] == [Reason.UNMANAGED]
    assert any("could not be compared" in note and "Old Billing" in note for note in plan.notes)
    assert plan.risks == {}


def test_a_denied_removal_is_denied_for_each_grant_that_an_old_name_may_mean() -> None:
    plan = a_plan([], [an_observed()], directory(), base=[OLD], policy=DENY)

    assert blocked(plan) == ["policy: removal-without-effect is denied"]
    (risks,) = plan.risks.values()
    assert [each.is_known for each in risks] == [False]


@pytest.mark.parametrize(
    "fields",
    [{"audience": "https://other.example.com"}, {"subject_type": "user"}],
    ids=["another-api", "another-subject-type"],
)
def test_a_grant_that_an_old_name_cannot_mean_is_not_denied(fields: dict[str, Any]) -> None:
    base = a_spec(client="Old Billing", **fields)
    apis = [an_api(), an_api("https://other.example.com", "Other API")]
    plan = a_plan([], [an_observed()], a_directory({"billing": "Billing"}, apis), base=[base], policy=DENY)

    assert plan.blocked == ()


def test_a_declaration_that_the_files_still_contain_is_not_removed() -> None:
    plan = a_plan([OLD], [an_observed()], directory(), base=[OLD], policy=DENY, skip_missing=True)

    assert plan.blocked == ()
    assert not any("could not be compared" in note for note in plan.notes)


def test_a_later_expiry_date_under_a_new_name_is_a_change_of_the_expiry_date() -> None:
    base = [a_spec(client="Old Billing", expires="2027-01-31")]
    new = a_spec(client="Billing", expires="2037-01-31")

    plan = a_plan([new], [an_observed()], directory(), base=base)

    assert [(each.before, each.after) for each in plan.expiry_changes] == [("2027-01-31", "2037-01-31")]
    assert a_plan([new], [], directory(), base=base).expiry_changes == ()  # a new grant has no earlier expiry date


def test_the_earliest_of_several_possible_expiry_dates_counts() -> None:
    base = [
        a_spec(client="Old second", expires="2028-01-31"),
        a_spec(client="Old first", expires="2027-01-31"),
        a_spec(client="Old permanent"),
    ]
    base_declarations = resolve_base(base, (), directory(), NOW)
    (desired,), _ = resolve([a_spec(client="Billing")], directory())

    found = base_declarations.with_renamed([desired], [an_observed()])

    assert [each.spec.expires for each in found.values()] == ["2027-01-31"]
    assert found.keys() == {desired.key}


def test_values_that_files_cannot_express_do_not_turn_drift_into_a_change_of_the_branch() -> None:
    spec = a_spec(scope=("read:invoices",), audience=INVOICES)
    observed = an_observed(a_grant(scope=("write:invoices", "##OLD##")))

    plan = a_plan([spec], [observed], base=[spec])

    assert set(plan.origins.values()) == {Origin.DRIFT}
    assert a_plan([spec], [observed], base=[spec], only_branch=True).changes == ()


def test_a_second_declaration_of_a_grant_at_the_base_is_identified() -> None:
    base = [a_spec(client="Billing"), a_spec(9, client_id="billing")]

    assert resolve_base(base, (), directory(), NOW).unidentified == ()


def test_each_grant_that_unknown_names_may_mean_is_denied() -> None:
    base = [a_spec(client=f"Old application {number}") for number in range(1000)]
    observed = [an_observed(a_grant(a_key(f"id{number}"))) for number in range(1000)]
    tenant = a_directory({f"id{number}": f"Application {number}" for number in range(1000)}, [an_api()])

    assert len(a_plan([], observed, tenant, base=base, policy=DENY).blocked) == 1000
