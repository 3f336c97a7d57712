from itertools import product

import pytest

from reconciler.core.fields import (
    CALLERS,
    admits_organizations,
    callers_gaining_access,
    callers_losing_access,
    describe_effect,
)

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
def test_a_change_of_usage_adds_and_removes_access(before: str, after: str, gains: set[str], losses: set[str]) -> None:
    assert callers_gaining_access(before, after) == gains
    assert callers_losing_access(before, after) == losses


def test_an_unchanged_usage_has_no_effect() -> None:
    for usage in (*CALLERS, "of-the-future"):
        assert not callers_gaining_access(usage, usage)
        assert not callers_losing_access(usage, usage)
        assert describe_effect(usage, usage) == ""


def test_every_change_of_usage_has_a_description() -> None:
    for before, after in product(CALLERS, repeat=2):
        assert bool(describe_effect(before, after)) == (before != after)
    assert describe_effect("deny", "require") == f"{WITH} gain access; {WITHOUT} lose access"


def test_only_deny_excludes_organizations() -> None:
    assert [usage for usage in (*CALLERS, "of-the-future") if not admits_organizations(usage)] == ["deny"]
