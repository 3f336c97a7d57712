"""Format changes and risk rules as text.

The output lists each change with the file, the risks and the changed fields. If a plan has many changes, the output
contains only the number of changes for each application or API.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from textwrap import wrap

from reconciler.artifacts.serialization import Json, action_of
from reconciler.core.characters import join_first, pluralize, visible
from reconciler.core.diff import FieldChange, SetChange, ValueChange
from reconciler.core.directory import Directory
from reconciler.core.grant import Key, widens
from reconciler.core.plan import Change, Create, Delete, Origin, Update, name_order
from reconciler.core.plan_risks import grant_label
from reconciler.core.problems import Level, Risk
from reconciler.core.risks import RiskRule
from reconciler.core.spec import GrantSpec
from reconciler.output.styled import INDENT, WIDTH, Line, Span, Style, line
from reconciler.output.words import (
    SHOWN_LEVELS,
    SYMBOLS,
    declaration_text,
    deletion_lines,
    field_effect,
    scope_label,
    scope_set_labels,
    value_text,
)

Risks = Mapping[Key, tuple[Risk, ...]]

LEVEL_STYLES: Mapping[Level, Style] = {
    Level.CRITICAL: Style.ERROR,
    Level.HIGH: Style.WARNING,
    Level.LOW: Style.MUTED,
}
NO_ATTRIBUTIONS: Mapping[Key, str] = {}
MAX_GROUPS = 50
MAX_NAMES_IN_GROUP = 3


def change_symbol(change: Change) -> Span:
    """Return the symbol of a change: `+` for create, `~` for update, `-` for delete."""
    action = action_of(change)
    return Span(SYMBOLS[action], Style(action))


def group_lines(
    title: str,
    changes: Iterable[Change],
    directory: Directory,
    risks: Risks,
    attributions: Mapping[Key, str] = NO_ATTRIBUTIONS,
) -> Iterator[Line]:
    """Yield a title and the lines of each change. Sort the changes by name. If `changes` is empty, yield nothing."""
    changes = by_name(changes, directory)
    if not changes:
        return
    yield line(Span(f"{title} ({len(changes)})", Style.STRONG))
    for change in changes:
        yield from change_lines(change, directory, risks)
        if change.key in attributions:
            yield line(INDENT, Span(f"in the tenant: {visible(attributions[change.key])}", Style.MUTED))
    yield line()


def by_name(changes: Iterable[Change], directory: Directory) -> list[Change]:
    """Return the changes sorted by the names of the application and the API."""
    return sorted(changes, key=lambda change: name_order(change.key, directory))


def change_lines(change: Change, directory: Directory, risks: Risks, origin: Origin | None = None) -> Iterator[Line]:
    """Yield lines that describe a change.

    The origin of the change (this branch, or drift in the tenant) is shown next to the grant, unless `origin` is None.
    """
    label = Span(grant_label(change.key, directory), Style.STRONG)
    yield line("  ", change_symbol(change), " ", label, Span(f"  [{origin}]" if origin else "", Style.MUTED))
    if not isinstance(change, Delete):
        yield from _origin(change.after.spec)
    else:
        yield from (line(INDENT, Span(visible(text), Style.MUTED)) for text in deletion_lines(change))
    for risk in risks.get(change.key, ()):
        if risk.level in SHOWN_LEVELS:
            yield line(INDENT, Span(f"! {risk.level}: {visible(risk.message)}", LEVEL_STYLES[risk.level]))
    for field in change.fields:
        yield from _field(field, directory, scope_set_labels(change))


def _origin(spec: GrantSpec) -> Iterator[Line]:
    """Yield the file, line, description and expiry date of a declaration, on a single line if possible."""
    location, description = f"{spec.source.file}:{spec.source.line}", declaration_text(spec)
    one_line = f"{location}  {description}" if description else location
    for text in [one_line] if len(one_line) <= WIDTH - len(INDENT) else [location, description]:
        yield line(INDENT, Span(visible(text), Style.MUTED))


def _field(change: FieldChange, directory: Directory, scope_sets: Mapping[str, str]) -> Iterator[Line]:
    match change:
        case SetChange(field="organizations"):
            for label in sorted(map(directory.organization_label, change.added)):
                yield line(INDENT, Span(f"+ organization {visible(label)}", Style.CREATE))
            for label in sorted(map(directory.organization_label, change.removed)):
                yield line(INDENT, Span(f"- organization {visible(label)}", Style.DELETE))
        case SetChange(field="scope"):
            for item in change.added:
                in_set = Span(f"  ({scope_sets[item]})" if item in scope_sets else "", Style.MUTED)
                yield line(INDENT, Span(f"+ {scope_label(item)}", Style.CREATE), in_set)
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
        yield line(INDENT, Span(f"+ {change.field}: {visible(value_text(change.after))}", Style.CREATE))
    elif change.after is None:
        yield line(INDENT, Span(f"- {change.field}: {visible(value_text(change.before))}", Style.DELETE))
    else:
        text = f"~ {change.field}: {visible(value_text(change.before))} -> {visible(value_text(change.after))}"
        yield line(INDENT, Span(text, Style.UPDATE))
        if effect := field_effect(change):
            yield line(INDENT, "  ", Span(effect, Style.MUTED))


def grouped_lines(changes: Iterable[Change], directory: Directory, risks: Risks) -> Iterator[Line]:
    """Yield lines with the number of creates, updates and deletes for each application.

    If the changes affect fewer APIs than applications, yield the numbers of changes for each API instead of each
    application. Applications or APIs with the highest risks come first. Always yield a line for an application or API
    with a critical or high risk.
    """
    kinds: dict[str, list[Change]] = {title: [] for title in GROUP_TITLES}
    for change in by_name(changes, directory):
        kinds[_group_title(change)].append(change)
    for title, members in kinds.items():
        if members:
            yield from _groups(title, members, directory, risks)


GROUP_TITLES = (
    *("Create", "Update and add access", "Update and remove access", "Update without a change of access"),
    *("Delete, because it expired", "Delete, because a commit removed it", "Delete, because no file declares it"),
)


def _group_title(change: Change) -> str:
    match change:
        case Create():
            return "Create"
        case Update() if widens(change.before.grant, change.after.grant):
            return "Update and add access"
        case Update():
            return "Update and remove access" if change.narrows else "Update without a change of access"
        case Delete():
            if change.expired:
                return "Delete, because it expired"
            removed = change.removal is not None and change.removal.is_from_history
            return "Delete, because a commit removed it" if removed else "Delete, because no file declares it"


def _groups(title: str, changes: Sequence[Change], directory: Directory, risks: Risks) -> Iterator[Line]:
    by_application = _group(changes, directory.client_label, directory.api_label)
    by_api = _group(changes, directory.api_label, directory.client_label)
    noun, groups = ("API", by_api) if len(by_api) < len(by_application) else ("application", by_application)
    yield line(Span(f"{title} ({len(changes)}), counted by {noun}; -v lists each change", Style.STRONG))
    levels: dict[str, int] = {}
    for name, members in groups.items():
        found = (risk.level.order for _, change in members for risk in risks.get(change.key, ()))
        levels[name] = min(found, default=Level.LOW.order)  # the highest risk level has the lowest number
    names = sorted(groups, key=lambda name: (levels[name], -len(groups[name]), name.casefold()))
    shown = max(MAX_GROUPS, sum(level < Level.LOW.order for level in levels.values()))
    for name in names[:shown]:
        yield from _group_line(name, groups[name], risks)
    if rest := names[shown:]:
        count = sum(len(groups[name]) for name in rest)
        yield line("  ", f"and {pluralize(len(rest), f'other {noun}')} with {pluralize(count, 'change')}")
    yield line()


Groups = Mapping[str, Sequence[tuple[str, Change]]]


def _group(changes: Iterable[Change], label: Callable[[Key], str], other_label: Callable[[Key], str]) -> Groups:
    """Group changes by `label`, for example by the name of the application.

    Each item of a group contains a change and the result of `other_label`, for example the name of the API.
    """
    groups: dict[str, list[tuple[str, Change]]] = {}
    for change in changes:
        groups.setdefault(label(change.key), []).append((other_label(change.key), change))
    return groups


def _group_line(name: str, members: Sequence[tuple[str, Change]], risks: Risks) -> Iterator[Line]:
    others = list(dict.fromkeys(other for other, _ in members))
    named = join_first(others, MAX_NAMES_IN_GROUP)
    label = Span(visible(name), Style.STRONG)
    yield line("  ", change_symbol(members[0][1]), " ", label, f": {len(members)} ({visible(named)})")
    levels = [risk.level for _, change in members for risk in risks.get(change.key, ())]
    if counted := [f"{levels.count(level)} {level}" for level in SHOWN_LEVELS if level in levels]:
        yield line(INDENT, Span(f"! {', '.join(counted)}", LEVEL_STYLES[min(levels, key=lambda each: each.order)]))


def rule_lines(rules: Iterable[RiskRule]) -> Iterator[Line]:
    """Yield the name, level and meaning of each risk rule, wrapped to 80 columns."""
    rules = list(rules)
    level_width = max(map(len, Level)) + 2
    name_width = max(len(rule.name) for rule in rules) + 2
    for rule in rules:
        first, *rest = wrap(rule.meaning, WIDTH - level_width - name_width, break_on_hyphens=False)
        yield line(Span(f"{rule.level:<{level_width}}", LEVEL_STYLES[rule.level]), f"{rule.name:<{name_width}}{first}")
        for text in rest:
            yield line(" " * (level_width + name_width), text)


def rules_json(rules: Iterable[RiskRule]) -> Json:
    """Return the risk rules as `{"rules": [{"name", "level", "meaning"}]}`."""
    return {"rules": [{"name": rule.name, "level": str(rule.level), "meaning": rule.meaning} for rule in rules]}
