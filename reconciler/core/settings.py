"""The settings in reconciler.yaml that allow or block changes: limits and the policy."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from reconciler.core.directory import Directory
from reconciler.core.grant import Key
from reconciler.core.pattern import (
    Match,
    Pattern,
)
from reconciler.core.problems import Risk


class Limits(NamedTuple):
    """The maximum numbers of deletes and updates in a plan, and of grants per organization."""

    deletes_percent: int = 30
    """Maximum percentage of the counted grants (see `limits`) that one plan may delete."""
    updates_percent: int = 50
    """Maximum percentage of the counted grants (see `limits`) that one plan may update."""
    max_deletes: int | None = None
    """The maximum number of deletes in a plan. The limit `max_deletes` overrides `deletes_percent`."""
    max_updates: int | None = None
    """The maximum number of updates in a plan. The limit `max_updates` overrides `updates_percent`."""
    requires_max_deletes: bool = False
    """True if `max_deletes` must be set before a plan may delete grants."""
    organization_grants: int = 100
    """The maximum number of grants per organization.

    In Auth0's public cloud, an organization can have at most 100 grants.
    """


class Verdict(StrEnum):
    """The decision of the policy on a risk: hide the risk (allow), show the risk (warn), or block the change (deny).

    The verdicts are ordered from the least strict to the strictest.
    """

    ALLOW = "allow"
    WARN = "warn"
    DENY = "deny"


STRICTNESS = tuple(Verdict)


class PolicyRule(NamedTuple):
    """A rule of the policy: the decision on a kind of risk, for the grants that match a pattern.

    `rule` is the name of a risk rule. The policy rule applies to the grants that the pattern `grants` matches. For the
    rule `temporary-access`, `max_days` is the maximum number of days until a grant expires. If `max_days` is None, the
    policy accepts any expiry date.
    """

    rule: str
    verdict: Verdict
    grants: Pattern = Pattern()
    reason: str = ""
    max_days: int | None = None

    def is_as_strict_as(self, other: "PolicyRule") -> bool:
        """Return whether this rule is at least as strict as another rule, for a grant that both rules match."""
        if other.verdict is Verdict.ALLOW:
            return True
        return STRICTNESS.index(self.verdict) >= STRICTNESS.index(other.verdict) and (
            other.max_days is None or (self.max_days is not None and self.max_days <= other.max_days)
        )


@dataclass(frozen=True, slots=True)
class GrantSchema:
    """A JSON Schema in reconciler.yaml that every declared grant must match."""

    title: str
    """A text for error messages that describes what the schema requires."""
    is_valid: Callable[[Mapping[str, object]], bool] = field(compare=False)
    """A function that returns whether a grant, as JSON data, matches the schema."""
    content: str = ""
    """The schema as a JSON string. Two schemas are equal if their titles and contents are equal."""


class Policy(NamedTuple):
    """The policy: rules for risks, and JSON Schemas for grants.

    The verdict for a risk comes from the first policy rule that matches both the risk and the grant. If no policy rule
    matches, the plan shows the risk.

    If a policy combines several policies, `others` contains the rule lists of all policies except the first policy. If
    the combined policies lead to different verdicts, the strictest verdict applies.
    """

    rules: tuple[PolicyRule, ...] = ()
    schemas: tuple[GrantSchema, ...] = ()
    others: tuple[tuple[PolicyRule, ...], ...] = ()

    def followed_by(self, other: "Policy") -> "Policy":
        """Append the rules of the policy `other` to the rules of the policy `self`."""
        return Policy((*self.rules, *other.rules), (*self.schemas, *other.schemas))

    @property
    def all_rules(self) -> tuple[PolicyRule, ...]:
        """All rules of the policy: the rules in `rules`, followed by the rules in `others`."""
        return tuple(rule for rules in (self.rules, *self.others) for rule in rules)

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """The patterns of all rules of the policy.

        A policy with JSON Schemas also has a pattern that matches every name, because a schema may check any name.
        """
        names = (Pattern(client="*", api="*"),) if self.schemas else ()
        return (*(rule.grants for rule in self.all_rules), *names)

    def deciding_rule(self, risk: Risk, key: Key, directory: Directory) -> PolicyRule:
        """Return the policy rule that decides on a risk of a grant."""
        found = (_first_match(rules, risk.rule, key, directory) for rules in (self.rules, *self.others))
        decided = (each or PolicyRule(risk.rule, Verdict.WARN) for each in found)
        return max(decided, key=lambda rule: STRICTNESS.index(rule.verdict))

    def matching_rules(self, name: str, key: Key, directory: Directory) -> list[PolicyRule]:
        """For each rule list, return the first policy rule with the name `name` that matches the grant."""
        found = (_first_match(rules, name, key, directory) for rules in (self.rules, *self.others))
        return [each for each in found if each]

    @property
    def denials(self) -> "Policy":
        """A policy that contains only the JSON Schemas and the `deny` rules.

        Each `deny` rule is a list of its own, so that no rule hides a later rule with a smaller `max_days`.
        """
        denials = dict.fromkeys(rule for rule in self.all_rules if rule.verdict is Verdict.DENY)
        return Policy((), self.schemas, tuple((rule,) for rule in denials))


def _first_match(rules: Iterable[PolicyRule], name: str, key: Key, directory: Directory) -> PolicyRule | None:
    """Return the first policy rule that has the name `name` and matches the grant.

    A `deny` rule also applies if reconciler does not know whether the rule's pattern matches the grant.
    """
    for rule in rules:
        if rule.rule != name:
            continue
        match = rule.grants.matches(key, directory)
        if match is Match.YES or (match is Match.UNKNOWN and rule.verdict is Verdict.DENY):
            return rule
    return None


def strictest(policies: Iterable[Policy]) -> Policy:
    """Combine several policies, so that the strictest policy decides on each risk.

    The combined policy denies a risk if any policy denies the risk. The combined policy allows a risk only if all
    policies allow the risk.
    """
    policies = tuple(policies)
    rules = dict.fromkeys(rules for policy in policies for rules in (policy.rules, *policy.others))
    schemas = dict.fromkeys(schema for policy in policies for schema in policy.schemas)
    first, *others = rules or [()]
    return Policy(first, tuple(schemas), tuple(others))


def all_denials(policies: Iterable[Policy]) -> Policy:
    """Combine the `deny` rules and the JSON Schemas of several policies.

    Omit `allow` rules and `warn` rules.
    """
    return strictest(policies).denials
