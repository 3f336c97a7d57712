"""Write the access report as text, as Markdown and as CSV, and write the history of individual grants."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from reconciler.artifacts.serialization import Json, tenant_json
from reconciler.core.access.history import DeclaredLine, GrantExplanation, GrantWrite
from reconciler.core.access.report import AccessGrant, AccessReport, AccessState, GrantLevel, TenantAccess
from reconciler.core.access.summary import AccessFinding, findings, totals
from reconciler.core.characters import pluralize, shorten, visible
from reconciler.core.token_lifetime import NOT_KNOWN, duration
from reconciler.output.access.json import UNKNOWN, commit_json, grant_json
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
    yes_or_no,
)
from reconciler.output.escape import csv_line, element, span, tenant_label
from reconciler.output.styled import INDENT, Line, Span, Style, line, note_lines, wrap_words

WIDTH = 96
SYMBOL_WIDTH = 3
LEVEL_STYLES = {
    GrantLevel.CRITICAL: Style.ERROR,
    GrantLevel.HIGH: Style.WARNING,
    GrantLevel.UNKNOWN: Style.WARNING,
    GrantLevel.LOW: Style.MUTED,
    GrantLevel.NONE: Style.PLAIN,
}


def access_lines(report: AccessReport, *, verbose: bool = False) -> Iterator[Line]:
    """Yield the lines of the access report. If `verbose` is true, the lines also include low risks."""
    yield line(Span(heading(report), Style.STRONG))
    for text in incompleteness(report):
        yield line(Span(f"INCOMPLETE: {visible(text)}", Style.ERROR))
    for tenant in report.tenants:
        yield line()
        yield from _tenant(tenant, verbose=verbose)
    yield line()
    yield line(Span("Totals: ", Style.STRONG), "; ".join(f"{each.label} {each.text}" for each in totals(report)))


def _tenant(tenant: TenantAccess, *, verbose: bool) -> Iterator[Line]:
    yield line(Span(f"Tenant {visible(str(tenant.tenant))}", Style.STRONG), f"  {tenant_counts(tenant)}")
    yield from note_lines(tenant.notes)
    for grant in tenant.grants:
        yield from grant_lines(grant, verbose=verbose)
    if not tenant.grants and tenant.is_read:
        yield line("  no grants")


def grant_lines(grant: AccessGrant, *, verbose: bool = False) -> Iterator[Line]:
    """Yield lines that describe a grant: application, API, scopes, settings, state, declaration and risks."""
    label = f"{visible(grant.application)} -> {visible(grant.api)}"
    state = Style.MUTED if grant.state is AccessState.AS_DECLARED else Style.WARNING
    symbol = Span(f"{SYMBOLS[grant.level]:<{SYMBOL_WIDTH}}", LEVEL_STYLES[grant.level])
    yield line("  ", symbol, Span(label, Style.STRONG), "  ", Span(f"[{grant.state}]", state))
    for text in _details(grant, verbose=verbose):
        yield from (line(INDENT, part) for part in wrap_words(text, WIDTH - len(INDENT)))


def _details(grant: AccessGrant, *, verbose: bool) -> Iterator[str]:
    yield ", ".join(scope_texts(grant))
    yield "; ".join(settings(grant))
    if state_text(grant) != grant.state:
        yield state_text(grant)
    yield f"guard: {grant.guard}" if grant.guard else ""
    yield "  ".join(filter(None, (location(grant), grant.description)))
    if grant.source:
        yield f"declared since {since_text(grant)}; last change: {changed_text(grant)}"
    shown = [text for text in risk_texts(grant) if verbose or not text.startswith("low")]
    yield "; ".join(shown)
    if verbose:
        yield f"access tokens are valid for {duration(grant.token_lifetime)}"


COLUMNS = ("", "application", "API", "scopes and settings", "state", "declared", "last change", "risks")
MAX_NAMED = 10
"""The maximum number of grants that the Markdown report lists for a finding."""


def access_markdown(report: AccessReport) -> str:
    """Return the access report as a Markdown document."""
    return "".join(f"{text}\n" for text in _lines(report))


def _lines(report: AccessReport) -> Iterator[str]:
    yield f"# {heading(report)}"
    yield ""
    for text in incompleteness(report):
        yield f"- **Incomplete:** {span(text)}"
    yield ""
    yield from table_lines(("total", "number"), ([each.label, each.text] for each in totals(report)))
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
        yield from table_lines(COLUMNS, map(_row, tenant.grants))


def _found(finding: AccessFinding) -> str:
    named = [
        *map(span, finding.details),
        *(span(f"{grant.application} -> {grant.api} ({name})") for name, grant in finding.grants[:MAX_NAMED]),
    ]
    more = len(finding.grants) - MAX_NAMED
    return ", ".join([*named, *([f"and {pluralize(more, 'more grant')}"] if more > 0 else [])])


def _row(grant: AccessGrant) -> list[str]:
    link = (
        f'<a href="{escape(grant.link)}">{element(location(grant))}</a>'
        if grant.link.startswith(("https://", "http://"))
        else _code(location(grant))
    )
    since = f"since {element(since_text(grant))}" if grant.source else ""
    return [
        SYMBOLS[grant.level],
        element(grant.application),
        element(grant.api),
        "<br>".join(map(element, (*scope_texts(grant), *settings(grant)))),
        element(state_text(grant)),
        "<br>".join(filter(None, (link, _code(grant.description), since))),
        _code(changed_text(grant)),
        "<br>".join(map(element, risk_texts(grant))),
    ]


def _code(text: str) -> str:
    return element(text) if text else ""


def table_lines(columns: Iterable[str], rows: Iterable[list[str]]) -> Iterator[str]:
    """Yield the lines of an HTML table in a Markdown document.

    A blank line would end the HTML block, so no line is blank.
    """
    yield f"<table><tr>{''.join(f'<th>{column}</th>' for column in columns)}</tr>"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>"
    yield "</table>"


CSV_COLUMNS = (
    *("tenant", "application", "client_id", "third_party", "api", "audience", "subject_type", "scopes", "settings"),
    *("state", "level", "risks", "token_lifetime", "declared_at", "description", "since", "changed", "pull_request"),
)


def access_csv(report: AccessReport) -> str:
    """Return the access report as CSV (RFC 4180).

    The last lines of the CSV text say why the access report is incomplete.
    """
    rows = [CSV_COLUMNS, *(_csv_row(tenant, grant) for tenant, grant in report.grants)]
    rows += [(f"# {text}",) for text in incompleteness(report)]
    return "".join(map(csv_line, rows))


def _csv_row(tenant: TenantAccess, grant: AccessGrant) -> tuple[str, ...]:
    return (
        tenant.tenant.label,
        grant.application,
        grant.client_id or "",
        yes_or_no(grant.third_party),
        grant.api,
        NOT_KNOWN if grant.audience is None else grant.audience,
        grant.subject_type,
        " ".join(scope_texts(grant)),
        "; ".join(settings(grant)),
        state_text(grant),
        grant.level,
        "; ".join(risk_texts(grant)),
        duration(grant.token_lifetime),
        location(grant),
        grant.description,
        since_text(grant),
        changed_text(grant),
        grant.provenance.pull_request,
    )


MAX_LINE_LENGTH = 100


def explanation_lines(explanations: Iterable[GrantExplanation]) -> Iterator[Line]:
    """Yield lines that explain each grant.

    The lines contain the declaration of the grant, the commits that changed the declaration, and the runs that wrote
    the grant.
    """
    for number, each in enumerate(explanations):
        if number:
            yield line()
        yield line(Span(f"Tenant {visible(str(each.tenant))}", Style.STRONG))
        yield from grant_lines(each.grant, verbose=True)
        yield from _declaration(each)
        yield from _writes(each.writes)
        yield from note_lines(each.notes)


def _declaration(explanation: GrantExplanation) -> Iterator[Line]:
    source = explanation.grant.source
    if source is None:
        yield line("  ", Span("No file declares this grant.", Style.WARNING))
        return
    yield line("  ", Span(f"Declared in {visible(source.file)}", Style.STRONG))
    for each in explanation.lines:
        commit = visible(str(each.commit)) if each.commit else f"commit {NOT_KNOWN}"
        yield line(INDENT, f"{each.number}: {visible(shorten(each.text, MAX_LINE_LENGTH))}")
        yield line(INDENT, "    ", Span(commit, Style.MUTED))


def _writes(writes: Sequence[GrantWrite]) -> Iterator[Line]:
    yield line("  ", Span("Written by", Style.STRONG))
    for each in writes:
        yield line(INDENT, visible(f"run {each.run}, {each.time}: {each.action}, {each.outcome}"))
    if not writes:
        yield line(INDENT, "no run in the local journals")


def explanations_json(explanations: Iterable[GrantExplanation]) -> Json:
    """Return `{"grants": […]}`.

    The data of a grant contains the fields of the access report and the history of the grant.
    """
    return {"grants": [_json(each) for each in explanations]}


def _json(explanation: GrantExplanation) -> Json:
    return {
        "tenant": tenant_json(explanation.tenant),
        "grant": grant_json(explanation.grant),
        "lines": [_line(each) for each in explanation.lines],
        "writes": [
            {"run": each.run, "time": each.time, "action": each.action, "outcome": each.outcome}
            for each in explanation.writes
        ],
        "notes": list(explanation.notes),
    }


def _line(declared: DeclaredLine) -> Json:
    return {
        "line": declared.number,
        "text": declared.text,
        "commit": commit_json(declared.commit) if declared.commit else UNKNOWN,
    }
