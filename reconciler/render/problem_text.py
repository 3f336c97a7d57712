"""Pure: problems as a person reads them, on a terminal with the offending line and a caret, and as data."""

from collections.abc import Iterable, Iterator, Mapping

from reconciler.core.problems import Problem, Severity
from reconciler.core.quoting import visible
from reconciler.render.styled import Line, Span, Style, line

LONGEST_EXCERPT = 200


def problem_lines(problems: Iterable[Problem], texts: Mapping[str, str], *, excerpts: bool) -> Iterator[Line]:
    """Yield a line per problem, `path:line:column: what is wrong; what to do`.

    With `excerpts`, the offending line and a caret follow where `texts` (by file) has the file.
    """
    for problem in problems:
        style = Style.ERROR if problem.severity is Severity.ERROR else Style.WARNING
        severity = "" if problem.severity is Severity.ERROR else "warning: "
        place = visible(str(problem.source))
        yield line(Span(f"{place}:", Style.STRONG), " ", Span(severity, style), visible(problem.message))
        if excerpts and problem.source.line and problem.source.file in texts:
            yield from _excerpt(problem, texts[problem.source.file])


def problem_json(problem: Problem) -> dict[str, object]:
    """Return a problem as an object; line and column are null where the file as a whole is meant."""
    return {
        "file": problem.source.file,
        "line": problem.source.line or None,
        "column": problem.source.column or None,
        "severity": str(problem.severity),
        "message": problem.what,
        "fix": problem.fix or None,
    }


def _excerpt(problem: Problem, text: str) -> Iterator[Line]:
    lines = text.split("\n")
    if problem.source.line > len(lines):
        return
    offending = lines[problem.source.line - 1].removesuffix("\r")
    column = problem.source.column - 1
    if column > LONGEST_EXCERPT:
        return
    before = visible(offending[:column])
    number = f"{problem.source.line:>5} | "
    yield line(Span(number, Style.MUTED), before + visible(offending[column:LONGEST_EXCERPT]))
    yield line(" " * (len(number) + len(before)), Span("^", Style.ERROR))
