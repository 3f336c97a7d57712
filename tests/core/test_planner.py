from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.builders import (
    OWN,
    TENANT,
    a_directory,
    a_grant,
    a_key,
    a_plan,
    a_spec,
    an_api,
    an_observed,
    rules,
    spec_of,
)
from support.strategies import files, scopes, tenants

from reconciler.core.directory import Directory, TenantList
from reconciler.core.expressible import keep_inexpressible_values, reason_not_expressible
from reconciler.core.grant import ClientGrant, Key, ObservedGrant
from reconciler.core.guards import ProtectionRules
from reconciler.core.pattern import ManagedScope, Pattern, Protect
from reconciler.core.plan import Create, Delete, Origin, Plan, Reason, Update, grant_after
from reconciler.core.planner import Observation, make_plan
from reconciler.core.problems import Severity
from reconciler.core.selection import GrantSelection
from reconciler.core.settings import Limits
from reconciler.core.spec import GrantSpec
from reconciler.errors import ProblemsError

ANOTHER = a_grant(a_key("another"))


@pytest.mark.parametrize(("number", "deletes"), [(None, 0), (0, 0), (1, 1)])
def test_an_empty_desired_state_needs_max_deletes(number: int | None, deletes: int) -> None:
    plan = a_plan([], [an_observed()], prune=True, limits=Limits(deletes_percent=100, max_deletes=number))

    assert (len(plan.changes), len(plan.blocked)) == (deletes, 1 - deletes)
    assert not a_plan([], [an_observed()]).changes


def test_all_problems_are_reported_together() -> None:
    directory = a_directory({"x": "X"}, [])

    with pytest.raises(ProblemsError) as caught:
        a_plan([a_spec(client="Y"), a_spec(line=9, client_id="x")], directory=directory)

    assert [problem.what for problem in caught.value.problems] == [
        'the tenant has no application named "Y"',
        'the tenant has no API with identifier "https://api.example.com/invoices"',
    ]


def test_an_organization_over_its_limit_stops_the_plan() -> None:
    acme = "org_acmeacmeacmeacme"
    spec = a_spec(organization_usage="allow", organizations=(acme,))
    observation = Observation((), Directory(), organization_grants={acme: 100})

    with pytest.raises(ProblemsError) as caught:
        make_plan([spec], observation, rules(), TENANT)

    assert [problem.fix.split(";")[0] for problem in caught.value.problems] == ["remove grants from the organization"]
    assert make_plan([spec], observation, rules(limits=Limits(organization_grants=101)), TENANT).changes


def test_undeclared_grants_are_left_alone() -> None:
    plan = a_plan([a_spec()], [an_observed(), an_observed(ANOTHER)])

    assert plan.converged
    assert [(each.observed.key, each.reason) for each in plan.left_alone] == [(ANOTHER.key, Reason.UNMANAGED)]


def test_prune_deletes_undeclared_grants() -> None:
    plan = a_plan([a_spec()], [an_observed(), an_observed(ANOTHER)], prune=True)

    assert plan.changes == (Delete(an_observed(ANOTHER)),)


def test_prune_keeps_system_own_and_protected_grants() -> None:
    protection = ProtectionRules(OWN, (Protect(client_id="p*"),))
    observed = [
        an_observed(a_grant(a_key("s")), is_system=True),
        an_observed(a_grant(OWN)),
        an_observed(a_grant(a_key("p"))),
    ]

    plan = a_plan([a_spec()], [an_observed(), *observed], prune=True, protection=protection)

    assert plan.converged
    assert {each.observed.key.client_id: str(each.reason) for each in plan.left_alone} == {
        "s": "system",
        "own-client": "own",
        "p": "protected",
    }


OURS = ProtectionRules(OWN, managed_scope=ManagedScope((Pattern(client_id="billing"), Pattern(client_id="old*"))))


def test_prune_keeps_unmanaged_grants() -> None:
    old = an_observed(a_grant(a_key("old")))

    plan = a_plan([a_spec()], [an_observed(), old, an_observed(ANOTHER)], prune=True, protection=OURS)

    assert plan.changes == (Delete(old),)
    assert [(each.observed.key, each.reason) for each in plan.left_alone] == [(ANOTHER.key, Reason.OUTSIDE)]


def test_a_declared_unmanaged_grant_is_a_problem_at_its_line() -> None:
    with pytest.raises(ProblemsError) as caught:
        a_plan([a_spec(), a_spec(line=9, client_id="another")], [an_observed(ANOTHER)], protection=OURS)

    assert [f"{problem.source}: {problem.message}" for problem in caught.value.problems] == [
        (
            "grants/a.yaml:9:5: `manage` in reconciler.yaml does not match this grant; "
            "add the grant to `manage`, or remove the declaration"
        ),
    ]


def test_limits_count_only_managed_grants() -> None:
    specs = [a_spec(client_id="billing")]
    old = [an_observed(a_grant(a_key(f"old{number}"))) for number in range(9)]
    outside = [an_observed(a_grant(a_key(f"other{number}"))) for number in range(90)]

    plan = a_plan(specs, [an_observed(), *old, *outside], prune=True, protection=OURS)

    assert {each.reason for each in plan.blocked} == {
        "limit: 9 deletes, more than 30 % of 10 declared or deleted grants; to allow this, use --max-deletes 9",
    }


def test_a_declared_change_of_a_protected_grant_is_blocked() -> None:
    protection = ProtectionRules(OWN, (Protect(client_id="billing"),))

    plan = a_plan([a_spec(scope=("other",))], [an_observed()], protection=protection)

    assert (plan.changes, len(plan.blocked), plan.converged) == ((), 1, False)


def test_a_declared_grant_that_is_protected_and_equal_is_unchanged() -> None:
    protection = ProtectionRules(OWN, (Protect(client_id="billing"),))

    assert a_plan([a_spec()], [an_observed()], protection=protection).unchanged == 1


def test_create_only_leaves_and_counts_different_grants() -> None:
    plan = a_plan([a_spec(scope=("x",)), a_spec(client_id="new")], [an_observed()], create_only=True)

    assert [type(change) for change in plan.changes] == [Create]
    assert plan.differing == 1


def test_limits_count_declared_grants_and_deletes() -> None:
    specs = [a_spec(client_id=f"app{number}") for number in range(7)]
    observed = [an_observed(a_grant(a_key(f"app{number}"))) for number in range(11)]

    assert len(a_plan(specs, observed, prune=True).blocked) == 4
    assert len(a_plan(specs, observed, prune=True, limits=Limits(max_deletes=4)).changes) == 4


def declared(desired: dict[Key, ClientGrant], tenant: dict[Key, ClientGrant]) -> dict[Key, ClientGrant]:
    """Return the expected grants with declared keys after an apply. Inexpressible values are kept."""
    return {key: keep_inexpressible_values(grant, tenant.get(key, ClientGrant(key))) for key, grant in desired.items()}


def state_after(plan: Plan, tenant: dict[Key, ClientGrant]) -> dict[Key, ClientGrant]:
    after = dict(tenant)
    for change in plan.changes:
        grant = grant_after(change)
        match change:
            case Create():
                assert change.key not in after
            case Update() | Delete():
                assert after.pop(change.key) == change.before.grant
        if grant is not None:
            after[change.key] = grant
    return after


@given(files().filter(bool), tenants(), st.booleans())
def test_after_applying_the_tenant_equals_the_desired_state(
    desired: dict[Key, ClientGrant],
    tenant: dict[Key, ClientGrant],
    prune: object,
) -> None:
    observed = [ObservedGrant(f"cgr_{number}", grant) for number, grant in enumerate(tenant.values())]

    plan = a_plan([spec_of(grant) for grant in desired.values()], observed, prune=bool(prune))

    undeclared = {key: grant for key, grant in tenant.items() if key not in desired}
    kept = {key: grant for key, grant in undeclared.items() if not prune or reason_not_expressible(grant)}
    assert state_after(plan, tenant) == {**kept, **declared(desired, tenant)}


@given(files(), tenants(), st.sampled_from(["a", "[ab]", "*"]), st.sampled_from(["client", "*"]))
def test_after_applying_managed_grants_are_as_declared_and_others_are_unchanged(
    declaring: dict[Key, ClientGrant],
    tenant: dict[Key, ClientGrant],
    client_id: str,
    subject_type: str,
) -> None:
    managed_scope = ManagedScope((Pattern(client_id=client_id, subject_type=subject_type),))
    managed = {key: grant for key, grant in declaring.items() if managed_scope.includes(key, Directory())}
    assume(managed)
    observed = [ObservedGrant(f"cgr_{number}", grant) for number, grant in enumerate(tenant.values())]
    protection = ProtectionRules(OWN, managed_scope=managed_scope)

    plan = a_plan([spec_of(grant) for grant in managed.values()], observed, prune=True, protection=protection)

    others = {
        key: grant
        for key, grant in tenant.items()
        if not managed_scope.includes(key, Directory()) or (key not in managed and reason_not_expressible(grant))
    }
    assert state_after(plan, tenant) == {**others, **declared(managed, tenant)}
    assert {each.observed.key for each in plan.left_alone} == set(others)


@given(files().filter(bool), tenants(), st.randoms(use_true_random=False))
def test_the_order_of_files_and_listings_does_not_matter(
    desired: dict[Key, ClientGrant],
    tenant: dict[Key, ClientGrant],
    random: Random,
) -> None:
    specs = [spec_of(grant) for grant in desired.values()]
    observed = [ObservedGrant(f"cgr_{number}", grant) for number, grant in enumerate(tenant.values())]

    plan = a_plan(specs, observed)
    random.shuffle(specs)
    random.shuffle(observed)

    assert a_plan(specs, observed) == plan


def test_an_item_of_protect_that_matches_no_grant_is_noted() -> None:
    protect = (Protect(client_id="billing"), Protect(client_id="biling", audience="https://*"))

    plan = a_plan(
        [a_spec()],
        [an_observed()],
        a_directory({"billing": "Billing"}, [an_api()]),
        protection=ProtectionRules(OWN, protect),
    )

    assert plan.notes == (
        'protect matches no grant: client_id "biling", audience "https://*"; did you mean "billing"?',
    )


def test_skipped_checks_are_noted_by_reason() -> None:
    refused = Directory(refused=frozenset({TenantList.APPLICATIONS}))

    assert a_plan([a_spec(), a_spec(client_id="portal")], directory=refused).notes == (
        (
            "not checked, because the token lacks the permission read:clients to list applications: "
            "the application exists (2 grants); the application can hold grants (2 grants); "
            "no third party has access to Auth0's own APIs (2 grants)"
        ),
        "not checked, because APIs were not listed: the API exists (2 grants); the API defines the scopes (2 grants)",
    )


def test_a_grant_whose_holder_may_be_a_third_party_is_not_pruned() -> None:
    plan = a_plan([a_spec()], [an_observed(), an_observed(a_grant(a_key("gone")))], Directory(), prune=True)

    assert plan.changes == ()
    assert [each.reason for each in plan.left_alone] == [Reason.THIRD_PARTY]


def test_an_undefined_scope_in_a_snapshot_is_a_warning() -> None:
    directory = a_directory(None, [an_api()])

    plan = a_plan([a_spec(scope=("gone",), is_snapshot=True)], directory=directory)

    assert [problem.severity for problem in plan.warnings] == ["warning"]
    with pytest.raises(ProblemsError):
        a_plan([a_spec(scope=("gone",))], directory=directory)


def test_skip_missing_skips_grants_that_refer_to_something_missing() -> None:
    directory = a_directory({"billing": "Billing"}, [an_api()])
    specs = [a_spec(), a_spec(line=9, client_id="gone")]

    plan = a_plan(specs, directory=directory, skip_missing=True)

    assert [change.key.client_id for change in plan.changes] == ["billing"]
    assert plan.skipped == 1
    assert not plan.converged
    assert [warning.severity for warning in plan.warnings] == [Severity.WARNING]


def test_skip_missing_does_not_skip_other_problems() -> None:
    directory = a_directory({"billing": "Billing"}, [an_api()])

    with pytest.raises(ProblemsError):
        a_plan([a_spec(scope=("undefined",))], directory=directory, skip_missing=True)


def test_skip_missing_skips_grants_of_missing_organizations() -> None:
    acme, nobody = "org_acmeacmeacmeacme", "org_nobodynobodynobo"
    specs = [a_spec(organizations=(acme,)), a_spec(line=200, client_id="other", organizations=(acme, nobody))]
    observation = Observation((), Directory(), organization_grants={acme: 0, nobody: None})

    plan = make_plan(specs, observation, rules(skip_missing=True), TENANT)

    assert ([change.key for change in plan.changes], plan.skipped) == ([a_key()], 1)
    assert [str(problem.source) for problem in plan.warnings] == ["grants/a.yaml:281:9"]


@pytest.mark.parametrize(("declared", "skipped", "blocks"), [(10, 0, True), (9, 0, False), (9, 1, True)])
def test_the_update_limit_counts_declared_grants_and_no_undeclared_grants(
    declared: int, skipped: int, *, blocks: bool
) -> None:
    specs = [a_spec(line, client_id=f"c{line}", scope=()) for line in range(declared)]
    specs += [a_spec(500, client_id="other0", organizations=("org_nobodynobodynobo",))] * skipped
    undeclared = [an_observed(a_grant(a_key(f"other{number}"))) for number in range(100)]
    observed = [*undeclared, *(an_observed(a_grant(a_key(f"c{line}"))) for line in range(declared))]
    limits = Limits(deletes_percent=100)
    observation = Observation(tuple(observed), Directory(), organization_grants={"org_nobodynobodynobo": None})

    plan = make_plan(specs, observation, rules(skip_missing=True, limits=limits), TENANT)

    assert (len(plan.changes), len(plan.blocked)) == ((0, declared) if blocks else (declared, 0))
    assert all("more than 50 % of 10 declared or deleted grants" in each.reason for each in plan.blocked)


@pytest.mark.parametrize("listed", [{}, None], ids=["organizations listed", "organizations not listed"])
@pytest.mark.parametrize("more", [{}, {"base": (a_spec(),)}, {"prune": True}], ids=["alone", "base", "prune"])
def test_a_skipped_grant_of_the_tenant_is_neither_unmanaged_nor_deleted(
    listed: dict[str, str] | None, more: dict[str, Any]
) -> None:
    nobody = "org_nobodynobodynobo"
    specs = [a_spec(organizations=(nobody,)), a_spec(line=200, client_id="other")]
    directory = a_directory({"billing": "Billing", "other": "Other"}, None, listed)
    observation = Observation((an_observed(),), directory, organization_grants={nobody: None})
    selection = GrantSelection(clients=("*",))

    plan = make_plan(specs, observation, rules(skip_missing=True, selection=selection, **more), TENANT)

    assert ([change.key for change in plan.changes], plan.skipped) == ([a_key("other")], 1)
    assert (plan.blocked, plan.left_alone, plan.no_longer_declared) == ((), (), ())
    assert plan.selection
    assert plan.selection.selected == len(specs)


def test_prune_deletes_a_default_grant_only_if_manage_has_items() -> None:
    default = an_observed(a_grant(a_key(None, default_for="third_party_clients")))
    managed_scope = ManagedScope((Pattern(audience="https://*"),))

    without_manage = a_plan([a_spec()], [an_observed(), default], prune=True)
    pruned = a_plan(
        [a_spec()], [an_observed(), default], prune=True, protection=ProtectionRules(OWN, managed_scope=managed_scope)
    )

    assert [each.reason for each in without_manage.left_alone] == [Reason.THIRD_PARTY]
    assert pruned.changes == (Delete(default),)


def test_an_unlisted_application_may_be_a_third_party() -> None:
    directory = a_directory({"billing": "Billing"})
    stray = an_observed(a_grant(a_key("registered-meanwhile")))

    plan = a_plan([a_spec()], [an_observed(), stray], directory, prune=True)

    assert plan.changes == ()
    assert [each.reason for each in plan.left_alone] == [Reason.THIRD_PARTY]


@pytest.mark.parametrize(
    ("organizations", "notes_expected"), [(None, 1), (("org_aaaaaaaaaaaaaaaa",), 0)], ids=["undeclared", "declared"]
)
def test_admitting_undeclared_organizations_is_noted(
    organizations: tuple[str, ...] | None, notes_expected: int
) -> None:
    spec = a_spec(organization_usage="allow", organizations=organizations)

    notes = a_plan([spec], [an_observed()]).notes

    assert sum("1 grant will no longer deny organizations" in note for note in notes) == notes_expected


KEPT = a_spec(client_id="kept")
THERE = an_observed(a_grant(a_key("kept")))
Scopes = Iterable[str] | None


def specs(scope: Scopes) -> tuple[GrantSpec, ...]:
    return (KEPT,) if scope is None else (KEPT, a_spec(scope=tuple(scope)))


def plan(base: Scopes, tenant: Scopes, files: Scopes, *, only_branch: bool = False) -> Plan:
    """Plan one grant. The arguments are its scopes in each place, or None if the grant is missing there."""
    observed = [THERE] if tenant is None else [THERE, an_observed(a_grant(scope=tenant))]
    return a_plan(specs(files), observed, base=specs(base), only_branch=only_branch, prune=True)


@pytest.mark.parametrize(
    ("base", "tenant", "files", "origin"),
    [
        (None, None, "a", Origin.BRANCH),
        ("a", "a", "ab", Origin.BRANCH),
        ("a", "a", None, Origin.BRANCH),
        ("a", "b", "a", Origin.DRIFT),
        ("a", None, "a", Origin.DRIFT),
        (None, "a", None, Origin.DRIFT),
        ("a", "b", "c", Origin.BOTH),
        ("a", None, "c", Origin.BOTH),
        ("a", "b", None, Origin.BOTH),
        (None, "a", "b", Origin.BOTH),
    ],
    ids=[
        "declared-first",
        "declaration-changed",
        "no-longer-declared",
        "changed-by-hand",
        "deleted-by-hand",
        "created-by-hand",
        "changed-in-both",
        "changed-in-files-deleted-in-tenant",
        "removed-from-files-changed-in-tenant",
        "created-by-hand-and-declared-differently",
    ],
)
def test_each_change_has_an_origin(base: Scopes, tenant: Scopes, files: Scopes, origin: Origin) -> None:
    assert plan(base, tenant, files).origins == {a_key(): origin}


def test_without_a_base_there_are_no_origins() -> None:
    assert a_plan([a_spec()]).origins == {}


@given(base=st.none() | scopes, tenant=st.none() | scopes, files=st.none() | scopes)
def test_only_branch_omits_exactly_the_drift(base: Scopes, tenant: Scopes, files: Scopes) -> None:
    full, partial = plan(base, tenant, files), plan(base, tenant, files, only_branch=True)

    moved = base != files
    assert partial.changes == (full.changes if moved else ())
    assert set(partial.origins.values()) <= {Origin.BRANCH, Origin.BOTH}
    assert partial.converged == (full.converged or not moved)


def test_omitted_drift_is_counted() -> None:
    changed, made = plan("a", "b", "a", only_branch=True), plan(None, "a", None, only_branch=True)

    assert (changed.differing, changed.left_alone) == (1, ())
    assert (made.differing, [each.reason for each in made.left_alone]) == (0, [Reason.UNMANAGED])


def test_omitted_drift_does_not_count_for_limits() -> None:
    observed = [THERE, *(an_observed(a_grant(a_key(f"stray{n}"))) for n in range(20))]

    part = a_plan([KEPT], observed, base=(KEPT,), only_branch=True, prune=True)

    assert (part.blocked, part.changes, len(part.left_alone)) == ((), (), 20)


ACME, GLOBEX = "org_acmeacmeacmeacme", "org_globexglobexglob"


@pytest.mark.parametrize(
    ("base", "tenant", "files", "origin"),
    [
        (None, (), (ACME,), Origin.BRANCH),
        ((), (), (ACME,), Origin.BRANCH),
        ((ACME,), (), (ACME,), Origin.DRIFT),
        ((ACME,), (GLOBEX,), (), Origin.BOTH),
    ],
    ids=["declared first", "declaration changed", "removed by hand", "changed in both"],
)
def test_a_change_of_organizations_has_an_origin(
    base: tuple[str, ...] | None, tenant: tuple[str, ...], files: tuple[str, ...], origin: Origin
) -> None:
    observed = an_observed(a_grant(organizations=frozenset(tenant)))

    plan = a_plan([a_spec(organizations=files)], [observed], base=[a_spec(organizations=base)])

    assert plan.origins == {a_key(): origin}
