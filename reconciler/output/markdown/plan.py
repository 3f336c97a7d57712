"""Pure: a plan as a comment on a pull request (risks, a table, the difference of each grant), and its outcomes.

Alerts (`[!CAUTION]`) and folded details are features of GitHub and GitLab. Other services show alerts as quotations.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from html import escape

from reconciler.artifacts.serialization import action_of, plan_id
from reconciler.core.characters import pluralize, visible
from reconciler.core.diff import FieldChange, SetChange, ValueChange
from reconciler.core.directory import Directory
from reconciler.core.outcome import ApplyReport, Outcome
from reconciler.core.plan import TITLES, Blocked, Change, Delete, LeftAlone, Origin, Plan, TenantName
from reconciler.core.problems import Level, Source
from reconciler.core.removals import NoLongerDeclared, earlier_source
from reconciler.core.risks import RULE_ORDER
from reconciler.core.scopes import scope_order
from reconciler.output.escape import block, commit_suffix, element, marker, span, tenant_label
from reconciler.output.markdown.truncate import DEFAULT_MAX_BYTES, Section, fit
from reconciler.output.source_links import NO_REPOSITORY, SourceLinks
from reconciler.output.text.plan import outcome_counts, state
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
    sections_by_origin,
    severities,
    tenants_prefix,
)

EMPTY_SECTION = Section(())
MAX_RISK_LINE_BYTES = 2_000
"""The limit for one line about equal risks of level high."""
COUNT_BYTES = 30
"""The size of the count of further grants in such a line."""
MAX_SORTED_BY_NAME = 20
SYMBOLS = {"create": "+", "update": "~", "delete": "-"}


def plan_markdown(plan: Plan, *, links: SourceLinks = NO_REPOSITORY, max_bytes: int = DEFAULT_MAX_BYTES) -> str:
    """Return the comment. It starts with the tenant's marker.

    Files are linked if `links` knows their URL. The comment has at most `max_bytes`. Changes and risks take
    precedence over notes, and notes over other grants. Critical risks that do not fit are counted by rule.
    """
    return fit(list(_parts(plan, links, max_bytes)), max_bytes)


def _parts(plan: Plan, links: SourceLinks, max_bytes: int) -> Iterator[Section]:
    yield Section((marker(plan.tenant.name, links) + "\n", *_head(plan)))
    yield _critical(plan, max_bytes // 2)
    yield replace(_config_changes(plan), max_bytes=max_bytes // 4)
    yield replace(_blocked(plan, links), max_bytes=max_bytes // 4)
    yield _high(plan, max_bytes // 4)
    yield _notes(plan)
    yield from _tables(plan, links)
    changes = _worst_first([*(each.change for each in plan.blocked), *plan.changes], plan)
    yield Section(tuple(_details(change, plan) for change in changes), noun="difference", rank=1)
    yield _left_alone(plan)
    yield Section((_foot(plan, links),))


def _head(plan: Plan) -> Iterator[str]:
    actions = Counter(action_of(change) for change in plan.changes)
    counts = ", ".join(f"{actions[action]} to {action}" for action in SYMBOLS)
    blocked = f", {len(plan.blocked)} blocked" if plan.blocked else ""
    stay = f", {no_longer_declared_count(plan)}" if plan.no_longer_declared else ""
    yield f"### {tenant_label(plan.tenant)}: {counts}{blocked}{stay}\n\n"
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
    """Return a line about equal risks with as many grants as fit, at least one."""
    first, *others = group.labels
    if not others:
        return f"> - {span(first)}: {span(group.risk.message)} ({group.risk.rule})\n"
    line = f"> - {span(group.risk.message)} ({group.risk.rule}), {len(group.labels)} grants: {span(first)}"
    room = max_bytes - len(line.encode()) - COUNT_BYTES
    for number, label in enumerate(others, start=1):
        item = f", {span(label)}"
        room -= len(item.encode())
        if room < 0:
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


def _high(plan: Plan, max_bytes: int) -> Section:
    found = risks_at_level(plan, Level.HIGH)
    lines = tuple(_risk_line(group, MAX_RISK_LINE_BYTES) for group in group_risks(found))
    head = f"> [!WARNING]\n> **High ({len(found)})**\n>\n"
    return (
        Section(lines, head=head, tail="\n", noun="kind of high risk", max_bytes=max_bytes) if lines else EMPTY_SECTION
    )


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
    none = (len(Level), 0)
    return sorted(changes, key=lambda each: (orders.get(each.key, none), severity.get(each.key, LOWEST_SEVERITY)))


def _row(change: Change, plan: Plan, links: SourceLinks) -> str:
    risks = plan.risks.get(change.key, ())
    cells = (
        f"{_symbol(change)} {action_of(change)}",
        element(grant_label(change.key, plan.directory)),
        "<br>".join(_short_change(field) for field in change.fields),
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


def _short_change(field: FieldChange) -> str:
    match field:
        case SetChange():
            counts = [f"{sign}{len(items)}" for sign, items in (("+", field.added), ("-", field.removed)) if items]
            return f"{' '.join(counts)} {field.field}"
        case ValueChange(before=None):
            return f"{field.field}: {element(_value_text(field.after))}"
        case ValueChange(after=None):
            return f"{field.field}: no longer {element(_value_text(field.before))}"
        case ValueChange():
            effect = field_effect(field)
            values = f"{field.field}: {element(_value_text(field.before))} to {element(_value_text(field.after))}"
            return f"{values} ({effect})" if effect else values


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
    why = f"{span(description)}\n\n" if description else ""
    lines = [line for field in _worst_scopes_first(change) for line in difference_lines(field, plan.directory)]
    if isinstance(change, Delete) and change.removal:
        why = "".join(f"{span(text)}\n\n" for text in removal_lines(change.removal))
    if change.key in plan.attributions:
        why += f"In the tenant: {span(plan.attributions[change.key])}\n\n"
    fenced = "\n".join(block(lines, "diff"))
    return f"<details><summary>{summary}</summary>\n\n{why}{fenced}\n\n</details>\n\n"


def _worst_scopes_first(change: Change) -> Iterator[FieldChange]:
    """Yield the changed fields with the worst scopes first, because only the first ones of many are shown."""
    for field in change.fields:
        if isinstance(field, SetChange) and field.field == "scope" and len(field.added) > MAX_SORTED_BY_NAME:
            worst = sorted(field.added, key=lambda scope: scope_order(change.key.audience, scope))
            yield replace(field, added=tuple(worst))
        else:
            yield field


def difference_lines(field: FieldChange, directory: Directory) -> Iterator[str]:
    """Yield a changed field as lines of a diff."""
    match field:
        case SetChange(field="organizations"):
            for sign, items in (("+", field.added), ("-", field.removed)):
                labels = sorted(map(directory.organization_label, items))
                yield from (f"{sign} organization: {visible(label)}" for label in labels)
        case SetChange():
            name, shown = ("", scope_label) if field.field == "scope" else (f"{field.field}: ", visible)
            yield from (f"+ {name}{shown(item)}" for item in field.added)
            yield from (f"- {name}{shown(item)}" for item in field.removed)
        case ValueChange():
            sides = (("-", field.before), ("+", field.after))
            yield from (
                f"{sign} {field.field}: {visible(_value_text(value))}" for sign, value in sides if value is not None
            )


def _left_alone(plan: Plan) -> Section:
    listed = sorted((grant_label(each.observed.key, plan.directory), _reason(each, plan)) for each in plan.left_alone)
    items = tuple(f"- {span(label)} ({reason})\n" for label, reason in listed)
    summary = f"Left alone ({len(items)}): {left_alone_counts(plan)}"
    head = f"<details><summary>{summary}</summary>\n\n"
    return Section(items, head=head, tail="\n</details>\n\n", noun="other grant", rank=3) if items else EMPTY_SECTION


def _reason(each: LeftAlone, plan: Plan) -> str:
    attribution = plan.attributions.get(each.observed.key)
    last = f", {span(attribution)}" if attribution else ""
    return f"{each.reason}: {span(each.detail)}{last}" if each.detail else f"{each.reason}{last}"


def _foot(plan: Plan, links: SourceLinks) -> str:
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


HEAD = "<table>\n<tr><th>outcome</th><th>change</th><th>grant</th><th></th></tr>\n"


def report_markdown(report: ApplyReport, plan: Plan, links: SourceLinks, max_bytes: int) -> str:
    """Return the outcomes of `plan`, with the tenant's marker first. The last rows are truncated first."""
    directory = plan.directory
    rows = tuple(_outcome_row(outcome, directory) for outcome in report.outcomes)
    table = Section(rows, head=HEAD, tail="</table>\n\n", noun="outcome") if rows else Section(())
    blocked = report.remaining.blocked if report.remaining and not rows else ()
    reasons = tuple(f"- {span(grant_label(each.change.key, directory))}: {span(each.reason)}\n" for each in blocked)
    head = Section((f"{marker(plan.tenant.name, links)}\n", *_title(report, plan.tenant, links)))
    return fit([head, _differences(report, directory), table, Section(reasons, noun="blocked change")], max_bytes)


def _differences(report: ApplyReport, directory: Directory) -> Section:
    """Return the remaining differences by grant and field."""

    def item(change: Change) -> str:
        accepted = ": Auth0 accepted the change and did not keep it" if change.key in report.not_persisted else ""
        lines = [line for field in change.fields for line in difference_lines(field, directory)]
        fenced = "\n".join(block(lines, "diff"))
        return f"{action_of(change)} {span(grant_label(change.key, directory))}{accepted}\n\n{fenced}\n\n"

    items = tuple(map(item, report.differences))
    return Section(items, head=f"**Still differs ({len(items)})**\n\n", noun="difference") if items else Section(())


def _title(report: ApplyReport, tenant: TenantName, links: SourceLinks) -> Iterator[str]:
    yield f"### {tenant_label(tenant)}: {outcome_counts(report) or 'nothing to do'}\n\n"
    end = span(report.trouble) if report.trouble else state(report)
    yield f"{'Done' if report.converged else 'Not done'}{commit_suffix(links)}: {end}.\n\n"


def _outcome_row(outcome: Outcome, directory: Directory) -> str:
    cells = (
        str(outcome.result),
        action_of(outcome.change),
        element(grant_label(outcome.change.key, directory)),
        element(outcome.detail) if outcome.detail else "",
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>\n"
