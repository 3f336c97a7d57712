"""Write the differences between the grants of two tenants in every output format."""

from collections.abc import Iterator

from reconciler.artifacts.serialization import Json, tenant_json
from reconciler.core.access.tenant_diff import UNKNOWN_VALUE, DiffKind, FieldPair, GrantDifference, TenantDiff
from reconciler.core.characters import pluralize, visible
from reconciler.core.fields import SUBJECT_CLIENT
from reconciler.output.access.html import document, tag
from reconciler.output.access.json import UNKNOWN
from reconciler.output.access.tables import table_lines
from reconciler.output.escape import csv_line, element, span, tenant_label
from reconciler.output.styled import INDENT, Line, Span, Style, line, note_lines

NOTHING = "—"
COLUMNS = ("application", "API", "subject type", "difference", "field")


def _title(diff: TenantDiff) -> str:
    what = "declared grants" if diff.is_declared else "grants"
    return f"Differences between the {what} of {diff.first.label} and {diff.second.label}"


def summary(diff: TenantDiff) -> str:
    """Return a sentence with the number of differences of each kind."""
    counts = {kind: sum(each.kind is kind for each in diff.differences) for kind in DiffKind}
    unknown = f", {counts[DiffKind.UNKNOWN]} not known" if counts[DiffKind.UNKNOWN] else ""
    return (
        f"{counts[DiffKind.ONLY_FIRST]} only in {diff.first.name}, {counts[DiffKind.ONLY_SECOND]} only in "
        f"{diff.second.name}, {counts[DiffKind.DIFFERENT]} different{unknown}; {pluralize(diff.equal, 'equal grant')}."
    )


def kind_text(each: GrantDifference, diff: TenantDiff) -> str:
    """Return a phrase for the kind of a difference, for example `only in staging`."""
    match each.kind:
        case DiffKind.ONLY_FIRST:
            return f"only in {diff.first.name}"
        case DiffKind.ONLY_SECOND:
            return f"only in {diff.second.name}"
        case DiffKind.DIFFERENT:
            return "different"
        case DiffKind.UNKNOWN:
            return "not known"


def _values(values: tuple[str, ...] | None) -> str:
    return UNKNOWN_VALUE if values is None else ", ".join(values) or NOTHING


def diff_lines(diff: TenantDiff) -> Iterator[Line]:
    """Yield the differences as lines for a terminal. `-` marks the first tenant, and `+` marks the second tenant."""
    yield line(Span(visible(_title(diff)), Style.STRONG))
    yield from note_lines(diff.notes)
    yield line()
    for each in diff.differences:
        subject = "" if each.subject_type == SUBJECT_CLIENT else f" ({each.subject_type})"
        label = visible(f"{each.application} -> {each.api}{subject}")
        yield line("  ", Span(label, Style.STRONG), f"  [{visible(kind_text(each, diff))}]")
        for pair in each.fields:
            yield from _field_lines(pair)
    yield line(visible(summary(diff)))


def _field_lines(pair: FieldPair) -> Iterator[Line]:
    if pair.first is None or pair.second is None:
        yield line(INDENT, Span(visible(f"? {pair.field}: {UNKNOWN_VALUE}"), Style.WARNING))
        return
    for text in sorted(set(pair.first) - set(pair.second)):
        yield line(INDENT, Span(visible(f"- {pair.field}: {text}"), Style.DELETE))
    for text in sorted(set(pair.second) - set(pair.first)):
        yield line(INDENT, Span(visible(f"+ {pair.field}: {text}"), Style.CREATE))


def diff_json(diff: TenantDiff) -> Json:
    """Return the differences as JSON data. The string `"unknown"` replaces each unknown value."""
    return {
        "first": tenant_json(diff.first),
        "second": tenant_json(diff.second),
        "declared": diff.is_declared,
        "equal": diff.equal,
        "notes": list(diff.notes),
        "differences": [
            {
                "kind": each.kind,
                "application": each.application,
                "api": each.api,
                "subject_type": each.subject_type,
                "fields": [
                    {"field": pair.field, "first": _known(pair.first), "second": _known(pair.second)}
                    for pair in each.fields
                ],
            }
            for each in diff.differences
        ],
    }


def _known(values: tuple[str, ...] | None) -> object:
    return UNKNOWN if values is None else list(values)


def _rows(diff: TenantDiff) -> Iterator[tuple[str, ...]]:
    """Yield a table row for each field that differs, and one row for each grant that exists in only one tenant."""
    for each in diff.differences:
        head = (each.application, each.api, each.subject_type, kind_text(each, diff))
        for pair in each.fields or (FieldPair("", (), ()),):
            yield (*head, pair.field, _values(pair.first), _values(pair.second))


def _columns(diff: TenantDiff) -> tuple[str, ...]:
    return (*COLUMNS, diff.first.label, diff.second.label)


def diff_csv(diff: TenantDiff) -> str:
    """Return the differences as CSV with a line for each field that differs."""
    notes = ((f"# {note}",) for note in diff.notes)
    return "".join(map(csv_line, (_columns(diff), *_rows(diff), *notes)))


def diff_markdown(diff: TenantDiff) -> str:
    """Return the differences as Markdown. The table is written in HTML."""
    what = "declared grants" if diff.is_declared else "grants"
    rows = ([element(cell) if cell else "" for cell in row] for row in _rows(diff))
    return "\n".join(
        (
            f"# Differences between the {what} of {tenant_label(diff.first)} and {tenant_label(diff.second)}",
            "",
            span(summary(diff)),
            "",
            *(f"- {span(note)}" for note in diff.notes),
            "",
            *table_lines(map(element, _columns(diff)), rows),
            "",
        )
    )


def diff_html(diff: TenantDiff) -> str:
    """Return the differences as an HTML page without a script."""
    rows = (tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:])) for row in _rows(diff))
    table = tag(
        "table",
        tag("caption", "Differences"),
        tag("thead", tag("tr", *(tag("th", column, scope="col") for column in _columns(diff)))),
        tag("tbody", *rows),
    )
    body = (
        tag("header", tag("h1", _title(diff)), tag("p", summary(diff)), *(tag("p", note) for note in diff.notes)),
        tag(
            "main",
            tag("div", table, class_="scroll", tabindex="0", role="region", aria_label="Differences"),
            id="content",
            tabindex="-1",
        ),
    )
    return document(_title(diff), body)
