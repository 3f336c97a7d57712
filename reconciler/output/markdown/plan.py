"""Pure: a plan as a comment on a pull request: risks, a table, and the difference of each grant.

Alerts (`[!CAUTION]`) and folded details are features of GitHub and GitLab. Elsewhere an alert is a block quote.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape

from reconciler.artifacts.serialization import action_of, plan_id
from reconciler.core.characters import pluralize, shorten, visible
from reconciler.core.diff import FieldChange, SetChange, ValueChange
from reconciler.core.directory import Directory
from reconciler.core.plan import TITLES, Blocked, Change, Delete, LeftAlone, Origin, Plan
from reconciler.core.problems import Level, Source
from reconciler.core.removals import NoLongerDeclared, earlier_source
from reconciler.core.risks import RULE_ORDER
from reconciler.core.scopes import scope_order
from reconciler.output.escape import block, commit_suffix, element, marker, span, tenant_label
from reconciler.output.markdown.document import DEFAULT_MAX_BYTES, Section, join_sections
from reconciler.output.source_links import NO_REPOSITORY, SourceLinks
from reconciler.output.words import (
    LOWEST_SEVERITY,
    RiskGroup,
    field_effect,
    grant_label,
    group_risks,
    left_alone_counts,
    no_changes_reason,
    no_longer_declared_count,
    no_longer_declared_label,
    origins_summary,
    removal_lines,
    risk_counts,
    risks_at_level,
    scope_label,
    scope_set_labels,
    sections_by_origin,
    selection_summary,
    severities,
    tenants_prefix,
)

TITLE = "Auth0 grants · "
EMPTY_SECTION = Section(())
MAX_RISK_LINE_BYTES = 2_000
"""The limit for one line about equal risks of level high."""
MAX_ITEMS_IN_ROW = 6
MAX_ITEM_LENGTH = 60
COUNT_BYTES = 30
"""The bytes reserved for the number of further grants at the end of such a line."""
MAX_SORTED_BY_NAME = 20
SYMBOLS = {"create": "+", "update": "~", "delete": "-"}


def plan_markdown(plan: Plan, *, links: SourceLinks = NO_REPOSITORY, max_bytes: int = DEFAULT_MAX_BYTES) -> str:
    """Return the comment. It starts with the tenant's marker.

    Files are linked if `links` knows their URL. The comment has at most `max_bytes`. Changes and risks take
    precedence over notes, and notes over other grants. Critical risks that do not fit are counted by rule. A quarter of
    the comment is reserved for the table of changes, and a sixteenth for high risks.
    """
    return join_sections(list(_parts(plan, links, max_bytes)), max_bytes)


def body_markdown(plan: Plan, links: SourceLinks, max_bytes: int) -> str:
    """Return the comment without its marker, its title and the tenant, so that equal plans have equal texts."""
    first, *sections, _ = _parts(plan, links, max_bytes)
    return join_sections([replace(first, items=first.items[2:]), *sections], max_bytes)


def _parts(plan: Plan, links: SourceLinks, max_bytes: int) -> Iterator[Section]:
    yield Section((marker(plan.tenant.name, links) + "\n", *_header(plan)))
    yield _critical(plan, max_bytes // 2)
    yield replace(_config_changes(plan), max_bytes=max_bytes // 8)
    yield replace(_blocked(plan, links), max_bytes=max_bytes // 8)
    yield replace(
        _high(plan, min(MAX_RISK_LINE_BYTES, max_bytes // 20)), max_bytes=max_bytes // 4, reserved=max_bytes // 16
    )
    yield _notes(plan)
    tables = list(_tables(plan, links))
    yield from (replace(table, reserved=max_bytes // 4 // len(tables)) for table in tables)
    changes = _worst_first([*(each.change for each in plan.blocked), *plan.changes], plan)
    yield Section(tuple(_details(change, plan) for change in changes), noun="difference", rank=1)
    yield _left_alone(plan)
    yield Section((_footer(plan, links),))


def _header(plan: Plan) -> Iterator[str]:
    actions = Counter(action_of(change) for change in plan.changes)
    counts = ", ".join(f"{actions[action]} to {action}" for action in SYMBOLS)
    blocked = f", {len(plan.blocked)} blocked" if plan.blocked else ""
    stay = f", {no_longer_declared_count(plan)}" if plan.no_longer_declared else ""
    yield f"### {TITLE}{tenant_label(plan.tenant)}: {counts}{blocked}{stay}\n\n"
    if selected := selection_summary(plan):
        yield f"{span(selected)}\n\n"
    rest = [f"{plan.unchanged} unchanged", f"{len(plan.left_alone)} left alone"]
    rest += [f"{plan.differing} left unchanged by --create-only or --only-branch"] if plan.differing else []
    rest += [f"{plan.skipped} skipped"] if plan.skipped else []
    risk_text = risk_counts(plan)
    risks = f"Risks: {risk_text}. " if risk_text else ""
    origins = f" {origins_summary(plan)}" if plan.origins else ""
    yield f"{risks}Other grants: {', '.join(rest)}.{origins}\n\n"
    if not plan.changes and not plan.blocked:
        yield f"No changes: {no_changes_reason(plan)}.\n\n"


def _critical(plan: Plan, max_bytes: int) -> Section:
    """Return a line for each kind of critical risk with its grants. Beyond `max_bytes`, count the rest by rule.

    This section is never truncated.
    """
    found = risks_at_level(plan, Level.CRITICAL)
    lines: list[str] = []
    groups = group_risks(found)
    for number, group in enumerate(groups):
        line = _risk_line(group, max_bytes)
        max_bytes -= len(line.encode())
        if max_bytes < 0:
            lines += _counts_by_rule(groups[number:])
            break
        lines.append(line)
    head = f"> [!CAUTION]\n> **Critical ({len(found)})**\n>\n"
    return Section(tuple(lines), head=head, tail="\n") if lines else EMPTY_SECTION


def _counts_by_rule(groups: Iterable[RiskGroup]) -> Iterator[str]:
    counts: Counter[str] = Counter()
    for group in groups:
        counts[group.risk.rule] += len(group.labels)
    for rule, count in counts.items():
        yield f"> - and {pluralize(count, 'more critical risk')} ({rule})\n"
    yield "> - The rest does not fit here: read it in the log of the job, or with `--report json=FILE`.\n"


def _risk_line(group: RiskGroup, max_bytes: int) -> str:
    """Return a line about one risk of several grants. It names as many grants as fit, at least one."""
    first, *others = group.labels
    if not others:
        return f"> - {span(first)}: {span(group.risk.message)} ({group.risk.rule})\n"
    line = f"> - {span(group.risk.message)} ({group.risk.rule}), {len(group.labels)} grants: {span(first)}"
    remaining = max_bytes - len(line.encode()) - COUNT_BYTES
    for number, label in enumerate(others, start=1):
        item = f", {span(label)}"
        remaining -= len(item.encode())
        if remaining < 0:
            return f"{line} and {len(group.labels) - number:,} more\n"
        line += item
    return f"{line}\n"


def _config_changes(plan: Plan) -> Section:
    lines = tuple(
        f"> - **{each.risk.level}** {span(f'{tenants_prefix(each)}{each.risk.message}')} ({each.risk.rule})\n"
        for each in plan.config_changes
    )
    kinds = {Level.CRITICAL: "CAUTION", Level.HIGH: "WARNING", Level.LOW: "NOTE"}
    worst = min((each.risk.level for each in plan.config_changes), key=lambda level: level.order, default=Level.LOW)
    head = f"> [!{kinds[worst]}]\n> **Changes to reconciler.yaml ({len(lines)})**\n>\n"
    return Section(lines, head=head, tail="\n", noun="change to reconciler.yaml") if lines else EMPTY_SECTION


def _high(plan: Plan, max_line_bytes: int) -> Section:
    found = risks_at_level(plan, Level.HIGH)
    lines = tuple(_risk_line(group, max_line_bytes) for group in group_risks(found))
    head = f"> [!WARNING]\n> **High ({len(found)})**\n>\n"
    return Section(lines, head=head, tail="\n", noun="kind of high risk") if lines else EMPTY_SECTION


def _blocked(plan: Plan, links: SourceLinks) -> Section:
    def blocked_line(blocked: Blocked) -> str:
        change = blocked.change
        source = "" if isinstance(change, Delete) else f", {_markdown_source(change.after.spec.source, links)}"
        return (
            f"> - {_symbol(change)} {span(grant_label(change.key, plan.directory))}: {span(blocked.reason)}{source}\n"
        )

    lines = tuple(map(blocked_line, plan.blocked))
    title = f"Blocked ({len(lines)}): no change of this plan can be applied"
    return (
        Section(lines, head=f"> [!CAUTION]\n> **{title}**\n>\n", tail="\n", noun="blocked change")
        if lines
        else EMPTY_SECTION
    )


def _notes(plan: Plan) -> Section:
    lines = tuple(f"> - {span(note)}\n" for note in plan.notes)
    return Section(lines, head="> [!NOTE]\n", tail="\n", noun="note", rank=2) if lines else EMPTY_SECTION


def _tables(plan: Plan, links: SourceLinks) -> Iterator[Section]:
    """Yield a table per origin. Removals without effect are made by the branch, so they are in its table."""
    stay = tuple(_row_of_removal(each, plan) for each in plan.no_longer_declared)
    for title, changes in sections_by_origin(plan):
        is_branch = title in {"", TITLES[Origin.BRANCH]}
        yield _table(title, changes, plan, links, stay if is_branch else ())
        stay = () if is_branch else stay
    if stay:
        yield _table(TITLES[Origin.BRANCH], (), plan, links, stay)


def _row_of_removal(each: NoLongerDeclared, plan: Plan) -> str:
    risks = plan.risks.get(each.key, ())
    cells = (
        "! access stays",
        element(no_longer_declared_label(each, plan.directory)),
        f"no longer declared{f'; {element(each.reason)}' if each.reason else ''}",
        risks[0].level if risks else "",
        element(earlier_source(each.source)),
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>\n"


def _table(
    title: str, changes: Iterable[Change], plan: Plan, links: SourceLinks, more_rows: Sequence[str] = ()
) -> Section:
    """Return the table as HTML. In a Markdown table, a `|` in a name would end its cell."""
    rows = (*(_row(change, plan, links) for change in _worst_first(changes, plan)), *more_rows)
    heading = f"**{title} ({len(rows)})**\n\n" if title else ""
    head = f"{heading}<table>\n<tr><th></th><th>grant</th><th>change</th><th>risk</th><th>declared</th></tr>\n"
    return Section(rows, head=head, tail="</table>\n\n", noun="change") if rows else EMPTY_SECTION


def _worst_first(changes: Iterable[Change], plan: Plan) -> list[Change]:
    """Return the changes, the highest risk first, then the worst added scope."""
    orders = {
        key: min((risk.level.order, RULE_ORDER.get(risk.rule, len(RULE_ORDER))) for risk in risks)
        for key, risks in plan.risks.items()
        if risks
    }
    severity = severities(plan)
    no_risk = (len(Level), 0)
    return sorted(changes, key=lambda each: (orders.get(each.key, no_risk), severity.get(each.key, LOWEST_SEVERITY)))


def _row(change: Change, plan: Plan, links: SourceLinks) -> str:
    risks = plan.risks.get(change.key, ())
    cells = (
        f"{_symbol(change)} {action_of(change)}",
        element(grant_label(change.key, plan.directory)),
        "<br>".join(_short_change(field, plan.directory) for field in change.fields),
        risks[0].level if risks else "",
        _declared(change, links),
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>\n"


def _declared(change: Change, links: SourceLinks) -> str:
    """Return the cell with the source of a grant. For a delete, it is the earlier source, if that is known."""
    if not isinstance(change, Delete):
        return _html_source(change.after.spec.source, links)
    if change.removal is None:
        return ""
    source, removed_by = change.removal.spec.source, change.removal.removed_by
    commit = f"<br>removed by {element(str(removed_by))}" if removed_by else ""
    return f"{element(earlier_source(source))}{commit}"


def _short_change(field: FieldChange, directory: Directory) -> str:
    match field:
        case SetChange():
            name = "" if field.field == "scope" else f"{field.field}: "
            return f"{name}{_short_items(field, directory)}"
        case ValueChange(before=None):
            return f"{field.field}: {element(_value_text(field.after))}"
        case ValueChange(after=None):
            return f"{field.field}: no longer {element(_value_text(field.before))}"
        case ValueChange():
            effect = field_effect(field)
            values = f"{field.field}: {element(_value_text(field.before))} to {element(_value_text(field.after))}"
            return f"{values} ({effect})" if effect else values


def _short_items(field: SetChange, directory: Directory) -> str:
    """Return the first added and removed items of a list, and the number of the others."""
    label = directory.organization_label if field.field == "organizations" else scope_label
    items = [f"{sign}{label(each)}" for sign, each in _signed(field)]
    more = len(items) - MAX_ITEMS_IN_ROW
    shown = " ".join(element(shorten(each, MAX_ITEM_LENGTH)) for each in items[:MAX_ITEMS_IN_ROW])
    return f"{shown} and {more} more" if more > 0 else shown


def _signed(field: SetChange) -> Iterator[tuple[str, str]]:
    yield from (("+", each) for each in field.added)
    yield from (("-", each) for each in field.removed)


def _html_source(source: Source, links: SourceLinks) -> str:
    """Return a source for HTML."""
    text = element(f"{source.file}:{source.line}")
    address = links.link_to(source)
    return f'<a href="{escape(address)}">{text}</a>' if address else text


def _markdown_source(source: Source, links: SourceLinks) -> str:
    """Return a source for Markdown."""
    text = span(f"{source.file}:{source.line}")
    address = links.link_to(source)
    return f"[{text}](<{address}>)" if address else text


def _details(change: Change, plan: Plan) -> str:
    summary = f"{_symbol(change)} {element(grant_label(change.key, plan.directory))}"
    description = "" if isinstance(change, Delete) else change.after.spec.description
    description_text = f"{span(description)}\n\n" if description else ""
    sets = scope_set_labels(change)
    lines = [line for field in _worst_scopes_first(change) for line in difference_lines(field, plan.directory, sets)]
    if isinstance(change, Delete) and change.removal:
        description_text = "".join(f"{span(text)}\n\n" for text in removal_lines(change.removal))
    if change.key in plan.attributions:
        description_text += f"In the tenant: {span(plan.attributions[change.key])}\n\n"
    fenced = "\n".join(block(lines, "diff"))
    return f"<details><summary>{summary}</summary>\n\n{description_text}{fenced}\n\n</details>\n\n"


def _worst_scopes_first(change: Change) -> Iterator[FieldChange]:
    """Yield the changed fields with the worst scopes first, because only the first ones of many are shown."""
    for field in change.fields:
        if isinstance(field, SetChange) and field.field == "scope" and len(field.added) > MAX_SORTED_BY_NAME:
            worst = sorted(field.added, key=lambda scope: scope_order(change.key.audience, scope))
            yield replace(field, added=tuple(worst))
        else:
            yield field


NO_SCOPE_SETS: Mapping[str, str] = {}


def difference_lines(
    field: FieldChange, directory: Directory, scope_sets: Mapping[str, str] = NO_SCOPE_SETS
) -> Iterator[str]:
    """Yield a changed field as lines of a diff. `scope_sets` has the names of scope sets by scope."""
    match field:
        case SetChange(field="organizations"):
            for prefix, items in (("+", field.added), ("-", field.removed)):
                labels = sorted(map(directory.organization_label, items))
                yield from (f"{prefix} organization: {visible(label)}" for label in labels)
        case SetChange():
            name, shown = ("", scope_label) if field.field == "scope" else (f"{field.field}: ", visible)
            names = {item: f"  ({text})" for item, text in scope_sets.items()} if not name else {}
            yield from (f"+ {name}{shown(item)}{names.get(item, '')}" for item in field.added)
            yield from (f"- {name}{shown(item)}" for item in field.removed)
        case ValueChange():
            values = (("-", field.before), ("+", field.after))
            yield from (
                f"{prefix} {field.field}: {visible(_value_text(value))}"
                for prefix, value in values
                if value is not None
            )


def _left_alone(plan: Plan) -> Section:
    listed = [(grant_label(each.observed.key, plan.directory), _reason(each, plan)) for each in plan.left_alone]
    items = tuple(f"- {span(label)} ({reason})\n" for label, reason in listed)
    summary = f"Left alone ({len(items)}): {left_alone_counts(plan)}"
    head = f"<details><summary>{summary}</summary>\n\n"
    return Section(items, head=head, tail="\n</details>\n\n", noun="other grant", rank=3) if items else EMPTY_SECTION


def _reason(each: LeftAlone, plan: Plan) -> str:
    attribution = plan.attributions.get(each.observed.key)
    last = f", {span(attribution)}" if attribution else ""
    return f"{each.reason}: {span(each.detail)}{last}" if each.detail else f"{each.reason}{last}"


def _footer(plan: Plan, links: SourceLinks) -> str:
    identity = f"Plan <code>{plan_id(plan)}</code> for {element(str(plan.tenant))}{commit_suffix(links)}."
    if plan.blocked:
        return f"{identity} It cannot be applied while a change is blocked.\n"
    if not plan.changes:
        return f"{identity}\n"
    return f"{identity} `reconciler apply PLANFILE` with the saved plan applies exactly this plan or nothing.\n"


def _symbol(change: Change) -> str:
    return SYMBOLS[action_of(change)]


def _value_text(value: object) -> str:
    return value if isinstance(value, str) else str(value).lower()
