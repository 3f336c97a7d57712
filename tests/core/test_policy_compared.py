"""Changes of the policy: every change that makes the policy less strict for some grant is a critical risk."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import a_directory, a_key

from reconciler.core.config_rules import LOOSENED, STRICTER, ConfigRule
from reconciler.core.expiry import TEMPORARY_ACCESS
from reconciler.core.pattern import Pattern
from reconciler.core.policy import compare_policies
from reconciler.core.problems import Level, Risk
from reconciler.core.settings import STRICTNESS, Policy, PolicyRule, Verdict

NAMES = a_directory({"a": "A", "b": "B"}, None)
PATTERNS = (Pattern(), Pattern(client="A"), Pattern(client="B"))
DAYS = (7, 30, 365, None)
DENY_30 = PolicyRule(TEMPORARY_ACCESS, Verdict.DENY, max_days=30)
DENY_3650 = PolicyRule(TEMPORARY_ACCESS, Verdict.DENY, max_days=3650)
WARN_7, WARN_30 = (PolicyRule(TEMPORARY_ACCESS, Verdict.WARN, max_days=days) for days in (7, 30))

WARN_ALWAYS = PolicyRule(TEMPORARY_ACCESS, Verdict.WARN)
ALLOW_ALL, DENY_A = PolicyRule("delete", Verdict.ALLOW), PolicyRule("delete", Verdict.DENY, Pattern(client="A"))
DENY_A_30, DENY_A_7 = (each._replace(grants=Pattern(client="A")) for each in (DENY_30, DENY_30._replace(max_days=7)))
ALLOW_ACCESS = PolicyRule(TEMPORARY_ACCESS, Verdict.ALLOW)

rules = st.builds(PolicyRule, st.just("delete"), st.sampled_from(Verdict), st.sampled_from(PATTERNS))
temporary = st.builds(
    PolicyRule,
    st.just(TEMPORARY_ACCESS),
    st.sampled_from(Verdict),
    st.sampled_from(PATTERNS),
    max_days=st.sampled_from(DAYS),
)
lists = st.lists(rules | temporary, max_size=4)


def strictness(policy: Policy, client: str, days: int) -> tuple[int, int]:
    """Return how strict a policy is on a delete, and on access with critical scopes that ends in a number of days."""
    key = a_key(client)
    decided = policy.deciding_rule(Risk("delete", Level.HIGH, ""), key, NAMES).verdict
    found = policy.matching_rules(TEMPORARY_ACCESS, key, NAMES)
    broken = [rule.verdict for rule in found if (rule.max_days is not None and days > rule.max_days) or days == NEVER]
    return STRICTNESS.index(decided), max(map(STRICTNESS.index, broken), default=0)


NEVER = 10**9


@given(lists, lists)
@settings(max_examples=200)
def test_a_policy_that_is_less_strict_for_any_grant_is_loosened(old: list[PolicyRule], new: list[PolicyRule]) -> None:
    before, after = Policy(tuple(old)), Policy(tuple(new))
    is_looser = any(
        now < then
        for client, days in product("ab", (5, 20, 100, 1000, NEVER))
        for then, now in zip(strictness(before, client, days), strictness(after, client, days), strict=True)
    )

    found = {risk.rule for risk in compare_policies(before, after)}

    if is_looser:
        assert found == {LOOSENED.name}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([DENY_30], [DENY_3650, DENY_30], LOOSENED),
        ([DENY_30], [DENY_3650], LOOSENED),
        ([WARN_7], [], LOOSENED),
        ([WARN_7], [WARN_30], LOOSENED),
        ([DENY_3650], [DENY_30], STRICTER),
        ([DENY_3650], [DENY_30, DENY_3650], STRICTER),
        ([WARN_30], [DENY_30], STRICTER),
        ([], [DENY_3650], STRICTER),
    ],
)
def test_the_maximum_number_of_days_is_compared(
    old: list[PolicyRule], new: list[PolicyRule], expected: ConfigRule
) -> None:
    names = {risk.rule for risk in compare_policies(Policy(tuple(old)), Policy(tuple(new)))}

    assert names == {expected.name}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([DENY_A, ALLOW_ALL], [ALLOW_ALL, DENY_A]),
        ([DENY_A_30, ALLOW_ACCESS], [ALLOW_ACCESS, DENY_A_7]),
        ([WARN_ALWAYS], []),
    ],
    ids=["order", "stricter rule after an allowance", "no warning of access without an end"],
)
def test_a_rule_that_no_longer_decides_is_loosened(old: list[PolicyRule], new: list[PolicyRule]) -> None:
    names = {risk.rule for risk in compare_policies(Policy(tuple(old)), Policy(tuple(new)))}

    assert names == {LOOSENED.name}


def test_many_narrow_rules_do_not_hide_a_rule_for_all_grants() -> None:
    narrow = [PolicyRule("delete", Verdict.ALLOW, Pattern(client=f"client-{number}")) for number in range(20)]

    (risk,) = compare_policies(Policy(), Policy((*narrow, ALLOW_ALL)))

    assert risk.message.startswith("policy: now allows delete for all grants, ")
