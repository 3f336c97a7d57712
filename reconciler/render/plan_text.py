"""Pure: a plan as a person reads it: what changes first, what is left alone after it, one summary line at the end."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from reconciler.core.diff import FieldChange, SetChange, ValueChange
from reconciler.core.directory import Directory
from reconciler.core.grant import SUBJECT_CLIENT, Key
from reconciler.core.plan import Change, Create, Delete, LeftAlone, Plan, Reason, Update
from reconciler.core.quoting import counted, visible
from reconciler.core.risk import Level, Risk
from reconciler.core.spec import GrantSpec
from reconciler.render.plan_json import plan_id
from reconciler.render.styled import Line, Span, Style, line

Risks = Mapping[Key, tuple[Risk, ...]]

LEVEL_STYLES: Mapping[Level, Style] = {
    Level.CRITICAL: Style.ERROR,
    Level.HIGH: Style.WARNING,
    Level.LOW: Style.MUTED,
}
TOLD = (Level.CRITICAL, Level.HIGH)
"""Lower risks say what the lines of a change say already; plans as data have them."""
MOST_LEFT_ALONE = 10
WIDTH = 80
INDENT = "      "


def plan_lines(plan: Plan, *, every: bool = False) -> Iterator[Line]:
    """Yield the lines of `plan`; `every` grant that is left alone is listed only if asked for."""
    tenant = f"Tenant {visible(plan.tenant.name)} ({visible(plan.tenant.domain)})"
    yield line(Span(tenant, Style.STRONG), Span(f"  plan {plan_id(plan)}", Style.MUTED))
    yield line()
    yield from _critical(plan)
    yield from _blocked(plan)
    for title, kind in (("Create", Create), ("Update", Update), ("Delete", Delete)):
        changes = [change for change in plan.changes if isinstance(change, kind)]
        yield from group_lines(title, changes, plan.directory, plan.risks)
    if not plan.changes and not plan.blocked:
        yield line(f"No changes: {_nothing(plan)}.")
        yield line()
    yield from _left_alone(plan.left_alone, plan.directory, every=every)
    for note in plan.notes:
        yield line(Span(f"Note: {visible(note)}", Style.WARNING))
    yield from _counted_risks(plan)
    yield line(Span(summary(plan), Style.STRONG))


def _nothing(plan: Plan) -> str:
    if plan.skipped:
        return f"the tenant lacks what {counted(plan.skipped, 'declared grant')} would need"
    return "no declared grant is missing" if plan.differing else "the tenant has what the files declare"


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


def grant_label(key: Key, directory: Directory) -> str:
    """Return `application -> API`, by name where the names are known; the subject type where it is not the usual."""
    subject = "" if key.subject_type == SUBJECT_CLIENT else f" ({visible(key.subject_type)})"
    return f"{visible(directory.client_label(key))} -> {visible(directory.api_label(key))}{subject}"


def mark_of(change: Change) -> Span:
    """Return the sign of a change."""
    match change:
        case Create():
            return Span("+", Style.CREATE)
        case Update():
            return Span("~", Style.UPDATE)
        case Delete():
            return Span("-", Style.DELETE)


def group_lines(title: str, changes: Iterable[Change], directory: Directory, risks: Risks) -> Iterator[Line]:
    """Yield a titled group of changes with their risks, sorted by name; nothing if there are none."""
    changes = _by_name(changes, directory)
    if not changes:
        return
    yield line(Span(f"{title} ({len(changes)})", Style.STRONG))
    for change in changes:
        yield from _change(change, directory, risks)
    yield line()


def _critical(plan: Plan) -> Iterator[Line]:
    """Yield a line for each critical risk, ahead of all else: no volume of changes pushes one out of view."""
    labels = {key: grant_label(key, plan.directory) for key in plan.risks}
    found = sorted(
        (labels[key], key.order, risk.rule, risk.message)
        for key, risks in plan.risks.items()
        for risk in risks
        if risk.level is Level.CRITICAL
    )
    if not found:
        return
    yield line(Span(f"Critical ({len(found)})", Style.ERROR))
    for label, _, rule, message in found:
        yield line("  ", Span("!", Style.ERROR), " ", Span(label, Style.STRONG))
        yield line(INDENT, Span(f"{visible(message)}  ({rule})", Style.ERROR))
    yield line()


def _counted_risks(plan: Plan) -> Iterator[Line]:
    count = Counter(risk.level for risks in plan.risks.values() for risk in risks)
    told = [level for level in TOLD if count[level]]
    if told:
        counts = ", ".join(f"{count[level]} {level}" for level in told)
        yield line(Span(f"Risks: {counts}.", LEVEL_STYLES[told[0]]))


def _blocked(plan: Plan) -> Iterator[Line]:
    reasons: dict[str, list[Change]] = {}
    for each in plan.blocked:
        reasons.setdefault(each.reason, []).append(each.change)
    for reason, changes in reasons.items():
        yield line(Span(f"Blocked ({len(changes)}) ", Style.ERROR), visible(reason))
        for change in _by_name(changes, plan.directory):
            yield from _change(change, plan.directory, plan.risks)
        yield line()


def _by_name(changes: Iterable[Change], directory: Directory) -> list[Change]:
    return sorted(changes, key=lambda change: (grant_label(change.key, directory), change.key.order))


def _change(change: Change, directory: Directory, risks: Risks) -> Iterator[Line]:
    yield line("  ", mark_of(change), " ", Span(grant_label(change.key, directory), Style.STRONG))
    if not isinstance(change, Delete):
        yield from _origin(change.after.spec)
    for risk in risks.get(change.key, ()):
        if risk.level in TOLD:
            yield line(INDENT, Span(f"! {risk.level}: {visible(risk.message)}", LEVEL_STYLES[risk.level]))
    for field in change.fields:
        yield from _field(field, directory)


def _origin(spec: GrantSpec) -> Iterator[Line]:
    """Yield where the grant is declared and why, in one line if that fits."""
    place, description = f"{spec.source.file}:{spec.source.line}", spec.description
    together = f"{place}  {description}" if description else place
    for text in [together] if len(together) <= WIDTH - len(INDENT) else [place, description]:
        yield line(INDENT, Span(visible(text), Style.MUTED))


def _field(change: FieldChange, directory: Directory) -> Iterator[Line]:
    match change:
        case SetChange(field="organizations"):
            for label in sorted(map(directory.organization_label, change.added)):
                yield line(INDENT, Span(f"+ organization {visible(label)}", Style.CREATE))
            for label in sorted(map(directory.organization_label, change.removed)):
                yield line(INDENT, Span(f"- organization {visible(label)}", Style.DELETE))
        case SetChange():
            note = "" if change.field == "scope" else f"  ({change.field})"
            for item in change.added:
                yield line(INDENT, Span(f"+ {visible(item)}{note}", Style.CREATE))
            for item in change.removed:
                yield line(INDENT, Span(f"- {visible(item)}{note}", Style.DELETE))
        case ValueChange(before=None):
            yield line(INDENT, Span(f"+ {change.field}: {_said(change.after)}", Style.CREATE))
        case ValueChange(after=None):
            yield line(INDENT, Span(f"- {change.field}: {_said(change.before)}", Style.DELETE))
        case ValueChange():
            text = f"~ {change.field}: {_said(change.before)} -> {_said(change.after)}"
            yield line(INDENT, Span(text, Style.UPDATE))


def _said(value: object) -> str:
    return visible(value) if isinstance(value, str) else str(value).lower()


def _left_alone(left_alone: tuple[LeftAlone, ...], directory: Directory, *, every: bool) -> Iterator[Line]:
    if not left_alone:
        return
    count = Counter(each.reason for each in left_alone)
    reasons = ", ".join(f"{count[reason]} {reason}" for reason in Reason if count[reason])
    yield line(Span(f"Left alone ({len(left_alone)})", Style.STRONG), f" {reasons}")
    listed = sorted(f"{grant_label(each.observed.key, directory)}  [{each.reason}]" for each in left_alone)
    hidden = 0 if every else max(0, len(listed) - MOST_LEFT_ALONE)
    for label in listed[: len(listed) - hidden]:
        yield line("    ", Span(label, Style.MUTED))
    if hidden:
        yield line("    ", Span(f"and {hidden} more; -v lists all", Style.MUTED))
    yield line()
