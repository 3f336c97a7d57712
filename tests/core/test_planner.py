from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.builders import OWN, TENANT, a_directory, a_grant, a_key, a_plan, a_spec, an_api, an_observed, rules
from support.strategies import declarable_grants, grants

from reconciler.core.directory import Directory, TenantList
from reconciler.core.expressible import obstacle, with_kept_values
from reconciler.core.grant import ClientGrant, Key, ObservedGrant
from reconciler.core.guards import Limits, ProtectionRules
from reconciler.core.pattern import ManagedScope, Pattern, Protect
from reconciler.core.plan import Create, Delete, Plan, Reason, Update, grants_after
from reconciler.core.planner import Observation, make_plan
from reconciler.core.problems import Severity
from reconciler.core.spec import GrantSpec
from reconciler.errors import ProblemsError

ANOTHER = a_grant(a_key("another"))


@pytest.mark.parametrize(("number", "deletes"), [(None, 0), (0, 0), (1, 1)])
def test_an_empty_desired_state_deletes_only_by_number(number: int | None, deletes: int) -> None:
    plan = a_plan([], [an_observed()], prune=True, limits=Limits(deletes_percent=100, max_deletes=number))

    assert (len(plan.changes), len(plan.blocked)) == (deletes, 1 - deletes)
    assert not a_plan([], [an_observed()]).changes


def test_all_problems_come_in_one_run() -> None:
    directory = a_directory({"x": "X"}, [])

    with pytest.raises(ProblemsError) as caught:
        a_plan([a_spec(client="Y"), a_spec(line=9, client_id="x")], directory=directory)

    assert [problem.what for problem in caught.value.problems] == [
        'the tenant has no application named "Y"',
        'the tenant has no API with identifier "https://api.example.com/invoices"',
    ]


def test_an_organization_over_its_quota_stops_the_plan_unless_the_limit_says_otherwise() -> None:
    acme = "org_acmeacmeacmeacme"
    spec = a_spec(organization_usage="allow", organizations=(acme,))
    observation = Observation((), Directory(), organization_grants={acme: 100})

    with pytest.raises(ProblemsError) as caught:
        make_plan([spec], observation, rules(), TENANT)

    assert [problem.fix.split(";")[0] for problem in caught.value.problems] == ["remove grants from it first"]
    assert make_plan([spec], observation, rules(limits=Limits(organization_grants=101)), TENANT).changes


def test_what_no_file_declares_is_left_alone() -> None:
    plan = a_plan([a_spec()], [an_observed(), an_observed(ANOTHER)])

    assert plan.converged
    assert [(each.observed.key, each.reason) for each in plan.left_alone] == [(ANOTHER.key, Reason.UNMANAGED)]


def test_prune_deletes_what_no_file_declares() -> None:
    plan = a_plan([a_spec()], [an_observed(), an_observed(ANOTHER)], prune=True)

    assert plan.changes == (Delete(an_observed(ANOTHER)),)


def test_prune_leaves_system_own_and_protected_grants_alone_and_says_why() -> None:
    untouchable = ProtectionRules(OWN, (Protect(client_id="p*"),))
    observed = [
        an_observed(a_grant(a_key("s")), is_system=True),
        an_observed(a_grant(OWN)),
        an_observed(a_grant(a_key("p"))),
    ]

    plan = a_plan([a_spec()], [an_observed(), *observed], prune=True, untouchable=untouchable)

    assert plan.converged
    assert {each.observed.key.client_id: str(each.reason) for each in plan.left_alone} == {
        "s": "system",
        "own-client": "own",
        "p": "protected",
    }


OURS = ProtectionRules(OWN, border=ManagedScope((Pattern(client_id="billing"), Pattern(client_id="old*"))))


def test_prune_ends_at_the_border() -> None:
    old = an_observed(a_grant(a_key("old")))

    plan = a_plan([a_spec()], [an_observed(), old, an_observed(ANOTHER)], prune=True, untouchable=OURS)

    assert plan.changes == (Delete(old),)
    assert [(each.observed.key, each.reason) for each in plan.left_alone] == [(ANOTHER.key, Reason.OUTSIDE)]


def test_a_declared_grant_beyond_the_border_is_a_problem_at_its_line() -> None:
    with pytest.raises(ProblemsError) as caught:
        a_plan([a_spec(), a_spec(line=9, client_id="another")], [an_observed(ANOTHER)], untouchable=OURS)

    assert [f"{problem.source}: {problem.message}" for problem in caught.value.problems] == [
        ("grants/a.yaml:9:5: manage in reconciler.yaml does not match this grant; add it to manage, or remove it here"),
    ]


def test_limits_count_within_the_border() -> None:
    specs = [a_spec(client_id="billing")]
    old = [an_observed(a_grant(a_key(f"old{number}"))) for number in range(9)]
    outside = [an_observed(a_grant(a_key(f"other{number}"))) for number in range(90)]

    plan = a_plan(specs, [an_observed(), *old, *outside], prune=True, untouchable=OURS)

    assert {each.reason for each in plan.blocked} == {
        "limit: 9 deletes, more than 30 % of 10 managed grants; to allow this, use --max-deletes 9",
    }


def test_a_declared_change_of_a_protected_grant_is_blocked() -> None:
    untouchable = ProtectionRules(OWN, (Protect(client_id="billing"),))

    plan = a_plan([a_spec(scope=("other",))], [an_observed()], untouchable=untouchable)

    assert (plan.changes, len(plan.blocked), plan.converged) == ((), 1, False)


def test_a_declared_grant_that_is_protected_and_equal_is_unchanged() -> None:
    untouchable = ProtectionRules(OWN, (Protect(client_id="billing"),))

    assert a_plan([a_spec()], [an_observed()], untouchable=untouchable).unchanged == 1


def test_create_only_leaves_what_differs_and_counts_it() -> None:
    plan = a_plan([a_spec(scope=("x",)), a_spec(client_id="new")], [an_observed()], create_only=True)

    assert [type(change) for change in plan.changes] == [Create]
    assert plan.differing == 1


def test_limits_count_what_is_declared_and_what_would_go() -> None:
    specs = [a_spec(client_id=f"app{number}") for number in range(7)]
    observed = [an_observed(a_grant(a_key(f"app{number}"))) for number in range(11)]

    assert len(a_plan(specs, observed, prune=True).blocked) == 4
    assert len(a_plan(specs, observed, prune=True, limits=Limits(max_deletes=4)).changes) == 4


def spec_of(grant: ClientGrant) -> GrantSpec:
    return a_spec(
        client_id=grant.key.client_id,
        audience=grant.key.audience,
        subject_type=grant.key.subject_type,
        scope=tuple(sorted(grant.scope)),
        organization_usage=grant.organization_usage,
        allow_any_organization=grant.allow_any_organization,
        authorization_details_types=tuple(grant.authorization_details_types),
        allow_all_scopes=grant.allow_all_scopes,
    )


def tenants() -> st.SearchStrategy[dict[Key, ClientGrant]]:
    return st.lists(grants(), max_size=8).map(lambda several: {grant.key: grant for grant in several})


def files() -> st.SearchStrategy[dict[Key, ClientGrant]]:
    return st.lists(declarable_grants(), max_size=8).map(lambda several: {grant.key: grant for grant in several})


def declared(desired: dict[Key, ClientGrant], tenant: dict[Key, ClientGrant]) -> dict[Key, ClientGrant]:
    """What the tenant has under declared keys after an apply: values that no file can declare stay."""
    return {key: with_kept_values(grant, tenant.get(key, ClientGrant(key))) for key, grant in desired.items()}


def carried_out(plan: Plan, tenant: dict[Key, ClientGrant]) -> dict[Key, ClientGrant]:
    after = dict(tenant)
    for change in plan.changes:
        grant = grants_after(change)
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
    kept = {key: grant for key, grant in undeclared.items() if not prune or obstacle(grant)}
    assert carried_out(plan, tenant) == {**kept, **declared(desired, tenant)}


@given(files(), tenants(), st.sampled_from(["a", "[ab]", "*"]), st.sampled_from(["client", "*"]))
def test_nothing_beyond_the_border_is_touched_and_all_within_is_as_declared(
    declaring: dict[Key, ClientGrant],
    tenant: dict[Key, ClientGrant],
    client_id: str,
    subject_type: str,
) -> None:
    border = ManagedScope((Pattern(client_id=client_id, subject_type=subject_type),))
    ours = {key: grant for key, grant in declaring.items() if border.surrounds(key, Directory())}
    assume(ours)
    observed = [ObservedGrant(f"cgr_{number}", grant) for number, grant in enumerate(tenant.values())]
    untouchable = ProtectionRules(OWN, border=border)

    plan = a_plan([spec_of(grant) for grant in ours.values()], observed, prune=True, untouchable=untouchable)

    theirs = {
        key: grant
        for key, grant in tenant.items()
        if not border.surrounds(key, Directory()) or (key not in ours and obstacle(grant))
    }
    assert carried_out(plan, tenant) == {**theirs, **declared(ours, tenant)}
    assert {each.observed.key for each in plan.left_alone} == set(theirs)


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


def test_a_protection_that_covers_nothing_is_said() -> None:
    protect = (Protect(client_id="billing"), Protect(client_id="biling", audience="https://*"))

    plan = a_plan(
        [a_spec()],
        [an_observed()],
        a_directory({"billing": "Billing"}, [an_api()]),
        untouchable=ProtectionRules(OWN, protect),
    )

    assert plan.notes == (
        'protect matches no grant: client_id "biling", audience "https://*"; did you mean "billing"?',
    )


def test_checks_that_were_not_made_are_noted_by_cause() -> None:
    refused = Directory(refused=frozenset({TenantList.APPLICATIONS}))

    assert a_plan([a_spec(), a_spec(client_id="portal")], directory=refused).notes == (
        (
            "not checked, because the token may not list applications (read:clients): "
            "the application exists (2 grants); the application can hold grants (2 grants); "
            "no third party has access to Auth0's own APIs (2 grants)"
        ),
        "not checked, because APIs were not listed: the API exists (2 grants); the API defines the scopes (2 grants)",
    )


def test_a_grant_whose_holder_may_be_a_third_party_is_not_pruned() -> None:
    plan = a_plan([a_spec()], [an_observed(), an_observed(a_grant(a_key("gone")))], Directory(), prune=True)

    assert plan.changes == ()
    assert [each.reason for each in plan.left_alone] == [Reason.THIRD_PARTY]


def test_an_undefined_scope_that_a_snapshot_gives_back_is_a_warning() -> None:
    directory = a_directory(None, [an_api()])

    plan = a_plan([a_spec(scope=("gone",), is_snapshot=True)], directory=directory)

    assert [problem.severity for problem in plan.warnings] == ["warning"]
    with pytest.raises(ProblemsError):
        a_plan([a_spec(scope=("gone",))], directory=directory)


def test_what_the_tenant_lacks_is_left_out_and_named_if_asked_for() -> None:
    directory = a_directory({"billing": "Billing"}, [an_api()])
    specs = [a_spec(), a_spec(line=9, client_id="gone")]

    plan = a_plan(specs, directory=directory, skip_missing=True)

    assert [change.key.client_id for change in plan.changes] == ["billing"]
    assert plan.skipped == 1
    assert not plan.converged
    assert [warning.severity for warning in plan.warnings] == [Severity.WARNING]


def test_other_problems_stop_a_plan_that_leaves_out_what_is_missing() -> None:
    directory = a_directory({"billing": "Billing"}, [an_api()])

    with pytest.raises(ProblemsError):
        a_plan([a_spec(scope=("undefined",))], directory=directory, skip_missing=True)


def test_a_grant_is_left_out_for_an_organization_that_only_counting_shows_to_be_missing() -> None:
    acme, nobody = "org_acmeacmeacmeacme", "org_nobodynobodynobo"
    specs = [a_spec(organizations=(acme,)), a_spec(line=200, client_id="other", organizations=(acme, nobody))]
    observation = Observation((), Directory(), organization_grants={acme: 0, nobody: None})

    plan = make_plan(specs, observation, rules(skip_missing=True), TENANT)

    assert ([change.key for change in plan.changes], plan.skipped) == ([a_key()], 1)
    assert [str(problem.source) for problem in plan.warnings] == ["grants/a.yaml:281:9"]


def test_what_is_granted_to_all_third_parties_is_pruned_only_within_a_border() -> None:
    default = an_observed(a_grant(a_key(None, default_for="third_party_clients")))
    border = ManagedScope((Pattern(audience="https://*"),))

    spared = a_plan([a_spec()], [an_observed(), default], prune=True)
    pruned = a_plan([a_spec()], [an_observed(), default], prune=True, untouchable=ProtectionRules(OWN, border=border))

    assert [each.reason for each in spared.left_alone] == [Reason.THIRD_PARTY]
    assert pruned.changes == (Delete(default),)


def test_an_application_that_is_in_no_list_is_not_taken_for_ours() -> None:
    directory = a_directory({"billing": "Billing"})
    stray = an_observed(a_grant(a_key("registered-meanwhile")))

    plan = a_plan([a_spec()], [an_observed(), stray], directory, prune=True)

    assert plan.changes == ()
    assert [each.reason for each in plan.left_alone] == [Reason.THIRD_PARTY]


@pytest.mark.parametrize(("organizations", "told"), [(None, 1), (("org_aaaaaaaaaaaaaaaa",), 0)], ids=["unsaid", "said"])
def test_a_grant_that_denies_organizations_no_longer_is_told_if_nobody_says_which(
    organizations: tuple[str, ...] | None, told: int
) -> None:
    spec = a_spec(organization_usage="allow", organizations=organizations)

    notes = a_plan([spec], [an_observed()]).notes

    assert sum("1 grant will no longer deny organizations" in note for note in notes) == told
