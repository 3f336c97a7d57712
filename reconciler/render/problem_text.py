"""Pure: problems as a person reads them, on a terminal with the offending line and a caret, and as data."""

from collections.abc import Iterable, Iterator, Mapping

from reconciler.core.problems import Problem, Severity
from reconciler.core.quoting import visible
from reconciler.render.styled import Line, Span, Style, line

LONGEST_EXCERPT = 200
MOST_SHOWN = 1_000
"""Nobody reads more, and a pull request can cause any number."""


def problem_lines(problems: Iterable[Problem], texts: Mapping[str, str], *, excerpts: bool) -> Iterator[Line]:
    """Yield a line per problem, `path:line:column: what is wrong; what to do`.

    With `excerpts`, the offending line and a caret follow where `texts` (by file) has the file. If there are more than
    `MOST_SHOWN` problems, errors are kept rather than warnings, and the last line counts the rest.
    """
    problems = list(problems)
    shown = problems
    if len(problems) > MOST_SHOWN:
        shown = sorted(problems, key=lambda each: each.severity is Severity.WARNING)[:MOST_SHOWN]
    files = {each.source.file for each in shown} if excerpts else set()
    lines = {file: texts[file].split("\n") for file in files if file in texts}
    for problem in shown:
        style = Style.ERROR if problem.severity is Severity.ERROR else Style.WARNING
        severity = "" if problem.severity is Severity.ERROR else "warning: "
        place = visible(str(problem.source))
        yield line(Span(f"{place}:", Style.STRONG), " ", Span(severity, style), visible(problem.message))
        if problem.source.file in lines:
            yield from _excerpt(problem, lines[problem.source.file])
    if len(shown) < len(problems):
        yield line(Span(f"{len(problems) - len(shown):,} more problems are not shown; fix these first", Style.STRONG))


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


def _excerpt(problem: Problem, lines: list[str]) -> Iterator[Line]:
    if not 0 < problem.source.line <= len(lines):
        return
    offending = lines[problem.source.line - 1].removesuffix("\r")
    column = problem.source.column - 1
    if column > LONGEST_EXCERPT:
        return
    before = visible(offending[:column])
    number = f"{problem.source.line:>5} | "
    yield line(Span(number, Style.MUTED), before + visible(offending[column:LONGEST_EXCERPT]))
    yield line(" " * (len(number) + len(before)), Span("^", Style.ERROR))
