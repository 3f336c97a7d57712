from collections.abc import Iterable, Mapping

import pytest
from support.builders import OWN, a_directory, a_grant, a_key, a_spec, an_observed

from reconciler.core.grant import ObservedGrant, by_key
from reconciler.core.guards import ProtectionRules
from reconciler.core.organizations import DeclaredOrganizations, check_organizations
from reconciler.core.pattern import Protect
from reconciler.core.problems import Problem
from reconciler.core.resolve import resolve
from reconciler.core.spec import GrantSpec

ACME, GLOBEX = "org_acmeacmeacmeacme", "org_globexglobexglob"
DIRECTORY = a_directory({"stray": "Stray", "denying": "Denying"}, organizations={ACME: "acme", GLOBEX: "globex"})
SAYS_SO = a_spec(client_id="a", organization_usage="allow", organizations=("acme",))


def an_observed_of(client_id: str, *organizations: str, **fields: str) -> ObservedGrant:
    grant = a_grant(a_key(client_id), organization_usage="allow", organizations=frozenset(organizations))
    return an_observed(grant, grant_id=f"cgr_{client_id}", **fields)


def an_unread(client_id: str, usage: str = "allow", **fields: object) -> ObservedGrant:
    return an_observed(a_grant(a_key(client_id), organization_usage=usage), f"cgr_{client_id}", **fields)


def concerned(
    *specs: GrantSpec, pruned: ProtectionRules | None = None, grants: Iterable[ObservedGrant] = ()
) -> set[str]:
    declared = DeclaredOrganizations(specs, pruned)
    return {each.key.holder for each in declared.concerned(grants, DIRECTORY)}


@pytest.mark.parametrize(
    ("spec", "says"),
    [(a_spec(), False), (a_spec(organizations=()), True), (SAYS_SO, True)],
    ids=["nothing", "none", "one"],
)
def test_files_say_organizations_where_one_grant_does(spec: GrantSpec, *, says: bool) -> None:
    assert DeclaredOrganizations((spec,)).are_said is says


def test_the_organizations_of_a_grant_are_read_only_where_its_own_file_entry_says_some() -> None:
    grants = [an_unread("a"), an_unread("b"), an_unread("stray")]

    assert concerned(SAYS_SO, a_spec(client_id="b"), grants=grants) == {"a"}


def test_what_is_pruned_is_read_too_where_it_may_have_organizations() -> None:
    untouchable = ProtectionRules(OWN, (Protect(client_id="kept"),))
    user = an_observed(a_grant(a_key("user", subject_type="user"), organization_usage="allow"))
    grants = [
        an_unread("stray"),
        an_unread("denying", "deny"),
        an_unread("kept"),
        an_unread("system", is_system=True),
        user,
    ]

    assert concerned(SAYS_SO, pruned=untouchable, grants=grants) == {"stray"}
    assert concerned(a_spec(), pruned=untouchable, grants=grants) == {"stray"}


def test_an_organization_gains_what_is_declared_and_not_there_yet() -> None:
    new = a_spec(client_id="new", organizations=(GLOBEX,))
    declared = DeclaredOrganizations((SAYS_SO, new))

    assert declared.gaining([an_observed_of("a", ACME)], DIRECTORY) == {GLOBEX}
    assert declared.gaining([], DIRECTORY) == {ACME, GLOBEX}


def problems(
    *specs: GrantSpec, counted: Mapping[str, int | None], most: int = 100, grants: Iterable[ObservedGrant] = ()
) -> tuple[Problem, ...]:
    desired, _ = resolve(specs, DIRECTORY)
    return check_organizations(desired, by_key(grants), counted, DIRECTORY, most)


BOTH = (SAYS_SO, a_spec(line=200, client_id="b", organizations=("globex", "acme")))


@pytest.mark.parametrize(("counted", "most", "refused"), [(98, 100, False), (99, 100, True), (999, 1001, False)])
def test_an_organization_gets_no_more_grants_than_it_may_have(counted: int, most: int, *, refused: bool) -> None:
    found = problems(*BOTH, counted={ACME: counted, GLOBEX: 0}, most=most)

    assert [str(each.source) for each in found] == ["grants/a.yaml:82:9"] * refused
    if refused:
        assert found[0].what == 'the organization "acme" may have 100 grants, but it has 99 and the files add 2'


def test_what_an_organization_has_already_is_not_added_to_it() -> None:
    full = {ACME: 100, GLOBEX: 1}

    assert problems(*BOTH, counted=full, grants=[an_observed_of("a", ACME), an_observed_of("b", ACME)]) == ()


def test_an_organization_that_does_not_exist_is_a_problem_wherever_it_is_named() -> None:
    found = problems(*BOTH, counted={ACME: None, GLOBEX: 0})

    assert [(str(each.source), each.what, each.is_missing) for each in found] == [
        (f"grants/a.yaml:{line}:9", 'the tenant has no organization "acme"', True) for line in (82, 281)
    ]
