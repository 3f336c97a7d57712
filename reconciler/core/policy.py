"""The policy in reconciler.yaml. The policy allows risks, warns about risks, or denies risks.

The module also finds patterns in reconciler.yaml that match no grant, and suggests corrections.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from reconciler.core.characters import join_some
from reconciler.core.config_rules import LOOSENED, STRICTER
from reconciler.core.directory import Directory
from reconciler.core.expiry import TEMPORARY_ACCESS
from reconciler.core.fields import SETTINGS, plain_value
from reconciler.core.grant import Key
from reconciler.core.guards import AllowedAndBlocked, block_changes
from reconciler.core.pattern import (
    PATTERN_FIELDS,
    WILDCARDS,
    ManagedScope,
    Match,
    Pattern,
    Unread,
    Value,
    matches,
    narrowness,
    value_of,
)
from reconciler.core.plan import Change, Delete
from reconciler.core.problems import Problem, Risk, Severity
from reconciler.core.resolve import DesiredGrant
from reconciler.core.risks import RULE_ORDER
from reconciler.core.settings import Policy, PolicyRule, Verdict
from reconciler.core.suggest import Suggestions, explain_normalization, to_nfc


def violated_schemas(desired: DesiredGrant, policy: Policy, directory: Directory) -> list[str]:
    """Return the titles of the policy's JSON Schemas that a grant violates."""
    if not policy.schemas:
        return []
    data = grant_data(desired, directory)
    return [schema.title for schema in policy.schemas if not schema.is_valid(data)]


def grant_data(desired: DesiredGrant, directory: Directory) -> dict[str, object]:
    """Convert a grant to the JSON data that the policy's JSON Schemas check. The data includes default values.

    The data omits unknown, undeclared and empty values, such as the application of a default grant.
    """
    grant, key = desired.grant, desired.key
    organizations: list[str] | None = None
    if grant.organizations is not None:
        organizations = sorted(directory.organization_name(each) or each for each in grant.organizations)
    values: dict[str, object] = {
        "client": directory.client_name(key),
        "client_id": key.client_id,
        "default_for": key.default_for,
        "api": directory.api_name(key),
        "audience": key.audience,
        "subject_type": key.subject_type,
        "description": desired.spec.description or None,
        "expires": desired.spec.expires or None,
        **{each.name: plain_value(getattr(grant, each.name)) for each in SETTINGS},
        "organizations": organizations,
    }
    return {name: value for name, value in values.items() if value is not None}


Risks = Mapping[Key, tuple[Risk, ...]]


def without_allowed(risks: Risks, policy: Policy, directory: Directory) -> Risks:
    """Return the risks that the policy does not allow."""
    kept = {
        key: tuple(risk for risk in found if policy.deciding_rule(risk, key, directory).verdict is not Verdict.ALLOW)
        for key, found in risks.items()
    }
    return {key: found for key, found in kept.items() if found}


def forbid_denied(changes: Iterable[Change], risks: Risks, policy: Policy, directory: Directory) -> AllowedAndBlocked:
    """Block each change with a risk that the policy denies."""

    def reason(change: Change) -> str | None:
        decided = (policy.deciding_rule(risk, change.key, directory) for risk in risks.get(change.key, ()))
        denial = next((each for each in decided if each.verdict is Verdict.DENY), None)
        if denial is None:
            return None
        return f"policy: {denial.rule} is denied{f', {denial.reason}' if denial.reason else ''}"

    return block_changes(changes, reason)


def forbid_schema_violations(changes: Iterable[Change], policy: Policy, directory: Directory) -> AllowedAndBlocked:
    """Block each change after which the grant would violate a JSON Schema of the policy."""

    def reason(change: Change) -> str | None:
        broken = [] if isinstance(change, Delete) else violated_schemas(change.after, policy, directory)
        return f"policy: {'; '.join(broken)}" if broken else None

    return block_changes(changes, reason)


def schema_warnings(desired: Iterable[DesiredGrant], policy: Policy, directory: Directory) -> Iterator[Problem]:
    """Yield a warning for each declared grant, changed or unchanged, that violates a JSON Schema of the policy."""
    for each in desired:
        for title in violated_schemas(each, policy, directory):
            yield Problem(each.spec.source, f"violates the policy schema: {title}", severity=Severity.WARNING)


def compare_policies(old: Policy, new: Policy) -> Iterator[Risk]:
    """Yield a risk for each change that makes the policy less strict.

    Yield a low risk if the policy changed without becoming less strict.
    """
    loosened = list(_loosened_rules(old.rules, new.rules))
    removed = [each for each in old.schemas if each not in new.schemas]
    added = [each for each in new.schemas if each not in old.schemas]
    if removed:
        loosened.append(f"the schema {join_some([each.title for each in removed])} was removed or changed")
    for text in loosened:
        yield LOOSENED.risk(f"policy: {text}")
    if not loosened and (old.rules != new.rules or added):
        yield STRICTER.risk("policy is stricter or written differently")


def _loosened_rules(old: Sequence[PolicyRule], new: Sequence[PolicyRule]) -> Iterator[str]:
    """Yield a message for each kind of change that makes the rules less strict, the most dangerous risk first.

    Compare the policy rules for each kind of risk separately. One message names all patterns of a kind, the broadest
    pattern first, so that many harmless rules cannot hide a dangerous rule.
    """
    names = {each.rule for each in (*old, *new)}
    for risk in sorted(names, key=lambda name: (RULE_ORDER.get(name, len(RULE_ORDER)), name)):
        before, after = (
            list(dict.fromkeys(rule._replace(reason="") for rule in rules if rule.rule == risk)) for rules in (old, new)
        )
        default = PolicyRule(risk, Verdict.ALLOW if risk == TEMPORARY_ACCESS else Verdict.WARN)
        removed = [
            each
            for index, each in enumerate(before)
            if each not in after
            and not _is_replaced(index, before, after)
            and not all(later.is_as_strict_as(each) for later in (*before[index + 1 :], default))
        ]
        added = [
            each
            for index, each in enumerate(after)
            if each not in before and not all(each.is_as_strict_as(later) for later in (*after[index + 1 :], default))
        ]
        yield from (f"no longer {each}" for each in _describe(removed))
        yield from (f"now {each}" for each in _describe(added))
        common = [each for each in before if each in after]
        if common != [each for each in after if each in before]:
            yield f"the order of the rules for {risk} changed, and the first match decides"


def _is_replaced(index: int, before: Sequence[PolicyRule], after: Sequence[PolicyRule]) -> bool:
    """Return whether a rule for the same grants, which is as strict, replaces the rule `before[index]`.

    An unchanged rule that comes before the new rule must also come before the old rule, because the first match
    decides.
    """
    rule, earlier = before[index], before[:index]
    return any(
        each.grants == rule.grants
        and each.is_as_strict_as(rule)
        and all(other in earlier or other not in before for other in after[:place])
        for place, each in enumerate(after)
    )


def _describe(rules: Iterable[PolicyRule]) -> Iterator[str]:
    """Yield a description of the rules with the same verdict and the same `max_days`, the broadest pattern first."""
    verbs = {Verdict.DENY: "denies", Verdict.ALLOW: "allows", Verdict.WARN: "warns of"}
    groups: dict[tuple[Verdict, int | None], list[Pattern]] = {}
    for rule in rules:
        groups.setdefault((rule.verdict, rule.max_days), []).append(rule.grants)
    for (verdict, max_days), patterns in groups.items():
        days = "" if max_days is None else f" (max_days: {max_days})"
        named = [str(each) or "all grants" for each in sorted(patterns, key=narrowness)]
        yield f"{verbs[verdict]} {rule.rule}{days} for {join_some(named)}"


MAX_REPORTED = 20


class ConfigItem(NamedTuple):
    """A pattern in a setting of reconciler.yaml.

    `setting` is the name of the setting that contains the pattern, for example `protect`.
    """

    setting: str
    pattern: Pattern


def items_of(protect: Iterable[Pattern], managed_scope: ManagedScope, policy: Policy) -> Iterator[ConfigItem]:
    """Yield the patterns in `protect`, `manage` and `policy`.

    Omit policy rules that contain no pattern, because a rule without a pattern applies to all grants.
    """
    yield from (ConfigItem("protect", each) for each in protect)
    yield from (ConfigItem("manage", each) for each in managed_scope.patterns)
    yield from (ConfigItem(f"policy {each.rule}", each.grants) for each in policy.all_rules if str(each.grants))


def find_unmatched(items: Iterable[ConfigItem], keys: Iterable[Key], directory: Directory) -> Iterator[str]:
    """Yield a message for each pattern that certainly matches no grant in `keys`.

    After MAX_REPORTED messages, yield a final message with the number of unreported patterns.
    """
    items, keys = tuple(items), tuple(keys)
    if not items:
        return
    values = {name: {value_of(name, key, directory) for key in keys} for name in PATTERN_FIELDS}
    found = [item for item in items if not _matches_any(item.pattern, keys, values, directory)]
    suggest = Suggestions(MAX_REPORTED)
    for item in found[:MAX_REPORTED]:
        suggestions = (
            _suggestion(name, item.pattern, values[name] | _known_names(name, directory), suggest)
            for name in PATTERN_FIELDS
        )
        suggestion = next(filter(None, suggestions), "")
        yield f"{item.setting} matches no grant: {item.pattern}; {suggestion or 'compare with the names in the tenant'}"
    if found[MAX_REPORTED:]:
        yield f"{len(found) - MAX_REPORTED} more items of reconciler.yaml match no grant"


Values = dict[str, set[Value]]


def _matches_any(pattern: Pattern, keys: Iterable[Key], values: Values, directory: Directory) -> bool:
    """Return whether the pattern matches or may match a grant.

    To save time, the function compares the distinct names and ids in `values` before the grants in `keys`.
    """
    parts = {name: getattr(pattern, name) for name in PATTERN_FIELDS if getattr(pattern, name) is not None}
    for name, text in parts.items():
        if not any(
            value is Unread.VALUE or (isinstance(value, str) and matches(value, text)) for value in values[name]
        ):
            return False
    return any(pattern.matches(key, directory) is not Match.NO for key in keys)


def _known_names(name: str, directory: Directory) -> set[Value]:
    """Return all values of the pattern field `name` that occur in the tenant, such as application names."""
    known: dict[str, Iterable[str]] = {
        "client": directory.client_ids_by_name,
        "client_id": directory.applications_by_id,
        "api": directory.identifiers_by_name,
        "audience": directory.apis_by_identifier,
    }
    return set(known.get(name, ()))


def _suggestion(name: str, pattern: Pattern, values: set[Value], suggest: Suggestions) -> str:
    text = getattr(pattern, name)
    known = [value for value in values if isinstance(value, str)]
    if text is None or any(matches(value, text) for value in known):
        return ""
    if known_text := next((each for each in known if matches(to_nfc(each), to_nfc(text))), None):
        return explain_normalization(known_text)
    return suggest("".join(character for character in text if character not in WILDCARDS), known)
