from itertools import product

import pytest

from reconciler.core.organization_usage import CALLERS, effect_of, gaining, lets_organizations_in, losing

WITHOUT, WITH = "callers without an organization", "callers with an organization"


@pytest.mark.parametrize(
    ("before", "after", "gains", "losses"),
    [
        ("deny", "require", {WITH}, {WITHOUT}),
        ("deny", "allow", {WITH}, set()),
        ("require", "deny", {WITHOUT}, {WITH}),
        ("require", "allow", {WITHOUT}, set()),
        ("allow", "deny", set(), {WITH}),
        ("allow", "require", set(), {WITHOUT}),
        ("deny", "of-the-future", {WITH}, {WITHOUT}),
        ("of-the-future", "deny", {WITHOUT}, {WITH}),
        ("of-the-future", "other", {WITH, WITHOUT}, {WITH, WITHOUT}),
    ],
)
def test_a_transition_gives_access_and_takes_access(before: str, after: str, gains: set[str], losses: set[str]) -> None:
    assert gaining(before, after) == gains
    assert losing(before, after) == losses


def test_an_unchanged_value_gives_and_takes_nothing() -> None:
    for usage in (*CALLERS, "of-the-future"):
        assert not gaining(usage, usage)
        assert not losing(usage, usage)
        assert effect_of(usage, usage) == ""


def test_every_transition_has_an_effect_in_words() -> None:
    for before, after in product(CALLERS, repeat=2):
        assert bool(effect_of(before, after)) == (before != after)
    assert effect_of("deny", "require") == f"{WITH} gain access; {WITHOUT} lose access"


def test_only_deny_keeps_organizations_out() -> None:
    assert [usage for usage in (*CALLERS, "of-the-future") if not lets_organizations_in(usage)] == ["deny"]
