"""Pure: whether a policy is at least as strict as the one before."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from reconciler.core.config_rules import LOOSENED, STRICTER
from reconciler.core.policy import Policy, PolicyRule, Verdict
from reconciler.core.quoting import some
from reconciler.core.risk import Risk


def loosened_policy(was: Policy, now: Policy) -> Iterator[Risk]:
    """Yield what a policy allows or fails to deny unlike the one before, or that it differs without doing so."""
    loosened = list(_rules_loosened(was.rules, now.rules))
    lost = [each for each in was.schemas if each not in now.schemas]
    gained = [each for each in now.schemas if each not in was.schemas]
    if lost:
        loosened.append(f"the schema {some([each.title for each in lost])} is removed or changed")
    for what in loosened:
        yield LOOSENED.risk(f"policy: {what}")
    if not loosened and (was.rules != now.rules or gained):
        yield STRICTER.risk("policy is stricter or written otherwise")


def _rules_loosened(was: Sequence[PolicyRule], now: Sequence[PolicyRule]) -> Iterator[str]:
    """Yield what the rules allow or fail to deny, unlike before. The rules for one risk do not concern another."""
    for risk in sorted({each.rule for each in (*was, *now)}):
        before, after = (list(dict.fromkeys(map(_bare, _of(risk, rules)))) for rules in (was, now))
        removed = [each for each in before if each not in after]
        added = [each for each in after if each not in before]
        for each in removed:
            if each.verdict is Verdict.DENY or (each.verdict is Verdict.WARN and _follows(before, each, Verdict.ALLOW)):
                yield f"no longer {_said(each)}"
        for each in added:
            if each.verdict is Verdict.ALLOW or (each.verdict is Verdict.WARN and _follows(after, each, Verdict.DENY)):
                yield f"now {_said(each)}"
        kept = [each for each in before if each in after]
        if kept != [each for each in after if each in before]:
            yield f"the rules for {risk} are in another order, and the first that matches decides"


def _of(risk: str, rules: Iterable[PolicyRule]) -> Iterator[PolicyRule]:
    return (each for each in rules if each.rule == risk)


def _bare(rule: PolicyRule) -> PolicyRule:
    return replace(rule, reason="")


def _follows(rules: Sequence[PolicyRule], rule: PolicyRule, verdict: Verdict) -> bool:
    return any(each.verdict is verdict for each in rules[rules.index(rule) + 1 :])


def _said(rule: PolicyRule) -> str:
    verbs = {Verdict.DENY: "denies", Verdict.ALLOW: "allows", Verdict.WARN: "warns of"}
    return f"{verbs[rule.verdict]} {rule.rule} for {rule.grants if str(rule.grants) else 'all grants'}"
