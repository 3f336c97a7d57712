import pytest

from reconciler.core.problems import Finding, Problem, Severity, Source, Status
from reconciler.output.problems import (
    MAX_EXCERPT_LENGTH,
    MAX_SHOWN,
    finding_lines,
    findings_json,
    problem_json,
    problem_lines,
)
from reconciler.output.styled import Style, plain

FILE = "grants/a.yaml"


def lines_of(problem: Problem, text: str) -> list[str]:
    return plain(problem_lines([problem], {FILE: text}, excerpts=True)).splitlines()


def a_problem(line: int = 1, column: int = 1, **fields: str) -> Problem:
    return Problem(Source(FILE, line, column), fields.get("what", "wrong"), fields.get("fix", "fix it"))


def test_a_problem_has_its_location_a_message_and_advice_on_one_line() -> None:
    assert plain(problem_lines([a_problem(3, 5)], {}, excerpts=False)) == "grants/a.yaml:3:5: wrong; fix it\n"


def test_a_warning_is_marked() -> None:
    warning = Problem(Source(FILE), "odd", severity=Severity.WARNING)
    (line,) = problem_lines([warning], {}, excerpts=True)

    assert plain([line]) == "grants/a.yaml: warning: odd\n"
    assert [span.style for span in line if span.text == "warning: "] == [Style.WARNING]


def test_an_excerpt_has_the_line_and_a_caret_at_the_column() -> None:
    assert lines_of(a_problem(2, 5), "grants:\n  - clint: A\n") == [
        "grants/a.yaml:2:5: wrong; fix it",
        "    2 |   - clint: A",
        "            ^",
    ]


def test_the_caret_is_correct_after_escaped_characters() -> None:
    assert lines_of(a_problem(1, 3), "a\x1bb")[1:] == ["    1 | a\\x1bb", "             ^"]


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=ascii)
def test_lines_are_counted_like_in_editors(end: str) -> None:
    assert lines_of(a_problem(2, 1), f"one{end}two{end}three")[1] == "    2 | two"


@pytest.mark.parametrize("char", ["\r", "\x85", "\u2028", "\u2029", "\v", "\f"], ids=ascii)
def test_other_line_separators_do_not_end_a_line(char: str) -> None:
    assert lines_of(a_problem(2, 4), f"one\ntwo{char}three")[1].startswith("    2 | two\\")


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (a_problem(9, 1), "only one line"),
        (a_problem(1, MAX_EXCERPT_LENGTH + 2), "x" * 1000),
        (Problem(Source(FILE), "the whole file"), "text"),
        (Problem(Source("other.yaml", 1, 1), "another file"), "text"),
    ],
    ids=["line-beyond-the-end", "column-far-away", "no-line", "no-text"],
)
def test_a_problem_without_a_line_of_text_has_no_excerpt(problem: Problem, text: str) -> None:
    assert len(lines_of(problem, text)) == 1


def test_a_long_line_is_truncated() -> None:
    assert len(lines_of(a_problem(1, MAX_EXCERPT_LENGTH), "x" * 5000)[1]) == len("    1 | ") + MAX_EXCERPT_LENGTH


def test_control_characters_in_a_message_are_escaped() -> None:
    assert lines_of(a_problem(what="\x1b[2J\u202e"), "") == [
        "grants/a.yaml:1:1: \\x1b[2J\\u202e; fix it",
        "    1 | ",
        "        ^",
    ]


def test_json_has_null_for_missing_values() -> None:
    assert problem_json(Problem(Source(FILE), "wrong", severity=Severity.WARNING)) == {
        "file": FILE,
        "line": None,
        "column": None,
        "severity": "warning",
        "message": "wrong",
        "fix": None,
    }
    assert problem_json(a_problem(3, 5))["line"] == 3


def test_errors_are_shown_before_warnings_if_there_are_too_many_problems() -> None:
    warnings = [Problem(Source("a.yaml", number), "odd", severity=Severity.WARNING) for number in range(MAX_SHOWN)]
    error = Problem(Source("z.yaml", 1), "wrong")

    lines = plain(problem_lines([*warnings, error], {}, excerpts=False)).splitlines()

    assert len(lines) == MAX_SHOWN + 1
    assert lines[0] == "z.yaml:1:0: wrong"
    assert lines[-1] == "1 more problems are not shown; fix the problems above first"


FINDINGS = [
    Finding("clock", Status.OK, "equal to the tenant's clock"),
    Finding("token", Status.WARNING, " ".join(["word"] * 20), " ".join(["advice"] * 15)),
    Finding("name resolution", Status.FAILED, f"https://{'x' * 80}/\x1b[2J", "look"),
    Finding("API", Status.SKIPPED, "there is no token"),
]


def test_findings_are_aligned_and_followed_by_advice() -> None:
    assert plain(finding_lines(FINDINGS)).splitlines() == [
        "ok       clock            equal to the tenant's clock",
        "warning  token            word word word word word word word word word word word",
        "                          word word word word word word word word word",
        "                          -> advice advice advice advice advice advice advice",
        "                             advice advice advice advice advice advice advice",
        "                             advice",
        f"failed   name resolution  https://{'x' * 80}/\\x1b[2J",
        "                          -> look",
        "skipped  API              there is no token",
        "",
        "Checks: 1 ok, 1 warning, 1 failed, 1 skipped.",
    ]


def test_json_contains_every_finding_completely() -> None:
    data = findings_json(FINDINGS[:1])

    assert data == {
        "summary": {"ok": 1, "warning": 0, "failed": 0, "skipped": 0},
        "checks": [{"check": "clock", "status": "ok", "found": "equal to the tenant's clock", "advice": ""}],
    }
