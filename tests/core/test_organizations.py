from collections.abc import Iterable, Mapping

import pytest
from support.builders import OWN, a_directory, a_grant, a_key, a_spec, an_observed

from reconciler.core.grant import ObservedGrant, index_by_key
from reconciler.core.guards import ProtectionRules
from reconciler.core.organizations import DeclaredOrganizations, check_organizations
from reconciler.core.pattern import Protect
from reconciler.core.problems import Problem
from reconciler.core.removals import Removal
from reconciler.core.resolve import resolve
from reconciler.core.spec import GrantSpec

ACME, GLOBEX = "org_acmeacmeacmeacme", "org_globexglobexglob"
DIRECTORY = a_directory({"stray": "Stray", "denying": "Denying"}, organizations={ACME: "acme", GLOBEX: "globex"})
WITH_ACME = a_spec(client_id="a", organization_usage="allow", organizations=("acme",))


def an_observed_of(client_id: str, *organizations: str, **fields: str) -> ObservedGrant:
    grant = a_grant(a_key(client_id), organization_usage="allow", organizations=frozenset(organizations))
    return an_observed(grant, grant_id=f"cgr_{client_id}", **fields)


def an_unread(client_id: str, usage: str = "allow", **fields: object) -> ObservedGrant:
    return an_observed(a_grant(a_key(client_id), organization_usage=usage), f"cgr_{client_id}", **fields)


def grants_to_read(
    *specs: GrantSpec, pruned: ProtectionRules | None = None, grants: Iterable[ObservedGrant] = ()
) -> set[str]:
    declared = DeclaredOrganizations(specs, pruned)
    return {each.key.holder for each in declared.grants_to_read(grants, DIRECTORY)}


@pytest.mark.parametrize(
    ("spec", "declares"),
    [(a_spec(), False), (a_spec(organizations=()), True), (WITH_ACME, True)],
    ids=["nothing", "none", "one"],
)
def test_files_declare_organizations_if_one_grant_does(spec: GrantSpec, *, declares: bool) -> None:
    assert DeclaredOrganizations((spec,)).are_declared is declares


def test_organizations_are_read_only_for_grants_that_declare_them() -> None:
    grants = [an_unread("a"), an_unread("b"), an_unread("stray")]

    assert grants_to_read(WITH_ACME, a_spec(client_id="b"), grants=grants) == {"a"}


def test_the_organizations_of_pruned_grants_are_read() -> None:
    protection = ProtectionRules(OWN, (Protect(client_id="kept"),))
    user = an_observed(a_grant(a_key("user", subject_type="user"), organization_usage="allow"))
    grants = [
        an_unread("stray"),
        an_unread("denying", "deny"),
        an_unread("kept"),
        an_unread("system", is_system=True),
        user,
    ]

    assert grants_to_read(WITH_ACME, pruned=protection, grants=grants) == {"stray"}
    assert grants_to_read(a_spec(), pruned=protection, grants=grants) == {"stray"}


def test_with_prune_removed_only_the_organizations_of_removed_grants_are_read() -> None:
    removals = (Removal(a_spec(client_id="stray"), is_from_history=True),)
    declared = DeclaredOrganizations((), ProtectionRules(OWN), removals)
    directory = a_directory({"stray": "Stray", "other": "Other"})

    found = declared.grants_to_read([an_unread("stray"), an_unread("other")], directory)

    assert [each.key.holder for each in found] == ["stray"]


def test_an_organization_gains_a_grant_that_it_does_not_have_yet() -> None:
    new = a_spec(client_id="new", organizations=(GLOBEX,))
    declared = DeclaredOrganizations((WITH_ACME, new))

    assert declared.organizations_gaining_grants([an_observed_of("a", ACME)], DIRECTORY) == {GLOBEX}
    assert declared.organizations_gaining_grants([], DIRECTORY) == {ACME, GLOBEX}


def problems(
    *specs: GrantSpec, counted: Mapping[str, int | None], most: int = 100, grants: Iterable[ObservedGrant] = ()
) -> tuple[Problem, ...]:
    desired, _ = resolve(specs, DIRECTORY)
    return check_organizations(desired, index_by_key(grants), counted, DIRECTORY, most)


BOTH = (WITH_ACME, a_spec(line=200, client_id="b", organizations=("globex", "acme")))


@pytest.mark.parametrize(("counted", "most", "refused"), [(98, 100, False), (99, 100, True), (999, 1001, False)])
def test_an_organization_over_its_limit_is_a_problem(counted: int, most: int, *, refused: bool) -> None:
    found = problems(*BOTH, counted={ACME: counted, GLOBEX: 0}, most=most)

    assert [str(each.source) for each in found] == ["grants/a.yaml:82:9"] * refused
    if refused:
        assert found[0].what == 'the organization "acme" may have 100 grants, but it has 99 and the files add 2'


def test_existing_grants_of_an_organization_are_not_counted_again() -> None:
    full = {ACME: 100, GLOBEX: 1}

    assert problems(*BOTH, counted=full, grants=[an_observed_of("a", ACME), an_observed_of("b", ACME)]) == ()


def test_an_organization_that_does_not_exist_is_a_problem_at_each_source() -> None:
    found = problems(*BOTH, counted={ACME: None, GLOBEX: 0})

    assert [(str(each.source), each.what, each.is_missing) for each in found] == [
        (f"grants/a.yaml:{line}:9", 'the tenant has no organization "acme"', True) for line in (82, 281)
    ]
