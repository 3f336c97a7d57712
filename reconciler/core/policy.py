"""Pure: what the configuration thinks of risks: allowed, worth a warning, or denied, and for whom."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.core.directory import Directory
from reconciler.core.grant import Key
from reconciler.core.pattern import Match, Pattern
from reconciler.core.risk import Risk


class Verdict(StrEnum):
    """What becomes of a risk: not shown, shown, or its change blocked. The strictest comes last."""

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
    """A rule of one's own, which every grant must meet: `title` says it, `is_met_by` tells of a grant as data.

    `content` is the schema as canonical JSON. Schemas with the same content are equal.
    """

    title: str
    is_met_by: Callable[[Mapping[str, object]], bool] = field(compare=False)
    content: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """The first rule that names a risk and covers its grant decides; where none does, the risk is shown.

    `others` are further lists of rules, each with a first rule of its own: the strictest of these rules decides.
    """

    rules: tuple[PolicyRule, ...] = ()
    schemas: tuple[GrantSchema, ...] = ()
    others: tuple[tuple[PolicyRule, ...], ...] = ()

    def before(self, other: "Policy") -> "Policy":
        """Return both together; what this one says on a risk comes first."""
        return Policy((*self.rules, *other.rules), (*self.schemas, *other.schemas))

    @property
    def all_rules(self) -> tuple[PolicyRule, ...]:
        """The rules of all lists."""
        return tuple(rule for rules in (self.rules, *self.others) for rule in rules)

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """All patterns by which grants are told apart; schemas may speak of any name."""
        names = (Pattern(client="*", api="*"),) if self.schemas else ()
        return (*(rule.grants for rule in self.all_rules), *names)

    def on(self, risk: Risk, key: Key, directory: Directory) -> PolicyRule:
        """Return the rule that decides on `risk`."""
        decided = [_first(rules, risk, key, directory) for rules in (self.rules, *self.others)]
        return max(decided, key=lambda rule: STRICTNESS.index(rule.verdict))

    @property
    def denials(self) -> "Policy":
        """What this policy forbids, without its exceptions."""
        denials = (rule for rule in self.all_rules if rule.verdict is Verdict.DENY)
        return Policy(tuple(dict.fromkeys(denials)), self.schemas)


STRICTNESS = tuple(Verdict)


def _first(rules: Iterable[PolicyRule], risk: Risk, key: Key, directory: Directory) -> PolicyRule:
    """Return the first rule that decides. A denial also decides if it is not known whether it matches the grant."""
    for rule in rules:
        if rule.rule != risk.rule:
            continue
        match = rule.grants.matches(key, directory)
        if match is Match.YES or (match is Match.UNKNOWN and rule.verdict is Verdict.DENY):
            return rule
    return PolicyRule(risk.rule, Verdict.WARN)


def strictest(policies: Iterable[Policy]) -> Policy:
    """Return the policy that forbids what any of `policies` forbids, and allows only what all of them allow."""
    policies = tuple(policies)
    rules = dict.fromkeys(rules for policy in policies for rules in (policy.rules, *policy.others))
    schemas = dict.fromkeys(schema for policy in policies for schema in policy.schemas)
    first, *others = rules or [()]
    return Policy(first, tuple(schemas), tuple(others))


def all_denials(policies: Iterable[Policy]) -> Policy:
    """Return the policy that forbids what any rule or schema of `policies` forbids, without exceptions."""
    return strictest(policies).denials
