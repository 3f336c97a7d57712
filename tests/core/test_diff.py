from typing import Any

import pytest
from hypothesis import given
from support.builders import a_grant, a_key
from support.strategies import grants

from reconciler.core.diff import SetChange, ValueChange, changed_fields, granted_fields, revoked_fields
from reconciler.core.grant import ClientGrant


@given(grants(), grants())
def test_there_are_no_changed_fields_exactly_if_both_grants_are_equal(before: ClientGrant, after: ClientGrant) -> None:
    after = after._replace(key=before.key)

    assert (changed_fields(before, after) == ()) == (before == after)


@given(grants(), grants())
def test_applying_the_changed_fields_to_the_old_grant_gives_the_new_grant(
    before: ClientGrant, after: ClientGrant
) -> None:
    fields: dict[str, Any] = {}
    for change in changed_fields(before, after._replace(key=before.key)):
        was = getattr(before, change.field)
        match change:
            case SetChange():
                fields[change.field] = (was | set(change.added)) - set(change.removed)
            case ValueChange():
                assert was == change.before
                fields[change.field] = change.after

    assert before._replace(key=after.key, **fields) == after


@given(grants())
def test_the_order_of_scopes_does_not_matter(grant: ClientGrant) -> None:
    assert changed_fields(grant, grant._replace(scope=frozenset(sorted(grant.scope, reverse=True)))) == ()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"scope": frozenset({"b", "c"})}, [SetChange("scope", ("c",), ("a",))]),
        ({"scope": frozenset()}, [SetChange("scope", (), ("a", "b"))]),
        ({"organization_usage": "allow"}, [ValueChange("organization_usage", "deny", "allow")]),
        ({"allow_any_organization": True}, [ValueChange("allow_any_organization", before=False, after=True)]),
        (
            {"allow_all_scopes": True, "scope": frozenset()},
            [ValueChange("allow_all_scopes", before=False, after=True), SetChange("scope", (), ("a", "b"))],
        ),
        (
            {"authorization_details_types": frozenset({"payment"})},
            [SetChange("authorization_details_types", ("payment",), ())],
        ),
        ({"organizations": frozenset({"org_b"})}, [SetChange("organizations", ("org_b",), ("org_a",))]),
    ],
    ids=["other scopes", "no scopes", "usage", "any organization", "all scopes", "details types", "organizations"],
)
def test_each_field_has_its_own_change(changed: dict[str, Any], expected: list[object]) -> None:
    before = a_grant(scope=("a", "b"), organizations=frozenset({"org_a"}))

    assert list(changed_fields(before, before._replace(**changed))) == expected


def test_granted_fields_are_those_that_differ_from_the_defaults() -> None:
    assert granted_fields(ClientGrant(a_key())) == ()
    assert granted_fields(a_grant(scope=("b", "a"), organization_usage="require")) == (
        SetChange("scope", ("a", "b"), ()),
        ValueChange("organization_usage", None, "require"),
    )
    assert granted_fields(ClientGrant(a_key(), organizations=frozenset())) == ()
    assert granted_fields(ClientGrant(a_key(), organizations=frozenset({"org_a"}))) == (
        SetChange("organizations", ("org_a",), ()),
    )


def test_revoked_fields_are_the_reverse_of_granted_fields() -> None:
    assert revoked_fields(a_grant(scope=("b", "a"), organization_usage="require")) == (
        SetChange("scope", (), ("a", "b")),
        ValueChange("organization_usage", "require", None),
    )
