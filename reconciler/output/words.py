"""Create the phrases that several output formats of a plan share."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from reconciler.core.characters import join_some, join_words, pluralize, visible
from reconciler.core.config_rules import ConfigChange
from reconciler.core.diff import ValueChange
from reconciler.core.directory import Directory
from reconciler.core.expiry import expiry_text
from reconciler.core.fields import CHANGEABLE, SUBJECT_CLIENT, FieldKind, GrantField, describe_effect
from reconciler.core.grant import ClientGrant
from reconciler.core.plan import (
    TITLES,
    Change,
    Create,
    Delete,
    Origin,
    Plan,
    Reason,
    Update,
)
from reconciler.core.plan_risks import all_risks, grant_label
from reconciler.core.problems import Level
from reconciler.core.removals import NoLongerDeclared, Removal, earlier_source
from reconciler.core.risks import escaped_scope
from reconciler.core.scope_sets import PREFIX
from reconciler.core.spec import GrantSpec

SHOWN_LEVELS = (Level.CRITICAL, Level.HIGH)
"""The risk levels that plans show. A plan omits risks of the level LOW, whose messages only restate the change.

The JSON format of a plan shows the risks of all levels.
"""

SYMBOLS = {"create": "+", "update": "~", "delete": "-"}
"""The symbol of each action."""
EXPIRY_CHANGES_TITLE = "Changed ends of grants"


def tenants_prefix(change: ConfigChange) -> str:
    """Return the names of the tenants that a change of reconciler.yaml affects, followed by a colon and a space.

    If the change affects all tenants, return an empty string.
    """
    return f"{join_some(change.tenants)}: " if change.tenants else ""


def risk_counts(plan: Plan) -> str:
    """Return a phrase with the number of critical and high risks.

    If the plan has no critical or high risk, return an empty string.
    """
    count = Counter(risk.level for risk in all_risks(plan))
    return ", ".join(f"{count[level]} {level}" for level in SHOWN_LEVELS if count[level])


def sections_by_origin(plan: Plan) -> Iterator[tuple[str, list[Change]]]:
    """For each section of a plan, such as the drift section, yield the title and the changes.

    If the plan does not record whether changes come from the branch or from drift, yield a single section without a
    title.
    """
    if not plan.origins:
        yield "", list(plan.changes)
        return
    for origin in Origin:
        changes = [change for change in plan.changes if plan.origins[change.key] is origin]
        if changes:
            yield TITLES[origin], changes


def origins_summary(plan: Plan) -> str:
    """Return a sentence with the number of changes for each origin, such as this branch or drift in the tenant.

    The numbers include blocked changes.
    """
    count = Counter(plan.origins.values())
    return (
        f"Origin: {count[Origin.BRANCH]} from this branch, {count[Origin.DRIFT]} drift, {count[Origin.BOTH]} from both"
        f"{f', {count[Origin.EXPIRED]} expired' if count[Origin.EXPIRED] else ''}."
    )


def selection_summary(plan: Plan) -> str:
    """Return a sentence with the options --client, --api and PATH, and the number of grants that these options select.

    If the user gave no option that selects grants, return an empty string.
    """
    if plan.selection is None:
        return ""
    selected = pluralize(plan.selection.selected, "grant")
    others = f"{pluralize(plan.selection.others, 'other declared grant')} not planned"
    return f"Only {plan.selection.selection}: {selected}, {others}"


def expired_unknown_text(plan: Plan) -> str:
    """Return a sentence with the number of expired grants that may still exist in the tenant."""
    return f"{pluralize(plan.expired_unknown, 'expired grant')} may still exist under another name (see the warnings)"


def no_changes_reason(plan: Plan) -> str:
    """Return the reason why a plan has no changes."""
    if plan.no_longer_declared:
        return f"{no_longer_declared_count(plan)}, but the plan does not delete it"
    if plan.skipped:
        return (
            f"{pluralize(plan.skipped, 'declared grant')} could not be planned, because the tenant lacks an "
            "application, API or organization"
        )
    if plan.expired_unknown:
        return expired_unknown_text(plan)
    if plan.selection:
        return "the selected grants match the files" if plan.selection.selected else "no grant is selected"
    return "the tenant already has the requested changes" if plan.differing else "the tenant matches the files"


def summary(plan: Plan) -> str:
    """Return a line with the number of changes, unchanged grants and skipped grants of a plan."""
    count = Counter(type(change) for change in plan.changes)
    parts = [f"{count[Create]} to create, {count[Update]} to update, {count[Delete]} to delete"]
    if plan.blocked:
        parts.append(f"{len(plan.blocked)} blocked")
    rest = [f"{plan.unchanged} unchanged", f"{len(plan.left_alone)} left alone"]
    if plan.no_longer_declared:
        parts.append(no_longer_declared_count(plan))
    if plan.differing:
        rest.insert(1, left_unchanged(plan))
    if plan.skipped:
        rest.append(f"{plan.skipped} skipped")
    if plan.expired_unknown:
        rest.append(f"{plan.expired_unknown} expired and possibly still in the tenant")
    return f"Plan: {', '.join(parts)}; {', '.join(rest)}."


def left_unchanged(plan: Plan) -> str:
    """Return a phrase with the number of declared grants that an option such as --create-only leaves unchanged."""
    by = f" by {join_words(list(plan.narrowed_by), 'and')}" if plan.narrowed_by else ""
    return f"{plan.differing} left unchanged{by}"


def refusal(plan: Plan) -> str:
    """Return an error message with the number of blocked changes and the first reason why a change is blocked."""
    reasons = list(dict.fromkeys(each.reason for each in plan.blocked))
    more = f" and {pluralize(len(reasons) - 1, 'other reason')}" if reasons[1:] else ""
    count = len(plan.blocked)
    verb = "is" if count == 1 else "are"
    return f"refused: {pluralize(count, 'change')} {verb} blocked, nothing was written: {visible(reasons[0])}{more}"


def no_longer_declared_count(plan: Plan) -> str:
    """Return a phrase with the number of grants that are no longer declared but keep their access."""
    return f"{pluralize(len(plan.no_longer_declared), 'grant')} no longer declared"


def no_longer_declared_label(each: NoLongerDeclared, directory: Directory) -> str:
    """Return a label for a grant that keeps its access although no file declares the grant any more.

    The label names the application and the API. If an edit changed the application or API of a declaration, the label
    names the old and the new grant.
    """
    if each.moved_to is None:
        return grant_label(each.key, directory)
    before, after = (grant_label(key, directory) for key in (each.key, each.moved_to))
    if each.key.subject_type == SUBJECT_CLIENT != each.moved_to.subject_type:
        before += f" ({SUBJECT_CLIENT})"
    elif each.moved_to.subject_type == SUBJECT_CLIENT != each.key.subject_type:
        after += f" ({SUBJECT_CLIENT})"
    return f"{before} becomes {after}; the old grant stays in the tenant"


def declaration_text(spec: GrantSpec) -> str:
    """Return the description and the expiry date of a declared grant.

    The caller must escape special characters in the text.
    """
    return "; ".join([*([spec.description] * bool(spec.description)), *expiry_parts(spec)])


def expiry_parts(spec: GrantSpec) -> list[str]:
    """Return a list with the phrase `expires DATE`, or an empty list if the grant does not expire."""
    return [f"expires {expiry_text(spec.expires)}"] if spec.expires else []


def deletion_lines(change: Delete) -> Iterator[str]:
    """Yield lines with the reason why a grant is deleted, and the location of the previous declaration if known.

    The caller must escape special characters.
    """
    if change.expired:
        source = change.expired.source
        yield f"{expired_text(change.expired)}, declared in {source.file}:{source.line}"
    elif change.removal:
        yield from removal_lines(change.removal)


def expired_text(spec: GrantSpec) -> str:
    """Return the phrase `expired DATE` for an expired declaration."""
    return f"expired {expiry_text(spec.expires)}"


def removal_lines(removal: Removal) -> Iterator[str]:
    """Yield lines with the file that declared a deleted grant, and the commits that added and removed the declaration.

    The caller must escape special characters.
    """
    where = earlier_source(removal.spec.source)
    if removal.removed_by:
        yield f"removed by {removal.removed_by}"
    elif removal.is_from_history:
        yield "removed in the working tree (not committed)"
    if removal.declared_by is None:
        yield f"declared in {where}"
    else:
        yield f"declared in {where.removesuffix(f' in {removal.declared_by.short_hash}')} by {removal.declared_by}"


def left_alone_counts(plan: Plan) -> str:
    """Return a phrase with the number of grants that reconciler does not change, counted by reason."""
    count = Counter(each.reason for each in plan.left_alone)
    return ", ".join(f"{count[reason]} {reason}" for reason in Reason if count[reason])


def field_effect(change: ValueChange) -> str:
    """Return a phrase that explains what a change of `organization_usage` means for applications.

    For every setting except `organization_usage`, return an empty string.
    """
    if change.field != "organization_usage":
        return ""
    return describe_effect(str(change.before), str(change.after))


def scope_set_labels(change: Change) -> Mapping[str, str]:
    """Map each scope of a declared grant to the scope sets that contain the scope, for example `@readers`."""
    if isinstance(change, Delete) or not change.after.spec.scope_sets:
        return {}
    names: dict[str, list[str]] = {}
    for name, scopes in change.after.spec.scope_sets:
        for scope in scopes:
            names.setdefault(scope, []).append(f"{PREFIX}{name}")
    return {scope: ", ".join(each) for scope, each in names.items()}


def scope_label(scope: str) -> str:
    """Return a scope as text.

    If the scope contains characters that RFC 6749 does not allow, the text also shows the scope with escape sequences.
    """
    escaped = escaped_scope(scope)
    return visible(scope) if escaped == visible(scope) else f"{visible(scope)}  ({escaped})"


def value_text(value: object) -> str:
    """Return the value of a setting as text."""
    return value if isinstance(value, str) else str(value).lower()


def setting_texts(grant: GrantSpec | ClientGrant, fields: Iterable[GrantField] = CHANGEABLE) -> Iterator[str]:
    """For each setting of a grant that differs from the default, yield a phrase with the label and the value."""
    for each in fields:
        value = getattr(grant, each.name)
        if each.kind is FieldKind.SET and (value or (value is not None and each.default is None)):
            yield f"{each.label}{', '.join(sorted(set(value))) or 'none'}"
        elif each.kind is FieldKind.FLAG and value:
            yield each.label
        elif each.kind is FieldKind.TEXT and value != each.default:
            yield f"{each.label}{value}"
