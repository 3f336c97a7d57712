"""Write the results of several tenants as a single comment on a pull request.

The comment contains totals, critical risks and a table of tenants. If several tenants have equal plans, the comment
contains the plan once.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from reconciler.core.characters import pluralize
from reconciler.core.fleet.rollout import TenantState
from reconciler.core.plan import Plan
from reconciler.core.plan_risks import all_risks, risks_at_level
from reconciler.core.problems import Level, Risk
from reconciler.output.escape import element, fleet_marker, span
from reconciler.output.markdown.document import MIN_BYTES, Section, join_sections
from reconciler.output.markdown.plan import (
    APPLY_AFTER_MERGE,
    PLAN_AGAIN,
    TITLE,
    body_markdown,
    origin_suffix,
    outcomes_body,
)
from reconciler.output.markdown.rows import table_row
from reconciler.output.results import FleetSummary, PlanResults, RunResult, RunResults, TenantSummary
from reconciler.output.source_links import SourceLinks
from reconciler.output.styled import RESULT_PREFIX
from reconciler.output.words import tenants_prefix

T = TypeVar("T")
TABLE_HEAD = "<table>\n<tr><th>tenant</th><th>state</th><th>changes and risks</th><th>plan</th></tr>\n"
MAX_NAMES = 20
"""The maximum number of tenant names in one line. The table of tenants contains the names of all tenants."""
PLAN_ALL_AGAIN = "To plan again: `reconciler plan --all-tenants`."
NO_CHANGES = ""
"""The content of the table column "plan" for a tenant without changes."""


@dataclass(frozen=True, slots=True)
class _Distinct:
    """The result of one tenant, or of several tenants whose results are equal.

    `body` is the Markdown text of the plan or run. The table of tenants refers to the plan or run by `number`.
    """

    number: int
    names: Sequence[str]
    body: str
    counts: str


def plans_markdown(
    results: PlanResults, summary: FleetSummary, links: SourceLinks, max_bytes: int, notes: Sequence[str] = ()
) -> str:
    """Return the plans of all tenants as a Markdown document of at most `max_bytes` bytes.

    `notes` contains notes about the whole run.

    If the configuration file is not reconciler.yaml, a hidden line at the start of the document contains the path of
    the configuration file. Totals and critical risks are never omitted. If the messages of all critical risks do not
    fit, the document states the number of omitted critical risks for each risk rule.
    """
    plans = _distinct(
        results.plans,
        summary,
        lambda plan: plan.tenant.name,
        lambda plan, size: body_markdown(plan, links, size),
        max_bytes,
    )
    alerts = [_critical(results.plans, summary, max_bytes // 3), _config_changes(results.plans, max_bytes)]
    lines = tuple(f"> - {span(note)}\n" for note in notes)
    alerts.append(Section(lines, head="> [!WARNING]\n", tail="\n", noun="note", max_bytes=max_bytes // 8))
    steps = f"{_apply_after_merge(summary)} {PLAN_AGAIN}" if links.run.is_review else PLAN_ALL_AGAIN
    head, foot = f"{fleet_marker(links)}\n", f"Plans of all tenants{origin_suffix(links)}.  \n{steps}\n"
    alerts.append(_failures(results, summary, max_bytes))
    return _document(summary, max_bytes, alerts, plans, marker_line=head, foot=foot)


def runs_markdown(results: RunResults, summary: FleetSummary, links: SourceLinks, max_bytes: int) -> str:
    """Return the results of `reconciler apply` for all tenants as a Markdown document.

    The document is structured like the document that `plans_markdown` returns.
    """

    def body(run: RunResult, size: int) -> str:
        return outcomes_body(run.report, run.plan, links, size)

    runs = _distinct(results.runs, summary, lambda run: run.plan.tenant.name, body, max_bytes)
    head, foot = f"{fleet_marker(links, RESULT_PREFIX)}\n", f"Result of all tenants{origin_suffix(links)}.\n"
    return _document(summary, max_bytes, [_failures(results, summary, max_bytes)], runs, marker_line=head, foot=foot)


def _document(  # noqa: PLR0913 - each parameter is one part of the document
    summary: FleetSummary,
    max_bytes: int,
    alerts: Sequence[Section],
    plans: Sequence[_Distinct],
    *,
    marker_line: str,
    foot: str,
) -> str:
    first, *waves = summary.lines
    head = [marker_line, f"### {TITLE}{pluralize(len(summary.tenants), 'tenant')}: {summary.title}\n\n"]
    head += [f"{first}\n\n", *(f"- {span(text)}\n" for text in waves), *(["\n"] if waves else [])]
    numbers = {name: str(plan.number) for plan in plans for name in plan.names}
    rows = tuple(_row(each, numbers.get(each.tenant.name, NO_CHANGES)) for each in summary.worst_first())
    parts = [
        Section(tuple(head)),
        *alerts,
        Section(rows, head=TABLE_HEAD, tail="</table>\n\n", noun="tenant", reserved=max_bytes // 3),
        Section(tuple(map(_details, plans)), noun="plan", rank=1),
        Section((foot,)),
    ]
    return join_sections(parts, max_bytes)


def _distinct(
    results: Sequence[T],
    summary: FleetSummary,
    name_of: Callable[[T], str],
    body_of: Callable[[T, int], str],
    max_bytes: int,
) -> list[_Distinct]:
    """Return the results of all tenants that have changes. Combine equal results of several tenants into one result.

    The results that need most attention come first. Half of `max_bytes` is divided equally among the
    returned results.
    """
    summaries = {each.tenant.name: each for each in summary.tenants}
    changed = [result for result in results if summaries[name_of(result)].has_changes]
    groups = summary.equal_results((name_of(result), body_of(result, max_bytes)) for result in changed)
    share = max(MIN_BYTES, max_bytes // 2 // max(1, len(groups)))
    distinct = []
    for number, members in enumerate(groups, start=1):
        names, first = [name_of(changed[each]) for each in members], changed[members[0]]
        distinct.append(_Distinct(number, names, body_of(first, share), summaries[names[0]].counts))
    return distinct


def _row(each: TenantSummary, number: str) -> str:
    name = f"{element(each.tenant.name)}{' <b>SANDBOX</b>' if each.tenant.is_sandbox else ''}"
    state = str(each.state) if each.wave is None else f"{each.state}, wave {element(each.wave)}"
    counts = element(each.reason) if each.reason else each.counts
    return table_row(name, state, counts, number)


def _details(plan: _Distinct) -> str:
    names = _some_names(plan.names, element)
    title = f"Plan {plan.number}: {pluralize(len(plan.names), 'tenant')} ({names}): {plan.counts}"
    return f"<details><summary>{title}</summary>\n\n{plan.body}\n</details>\n\n"


def _some_names(names: Sequence[str], convert: Callable[[str], str]) -> str:
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return f"{', '.join(map(convert, names[:MAX_NAMES]))}{more}"


def _critical(plans: Iterable[Plan], summary: FleetSummary, max_bytes: int) -> Section:
    """Return a section with one line for each critical risk. Each line names the tenants that the risk affects.

    If the lines would exceed `max_bytes`, a final line states the number of omitted risks for each risk rule. Another
    line states the number of risks that `summary` counts, but that the plans do not contain.
    """
    plans = list(plans)
    found: dict[tuple[str, Risk], list[str]] = {}
    for plan in plans:
        for each in risks_at_level(plan, Level.CRITICAL):
            found.setdefault((each.label, each.risk), []).append(plan.tenant.name)
    lines: list[str] = []
    omitted: Counter[str] = Counter()
    for (label, risk), names in found.items():
        who = f"{pluralize(len(names), 'tenant')}: {_some_names(names, span)}"
        line = f"> - {span(label)}: {span(risk.message)} ({span(risk.rule)}), {who}\n"
        if len(line.encode(errors="surrogatepass")) <= max_bytes:
            max_bytes -= len(line.encode(errors="surrogatepass"))
            lines.append(line)
        else:
            omitted[risk.rule] += len(names)
    if omitted:
        rules = ", ".join(f"{span(rule)} {count}" for rule, count in omitted.most_common())
        lines.append(f"> - and {pluralize(omitted.total(), 'more critical risk')}: {rules}\n")
    known = sum(risk.level is Level.CRITICAL for plan in plans for risk in all_risks(plan))
    unknown = max(0, sum(each.critical for each in summary.tenants) - known)
    if unknown:
        lines.append(f"> - and {pluralize(unknown, 'critical risk')} only in the log of the job\n")
    total = sum(map(len, found.values())) + unknown
    return Section(tuple(lines), head=f"> [!CAUTION]\n> **Critical ({total})**\n>\n", tail="\n")


def _config_changes(plans: Iterable[Plan], max_bytes: int) -> Section:
    """Return a section that lists each change to reconciler.yaml once."""
    changes = dict.fromkeys(change for plan in plans for change in plan.config_changes)
    lines = tuple(
        f"> - **{each.risk.level}** {span(f'{tenants_prefix(each)}{each.risk.message}')} ({span(each.risk.rule)})\n"
        for each in sorted(changes, key=lambda each: each.risk.level.order)
    )
    head = f"> [!WARNING]\n> **Changes to reconciler.yaml ({len(lines)})**\n>\n"
    noun, critical = "configuration change", sum(each.risk.level is Level.CRITICAL for each in changes)
    return Section(
        lines, head=head, tail="\n", noun=noun, max_bytes=max_bytes // (3 if critical else 8), critical=critical
    )


def _apply_after_merge(summary: FleetSummary) -> str:
    """Return the text that explains how to apply the plans.

    If the plans of some tenants contain blocked changes, the text says that these tenants are not applied.
    """
    refused = sum(each.state is TenantState.REFUSED for each in summary.tenants)
    if not refused:
        return APPLY_AFTER_MERGE
    if refused == len(summary.tenants):
        return "No plan can be applied while its changes are blocked."
    which = (
        "One plan contains blocked changes and is"
        if refused == 1
        else f"{refused} plans contain blocked changes and are"
    )
    return f"{APPLY_AFTER_MERGE} {which} not applied."


def _failures(results: PlanResults | RunResults, summary: FleetSummary, max_bytes: int) -> Section:
    """Return a section with the reasons why tenants failed.

    If several tenants failed for the same reasons, the section lists the reasons once.
    """
    groups: dict[Sequence[str], list[str]] = {}
    for name, failure in results.failed.items():
        groups.setdefault(tuple(failure.lines), []).append(name)
    items: list[str] = []
    for reasons, names in groups.items():
        first, *others = reasons or ("no reason is known",)
        more = "".join(f">   - {span(text)}\n" for text in others)
        items.append(f"> - {_some_names(names, span)}: {span(first)}\n{more}")
    head = f"> [!CAUTION]\n> **Without a result ({len(results.failed)} of {len(summary.tenants)})**\n>\n"
    return Section(tuple(items), head=head, tail="\n", noun="failure", max_bytes=max_bytes // 6)
