"""Pure: the outcomes of a plan as Markdown, for the page of a run or a comment."""

from collections.abc import Iterator
from dataclasses import replace

from reconciler.artifacts.serialization import action_of
from reconciler.core.directory import Directory
from reconciler.core.outcome import ApplyReport, Outcome
from reconciler.core.plan import Change, Plan, TenantName
from reconciler.output.escape import RESULT_PREFIX, block, element, marker, span, tenant_label
from reconciler.output.markdown.document import Section, join_sections
from reconciler.output.markdown.plan import TITLE, difference_lines, plan_line
from reconciler.output.source_links import SourceLinks
from reconciler.output.text.plan import outcome_counts, state
from reconciler.output.words import grant_label

HEAD = "<table>\n<tr><th>outcome</th><th>change</th><th>grant</th><th></th></tr>\n"


def report_markdown(report: ApplyReport, plan: Plan, links: SourceLinks, max_bytes: int) -> str:
    """Return the outcomes of `plan`, with the tenant's marker first. The last rows are truncated first."""
    return join_sections(list(_parts(report, plan, links)), max_bytes)


def outcomes_body(report: ApplyReport, plan: Plan, links: SourceLinks, max_bytes: int) -> str:
    """Return the outcomes without marker, title and plan id, so that equal outcomes have equal texts."""
    first, *sections, _ = _parts(report, plan, links)
    return join_sections([replace(first, items=first.items[2:]), *sections], max_bytes)


def _parts(report: ApplyReport, plan: Plan, links: SourceLinks) -> Iterator[Section]:
    directory = plan.directory
    rows = tuple(_outcome_row(outcome, directory) for outcome in report.outcomes)
    table = Section(rows, head=HEAD, tail="</table>\n\n", noun="outcome") if rows else Section(())
    blocked = report.remaining.blocked if report.remaining and not rows else ()
    reasons = tuple(f"- {span(grant_label(each.change.key, directory))}: {span(each.reason)}\n" for each in blocked)
    yield Section((f"{marker(plan.tenant.name, links, RESULT_PREFIX)}\n", *_title(report, plan.tenant)))
    yield _differences(report, directory)
    yield table
    yield Section(reasons, noun="blocked change")
    yield Section((f"{plan_line(plan, links)}\n",))


def _differences(report: ApplyReport, directory: Directory) -> Section:
    """Return the remaining differences by grant and field."""

    def item(change: Change) -> str:
        accepted = ": Auth0 accepted the change and did not keep it" if change.key in report.discarded else ""
        lines = [line for field in change.fields for line in difference_lines(field, directory)]
        fenced = "\n".join(block(lines, "diff"))
        return f"{action_of(change)} {span(grant_label(change.key, directory))}{accepted}\n\n{fenced}\n\n"

    items = tuple(map(item, report.differences))
    return Section(items, head=f"**Still differs ({len(items)})**\n\n", noun="difference") if items else Section(())


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
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>\n"
