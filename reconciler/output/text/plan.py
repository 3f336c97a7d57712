"""Pure: a plan as text (changes, grants that are left alone, summary), and the outcomes of its changes."""

from collections.abc import Iterable, Iterator, Mapping
from textwrap import wrap

from reconciler.artifacts.serialization import Json, action_of, field_json, key_json, short_id
from reconciler.core.characters import pluralize, visible
from reconciler.core.diff import FieldChange, SetChange, ValueChange
from reconciler.core.directory import Directory
from reconciler.core.grant import Key
from reconciler.core.outcome import ApplyReport, Result, count_results
from reconciler.core.plan import Change, Create, Delete, LeftAlone, Origin, Plan, Update, name_order
from reconciler.core.problems import Level, Risk
from reconciler.core.removals import earlier_source
from reconciler.core.risks import RiskRule
from reconciler.core.spec import GrantSpec
from reconciler.output.styled import Line, Span, Style, line
from reconciler.output.words import (
    SHOWN_LEVELS,
    all_risks,
    field_effect,
    grant_label,
    left_alone_counts,
    no_changes_reason,
    no_longer_declared_label,
    origins_summary,
    refusal,
    removal_lines,
    risk_counts,
    risks_at_level,
    scope_label,
    sections_by_origin,
    summary,
    tenants_prefix,
)

RISKS_WIDTH = 80


def rule_lines(rules: Iterable[RiskRule]) -> Iterator[Line]:
    """Yield a row per rule, the highest level first, wrapped to 80 columns."""
    rules = list(rules)
    level_width = max(map(len, Level)) + 2
    name_width = max(len(rule.name) for rule in rules) + 2
    for rule in rules:
        first, *rest = wrap(rule.meaning, RISKS_WIDTH - level_width - name_width, break_on_hyphens=False)
        yield line(Span(f"{rule.level:<{level_width}}", LEVEL_STYLES[rule.level]), f"{rule.name:<{name_width}}{first}")
        for text in rest:
            yield line(" " * (level_width + name_width), text)


def rules_json(rules: Iterable[RiskRule]) -> Json:
    """Return `{"rules": [{"name", "level", "meaning"}]}`."""
    return {"rules": [{"name": rule.name, "level": str(rule.level), "meaning": rule.meaning} for rule in rules]}


Risks = Mapping[Key, tuple[Risk, ...]]

LEVEL_STYLES: Mapping[Level, Style] = {
    Level.CRITICAL: Style.ERROR,
    Level.HIGH: Style.WARNING,
    Level.LOW: Style.MUTED,
}
MAX_LEFT_ALONE = 10
NO_ATTRIBUTIONS: Mapping[Key, str] = {}
WIDTH = 80
INDENT = "      "
KINDS: tuple[tuple[str, type[Change]], ...] = (("Create", Create), ("Update", Update), ("Delete", Delete))


def plan_lines(plan: Plan, *, verbose: bool = False) -> Iterator[Line]:
    """Yield the lines of `plan`. `verbose` lists all grants that are left alone."""
    yield line(Span(f"Tenant {visible(str(plan.tenant))}", Style.STRONG), Span(f"  plan {short_id(plan)}", Style.MUTED))
    yield line()
    yield from plan_body(plan, verbose=verbose)


def plan_body(plan: Plan, *, verbose: bool = False) -> Iterator[Line]:
    """Yield the lines of `plan` without its tenant. `verbose` lists all grants that are left alone."""
    yield from _critical(plan)
    yield from _config_changes(plan)
    yield from _blocked(plan)
    for title, changes in sections_by_origin(plan):
        if title:
            yield line(Span(f"{title} ({len(changes)})", Style.STRONG))
            yield line()
        for action, kind in KINDS:
            selected = [change for change in changes if isinstance(change, kind)]
            yield from group_lines(action, selected, plan.directory, plan.risks, plan.attributions)
    yield from _no_longer_declared(plan)
    if not plan.changes and not plan.blocked:
        yield line(f"No changes: {no_changes_reason(plan)}.")
        yield line()
    yield from _left_alone(plan, verbose=verbose)
    for note in plan.notes:
        yield line(Span(f"Note: {visible(note)}", Style.WARNING))
    yield from _risk_counts(plan)
    if plan.origins:
        yield line(Span(origins_summary(plan), Style.STRONG))
    yield line(Span(summary(plan), Style.STRONG))


def change_symbol(change: Change) -> Span:
    """Return the symbol of a change."""
    match change:
        case Create():
            return Span("+", Style.CREATE)
        case Update():
            return Span("~", Style.UPDATE)
        case Delete():
            return Span("-", Style.DELETE)


def group_lines(
    title: str,
    changes: Iterable[Change],
    directory: Directory,
    risks: Risks,
    attributions: Mapping[Key, str] = NO_ATTRIBUTIONS,
) -> Iterator[Line]:
    """Yield a titled group of changes with their risks, sorted by name. An empty group has no lines."""
    changes = _by_name(changes, directory)
    if not changes:
        return
    yield line(Span(f"{title} ({len(changes)})", Style.STRONG))
    for change in changes:
        yield from _change(change, directory, risks)
        if change.key in attributions:
            yield line(INDENT, Span(f"in the tenant: {visible(attributions[change.key])}", Style.MUTED))
    yield line()


def _critical(plan: Plan) -> Iterator[Line]:
    """Yield a line for each critical risk. They come first, so that no number of changes hides one."""
    found = risks_at_level(plan, Level.CRITICAL)
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
        text = f"{each.risk.level}: {tenants_prefix(each)}{visible(each.risk.message)}  ({each.risk.rule})"
        yield line("  ", Span(f"! {text}", LEVEL_STYLES[each.risk.level]))
    yield line()


def _risk_counts(plan: Plan) -> Iterator[Line]:
    if text := risk_counts(plan):
        has_critical = any(risk.level is Level.CRITICAL for risk in all_risks(plan))
        yield line(Span(f"Risks: {text}.", LEVEL_STYLES[Level.CRITICAL if has_critical else Level.HIGH]))


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
    return sorted(changes, key=lambda change: name_order(change.key, directory))


def _change(change: Change, directory: Directory, risks: Risks, origin: Origin | None = None) -> Iterator[Line]:
    """Yield a change. `origin` is None if the title of the section already names the origin."""
    label = Span(grant_label(change.key, directory), Style.STRONG)
    yield line("  ", change_symbol(change), " ", label, Span(f"  [{origin}]" if origin else "", Style.MUTED))
    if not isinstance(change, Delete):
        yield from _origin(change.after.spec)
    elif change.removal:
        yield from (line(INDENT, Span(visible(text), Style.MUTED)) for text in removal_lines(change.removal))
    for risk in risks.get(change.key, ()):
        if risk.level in SHOWN_LEVELS:
            yield line(INDENT, Span(f"! {risk.level}: {visible(risk.message)}", LEVEL_STYLES[risk.level]))
    for field in change.fields:
        yield from _field(field, directory)


def _origin(spec: GrantSpec) -> Iterator[Line]:
    """Yield the source of the grant and its description, in one line if they fit."""
    location, description = f"{spec.source.file}:{spec.source.line}", spec.description
    one_line = f"{location}  {description}" if description else location
    for text in [one_line] if len(one_line) <= WIDTH - len(INDENT) else [location, description]:
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
        yield line(INDENT, Span(f"+ {change.field}: {_value_text(change.after)}", Style.CREATE))
    elif change.after is None:
        yield line(INDENT, Span(f"- {change.field}: {_value_text(change.before)}", Style.DELETE))
    else:
        text = f"~ {change.field}: {_value_text(change.before)} -> {_value_text(change.after)}"
        yield line(INDENT, Span(text, Style.UPDATE))
        if effect := field_effect(change):
            yield line(INDENT, "  ", Span(effect, Style.MUTED))


def _value_text(value: object) -> str:
    return visible(value) if isinstance(value, str) else str(value).lower()


def _no_longer_declared(plan: Plan) -> Iterator[Line]:
    if not plan.no_longer_declared:
        return
    count = len(plan.no_longer_declared)
    yield line(Span(f"No longer declared ({count}): access stays", Style.WARNING))
    for each in plan.no_longer_declared:
        yield line(
            "  ", Span("!", Style.WARNING), " ", Span(no_longer_declared_label(each, plan.directory), Style.STRONG)
        )
        reason = f"; {each.reason}" if each.reason else ""
        yield line(INDENT, Span(visible(f"declared in {earlier_source(each.source)}{reason}"), Style.MUTED))
        for risk in plan.risks.get(each.key, ()):
            yield line(INDENT, Span(f"! {risk.level}: {visible(risk.message)}", LEVEL_STYLES[risk.level]))
    if any(not each.reason for each in plan.no_longer_declared):
        yield line("  ", f"Use --prune-removed to delete {'it' if count == 1 else 'them'}.")
    yield line()


def _left_alone(plan: Plan, *, verbose: bool) -> Iterator[Line]:
    if not plan.left_alone:
        return
    yield line(Span(f"Left alone ({len(plan.left_alone)})", Style.STRONG), f" {left_alone_counts(plan)}")
    listed = [
        f"{grant_label(each.observed.key, plan.directory)}  [{visible(each.why)}]{_attribution(each, plan)}"
        for each in plan.left_alone
    ]
    hidden = 0 if verbose else max(0, len(listed) - MAX_LEFT_ALONE)
    for label in listed[: len(listed) - hidden]:
        yield line("    ", Span(label, Style.MUTED))
    if hidden:
        yield line("    ", Span(f"and {hidden} more; use -v to list all", Style.MUTED))
    yield line()


def _attribution(each: LeftAlone, plan: Plan) -> str:
    found = plan.attributions.get(each.observed.key)
    return f"  {visible(found)}" if found else ""


STYLES: Mapping[str, Style] = {Result.APPLIED: Style.CREATE, Result.SKIPPED: Style.WARNING}
RESULT_WIDTH = max(len(result) for result in Result)


def report_lines(report: ApplyReport, directory: Directory) -> Iterator[Line]:
    """Yield a row per change with its reason, the remaining differences, and the summary."""
    for outcome in report.outcomes:
        yield _row(outcome.result, outcome.change, directory)
        if outcome.detail:
            yield line(" " * (RESULT_WIDTH + 4), Span(visible(outcome.detail), Style.MUTED))
    yield line()
    yield from group_lines("Still differs", report.differences, directory, {})
    yield line(Span(f"Apply: {outcome_counts(report)}; {state(report)}.", Style.STRONG))


def report_json(report: ApplyReport) -> Json:
    """Return the report in the form of schemas/outcome.schema.json."""
    return {
        "summary": {
            **{str(result): count for result, count in count_results(report.outcomes).items()},
            "converged": report.converged,
        },
        "blocked": [
            {"key": key_json(each.change.key), "reason": each.reason}
            for each in (report.remaining.blocked if report.remaining and not report.outcomes else ())
        ],
        "differences": [
            {
                "action": action_of(change),
                "key": key_json(change.key),
                "fields": [field_json(each) for each in change.fields],
                "accepted": change.key in report.discarded,
            }
            for change in report.differences
        ],
        "outcomes": [
            {
                "action": action_of(outcome.change),
                "key": key_json(outcome.change.key),
                "outcome": str(outcome.result),
                "detail": outcome.detail,
            }
            for outcome in report.outcomes
        ],
    }


def _row(word: str, change: Change, directory: Directory) -> Line:
    return line(
        Span(f"{word:<{RESULT_WIDTH}}", STYLES.get(word, Style.ERROR)),
        "  ",
        change_symbol(change),
        " ",
        grant_label(change.key, directory),
    )


def outcome_counts(report: ApplyReport) -> str:
    """Return the number of outcomes per result, or an empty text."""
    return ", ".join(f"{count} {result}" for result, count in count_results(report.outcomes).items() if count)


def state(report: ApplyReport) -> str:
    """Return how the tenant compares with the files at the end."""
    if report.verification_error:
        return visible(report.verification_error)
    if report.remaining and report.remaining.blocked and not report.outcomes:
        return refusal(report.remaining)
    if report.remaining and report.remaining.skipped and not report.remaining.changes:
        skipped = pluralize(report.remaining.skipped, "declared grant")
        return f"the tenant equals the files except for {skipped}, whose application, API or organization is missing"
    if report.discarded and len(report.discarded) == len(report.differences):
        count = pluralize(len(report.discarded), "change")
        return f"Auth0 accepted {count} but did not store every value; another run will probably end the same way"
    if report.remaining is None or not report.converged:
        return "the tenant does not equal the files yet; run again"
    return "the tenant has the requested changes" if report.remaining.differing else "the tenant equals the files"
