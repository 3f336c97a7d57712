"""Pure: what the configuration thinks of risks: allowed, worth a warning, or denied, and for whom."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.core.directory import Directory
from reconciler.core.grant import Key
from reconciler.core.pattern import Pattern
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
class GrantSchema:
    """A rule of one's own, which every grant must meet: `title` says it, `is_met_by` tells of a grant as data."""

    title: str
    is_met_by: Callable[[Mapping[str, object]], bool]


@dataclass(frozen=True, slots=True)
class Policy:
    """The first rule that names a risk and covers its grant decides; where none does, the risk is shown."""

    rules: tuple[PolicyRule, ...] = ()
    schemas: tuple[GrantSchema, ...] = ()

    def before(self, other: "Policy") -> "Policy":
        """Return both together; what this one says on a risk comes first."""
        return Policy((*self.rules, *other.rules), (*self.schemas, *other.schemas))

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """All patterns by which grants are told apart; schemas may speak of any name."""
        names = (Pattern(client="*", api="*"),) if self.schemas else ()
        return (*(rule.grants for rule in self.rules), *names)

    def on(self, risk: Risk, key: Key, directory: Directory) -> PolicyRule:
        """Return the rule that decides on `risk`."""
        covering = (each for each in self.rules if each.rule == risk.rule and each.grants.covers(key, directory))
        return next(covering, PolicyRule(risk.rule, Verdict.WARN))
