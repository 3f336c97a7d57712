from typing import Any

import pytest
from hypothesis import given
from support.builders import a_grant, a_key
from support.strategies import grants

from reconciler.core.expressible import expressible_part, is_writable, keep_inexpressible_values, reason_not_expressible
from reconciler.core.grant import ClientGrant

MY_ORGANIZATION = "https://example.eu.auth0.com/my-org/"
USER = a_key(subject_type="user")


@pytest.mark.parametrize(
    ("grant", "why"),
    [
        (a_grant(a_key(subject_type="robot")), 'the subject type "robot" is unknown'),
        (a_grant(a_key(None, default_for="everybody")), 'the value "everybody" of default_for is unknown'),
        (a_grant(a_key("x" * 8193)), "a grant file cannot contain the client id or the identifier of the API"),
        (a_grant(a_key(audience="")), "a grant file cannot contain the client id or the identifier of the API"),
        (a_grant(a_key(audience="\ud800")), "a grant file cannot contain the client id or the identifier of the API"),
        (a_grant(a_key(None, other_holder="unknown recipient (cgr_1)")), "the grant has an unknown kind of recipient"),
        (a_grant(organization_usage="sometimes"), 'the value "sometimes" of organization_usage is unknown'),
        (
            a_grant(allow_any_organization=True),
            "the grant allows any organization, but organization_usage denies organizations",
        ),
        (
            a_grant(USER, organization_usage="allow"),
            "organization settings are only valid for grants of applications",
        ),
        (
            a_grant(authorization_details_types=frozenset({"pay"})),
            "authorization_details_types are only valid for grants of users",
        ),
        (a_grant(scope=("",)), 'the scope "" is empty, too long or not printable'),
        (a_grant(scope=("a\x07",)), 'the scope "a\\x07" is empty, too long or not printable'),
        (a_grant(scope=("\ud800",)), 'the scope "\\ud800" is empty, too long or not printable'),
    ],
)
def test_a_grant_that_no_file_can_express_has_a_reason(grant: Any, why: str) -> None:
    assert reason_not_expressible(grant) == why


@pytest.mark.parametrize(
    "grant",
    [
        a_grant(a_key(subject_type="anonymous_user")),
        a_grant(a_key(audience=MY_ORGANIZATION, subject_type="user"), organization_usage="require"),
        a_grant(USER, authorization_details_types=frozenset({"pay"})),
    ],
)
def test_a_grant_that_the_schema_allows_is_expressible(grant: ClientGrant) -> None:
    assert reason_not_expressible(grant) is None
    assert keep_inexpressible_values(ClientGrant(grant.key), grant) == ClientGrant(grant.key)


@given(grants(), grants())
def test_an_update_keeps_exactly_the_inexpressible_values(observed: ClientGrant, other: ClientGrant) -> None:
    desired = expressible_part(other)._replace(key=observed.key)
    after = keep_inexpressible_values(desired, observed)

    assert reason_not_expressible(expressible_part(observed)) is None
    assert keep_inexpressible_values(expressible_part(observed), observed) == observed
    assert keep_inexpressible_values(after, observed) == after
    if reason_not_expressible(observed) is None:
        assert after == desired


def test_inexpressible_scopes_are_added_to_the_declared_scopes() -> None:
    observed = a_grant(scope=("old", "bell\x07"))

    assert keep_inexpressible_values(a_grant(scope=("new",)), observed).scope == {"new", "bell\x07"}
    assert keep_inexpressible_values(a_grant(scope=(), allow_all_scopes=True), observed).scope == frozenset()


def test_the_length_limits_equal_those_of_the_schema() -> None:
    assert reason_not_expressible(a_grant(scope=("s" * 280,))) is None
    assert reason_not_expressible(a_grant(scope=("s" * 281,)))
    assert reason_not_expressible(a_grant(scope=("${" + "s" * 278,)))  # escaping adds one character
    assert reason_not_expressible(a_grant(USER, authorization_details_types=frozenset({"t" * 255}))) is None
    assert reason_not_expressible(a_grant(USER, authorization_details_types=frozenset({"t" * 256})))


def test_a_text_is_writable_up_to_the_maximum_length_of_the_loader() -> None:
    assert is_writable("x" * 8192)
    assert not is_writable("x" * 8193)
    assert not is_writable("")
