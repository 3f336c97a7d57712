"""Write problems of files and results of checks as lines of text and as JSON data."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from reconciler.core.characters import pluralize, visible
from reconciler.core.problems import Finding, Problem, Severity, Status, count_statuses, errors
from reconciler.output.styled import WIDTH, Line, Span, Style, line, wrap_words

MAX_EXCERPT_LENGTH = 200


MAX_SHOWN = 1_000
"""The maximum number of problems that the output lists.

Without a maximum, a pull request could fill the log with any number of problems.
"""


def problem_lines(problems: Iterable[Problem], texts: Mapping[str, str], *, excerpts: bool) -> Iterator[Line]:
    """Yield a line for each problem: `path:line:column: what is wrong; what to do`.

    If `excerpts` is true, also yield the line of the file, and a caret (`^`) below the position of the problem. If
    `problems` has more than `MAX_SHOWN` items, warnings are omitted first. If problems are omitted, the last line
    contains the number of omitted problems.
    """
    problems = list(problems)
    shown = problems
    if len(problems) > MAX_SHOWN:
        shown = sorted(problems, key=lambda each: each.severity is Severity.WARNING)[:MAX_SHOWN]
    files = {each.source.file for each in shown} if excerpts else set()
    lines = {file: texts[file].split("\n") for file in files if file in texts}
    for problem in shown:
        style = Style.ERROR if problem.severity is Severity.ERROR else Style.WARNING
        severity = "" if problem.severity is Severity.ERROR else "warning: "
        location = visible(str(problem.source))
        yield line(Span(f"{location}:", Style.STRONG), " ", Span(severity, style), visible(problem.message))
        if problem.source.file in lines:
            yield from _excerpt(problem, lines[problem.source.file])
    if len(shown) < len(problems):
        yield line(
            Span(
                f"{len(problems) - len(shown):,} more problems are not shown; fix the problems above first",
                Style.STRONG,
            )
        )


def problem_json(problem: Problem) -> dict[str, object]:
    """Return a problem as JSON data. If a problem concerns the whole file, `line` and `column` are null."""
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
    source_line = lines[problem.source.line - 1].removesuffix("\r")
    column = problem.source.column - 1
    if column > MAX_EXCERPT_LENGTH:
        return
    before = visible(source_line[:column])
    number = f"{problem.source.line:>5} | "
    yield line(Span(number, Style.MUTED), before + visible(source_line[column:MAX_EXCERPT_LENGTH]))
    yield line(" " * (len(number) + len(before)), Span("^", Style.ERROR))


ARROW = "-> "


STATUS_WIDTH = max(len(status) for status in Status) + 2


STYLES: Mapping[Status, Style] = {
    Status.OK: Style.CREATE,
    Status.WARNING: Style.WARNING,
    Status.FAILED: Style.ERROR,
    Status.SKIPPED: Style.MUTED,
}


def finding_lines(findings: Sequence[Finding]) -> Iterator[Line]:
    """Yield the result and the advice of each check, wrapped to 80 columns.

    The last line counts the results by status.
    """
    check_width = max(len(finding.check) for finding in findings) + 2
    for finding in findings:
        yield from _finding(finding, check_width)
    yield line()
    summary = ", ".join(f"{count} {status}" for status, count in count_statuses(findings).items() if count)
    yield line(Span(f"Checks: {summary}.", Style.STRONG))


def findings_json(findings: Sequence[Finding]) -> dict[str, object]:
    """Return the check results as `{"summary": {…}, "checks": [{"check", "status", "found", "advice"}]}`."""
    return {
        "summary": {str(status): count for status, count in count_statuses(findings).items()},
        "checks": [
            {"check": each.check, "status": str(each.status), "found": each.found, "advice": each.advice}
            for each in findings
        ],
    }


def _finding(finding: Finding, check_width: int) -> Iterator[Line]:
    indent = STATUS_WIDTH + check_width
    first, *rest = wrap_words(finding.found, WIDTH - indent) or [""]
    status = Span(f"{finding.status:<{STATUS_WIDTH}}", STYLES[finding.status])
    yield line(status, f"{finding.check:<{check_width}}", first)
    for text in rest:
        yield line(" " * indent, text)
    if finding.advice:
        for number, text in enumerate(wrap_words(finding.advice, WIDTH - indent - len(ARROW))):
            yield line(" " * indent, Span(f"{'' if number else ARROW:<{len(ARROW)}}{text}", Style.STRONG))


class ValidationResult(NamedTuple):
    """The result of `reconciler validate`: the problems of all files, the number of files, and the number of grants."""

    problems: Sequence[Problem]
    files: int
    grants: int

    @property
    def is_valid(self) -> bool:
        """True if the files are valid. Valid files have no errors and may have warnings."""
        return not errors(tuple(self.problems))

    @property
    def summary(self) -> str:
        """The summary if no file has an error, for example `3 grants in 1 file: valid.`."""
        return f"{pluralize(self.grants, 'grant')} in {pluralize(self.files, 'file')}: valid."
