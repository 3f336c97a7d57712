"""docs/reliability.md has the number of tested faults. `REMAKE_DOCS=1` writes the table."""

import os
from collections import Counter
from collections.abc import Iterator
from math import prod
from pathlib import Path
from types import ModuleType

import pytest
from reliability import (
    test_combined_faults,
    test_commands,
    test_concurrent_edits,
    test_disk,
    test_fault_table,
    test_kill,
    test_listings,
    test_organizations,
    test_rate_limits,
)
from reliability.fault_runs import WRITE_ENDPOINTS
from reliability.fault_table import ROWS, cases

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- faults: made by tests/reliability -->\n", "<!-- end of faults -->\n"
REMAKE = "REMAKE_DOCS" in os.environ
CALLS = ("read", *WRITE_ENDPOINTS)
OTHER_TESTS = {
    "several faults in one change, a refused token, and partly applied changes": test_combined_faults,
    "organizations: of a new grant, added, removed, partly applied changes, and reads": (test_organizations),
    "a listing of several pages that fails, loops, expires, repeats or contradicts itself": test_listings,
    (
        "429 for eight concurrent requests: correct, wrong and missing headers, a wrong clock, a revoked token"
    ): test_rate_limits,
    "edits by others before, during and after the apply, and two concurrent applies": test_concurrent_edits,
    "the command over loopback HTTP: exit codes, the own grant, secrets": test_commands,
    "`kill -9` after each line of the journal": test_kill,
    "no space or no folder for the journal or the snapshot": test_disk,
}


def cases_in(module: ModuleType) -> int:
    """Return the number of test cases in a module."""
    tests = [each for name, each in vars(module).items() if name.startswith("test_")]
    return sum(prod(len(mark.args[1]) for mark in parametrize_marks(test)) for test in tests)


def parametrize_marks(test: object) -> list[pytest.Mark]:
    marks: list[pytest.Mark] = getattr(test, "pytestmark", [])
    return [mark for mark in marks if mark.name == "parametrize"]


def table_lines() -> Iterator[str]:
    counted = Counter((case.row.name, case.action) for case in cases())
    total = counted.total() + sum(map(cases_in, OTHER_TESTS.values()))
    yield f"| fault | {' | '.join(CALLS)} |"
    yield f"|---|{'---|' * len(CALLS)}"
    for row in ROWS:
        yield f"| {row.name} | {' | '.join(str(counted[row.name, action] or '-') for action in CALLS)} |"
    yield ""
    yield "| other tests | |"
    yield "|---|---|"
    for what, module in OTHER_TESTS.items():
        yield f"| {what} | {cases_in(module)} |"
    yield f"| **all tested and survived faults** | **{total}** |"


def test_all_cases_of_the_table_are_tested() -> None:
    assert cases_in(test_fault_table) == len(list(cases()))


def test_the_page_has_the_number_of_tested_faults() -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)

    table = "\n".join(table_lines())
    real = f"{before}{BEGIN}\n{table}\n\n{end}{after}"

    if REMAKE:
        PAGE.write_text(real, encoding="utf-8")
    assert text == real or REMAKE
