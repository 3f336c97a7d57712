"""Pure: what the checks found: aligned lines for a person, an object for a program."""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap

from reconciler.core.findings import Finding, Status, counts
from reconciler.core.quoting import visible
from reconciler.render.plan_json import Json
from reconciler.render.styled import Line, Span, Style, line

WIDTH = 80
ARROW = "-> "
STATUS_WIDTH = max(len(status) for status in Status) + 2
STYLES: Mapping[Status, Style] = {
    Status.OK: Style.CREATE,
    Status.WARNING: Style.WARNING,
    Status.FAILED: Style.ERROR,
    Status.SKIPPED: Style.MUTED,
}


def finding_lines(findings: Sequence[Finding]) -> Iterator[Line]:
    """Yield each finding with its advice below it, wrapped to 80 columns, and the counts in the end."""
    check_width = max(len(finding.check) for finding in findings) + 2
    for finding in findings:
        yield from _finding(finding, check_width)
    yield line()
    counted = ", ".join(f"{count} {status}" for status, count in counts(findings).items() if count)
    yield line(Span(f"Checks: {counted}.", Style.STRONG))


def findings_json(findings: Sequence[Finding]) -> Json:
    """Return `{"summary": {a count per status}, "checks": [{"check", "status", "found", "advice"}]}`."""
    return {
        "summary": {str(status): count for status, count in counts(findings).items()},
        "checks": [
            {"check": each.check, "status": str(each.status), "found": each.found, "advice": each.advice}
            for each in findings
        ],
    }


def _finding(finding: Finding, check_width: int) -> Iterator[Line]:
    indent = STATUS_WIDTH + check_width
    first, *rest = _wrapped(finding.found, WIDTH - indent)
    status = Span(f"{finding.status:<{STATUS_WIDTH}}", STYLES[finding.status])
    yield line(status, f"{finding.check:<{check_width}}", first)
    for text in rest:
        yield line(" " * indent, text)
    if finding.advice:
        for number, text in enumerate(_wrapped(finding.advice, WIDTH - indent - len(ARROW))):
            yield line(" " * indent, Span(f"{'' if number else ARROW:<{len(ARROW)}}{text}", Style.STRONG))


def _wrapped(text: str, width: int) -> list[str]:
    """Break `text` between words only: what is too long for a line is a path or a name, to be copied whole."""
    parts = wrap(visible(text), width, break_long_words=False, break_on_hyphens=False)
    return list(map(visible, parts)) or [""]  # a part may begin with what only a beginning makes a command
