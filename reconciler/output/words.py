"""Pure: what all renderings of a plan say in the same words."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.core.config_rules import ConfigChange
from reconciler.core.diff import ValueChange
from reconciler.core.directory import Directory
from reconciler.core.fields import SUBJECT_CLIENT
from reconciler.core.grant import Key
from reconciler.core.organization_usage import effect_of
from reconciler.core.plan import (
    TITLES,
    Change,
    Create,
    Delete,
    Origin,
    Plan,
    Reason,
    Update,
    grant_before,
    grants_after,
)
from reconciler.core.problems import Level, Risk
from reconciler.core.quoting import counted, some, visible
from reconciler.core.risks import ORDER_OF_RULES, escaped_scope
from reconciler.core.scopes import scope_order

TOLD = (Level.CRITICAL, Level.HIGH)
"""Lower risks say what the lines of a change say already; plans as data have them."""

HARMLESS = (len(Level), True)


@dataclass(frozen=True, slots=True)
class GrantRisk:
    """A risk beside the grant that it is about."""

    label: str
    key: Key
    risk: Risk


def dangers(plan: Plan, level: Level) -> list[GrantRisk]:
    """Return the risks of one level, of blocked changes too: the worst first, then by the grant's name."""
    found = [
        GrantRisk(grant_label(key, plan.directory), key, risk)
        for key, risks in plan.risks.items()
        for risk in risks
        if risk.level is level
    ]
    severity = severities(plan)
    return sorted(
        found,
        key=lambda each: (
            ORDER_OF_RULES.get(each.risk.rule, len(ORDER_OF_RULES)),
            severity.get(each.key, HARMLESS),
            each.risk.message,
            each.label,
            each.key.order,
        ),
    )


def severities(plan: Plan) -> Mapping[Key, tuple[int, bool]]:
    """Return how severe the worst scope is that a change with a risk adds; changes without new scopes are missing."""
    found: dict[Key, tuple[int, bool]] = {}
    for change in (*plan.changes, *(each.change for each in plan.blocked)):
        if change.key in plan.risks:
            before, after = grant_before(change), grants_after(change)
            added = (after.scope if after else frozenset()) - (before.scope if before else frozenset())
            if added:
                found[change.key] = min(scope_order(change.key.audience, scope)[:2] for scope in added)
    return found


@dataclass(frozen=True, slots=True)
class RiskGroup:
    """Equal risks of several grants."""

    risk: Risk
    labels: tuple[str, ...]


def grouped(found: Iterable[GrantRisk]) -> list[RiskGroup]:
    """Return dangers as groups of equal risks, in the order of the first of each."""
    groups: dict[Risk, list[str]] = {}
    for each in found:
        groups.setdefault(each.risk, []).append(each.label)
    return [RiskGroup(risk, tuple(labels)) for risk, labels in groups.items()]


def all_risks_of(plan: Plan) -> Iterator[Risk]:
    """Yield the risks of a plan's changes, blocked ones too, and of the changes of reconciler.yaml."""
    for risks in plan.risks.values():
        yield from risks
    yield from (each.risk for each in plan.config_changes)


def about(change: ConfigChange) -> str:
    """Return the names of the tenants that a change of reconciler.yaml is about, with a colon; nothing for none."""
    return f"{some(change.tenants)}: " if change.tenants else ""


def counted_risks(plan: Plan) -> str:
    """Return how many risks of the levels that are told there are; nothing if there are none."""
    count = Counter(risk.level for risk in all_risks_of(plan))
    return ", ".join(f"{count[level]} {level}" for level in TOLD if count[level])


def by_origin(plan: Plan) -> Iterator[tuple[str, list[Change]]]:
    """Yield each section's title and its changes: one section without a title where nothing is known of origins."""
    if not plan.origins:
        yield "", list(plan.changes)
        return
    for origin in Origin:
        changes = [change for change in plan.changes if plan.origins[change.key] is origin]
        if changes:
            yield TITLES[origin], changes


def origins_summary(plan: Plan) -> str:
    """Return how many changes, blocked ones too, come from where."""
    count = Counter(plan.origins.values())
    return (
        f"Origin: {count[Origin.BRANCH]} from this branch, {count[Origin.DRIFT]} drift, {count[Origin.BOTH]} from both."
    )


def nothing(plan: Plan) -> str:
    """Return why a plan has no changes."""
    if plan.skipped:
        return f"the tenant lacks what {counted(plan.skipped, 'declared grant')} would need"
    return "the tenant has what was asked for" if plan.differing else "the tenant has what the files declare"


def summary(plan: Plan) -> str:
    """Return the plan in one line of counts."""
    count = Counter(type(change) for change in plan.changes)
    parts = [f"{count[Create]} to create, {count[Update]} to update, {count[Delete]} to delete"]
    if plan.blocked:
        parts.append(f"{len(plan.blocked)} blocked")
    rest = [f"{plan.unchanged} unchanged", f"{len(plan.left_alone)} left alone"]
    if plan.differing:
        rest.insert(1, f"{plan.differing} differing but not asked for")
    if plan.skipped:
        rest.append(f"{plan.skipped} skipped")
    return f"Plan: {', '.join(parts)}; {', '.join(rest)}."


def counted_reasons(plan: Plan) -> str:
    """Return how many grants are left alone for which reason."""
    count = Counter(each.reason for each in plan.left_alone)
    return ", ".join(f"{count[reason]} {reason}" for reason in Reason if count[reason])


def effect_of_field(change: ValueChange) -> str:
    """Return what a changed setting does to callers, where the values alone do not say it; else nothing."""
    if change.field != "organization_usage":
        return ""
    return effect_of(str(change.before), str(change.after))


def scope_label(scope: str) -> str:
    """Return a scope, with its escaped form if it has characters that may look like others."""
    escaped = escaped_scope(scope)
    return visible(scope) if escaped == visible(scope) else f"{visible(scope)}  ({escaped})"


def grant_label(key: Key, directory: Directory) -> str:
    """Return `application -> API`, by name where the names are known; the subject type where it is not the usual."""
    subject = "" if key.subject_type == SUBJECT_CLIENT else f" ({visible(key.subject_type)})"
    return f"{visible(directory.client_label(key))} -> {visible(directory.api_label(key))}{subject}"
