"""docs/reliability.md counts the faults tested here. `REMAKE_DOCS=1` writes the table again."""

import os
from collections import Counter
from collections.abc import Iterator
from math import prod
from pathlib import Path
from types import ModuleType

import pytest
from reliability import (
    test_command,
    test_disk,
    test_kill,
    test_listings,
    test_matrix,
    test_organizations,
    test_others,
    test_settling,
    test_storms,
)
from reliability.fault_runs import VERBS
from reliability.rows import ROWS, cases

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- faults: made by tests/reliability -->\n", "<!-- end of faults -->\n"
REMAKE = "REMAKE_DOCS" in os.environ
CALLS = ("read", *VERBS)
BEYOND = {
    "several faults in one change; no new token; half a change done": test_settling,
    "organizations: a new grant's, one added, one taken away, half of several calls; and what is read of them": (
        test_organizations
    ),
    "a listing of several pages that breaks off, loops, expires, repeats or contradicts itself": test_listings,
    "eight calls at once meet 429 with right, wrong, missing, odd headers, a wrong clock, a dead token": test_storms,
    "somebody else changes the grant before, between and after; two applies at once": test_others,
    "the command over loopback HTTP, its exit codes, its own grant, its secrets": test_command,
    "`kill -9` behind each line of the journal": test_kill,
    "no room or no place for journal or snapshot": test_disk,
}


def tried_in(module: ModuleType) -> int:
    """Count the cases of a module's tests."""
    tests = [each for name, each in vars(module).items() if name.startswith("test_")]
    return sum(prod(len(mark.args[1]) for mark in marks_of(test)) for test in tests)


def marks_of(test: object) -> list[pytest.Mark]:
    marks: list[pytest.Mark] = getattr(test, "pytestmark", [])
    return [mark for mark in marks if mark.name == "parametrize"]


def lines() -> Iterator[str]:
    counted = Counter((case.row.name, case.verb) for case in cases())
    total = counted.total() + sum(map(tried_in, BEYOND.values()))
    yield f"| what goes wrong | {' | '.join(CALLS)} |"
    yield f"|---|{'---|' * len(CALLS)}"
    for row in ROWS:
        yield f"| {row.name} | {' | '.join(str(counted[row.name, verb] or '-') for verb in CALLS)} |"
    yield ""
    yield "| beyond single calls | |"
    yield "|---|---|"
    for what, module in BEYOND.items():
        yield f"| {what} | {tried_in(module)} |"
    yield f"| **all faults tried, and survived** | **{total}** |"


def test_the_matrix_is_what_is_counted() -> None:
    assert tried_in(test_matrix) == len(list(cases()))


def test_the_page_counts_the_faults_that_are_tried() -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)

    table = "\n".join(lines())
    real = f"{before}{BEGIN}\n{table}\n\n{end}{after}"

    if REMAKE:
        PAGE.write_text(real, encoding="utf-8")
    assert text == real or REMAKE
