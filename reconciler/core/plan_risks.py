"""List the risks of a plan with the affected grants, the most dangerous risk first."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from reconciler.core.characters import visible
from reconciler.core.directory import Directory
from reconciler.core.fields import SUBJECT_CLIENT
from reconciler.core.grant import Key
from reconciler.core.plan import Plan, grant_after, grant_before
from reconciler.core.problems import Level, Risk
from reconciler.core.risks import RULE_ORDER
from reconciler.core.scopes import scope_order

LOWEST_SEVERITY = (len(Level), True)


class GrantRisk(NamedTuple):
    """A risk and the affected grant."""

    label: str
    key: Key
    risk: Risk


def risks_at_level(plan: Plan, level: Level) -> list[GrantRisk]:
    """Return the risks of the given level, including the risks of blocked changes.

    Sort the risks by rule, severity, message and name.
    """
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
            RULE_ORDER.get(each.risk.rule, len(RULE_ORDER)),
            severity.get(each.key, LOWEST_SEVERITY),
            each.risk.message,
            each.label,
            each.key.order,
        ),
    )


def severities(plan: Plan) -> Mapping[Key, tuple[int, bool]]:
    """Return the severity of the most dangerous scope that each change adds.

    Omit changes that add no scopes.
    """
    found: dict[Key, tuple[int, bool]] = {}
    for change in (*plan.changes, *(each.change for each in plan.blocked)):
        if change.key in plan.risks:
            before, after = grant_before(change), grant_after(change)
            added = (after.scope if after else frozenset()) - (before.scope if before else frozenset())
            if added:
                found[change.key] = min(scope_order(change.key.audience, scope)[:2] for scope in added)
    return found


def all_risks(plan: Plan) -> Iterator[Risk]:
    """Yield the risks of all changes, including blocked changes and changes in reconciler.yaml."""
    for risks in plan.risks.values():
        yield from risks
    yield from (each.risk for each in plan.config_changes)


def grant_label(key: Key, directory: Directory) -> str:
    """Return the name of a grant for output, such as `Billing -> Invoices API`.

    The name ends with the subject type, unless the subject type is `client`.
    """
    subject = "" if key.subject_type == SUBJECT_CLIENT else f" ({visible(key.subject_type)})"
    return f"{visible(directory.client_label(key))} -> {visible(directory.api_label(key))}{subject}"
