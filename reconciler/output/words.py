"""Pure: phrases that all output formats of a plan share."""

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
"""The risk levels that a plan shows. A lower risk repeats the lines of a change. JSON output contains all levels."""

EXPIRY_CHANGES_TITLE = "Changed ends of grants"


def tenants_prefix(change: ConfigChange) -> str:
    """Return the tenants of a change of reconciler.yaml, followed by a colon, or an empty string for all tenants."""
    return f"{join_some(change.tenants)}: " if change.tenants else ""


def risk_counts(plan: Plan) -> str:
    """Return the number of risks for each shown level, or an empty string if no risk is shown."""
    count = Counter(risk.level for risk in all_risks(plan))
    return ", ".join(f"{count[level]} {level}" for level in SHOWN_LEVELS if count[level])


def sections_by_origin(plan: Plan) -> Iterator[tuple[str, list[Change]]]:
    """Yield the title and the changes of each section of a plan. Without origins, yield one section without a title."""
    if not plan.origins:
        yield "", list(plan.changes)
        return
    for origin in Origin:
        changes = [change for change in plan.changes if plan.origins[change.key] is origin]
        if changes:
            yield TITLES[origin], changes


def origins_summary(plan: Plan) -> str:
    """Return the number of changes for each origin, including blocked changes."""
    count = Counter(plan.origins.values())
    return (
        f"Origin: {count[Origin.BRANCH]} from this branch, {count[Origin.DRIFT]} drift, {count[Origin.BOTH]} from both"
        f"{f', {count[Origin.EXPIRED]} expired' if count[Origin.EXPIRED] else ''}."
    )


def selection_summary(plan: Plan) -> str:
    """Return the selection and the number of selected grants for the head of a plan.

    If all grants are selected, return an empty string.
    """
    if plan.selection is None:
        return ""
    selected = pluralize(plan.selection.selected, "grant")
    others = f"{pluralize(plan.selection.others, 'other declared grant')} not planned"
    return f"Only {plan.selection.selection}: {selected}, {others}"


def expired_unknown_text(plan: Plan) -> str:
    """Return how many expired grants may still exist."""
    return f"{pluralize(plan.expired_unknown, 'expired grant')} may still exist under another name (see the warnings)"


def no_changes_reason(plan: Plan) -> str:
    """Return the reason why a plan has no changes."""
    if plan.no_longer_declared:
        return f"{no_longer_declared_count(plan)}, but the plan does not delete it"
    if plan.skipped:
        return (
            f"{pluralize(plan.skipped, 'declared grant')} could not be planned, because something is missing in the "
            "tenant"
        )
    if plan.expired_unknown:
        return expired_unknown_text(plan)
    if plan.selection:
        return "the selected grants equal the files" if plan.selection.selected else "no grant is selected"
    return "the tenant already has the requested changes" if plan.differing else "the tenant equals the files"


def summary(plan: Plan) -> str:
    """Return the number of changes and grants of a plan in one line."""
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
        rest.append(f"{plan.expired_unknown} expired not known")
    return f"Plan: {', '.join(parts)}; {', '.join(rest)}."


def left_unchanged(plan: Plan) -> str:
    """Return the number of declared grants that stay different, and the options that exclude the changes."""
    by = f" by {join_words(list(plan.narrowed_by), 'and')}" if plan.narrowed_by else ""
    return f"{plan.differing} left unchanged{by}"


def refusal(plan: Plan) -> str:
    """Return the message that the blocked changes of a plan prevent all changes, with the reasons."""
    reasons = list(dict.fromkeys(each.reason for each in plan.blocked))
    more = f" and {pluralize(len(reasons) - 1, 'other reason')}" if reasons[1:] else ""
    count = len(plan.blocked)
    verb = "is" if count == 1 else "are"
    return f"refused: {pluralize(count, 'change')} {verb} blocked, nothing was written: {visible(reasons[0])}{more}"


def no_longer_declared_count(plan: Plan) -> str:
    """Return the number of grants that are no longer declared but keep their access, as a phrase."""
    return f"{pluralize(len(plan.no_longer_declared), 'grant')} no longer declared"


def no_longer_declared_label(each: NoLongerDeclared, directory: Directory) -> str:
    """Return the label of a grant that is no longer declared but keeps its access.

    If the declaration moved to another grant, the label contains both grants.
    """
    if each.moved_to is None:
        return grant_label(each.key, directory)
    before, after = (grant_label(key, directory) for key in (each.key, each.moved_to))
    if each.key.subject_type == SUBJECT_CLIENT != each.moved_to.subject_type:
        before += f" ({SUBJECT_CLIENT})"
    elif each.moved_to.subject_type == SUBJECT_CLIENT != each.key.subject_type:
        after += f" ({SUBJECT_CLIENT})"
    return f"{before} becomes {after}; the first grant stays in the tenant"


def declaration_text(spec: GrantSpec) -> str:
    """Return the description and the expiry date of a declared grant as text for people. The text is not escaped."""
    return "; ".join([*([spec.description] * bool(spec.description)), *expiry_parts(spec)])


def expiry_parts(spec: GrantSpec) -> list[str]:
    """Return the expiry date of a grant as a list of at most one text."""
    return [f"expires {expiry_text(spec.expires)}"] if spec.expires else []


def deletion_lines(change: Delete) -> Iterator[str]:
    """Yield the reason for a delete, and the location of the declaration if known. The lines are not escaped."""
    if change.expired:
        source = change.expired.source
        yield f"{expired_text(change.expired)}, declared in {source.file}:{source.line}"
    elif change.removal:
        yield from removal_lines(change.removal)


def expired_text(spec: GrantSpec) -> str:
    """Return the text that a declaration has expired, with the date."""
    return f"expired {expiry_text(spec.expires)}"


def removal_lines(removal: Removal) -> Iterator[str]:
    """Yield the earlier declaration of a deleted grant, and the commits that removed and added the declaration.

    The lines are not escaped.
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
    """Return the number of grants that reconciler leaves alone, by reason."""
    count = Counter(each.reason for each in plan.left_alone)
    return ", ".join(f"{count[reason]} {reason}" for reason in Reason if count[reason])


def field_effect(change: ValueChange) -> str:
    """Return the effect of a changed setting on callers, if the old and new values do not show the effect."""
    if change.field != "organization_usage":
        return ""
    return describe_effect(str(change.before), str(change.after))


def scope_set_labels(change: Change) -> Mapping[str, str]:
    """Return the names of the scope sets that contain each scope of a declared grant, such as `@readers`."""
    if isinstance(change, Delete) or not change.after.spec.scope_sets:
        return {}
    names: dict[str, list[str]] = {}
    for name, scopes in change.after.spec.scope_sets:
        for scope in scopes:
            names.setdefault(scope, []).append(f"{PREFIX}{name}")
    return {scope: ", ".join(each) for scope, each in names.items()}


def scope_label(scope: str) -> str:
    """Return a scope as text.

    The escaped form is added if the scope has characters that may look like other characters.
    """
    escaped = escaped_scope(scope)
    return visible(scope) if escaped == visible(scope) else f"{visible(scope)}  ({escaped})"


def setting_texts(grant: GrantSpec | ClientGrant, fields: Iterable[GrantField] = CHANGEABLE) -> Iterator[str]:
    """Yield the values of `fields` that differ from their defaults. Each value has its label."""
    for each in fields:
        value = getattr(grant, each.name)
        if each.kind is FieldKind.SET and (value or (value is not None and each.default is None)):
            yield f"{each.label}{', '.join(sorted(set(value))) or 'none'}"
        elif each.kind is FieldKind.FLAG and value:
            yield each.label
        elif each.kind is FieldKind.TEXT and value != each.default:
            yield f"{each.label}{value}"
