from typing import Any

import pytest
from support.builders import a_grant, a_key

from reconciler.core.declarable import obstacle, writable

USER = a_key(subject_type="user")


@pytest.mark.parametrize(
    ("grant", "why"),
    [
        (a_grant(a_key(subject_type="anonymous_user")), 'its subject type "anonymous_user" is unknown'),
        (a_grant(a_key(None, default_for="everybody")), 'it is the default for "everybody", which is unknown'),
        (a_grant(a_key("x" * 8193)), "its id or its API's identifier is no text that a file can hold"),
        (a_grant(a_key(audience="")), "its id or its API's identifier is no text that a file can hold"),
        (a_grant(a_key(audience="\ud800")), "its id or its API's identifier is no text that a file can hold"),
        (a_grant(organization_usage="sometimes"), 'its organization_usage "sometimes" is unknown'),
        (a_grant(allow_any_organization=True), "it allows any organization although it denies organizations"),
        (
            a_grant(USER, organization_usage="allow"),
            "it has settings for organizations, which work for applications by themselves only",
        ),
        (
            a_grant(authorization_details_types=frozenset({"pay"})),
            "it has authorization_details_types, which work for users only",
        ),
        (a_grant(scope=("",)), 'its scope "" is empty, too long or not printable'),
        (a_grant(scope=("a\x07",)), 'its scope "a\\x07" is empty, too long or not printable'),
        (a_grant(scope=("\ud800",)), 'its scope "\\ud800" is empty, too long or not printable'),
    ],
)
def test_what_no_file_can_declare_is_said(grant: Any, why: str) -> None:
    assert obstacle(grant) == why


def test_limits_of_length_are_those_of_the_contract() -> None:
    assert obstacle(a_grant(scope=("s" * 280,))) is None
    assert obstacle(a_grant(scope=("s" * 281,)))
    assert obstacle(a_grant(scope=("${" + "s" * 278,)))  # which a file says in one character more
    assert obstacle(a_grant(USER, authorization_details_types=frozenset({"t" * 255}))) is None
    assert obstacle(a_grant(USER, authorization_details_types=frozenset({"t" * 256})))


def test_a_text_is_writable_up_to_the_length_that_is_read_again() -> None:
    assert writable("x" * 8192)
    assert not writable("x" * 8193)
    assert not writable("")
