"""Pure: what the configuration thinks of risks: allowed, worth a warning, or denied, and for whom."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.core.directory import Directory
from reconciler.core.grant import Key
from reconciler.core.pattern import Pattern
from reconciler.core.plan import Blocked, Change
from reconciler.core.risk import Risk


class Verdict(StrEnum):
    """What becomes of a risk: not shown, shown, or its change blocked."""

    ALLOW = "allow"
    WARN = "warn"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """The verdict on one rule's risks, for the grants that `grants` covers."""

    rule: str
    verdict: Verdict
    grants: Pattern = field(default_factory=Pattern)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """The first rule that names a risk and covers its grant decides; where none does, the risk is shown."""

    rules: tuple[PolicyRule, ...] = ()

    def on(self, risk: Risk, key: Key, directory: Directory) -> PolicyRule:
        """Return the rule that decides on `risk`."""
        covering = (each for each in self.rules if each.rule == risk.rule and each.grants.covers(key, directory))
        return next(covering, PolicyRule(risk.rule, Verdict.WARN))


Risks = Mapping[Key, tuple[Risk, ...]]


def shown(risks: Risks, policy: Policy, directory: Directory) -> Risks:
    """Return `risks` without those that the policy allows."""
    kept = {
        key: tuple(risk for risk in found if policy.on(risk, key, directory).verdict is not Verdict.ALLOW)
        for key, found in risks.items()
    }
    return {key: found for key, found in kept.items() if found}


def forbid_denied(
    changes: Iterable[Change],
    risks: Risks,
    policy: Policy,
    directory: Directory,
) -> tuple[tuple[Change, ...], tuple[Blocked, ...]]:
    """Split changes into those without a risk that the policy denies, and those with one."""
    allowed: list[Change] = []
    blocked: list[Blocked] = []
    for change in changes:
        decided = (policy.on(risk, change.key, directory) for risk in risks.get(change.key, ()))
        denial = next((each for each in decided if each.verdict is Verdict.DENY), None)
        if denial is None:
            allowed.append(change)
        else:
            why = f", {denial.reason}" if denial.reason else ""
            blocked.append(Blocked(change, f"policy: {denial.rule} is denied{why}"))
    return tuple(allowed), tuple(blocked)
