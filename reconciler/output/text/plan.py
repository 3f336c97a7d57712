"""Pure: a plan as text: changes, grants that are left alone, and a summary line."""

from collections.abc import Iterable, Iterator, Mapping
from textwrap import wrap

from reconciler.artifacts.serialization import Json, short_id
from reconciler.core.diff import FieldChange, SetChange, ValueChange
from reconciler.core.directory import Directory
from reconciler.core.grant import Key
from reconciler.core.plan import Change, Create, Delete, Origin, Plan, Update
from reconciler.core.problems import Level, Risk
from reconciler.core.quoting import visible
from reconciler.core.risks import RiskRule
from reconciler.core.spec import GrantSpec
from reconciler.output.styled import Line, Span, Style, line
from reconciler.output.words import (
    TOLD,
    about,
    all_risks_of,
    by_origin,
    counted_reasons,
    counted_risks,
    dangers,
    effect_of_field,
    grant_label,
    nothing,
    origins_summary,
    scope_label,
    summary,
)

RISKS_WIDTH = 80


def rule_lines(rules: Iterable[RiskRule]) -> Iterator[Line]:
    """Yield a row per rule, the highest level first, wrapped to 80 columns."""
    rules = list(rules)
    of_level = max(map(len, Level)) + 2
    of_name = max(len(rule.name) for rule in rules) + 2
    for rule in rules:
        first, *rest = wrap(rule.meaning, RISKS_WIDTH - of_level - of_name, break_on_hyphens=False)
        yield line(Span(f"{rule.level:<{of_level}}", LEVEL_STYLES[rule.level]), f"{rule.name:<{of_name}}{first}")
        for text in rest:
            yield line(" " * (of_level + of_name), text)


def rules_json(rules: Iterable[RiskRule]) -> Json:
    """Return `{"rules": [{"name", "level", "meaning"}]}`."""
    return {"rules": [{"name": rule.name, "level": str(rule.level), "meaning": rule.meaning} for rule in rules]}


Risks = Mapping[Key, tuple[Risk, ...]]

LEVEL_STYLES: Mapping[Level, Style] = {
    Level.CRITICAL: Style.ERROR,
    Level.HIGH: Style.WARNING,
    Level.LOW: Style.MUTED,
}
MOST_LEFT_ALONE = 10
WIDTH = 80
INDENT = "      "
KINDS: tuple[tuple[str, type[Change]], ...] = (("Create", Create), ("Update", Update), ("Delete", Delete))


def plan_lines(plan: Plan, *, every: bool = False) -> Iterator[Line]:
    """Yield the lines of `plan`. `every` lists all grants that are left alone."""
    yield line(Span(f"Tenant {visible(str(plan.tenant))}", Style.STRONG), Span(f"  plan {short_id(plan)}", Style.MUTED))
    yield line()
    yield from _critical(plan)
    yield from _config_changes(plan)
    yield from _blocked(plan)
    for title, changes in by_origin(plan):
        if title:
            yield line(Span(f"{title} ({len(changes)})", Style.STRONG))
            yield line()
        for action, kind in KINDS:
            some = [change for change in changes if isinstance(change, kind)]
            yield from group_lines(action, some, plan.directory, plan.risks)
    if not plan.changes and not plan.blocked:
        yield line(f"No changes: {nothing(plan)}.")
        yield line()
    yield from _left_alone(plan, every=every)
    for note in plan.notes:
        yield line(Span(f"Note: {visible(note)}", Style.WARNING))
    yield from _counted_risks(plan)
    if plan.origins:
        yield line(Span(origins_summary(plan), Style.STRONG))
    yield line(Span(summary(plan), Style.STRONG))


def mark_of(change: Change) -> Span:
    """Return the symbol of a change."""
    match change:
        case Create():
            return Span("+", Style.CREATE)
        case Update():
            return Span("~", Style.UPDATE)
        case Delete():
            return Span("-", Style.DELETE)


def group_lines(title: str, changes: Iterable[Change], directory: Directory, risks: Risks) -> Iterator[Line]:
    """Yield a titled group of changes with their risks, sorted by name. An empty group has no lines."""
    changes = _by_name(changes, directory)
    if not changes:
        return
    yield line(Span(f"{title} ({len(changes)})", Style.STRONG))
    for change in changes:
        yield from _change(change, directory, risks)
    yield line()


def _critical(plan: Plan) -> Iterator[Line]:
    """Yield a line for each critical risk. They come first, so that no number of changes hides one."""
    found = dangers(plan, Level.CRITICAL)
    if not found:
        return
    yield line(Span(f"Critical ({len(found)})", Style.ERROR))
    for each in found:
        yield line("  ", Span("!", Style.ERROR), " ", Span(each.label, Style.STRONG))
        yield line(INDENT, Span(f"{visible(each.risk.message)}  ({each.risk.rule})", Style.ERROR))
    yield line()


def _config_changes(plan: Plan) -> Iterator[Line]:
    if not plan.config_changes:
        return
    yield line(Span(f"Changes to reconciler.yaml ({len(plan.config_changes)})", Style.STRONG))
    for each in plan.config_changes:
        said = f"{each.risk.level}: {about(each)}{visible(each.risk.message)}  ({each.risk.rule})"
        yield line("  ", Span(f"! {said}", LEVEL_STYLES[each.risk.level]))
    yield line()


def _counted_risks(plan: Plan) -> Iterator[Line]:
    if told := counted_risks(plan):
        critical = any(risk.level is Level.CRITICAL for risk in all_risks_of(plan))
        yield line(Span(f"Risks: {told}.", LEVEL_STYLES[Level.CRITICAL if critical else Level.HIGH]))


def _blocked(plan: Plan) -> Iterator[Line]:
    reasons: dict[str, list[Change]] = {}
    for each in plan.blocked:
        reasons.setdefault(each.reason, []).append(each.change)
    for reason, changes in reasons.items():
        yield line(Span(f"Blocked ({len(changes)}) ", Style.ERROR), visible(reason))
        for change in _by_name(changes, plan.directory):
            yield from _change(change, plan.directory, plan.risks, plan.origins.get(change.key))
        yield line()


def _by_name(changes: Iterable[Change], directory: Directory) -> list[Change]:
    return sorted(changes, key=lambda change: (grant_label(change.key, directory), change.key.order))


def _change(change: Change, directory: Directory, risks: Risks, origin: Origin | None = None) -> Iterator[Line]:
    """Yield a change. `origin` is None if the title of the section shows it."""
    label = Span(grant_label(change.key, directory), Style.STRONG)
    yield line("  ", mark_of(change), " ", label, Span(f"  [{origin}]" if origin else "", Style.MUTED))
    if not isinstance(change, Delete):
        yield from _origin(change.after.spec)
    for risk in risks.get(change.key, ()):
        if risk.level in TOLD:
            yield line(INDENT, Span(f"! {risk.level}: {visible(risk.message)}", LEVEL_STYLES[risk.level]))
    for field in change.fields:
        yield from _field(field, directory)


def _origin(spec: GrantSpec) -> Iterator[Line]:
    """Yield the source of the grant and its description, in one line if they fit."""
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
        case SetChange(field="scope"):
            yield from (line(INDENT, Span(f"+ {scope_label(item)}", Style.CREATE)) for item in change.added)
            yield from (line(INDENT, Span(f"- {scope_label(item)}", Style.DELETE)) for item in change.removed)
        case SetChange():
            note = f"  ({change.field})"
            for item in change.added:
                yield line(INDENT, Span(f"+ {visible(item)}{note}", Style.CREATE))
            for item in change.removed:
                yield line(INDENT, Span(f"- {visible(item)}{note}", Style.DELETE))
        case ValueChange():
            yield from _setting(change)


def _setting(change: ValueChange) -> Iterator[Line]:
    if change.before is None:
        yield line(INDENT, Span(f"+ {change.field}: {_said(change.after)}", Style.CREATE))
    elif change.after is None:
        yield line(INDENT, Span(f"- {change.field}: {_said(change.before)}", Style.DELETE))
    else:
        text = f"~ {change.field}: {_said(change.before)} -> {_said(change.after)}"
        yield line(INDENT, Span(text, Style.UPDATE))
        if effect := effect_of_field(change):
            yield line(INDENT, "  ", Span(effect, Style.MUTED))


def _said(value: object) -> str:
    return visible(value) if isinstance(value, str) else str(value).lower()


def _left_alone(plan: Plan, *, every: bool) -> Iterator[Line]:
    if not plan.left_alone:
        return
    yield line(Span(f"Left alone ({len(plan.left_alone)})", Style.STRONG), f" {counted_reasons(plan)}")
    listed = sorted(
        f"{grant_label(each.observed.key, plan.directory)}  [{visible(each.why)}]" for each in plan.left_alone
    )
    hidden = 0 if every else max(0, len(listed) - MOST_LEFT_ALONE)
    for label in listed[: len(listed) - hidden]:
        yield line("    ", Span(label, Style.MUTED))
    if hidden:
        yield line("    ", Span(f"and {hidden} more; use -v to list all", Style.MUTED))
    yield line()
