"""Pure: what became of a plan, as Markdown."""

from collections.abc import Iterator

from reconciler.core.directory import Directory
from reconciler.core.outcome import Outcome, Report
from reconciler.render.budget import Part, fitted
from reconciler.render.hypertext import element, marker, span
from reconciler.render.outcomes import counted_outcomes, state
from reconciler.render.plan_json import action_of
from reconciler.render.plan_words import grant_label

HEAD = "<table>\n<tr><th>outcome</th><th>change</th><th>grant</th><th></th></tr>\n"


def report_markdown(report: Report, directory: Directory, tenant: str, *, most_bytes: int) -> str:
    """Return the end of a run at `tenant`, which begins with the tenant's marker; the last rows go first."""
    rows = tuple(_row(outcome, directory) for outcome in report.outcomes)
    table = Part(rows, head=HEAD, tail="</table>\n\n", noun="outcome") if rows else Part(())
    blocked = report.remaining.blocked if report.remaining and not rows else ()
    reasons = tuple(f"- {span(grant_label(each.change.key, directory))}: {span(each.reason)}\n" for each in blocked)
    return fitted([Part(tuple(_title(report, tenant))), table, Part(reasons, noun="blocked change")], most_bytes)


def _title(report: Report, tenant: str) -> Iterator[str]:
    yield f"{marker(tenant)}\n"
    yield f"### {span(tenant)}: {counted_outcomes(report) or 'nothing to do'}\n\n"
    yield f"{'Done' if report.converged else 'Not done'}: {state(report)}.\n\n"


def _row(outcome: Outcome, directory: Directory) -> str:
    cells = (
        str(outcome.result),
        action_of(outcome.change),
        element(grant_label(outcome.change.key, directory)),
        element(outcome.detail) if outcome.detail else "",
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>\n"
