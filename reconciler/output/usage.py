"""Show the use of grants as lines for a terminal, as JSON data and as CSV."""

from collections import Counter
from collections.abc import Iterator

from reconciler.artifacts.grant_json import key_json
from reconciler.artifacts.serialization import Json, tenant_json
from reconciler.core.characters import pluralize, visible
from reconciler.core.fields import SUBJECT_CLIENT
from reconciler.core.usage.records import Period
from reconciler.core.usage.report import GrantUse, UsageReport, UseState
from reconciler.output.escape import csv_line
from reconciler.output.styled import INDENT, Line, Span, Style, line, note_lines

STATE_STYLES = {UseState.USED: Style.PLAIN, UseState.UNUSED: Style.WARNING, UseState.UNKNOWN: Style.MUTED}
COLUMNS = (
    *("tenant", "application", "client_id", "default_for", "api", "audience", "subject_type", "state"),
    *("first_use", "last_use", "count", "text", "scope", "scope_state", "scope_last_use", "scope_text"),
)


def usage_lines(report: UsageReport) -> Iterator[Line]:
    """Yield lines with the gaps in the logs, the last use of each grant, and the use of the grant's scopes."""
    yield line(Span(f"Tenant {visible(str(report.tenant))}", Style.STRONG), f"  {_seen(report)}")
    for gap in report.gaps:
        yield line(Span(f"Gap: the logs from {_minute(gap.start)} to {_minute(gap.end)} were not read", Style.WARNING))
    yield from note_lines(report.notes)
    yield line()
    for grant in report.grants:
        subject = "" if grant.key.subject_type == SUBJECT_CLIENT else f" ({grant.key.subject_type})"
        yield line("  ", Span(visible(f"{grant.application} -> {grant.api}{subject}"), Style.STRONG))
        yield line(INDENT, Span(visible(grant.text), STATE_STYLES[grant.state]))
        for scope in grant.scopes:
            yield line(INDENT, f"{visible(scope.name)}: ", Span(scope.text, STATE_STYLES[scope.state]))
    if report.grants:
        yield line()
    yield line(Span(f"{_counts(report)}.", Style.STRONG))


def _seen(report: UsageReport) -> str:
    periods = report.window.periods
    if not periods:
        return "no logs read"
    return f"logs read from {_minute(periods[0].start)} to {_minute(periods[-1].end)}, {report.window.text}"


def _counts(report: UsageReport) -> str:
    count = Counter(grant.state for grant in report.grants)
    return (
        f"{pluralize(len(report.grants), 'grant')}: {count[UseState.USED]} used, {count[UseState.UNUSED]} unused, "
        f"{count[UseState.UNKNOWN]} not known"
    )


def _minute(time: str) -> str:
    return f"{time[:10]} {time[11:16]}"


def usage_json(report: UsageReport) -> Json:
    """Return the usage report as JSON data."""
    length = report.window.length
    return {
        "tenant": tenant_json(report.tenant),
        "unused_for_seconds": None if length is None else int(length.total_seconds()),
        "complete": report.window.is_complete,
        "seen": report.window.text,
        "periods": [_period(each) for each in report.window.periods],
        "gaps": [_period(each) for each in report.gaps],
        "notes": list(report.notes),
        "grants": [_grant(each) for each in report.grants],
    }


def _period(period: Period) -> Json:
    return {"start": period.start, "end": period.end}


def _grant(grant: GrantUse) -> Json:
    return {
        "key": key_json(grant.key),
        "application": grant.application,
        "api": grant.api,
        "state": str(grant.state),
        "text": grant.text,
        "first_use": grant.use.first if grant.use else None,
        "last_use": grant.use.last if grant.use else None,
        "count": grant.use.total if grant.use else 0,
        "scopes": [
            {"name": each.name, "state": str(each.state), "last_use": each.last or None, "text": each.text}
            for each in grant.scopes
        ],
    }


def usage_csv(report: UsageReport) -> str:
    """Return the usage report as CSV.

    A grant without scopes has one CSV line. A grant with scopes has one CSV line per scope.
    """
    rows = [COLUMNS, *(row for grant in report.grants for row in _rows(grant, report))]
    return "".join(map(csv_line, rows))


def _rows(grant: GrantUse, report: UsageReport) -> Iterator[tuple[str, ...]]:
    key, use = grant.key, grant.use
    cells = (
        *(report.tenant.label, grant.application, key.client_id or "", key.default_for or "", grant.api, key.audience),
        *(key.subject_type, str(grant.state)),
        *((use.first, use.last, str(use.total)) if use else ("", "", "0")),
        grant.text,
    )
    for scope in grant.scopes or (None,):
        yield (*cells, *((scope.name, str(scope.state), scope.last, scope.text) if scope else ("", "", "", "")))
