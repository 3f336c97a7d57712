"""Write a plan as a comment on a pull request.

The comment contains the number of risks and blocked changes, and a table of the grants. GitHub and GitLab show alerts
(`[!CAUTION]`) as coloured boxes and can hide details. Azure DevOps and Bitbucket show `[!CAUTION]` as quoted text.
"""

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence

from reconciler.artifacts.serialization import action_of, approval_id, plan_id
from reconciler.core.characters import pluralize, visible
from reconciler.core.diff import FieldChange, SetChange, ValueChange
from reconciler.core.directory import Directory
from reconciler.core.identity import TenantName
from reconciler.core.outcome import ApplyReport, Outcome
from reconciler.core.plan import TITLES, Change, Origin, Plan
from reconciler.core.plan_risks import all_risks, grant_label
from reconciler.core.problems import Level
from reconciler.output.escape import MAX_TEXT_LENGTH, block, commit_suffix, element, marker, span, tenant_label
from reconciler.output.markdown.document import Section, join_sections
from reconciler.output.markdown.rows import (
    HEAD,
    SMALL_ROW,
    TAIL,
    RowLimits,
    change_row,
    is_critical,
    removal_row,
    table_row,
    worst_first,
)
from reconciler.output.source_links import NO_REPOSITORY, SourceLinks
from reconciler.output.styled import DEFAULT_MAX_BYTES, RESULT_PREFIX
from reconciler.output.text.plan import outcome_counts, state
from reconciler.output.words import (
    EXPIRY_CHANGES_TITLE,
    SHOWN_LEVELS,
    SYMBOLS,
    left_alone_counts,
    left_unchanged,
    no_changes_reason,
    no_longer_declared_count,
    origins_summary,
    scope_label,
    selection_summary,
    tenants_prefix,
    value_text,
)

TITLE = "Auth0 grants · "
APPLY_AFTER_MERGE = "To apply: merge. The pipeline of the target branch plans again and waits for an approval."
PLAN_AGAIN = "To plan again: push a commit, or run the job again."
"""The sentence in a comment that explains how to update the plan of a pull request."""
MAX_RULES = 12
"""The maximum number of risk rules that the alert lists for each risk level.

The number of listed risk rules is limited, because a saved plan could contain any number of unknown risk rules.
"""


def plan_markdown(plan: Plan, *, links: SourceLinks = NO_REPOSITORY, max_bytes: int = DEFAULT_MAX_BYTES) -> str:
    """Return a plan as a comment on a pull request.

    The comment starts with a hidden line that contains the name of the tenant. If `links` contains the URL of the
    repository, the comment contains links to the files. The comment has at most `max_bytes` bytes. If the comment is
    too long, grants that reconciler does not change are omitted first, then notes, then changes. If the comment is too
    long, critical changes are the last changes to be omitted. Half of the comment is reserved for the tables of
    changes. The alert with the number of risks for each rule is never omitted.
    """
    return join_sections(list(_parts(plan, links, max_bytes)), max_bytes)


def body_markdown(plan: Plan, links: SourceLinks, max_bytes: int) -> str:
    """Return the Markdown text of a plan without the lines that name the tenant.

    If the plans of two tenants are equal, the returned strings are equal.
    """
    first, *sections, _ = _parts(plan, links, max_bytes)
    return join_sections([first._replace(items=first.items[2:]), *sections], max_bytes)


def _parts(plan: Plan, links: SourceLinks, max_bytes: int) -> Iterator[Section]:
    yield Section((marker(plan.tenant.name, links) + "\n", *_header(plan)))
    changes = _config_changes(plan)
    yield changes._replace(max_bytes=max_bytes // (3 if changes.critical else 8))
    yield _expiry_changes(plan, links)._replace(max_bytes=max_bytes // 8)
    yield _notes(plan)._replace(max_bytes=max_bytes // 4)
    tables = list(_tables(plan, links, max_bytes))
    yield from (table._replace(reserved=max_bytes // 2 // len(tables)) for table in tables)
    yield _left_alone(plan)
    yield Section((f"{plan_line(plan, links)}  \n{' '.join(_next_steps(plan, links))}\n",))


def _header(plan: Plan) -> Iterator[str]:
    actions = Counter(action_of(change) for change in plan.changes)
    counts = ", ".join(f"{actions[action]} to {action}" for action in SYMBOLS)
    blocked = f", {len(plan.blocked)} blocked" if plan.blocked else ""
    stay = f", {no_longer_declared_count(plan)}" if plan.no_longer_declared else ""
    yield f"### {TITLE}{tenant_label(plan.tenant)}: {counts}{blocked}{stay}\n\n"
    if selected := selection_summary(plan):
        yield f"{span(selected)}\n\n"
    yield from _alert(plan)
    rest = [f"{plan.unchanged} unchanged", f"{len(plan.left_alone)} left alone"]
    rest += [left_unchanged(plan)] if plan.differing else []
    rest += [f"{plan.skipped} skipped"] if plan.skipped else []
    rest += [f"{plan.expired_unknown} expired and possibly still in the tenant"] if plan.expired_unknown else []
    origins = f" {origins_summary(plan)}" if plan.origins else ""
    yield f"Other grants: {', '.join(rest)}.{origins}\n\n"
    if not plan.changes and not plan.blocked:
        yield f"No changes: {no_changes_reason(plan)}.\n\n"


def _alert(plan: Plan) -> Iterator[str]:
    """Yield the lines of an alert with the number of blocked changes and the number of risks for each level and rule.

    The alert contains only numbers, because the table of changes contains the details of each risk.
    """
    rules = {level: Counter(risk.rule for risk in all_risks(plan) if risk.level is level) for level in SHOWN_LEVELS}
    if not plan.blocked and not any(rules.values()):
        return
    yield f"> [!{'CAUTION' if plan.blocked or rules[Level.CRITICAL] else 'WARNING'}]\n"
    if plan.blocked:
        blocked = f"{pluralize(len(plan.blocked), 'change')} {'is' if len(plan.blocked) == 1 else 'are'} blocked"
        yield f"> **{blocked}: no change of this plan can be applied.**  \n"
    risks = [f"**{found.total()} {level}** ({_by_rule(found)})" for level, found in rules.items() if found]
    if risks:
        yield f"> Risks: {', '.join(risks)}\n"
    yield "\n"


def _by_rule(found: Counter[str]) -> str:
    most = found.most_common(MAX_RULES)
    named = [f"{span(rule)} {count}" if found.total() > 1 else span(rule) for rule, count in most]
    return ", ".join([*named, *(["others"] if len(found) > MAX_RULES else [])])


def _config_changes(plan: Plan) -> Section:
    lines = tuple(
        f"> - **{each.risk.level}** {span(f'{tenants_prefix(each)}{each.risk.message}')} ({span(each.risk.rule)})\n"
        for each in plan.config_changes
    )
    kinds = {Level.CRITICAL: "CAUTION", Level.HIGH: "WARNING", Level.LOW: "NOTE"}
    worst = min((each.risk.level for each in plan.config_changes), key=lambda level: level.order, default=Level.LOW)
    head = f"> [!{kinds[worst]}]\n> **Changes to reconciler.yaml ({len(lines)})**\n>\n"
    critical = sum(each.risk.level is Level.CRITICAL for each in plan.config_changes)
    noun = "configuration change"
    return Section(lines, head=head, tail="\n", noun=noun, critical=critical)


def _expiry_changes(plan: Plan, links: SourceLinks) -> Section:
    lines: list[str] = []
    for each in plan.expiry_changes:
        text, address = span(f"{each.source.file}:{each.source.line}"), links.link_to(each.source)
        source = f"[{text}](<{address}>)" if address else text
        lines.append(f"- {span(grant_label(each.key, plan.directory))}: {each}, {source}\n")
    head = f"**{EXPIRY_CHANGES_TITLE} ({len(lines)})**\n\n"
    return Section(tuple(lines), head=head, tail="\n", noun="changed end", rank=1)


def _notes(plan: Plan) -> Section:
    lines = tuple(f"> - {span(note)}\n" for note in plan.notes)
    return Section(lines, head="> [!NOTE]\n", tail="\n", noun="note", rank=2)


def _tables(plan: Plan, links: SourceLinks, max_bytes: int) -> Iterator[Section]:
    """For each origin of changes, such as this branch or drift in the tenant, yield a table of the changes.

    The tables also contain blocked changes. The table for this branch also contains grants that are no longer declared
    but stay in the tenant. If a row contains a long list, the end of the list is collapsed. If the tables are too long,
    the collapsed part of each list is omitted, and descriptions are shortened.
    """
    removals = tuple(removal_row(each, plan, links) for each in plan.no_longer_declared)
    reasons = {each.change.key: each.reason for each in plan.blocked}

    def rows(changes: Sequence[Change], limits: RowLimits) -> tuple[str, ...]:
        return tuple(change_row(each, plan, links, reason=reasons.get(each.key, ""), limits=limits) for each in changes)

    sections = list(_sections(plan))
    limits = RowLimits(folded_bytes=max_bytes // 20, description_length=MAX_TEXT_LENGTH)
    size = sum(len(row.encode(errors="surrogatepass")) for _, changes in sections for row in rows(changes, limits))
    if size >= max_bytes // 2:
        limits = SMALL_ROW
    for title, changes in sections:
        section_rows = rows(changes, limits)
        if title in {"", TITLES[Origin.BRANCH]}:
            section_rows += removals
        if section_rows:
            critical = sum(is_critical(each, plan) for each in changes)
            heading = f"**{title} ({len(section_rows)})**\n\n" if title else ""
            yield Section(section_rows, head=heading + HEAD, tail=TAIL, noun="change", critical=critical)


def _sections(plan: Plan) -> Iterator[tuple[str, Sequence[Change]]]:
    """Yield the title and the changes of each table in the comment, including blocked changes.

    The most dangerous changes come first.

    If the plan does not contain the origins of the changes (branch or drift), yield a single table.
    """
    changes = worst_first([*(each.change for each in plan.blocked), *plan.changes], plan)
    if not plan.origins:
        title = TITLES[Origin.BRANCH] if plan.no_longer_declared else ""
        yield title, changes
        return
    for origin in Origin:
        yield TITLES[origin], [each for each in changes if plan.origins.get(each.key, Origin.BRANCH) is origin]


def difference_lines(field: FieldChange, directory: Directory) -> Iterator[str]:
    """Yield the old and new values of a changed field as lines in diff format (`-` and `+`)."""
    match field:
        case SetChange(field="organizations"):
            for prefix, items in (("+", field.added), ("-", field.removed)):
                labels = sorted(map(directory.organization_label, items))
                yield from (f"{prefix} organization: {visible(label)}" for label in labels)
        case SetChange():
            name, shown = ("", scope_label) if field.field == "scope" else (f"{field.field}: ", visible)
            yield from (f"+ {name}{shown(item)}" for item in field.added)
            yield from (f"- {name}{shown(item)}" for item in field.removed)
        case ValueChange():
            values = (("-", field.before), ("+", field.after))
            yield from (
                f"{prefix} {field.field}: {visible(value_text(value))}" for prefix, value in values if value is not None
            )


def _left_alone(plan: Plan) -> Section:
    items: list[str] = []
    for each in plan.left_alone:
        label = grant_label(each.observed.key, plan.directory)
        reason = f"{each.reason}: {span(each.detail)}" if each.detail else f"{each.reason}"
        attribution = plan.attributions.get(each.observed.key)
        last = f", {span(attribution)}" if attribution else ""
        items.append(f"- {span(label)} ({reason}{last})\n")
    summary = f"Left alone ({len(items)}): {left_alone_counts(plan)}"
    head = f"<details><summary>{summary}</summary>\n\n"
    tail = "\n</details>\n\n"
    return Section(tuple(items), head=head, tail=tail, noun="other grant", rank=3)


def plan_line(plan: Plan, links: SourceLinks) -> str:
    """Return a line with the plan id, the tenant, the commit, the pipeline run and the time."""
    return f"Plan <code>{plan_id(plan)}</code> for {element(str(plan.tenant))}{origin_suffix(links)}."


def origin_suffix(links: SourceLinks) -> str:
    """Return a phrase that names the commit, the pipeline run and the time of a report. Unknown details are omitted."""
    return "".join([commit_suffix(links), *(f", {text}" for text in (links.run.link, links.run.time) if text)])


def _next_steps(plan: Plan, links: SourceLinks) -> Iterator[str]:
    if plan.blocked:
        yield "The plan cannot be applied while a change is blocked."
    elif plan.changes and links.run.is_review:
        yield APPLY_AFTER_MERGE
    elif plan.changes:
        yield "To apply exactly this plan, use the options of the plan. With a saved plan, run"
        yield "`reconciler apply PLANFILE`. Without a saved plan, run"
        yield f"`reconciler apply --approval-id {approval_id(plan)}`."
    if links.run.is_review:
        yield PLAN_AGAIN
    else:
        is_declared = plan.tenant.name != plan.tenant.domain
        command = ["reconciler", "plan", *(["--tenant", plan.tenant.name] if is_declared else [])]
        yield f"To plan again: {span(shlex.join(command))}."


OUTCOMES_HEAD = "<table>\n<tr><th>outcome</th><th>change</th><th>grant</th><th></th></tr>\n"


def report_markdown(report: ApplyReport, plan: Plan, links: SourceLinks, max_bytes: int) -> str:
    """Return a Markdown comment that lists the outcome of each change in `plan`.

    The comment starts with a hidden line that contains the name of the tenant. If the comment is too long, the last
    rows of the table are omitted.
    """
    return join_sections(list(_outcome_parts(report, plan, links)), max_bytes)


def outcomes_body(report: ApplyReport, plan: Plan, links: SourceLinks, max_bytes: int) -> str:
    """Return the outcome of each change as Markdown that names neither the tenant nor the plan id.

    If the outcomes of two tenants are equal, the function returns equal strings for both tenants.
    """
    first, *sections, _ = _outcome_parts(report, plan, links)
    return join_sections([first._replace(items=first.items[2:]), *sections], max_bytes)


def _outcome_parts(report: ApplyReport, plan: Plan, links: SourceLinks) -> Iterator[Section]:
    directory = plan.directory
    rows = tuple(_outcome_row(outcome, directory) for outcome in report.outcomes)
    table = Section(rows, head=OUTCOMES_HEAD, tail="</table>\n\n", noun="outcome")
    blocked = report.remaining.blocked if report.remaining and not rows else ()
    reasons = tuple(f"- {span(grant_label(each.change.key, directory))}: {span(each.reason)}\n" for each in blocked)
    yield Section((f"{marker(plan.tenant.name, links, RESULT_PREFIX)}\n", *_title(report, plan.tenant)))
    yield _differences(report, directory)
    yield table
    yield Section(reasons, noun="blocked change")
    yield Section((f"{plan_line(plan, links)}\n",))


def _differences(report: ApplyReport, directory: Directory) -> Section:
    """Return a section with the fields of grants that still differ between the tenant and the files after the run."""

    def item(change: Change) -> str:
        accepted = ": Auth0 accepted the change but did not store every value" if change.key in report.discarded else ""
        lines = [line for field in change.fields for line in difference_lines(field, directory)]
        fenced = "\n".join(block(lines, "diff"))
        return f"{action_of(change)} {span(grant_label(change.key, directory))}{accepted}\n\n{fenced}\n\n"

    items = tuple(map(item, report.differences))
    return Section(items, head=f"**Still differs ({len(items)})**\n\n", noun="difference")


def _title(report: ApplyReport, tenant: TenantName) -> Iterator[str]:
    is_refused = report.remaining is not None and report.remaining.blocked and not report.outcomes
    nothing = "refused" if is_refused else "nothing to do"
    yield f"### {TITLE}{tenant_label(tenant)}: {outcome_counts(report) or nothing}\n\n"
    end = span(report.verification_error) if report.verification_error else state(report)
    if is_refused:
        yield f"{end[0].upper()}{end[1:]}.\n\n"
    else:
        yield f"{'Done' if report.converged else 'Not done'}: {end}.\n\n"


def _outcome_row(outcome: Outcome, directory: Directory) -> str:
    cells = (
        str(outcome.result),
        action_of(outcome.change),
        element(grant_label(outcome.change.key, directory)),
        element(outcome.detail) if outcome.detail else "",
    )
    return table_row(*cells)
