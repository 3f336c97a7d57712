from typing import Any

import pytest
from support.builders import a_grant, a_key, a_spec, an_observed

from reconciler.core.diff import SetChange
from reconciler.core.directory import Directory
from reconciler.core.grant import ClientGrant, index_by_key
from reconciler.core.plan import (
    Create,
    Delete,
    Update,
    compare,
    grant_after,
    removes_access,
    sort_for_apply,
)
from reconciler.core.resolve import DesiredGrant


def desired(grant: ClientGrant) -> DesiredGrant:
    return DesiredGrant(grant, a_spec())


def update(client_id: str, before: str, after: str) -> Update:
    key = a_key(client_id)
    return Update(an_observed(a_grant(key, before)), desired(a_grant(key, after)), ())


def test_grants_only_in_files_are_created_and_grants_only_in_the_tenant_are_undeclared() -> None:
    declared, stray = a_grant(a_key("declared")), a_grant(a_key("stray"))

    comparison = compare([desired(declared)], index_by_key([an_observed(stray)]))

    assert [change.key for change in comparison.creates] == [declared.key]
    assert [each.key for each in comparison.undeclared] == [stray.key]
    assert (comparison.updates, comparison.unchanged) == ((), 0)


def test_equal_grants_are_unchanged() -> None:
    comparison = compare([desired(a_grant())], index_by_key([an_observed()]))

    assert (comparison.unchanged, comparison.creates, comparison.updates, comparison.undeclared) == (1, (), (), ())


def test_a_grant_with_another_subject_type_is_another_grant() -> None:
    comparison = compare([desired(a_grant(a_key(subject_type="user")))], index_by_key([an_observed(a_grant())]))

    assert (len(comparison.creates), len(comparison.undeclared)) == (1, 1)


def test_a_grant_that_differs_is_updated_in_the_fields_that_differ() -> None:
    comparison = compare([desired(a_grant(scope=("a", "b")))], index_by_key([an_observed(a_grant(scope=("b", "c")))]))

    assert [change.fields for change in comparison.updates] == [(SetChange("scope", ("a",), ("c",)),)]


SOME = frozenset({"org_a"})


def test_organizations_are_compared_only_if_the_files_declare_them() -> None:
    undeclared, none, observed = a_grant(), a_grant(organizations=frozenset()), an_observed(a_grant(organizations=SOME))

    assert compare([desired(undeclared)], index_by_key([observed])).unchanged == 1
    assert compare([desired(observed.grant)], index_by_key([observed])).unchanged == 1
    (update,) = compare([desired(none)], index_by_key([observed])).updates
    assert update.fields == (SetChange("organizations", (), ("org_a",)),)


def test_an_update_of_other_fields_does_not_change_undeclared_organizations() -> None:
    (update,) = compare(
        [desired(a_grant(scope="b"))], index_by_key([an_observed(a_grant(scope="a", organizations=SOME))])
    ).updates

    assert update.fields == (SetChange("scope", ("b",), ("a",)),)
    assert update.before.grant.organizations is None


@pytest.mark.parametrize(
    ("before", "after", "takes"), [(SOME, frozenset(), True), (frozenset(), SOME, False), (SOME, SOME, False)]
)
def test_removing_an_organization_removes_access(before: frozenset[str], after: frozenset[str], *, takes: bool) -> None:
    change = Update(an_observed(a_grant(organizations=before)), desired(a_grant(organizations=after)), ())

    assert removes_access(change) is takes


def test_a_different_grant_id_is_not_a_change() -> None:
    assert compare([desired(a_grant())], index_by_key([an_observed(grant_id="cgr_toggled")])).unchanged == 1


def test_changes_that_add_access_come_before_changes_that_remove_access() -> None:
    create, delete = Create(desired(a_grant(a_key("z")))), Delete(an_observed(a_grant(a_key("a"))))
    widening, narrowing = update("y", "a", "ab"), update("b", "ab", "a")

    assert sort_for_apply([delete, narrowing, widening, create], Directory()) == (create, widening, narrowing, delete)


@pytest.mark.parametrize(
    ("before", "after", "narrower"),
    [
        ({"scope": "a"}, {"scope": "ab"}, False),
        ({"scope": "ab"}, {"scope": "a"}, True),
        ({"scope": "a"}, {"scope": "b"}, True),
        ({"scope": "ab"}, {"scope": "", "allow_all_scopes": True}, False),
        ({"scope": "", "allow_all_scopes": True}, {"scope": "ab"}, True),
        ({"organization_usage": "deny"}, {"organization_usage": "allow"}, False),
        ({"organization_usage": "require"}, {"organization_usage": "allow"}, False),
        ({"organization_usage": "allow"}, {"organization_usage": "require"}, True),
        ({"organization_usage": "deny"}, {"organization_usage": "require"}, True),
        ({"organization_usage": "require"}, {"organization_usage": "deny"}, True),
        ({"allow_any_organization": False}, {"allow_any_organization": True}, False),
        ({"allow_any_organization": True}, {"allow_any_organization": False}, True),
        ({"authorization_details_types": frozenset("a")}, {"authorization_details_types": frozenset()}, True),
    ],
    ids=str,
)
def test_an_update_narrows_if_it_removes_any_access(
    before: dict[str, Any],
    after: dict[str, Any],
    narrower: object,
) -> None:
    change = Update(an_observed(a_grant(**before)), desired(a_grant(**after)), ())

    assert removes_access(change) is narrower


def test_creates_do_not_remove_access_and_deletes_do() -> None:
    assert not removes_access(Create(desired(a_grant())))
    assert removes_access(Delete(an_observed()))


def test_the_grant_after_a_change() -> None:
    assert grant_after(Create(desired(a_grant()))) == a_grant()
    assert grant_after(Delete(an_observed())) is None
