"""Pure: the access report as Markdown. All text from tenants, files and git is code.

Tables are HTML blocks, because Markdown does not interpret the text inside them.
"""

from collections.abc import Iterable, Iterator
from html import escape

from reconciler.core.access import AccessGrant, AccessReport, TenantAccess
from reconciler.core.access_summary import AccessFinding, findings, totals
from reconciler.core.characters import pluralize
from reconciler.output.access.words import (
    SYMBOLS,
    changed_text,
    heading,
    incompleteness,
    location,
    risk_texts,
    scope_texts,
    settings,
    since_text,
    state_text,
    tenant_counts,
)
from reconciler.output.escape import element, span, tenant_label

COLUMNS = ("", "application", "API", "scopes and settings", "state", "declared", "last change", "risks")
MAX_NAMED = 10
"""The maximum number of grants that a finding names."""


def access_markdown(report: AccessReport) -> str:
    """Return the report as a Markdown document."""
    return "".join(f"{text}\n" for text in _lines(report))


def _lines(report: AccessReport) -> Iterator[str]:
    yield f"# {heading(report)}"
    yield ""
    for text in incompleteness(report):
        yield f"- **Incomplete:** {span(text)}"
    yield ""
    yield from _table(("total", "number"), ([each.label, each.text] for each in totals(report)))
    yield ""
    yield "## Findings"
    yield ""
    for finding in findings(report):
        yield f"- **{finding.level}**: {finding.meaning}: {_found(finding)}"
    for tenant in report.tenants:
        yield ""
        yield f"## {tenant_label(tenant.tenant)}"
        yield ""
        yield f"{tenant_counts(tenant) or 'nothing was read'}"
        yield ""
        for note in tenant.notes:
            yield f"- {span(note)}"
        yield ""
        yield from _grants(tenant)


def _found(finding: AccessFinding) -> str:
    named = [
        *map(span, finding.details),
        *(span(f"{grant.application} -> {grant.api} ({name})") for name, grant in finding.grants[:MAX_NAMED]),
    ]
    more = len(finding.grants) - MAX_NAMED
    return ", ".join([*named, *([f"and {pluralize(more, 'more grant')}"] if more > 0 else [])])


def _grants(tenant: TenantAccess) -> Iterator[str]:
    yield from _table(COLUMNS, map(_row, tenant.grants))


def _row(grant: AccessGrant) -> list[str]:
    link = (
        f'<a href="{escape(grant.link)}">{element(location(grant))}</a>'
        if _is_web(grant.link)
        else _code(location(grant))
    )
    return [
        SYMBOLS[grant.level],
        element(grant.application),
        element(grant.api),
        "<br>".join(map(element, (*scope_texts(grant), *settings(grant)))),
        element(state_text(grant)),
        "<br>".join(filter(None, (link, _code(grant.description), _since(grant)))),
        _code(changed_text(grant)),
        "<br>".join(map(element, risk_texts(grant))),
    ]


def _is_web(url: str) -> bool:
    return url.startswith(("https://", "http://"))


def _since(grant: AccessGrant) -> str:
    return f"since {element(since_text(grant))}" if grant.source else ""


def _code(text: str) -> str:
    return element(text) if text else ""


def _table(columns: Iterable[str], rows: Iterable[list[str]]) -> Iterator[str]:
    """Yield the lines of an HTML table. A blank line would end the block, so no line is blank."""
    yield f"<table><tr>{''.join(f'<th>{column}</th>' for column in columns)}</tr>"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>"
    yield "</table>"
