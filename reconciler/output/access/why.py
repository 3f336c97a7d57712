"""Pure: the explanation of a grant as lines for a terminal and as JSON data."""

from collections.abc import Iterable, Iterator, Sequence

from reconciler.artifacts.serialization import Json, tenant_json
from reconciler.core.characters import shorten, visible
from reconciler.core.grant_history import DeclaredLine, GrantExplanation, GrantWrite
from reconciler.core.token_lifetime import NOT_KNOWN
from reconciler.output.access.json import UNKNOWN, commit_json, grant_json
from reconciler.output.access.tables import grant_lines
from reconciler.output.styled import Line, Span, Style, line

INDENT = "      "
MAX_LINE_LENGTH = 100


def explanation_lines(explanations: Iterable[GrantExplanation]) -> Iterator[Line]:
    """Yield each grant with its declaration, the commits of its lines, and the runs that wrote it."""
    for number, each in enumerate(explanations):
        if number:
            yield line()
        yield line(Span(f"Tenant {visible(str(each.tenant))}", Style.STRONG))
        yield from grant_lines(each.grant, verbose=True)
        yield from _declaration(each)
        yield from _writes(each.writes)
        for note in each.notes:
            yield line(Span(f"Note: {visible(note)}", Style.WARNING))


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
    """Return `{"grants": […]}`. Each grant has the fields of the access report, and its history."""
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
