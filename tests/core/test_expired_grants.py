"""What plans do with grants that have expired, and with changed ends."""

from datetime import timedelta
from typing import Any

import pytest
from support.builders import (
    INVOICES,
    NOW,
    OWN,
    a_directory,
    a_grant,
    a_key,
    a_plan,
    a_spec,
    an_api,
    an_observed,
)

from reconciler.artifacts.deserialization import plan_from_json
from reconciler.artifacts.serialization import plan_json
from reconciler.core.directory import Application, Directory
from reconciler.core.grant import ObservedGrant
from reconciler.core.guards import ProtectionRules
from reconciler.core.pattern import ManagedScope, Pattern
from reconciler.core.plan import Delete, Origin, Plan, Reason, Update
from reconciler.core.policy import grant_data
from reconciler.core.resolve import resolve
from reconciler.core.settings import Limits, Policy, PolicyRule, Verdict
from reconciler.core.spec import GrantSpec
from reconciler.errors import ProblemsError

PAST, FUTURE = "2026-11-27", "2026-11-28"  # NOW is at noon of the second day


def test_the_clock_alone_decides_if_a_grant_has_expired() -> None:
    spec = a_spec(expires=FUTURE)

    today = a_plan([spec], [an_observed()])
    tomorrow = a_plan([spec], [an_observed()], now=NOW + timedelta(days=1))

    assert (today.changes, today.unchanged) == ((), 1)
    (delete,) = tomorrow.changes
    assert isinstance(delete, Delete)
    assert delete.expired == spec


def test_an_expired_grant_that_differs_is_deleted_not_updated() -> None:
    (change,) = a_plan([a_spec(expires=PAST, scope=("write:invoices",))], [an_observed()]).changes

    assert isinstance(change, Delete)


def test_an_expired_grant_is_not_created() -> None:
    plan = a_plan([a_spec(expires=PAST)])

    assert plan.converged
    assert [each.what for each in plan.warnings] == [f"expired {PAST}, and the tenant no longer has this grant"]


def many(count: int) -> tuple[list[GrantSpec], list[ObservedGrant]]:
    keys = [a_key(f"client-{number}") for number in range(count)]
    specs = [
        a_spec(line=2 + 10 * number, client_id=key.client_id, expires=PAST if number % 2 else FUTURE)
        for number, key in enumerate(keys)
    ]
    return specs, [an_observed(a_grant(key), f"cgr_{number}") for number, key in enumerate(keys)]


def test_limits_apply_to_expired_grants() -> None:
    specs, observed = many(10)

    blocked = a_plan(specs, observed)
    allowed = a_plan(specs, observed, limits=Limits(max_deletes=5))

    assert {each.reason for each in blocked.blocked} == {
        "limit: 5 deletes, more than 30 % of 10 declared or deleted grants; to allow this, use --max-deletes 5"
    }
    assert len(allowed.changes) == 5


def test_files_with_only_expired_grants_need_no_option() -> None:
    assert len(a_plan([a_spec(expires=PAST)], [an_observed()]).changes) == 1
    assert a_plan([a_spec(expires=PAST)], [an_observed()], prune=True).blocked


def test_a_policy_can_deny_the_delete() -> None:
    policy = Policy((PolicyRule("delete", Verdict.DENY),))

    assert a_plan([a_spec(expires=PAST)], [an_observed()], policy=policy).blocked


def test_with_prune_an_expired_grant_is_still_called_expired() -> None:
    other = an_observed(a_grant(a_key("other")), "cgr_2")

    changes = a_plan([a_spec(expires=PAST), a_spec(client_id="x")], [an_observed(), other], prune=True).changes

    assert {each.key.client_id: bool(each.expired) for each in changes if isinstance(each, Delete)} == {
        "billing": True,
        "other": False,
    }


def test_a_grant_that_is_declared_again_by_name_is_a_problem() -> None:
    directory = a_directory({"billing": "Billing"}, [an_api()])
    specs = [a_spec(expires=PAST), a_spec(line=9, client="Billing")]

    with pytest.raises(ProblemsError) as caught:
        a_plan(specs, [an_observed()], directory)

    assert "already declared" in str(caught.value.problems[0].what)


def test_an_expired_name_that_two_applications_have_is_a_problem() -> None:
    directory = a_directory({"a": "Billing", "b": "Billing"}, [an_api()])

    with pytest.raises(ProblemsError):
        a_plan([a_spec(client="Billing", expires=PAST)], [], directory)


THIRD_PARTY = Directory((Application("billing", "Billing", is_third_party=True),))


@pytest.mark.parametrize(
    ("spec", "managed", "deletes"),
    [
        (a_spec(client="Billing", expires=PAST), (), False),
        (a_spec(client="Billing", expires=PAST), (Pattern(client_id="billing"),), True),
        (a_spec(client_id="billing", expires=PAST), (), True),
    ],
    ids=["by name", "by name and in manage", "by id"],
)
def test_the_grant_of_a_third_party_needs_its_client_id(
    spec: GrantSpec,
    managed: tuple[Pattern, ...],
    deletes: bool,  # noqa: FBT001
) -> None:
    protection = ProtectionRules(OWN, managed_scope=ManagedScope(managed))

    plan = a_plan([spec], [an_observed()], THIRD_PARTY, protection=protection)

    assert bool(plan.changes) is deletes
    assert [each.reason for each in plan.left_alone] == ([] if deletes else [Reason.THIRD_PARTY])
    assert any("but reconciler does not delete the grant" in each.what for each in plan.warnings) is not deletes


def test_an_unknown_owner_counts_as_a_third_party() -> None:
    directory = Directory((Application("billing", "Billing", is_third_party=None),))

    assert not a_plan([a_spec(client="Billing", expires=PAST)], [an_observed()], directory).changes


def test_a_value_that_no_file_can_express_is_kept() -> None:
    observed = an_observed(a_grant(organization_usage="of-the-future"))

    plan = a_plan([a_spec(expires=PAST)], [observed])

    assert [each.reason for each in plan.left_alone] == [Reason.NOT_EXPRESSIBLE]


def test_an_expired_declaration_that_the_branch_removes_is_reported() -> None:
    plan = a_plan([a_spec(client_id="x")], [an_observed()], base=(a_spec(expires=PAST), a_spec(client_id="x")))

    assert [each.key for each in plan.no_longer_declared] == [a_key()]


@pytest.mark.parametrize(
    ("base", "origin"),
    [
        (a_spec(expires=PAST), Origin.EXPIRED),
        (a_spec(expires="2999-12-31"), Origin.BRANCH),
        (a_spec(), Origin.BRANCH),
        (a_spec(scope=("write:invoices",)), Origin.BOTH),
    ],
    ids=["expired", "shortened", "new end", "changed tenant"],
)
def test_an_expired_grant_has_an_origin(base: GrantSpec, origin: Origin) -> None:
    plan = a_plan([a_spec(expires=PAST)], [an_observed()], base=(base,))

    assert plan.origins == {a_key(): origin}


def test_a_new_declaration_that_has_expired_is_not_drift() -> None:
    plans = [
        a_plan([a_spec(expires=PAST)], [an_observed()], base=(), only_branch=only_branch)
        for only_branch in (False, True)
    ]

    assert [each.origins for each in plans] == [{a_key(): Origin.BOTH}] * 2
    assert [len(each.changes) for each in plans] == [1, 1]


@pytest.mark.parametrize(("base", "shown"), [((), [f"expires {FUTURE}, had no end"]), (None, [])])
def test_a_new_declaration_shows_the_end_of_an_unchanged_grant(base: tuple[()] | None, shown: list[str]) -> None:
    plan = a_plan([a_spec(expires=FUTURE)], [an_observed()], base=base)

    assert not plan.changes
    assert [str(each) for each in plan.expiry_changes] == shown


def test_only_branch_leaves_out_deletes_of_expired_grants() -> None:
    plan = a_plan([a_spec(expires=PAST)], [an_observed()], base=(a_spec(expires=PAST),), only_branch=True)

    assert not plan.changes
    assert [each.reason for each in plan.left_alone] == [Reason.EXPIRED]
    assert plan.differing == 1


def test_a_renewed_grant_that_is_gone_is_created_by_the_branch() -> None:
    plan = a_plan([a_spec(expires=FUTURE)], [], base=(a_spec(expires=PAST),))

    assert plan.origins == {a_key(): Origin.BRANCH}
    assert [str(each) for each in plan.expiry_changes] == [f"expires {FUTURE}, was {PAST}"]


def test_only_expired_grants_are_deleted() -> None:
    specs = [
        a_spec(expires=PAST),
        a_spec(client_id="changed", scope=("write:invoices",)),
        a_spec(client_id="missing"),
    ]
    observed = [an_observed(), an_observed(a_grant(a_key("changed")), "cgr_2"), an_observed(a_grant(a_key("x")), "x")]

    plan = a_plan(specs, observed, only_expired=True)

    assert [each.key.client_id for each in plan.changes] == ["billing"]
    assert plan.differing == 2
    assert [each.reason for each in plan.left_alone] == [Reason.UNMANAGED]


MANAGEMENT = "https://test.example/api/v2/"
CRITICAL = ("create:client_grants",)


def critical(expires: str = "", **fields: Any) -> GrantSpec:
    end = {"expires": expires} if expires else {}
    return a_spec(**{"audience": MANAGEMENT, "scope": CRITICAL, **end, **fields})


def temporary(verdict: Verdict = Verdict.DENY, max_days: int | None = 30) -> Policy:
    return Policy((PolicyRule("temporary-access", verdict, max_days=max_days),))


def rules_of(plan: Plan) -> set[str]:
    return {risk.rule for risks in plan.risks.values() for risk in risks}


@pytest.mark.parametrize(
    ("expires", "max_days", "denied"),
    [
        ("", 30, True),
        ("", None, True),
        ("2026-12-28", 30, False),
        ("2026-12-29", 30, True),
        ("2999-12-31", None, False),
    ],
)
def test_critical_scopes_can_require_an_end(expires: str, max_days: int | None, denied: bool) -> None:  # noqa: FBT001
    plan = a_plan([critical(expires)], policy=temporary(max_days=max_days))

    assert bool(plan.blocked) is denied
    assert ("temporary-access" in rules_of(plan)) is denied


def test_without_an_item_of_the_policy_no_end_is_required() -> None:
    assert "temporary-access" not in rules_of(a_plan([critical()]))
    assert "temporary-access" not in rules_of(a_plan([a_spec()], policy=temporary()))


def test_an_exception_by_client_id_wins_if_it_comes_first() -> None:
    exception = PolicyRule("temporary-access", Verdict.ALLOW, Pattern(client_id="billing"))
    policy = Policy((exception, *temporary().rules))

    assert not a_plan([critical()], policy=policy).blocked
    assert a_plan([critical(client_id="other")], policy=policy).blocked


def test_of_two_policies_the_stricter_one_decides() -> None:
    policy = Policy(temporary(Verdict.WARN, 90).rules, others=(temporary(Verdict.DENY, 30).rules,))

    assert a_plan([critical("2027-01-15")], policy=policy).blocked
    assert not a_plan([critical("2026-12-15")], policy=policy).risks.get(a_key(audience=MANAGEMENT), ())[2:]


def held(scope: tuple[str, ...] = CRITICAL) -> ObservedGrant:
    return an_observed(a_grant(a_key("billing", MANAGEMENT), scope))


def test_an_existing_grant_gets_a_warning_and_its_scopes_can_be_removed() -> None:
    narrowing = critical()
    observed = held((*CRITICAL, "read:users"))

    plan = a_plan([narrowing], [observed], policy=temporary())

    assert [type(each) for each in plan.changes] == [Update]
    assert any(each.what.startswith("temporary-access: does not expire") for each in plan.warnings)


@pytest.mark.parametrize(("expires", "denied"), [("2999-12-31", True), ("", True), ("2026-12-15", False)])
def test_an_extension_is_denied_although_the_tenant_does_not_change(expires: str, denied: bool) -> None:  # noqa: FBT001
    base = (critical("2026-12-01"),)

    plan = a_plan([critical(expires)], [held()], base=base, policy=temporary())

    assert not plan.changes
    assert bool(plan.blocked) is denied
    assert len(plan.expiry_changes) == 1


def test_a_first_declaration_with_a_late_end_is_not_an_extension() -> None:
    plan = a_plan([critical("2999-12-31")], [held()], base=(a_spec(),), policy=temporary())

    assert (plan.blocked, len(plan.expiry_changes)) == ((), 1)


def test_an_extension_that_the_policy_warns_of_is_not_a_change() -> None:
    base = (critical("2026-12-01"),)

    plan = a_plan([critical("2999-12-31")], [held()], base=base, policy=temporary(Verdict.WARN))

    assert not plan.changes
    assert not plan.blocked
    assert "temporary-access" in rules_of(plan)


def test_plans_show_ends_to_policy_schemas() -> None:
    specs = (a_spec(expires=FUTURE), a_spec(line=9, client_id="x"))
    with_end, without = resolve(specs, Directory())[0]

    assert grant_data(with_end, Directory())["expires"] == FUTURE
    assert "expires" not in grant_data(without, Directory())
    assert with_end.key.audience == INVOICES


OTHER_API = "https://api.example.com/customers"


@pytest.mark.parametrize(
    ("fields", "others", "candidates"),
    [
        ({"client": "Old name"}, [], 1),
        ({"client": "Old name", "audience": OTHER_API}, [], 0),
        ({"client": "Old name", "subject_type": "user"}, [], 0),
        ({"client_id": "billing", "api": "Old API"}, [], 1),
        ({"client_id": "portal", "api": "Old API"}, [], 0),
        ({"client": "Old name", "api": "Old API"}, [], 1),
        ({"client": "Old name"}, [a_spec(20)], 0),
        ({"client": "Old name"}, [a_spec(20, expires=PAST)], 0),
    ],
    ids=[
        *("application", "other-api", "other-subject", "api", "other-application", "both"),
        *("declared-elsewhere", "expired-elsewhere"),
    ],
)
@pytest.mark.parametrize("only_expired", [True, False])
def test_an_expired_grant_with_an_unknown_name_may_be_an_undeclared_grant(
    fields: dict[str, Any], others: list[GrantSpec], candidates: int, *, only_expired: bool
) -> None:
    """The own grant is never meant, although it is not declared either."""
    applications = {"billing": "New name", "portal": "Portal", "own-client": "Reconciler"}
    directory = a_directory(applications, [an_api(name="New API"), an_api(OTHER_API, "Customers API")])
    observed = [an_observed(), an_observed(a_grant(OWN), grant_id="cgr_0000000000000002")]

    plan = a_plan([a_spec(expires=PAST, **fields), *others], observed, directory, only_expired=only_expired)

    assert plan.expired_unknown == candidates
    assert plan.converged == (not candidates and not plan.changes)
    (warning, *_) = plan.warnings
    assert ("the grant may be New name -> New API" in warning.fix) == bool(candidates)
    assert "no longer has this grant" in warning.what or candidates
    assert plan_from_json(plan_json(plan)).expired_unknown == candidates


def test_the_own_grant_is_never_the_renamed_grant_of_an_expired_declaration() -> None:
    spec = a_spec(client="Renamed", client_id=None, audience=OWN.audience, expires=PAST)
    other = an_observed(a_grant(OWN._replace(client_id="other")), "cgr_2")
    own = an_observed(a_grant(OWN), "cgr_1")

    assert a_plan([spec], [own]).expired_unknown == 0
    assert a_plan([spec], [own, other]).expired_unknown == 1
