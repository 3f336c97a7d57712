"""Every row of the table for every kind of call, once and in every attempt."""

from pathlib import Path

import pytest
from reliability.fault_runs import BEFORE, HOLDERS, LIST, WISHES, assert_sound, read_tried, tried
from reliability.rows import Case, cases

pytestmark = pytest.mark.slow

READS = [case for case in cases() if case.verb == "read"]
WRITES = [case for case in cases() if case.verb != "read"]


@pytest.mark.parametrize("case", WRITES, ids=lambda case: case.id)
def test_a_write_that_meets_a_fault_ends_as_the_table_says(tmp_path: Path, case: Case) -> None:
    wish, holder = WISHES[case.verb], HOLDERS[case.verb]

    trial = tried(tmp_path, wish, case.strike)

    assert trial.results == {holder: case.write.result}
    assert case.write.holds(trial, case.verb), trial.calls
    assert trial.after.get(holder) == (wish.goal if case.write.done else BEFORE).get(holder)
    assert trial.converged is case.write.done
    assert_sound(trial, wish, holder)


@pytest.mark.parametrize("case", READS, ids=lambda case: case.id)
def test_a_read_that_meets_a_fault_gives_the_whole_plan_or_none(tmp_path: Path, case: Case) -> None:
    trial = read_tried(tmp_path, case.strike)

    assert trial.calls[LIST] == case.read.reads
    assert trial.after == BEFORE
    if case.read.error:
        assert isinstance(trial.made, case.read.error)
    else:
        assert trial.made == read_tried(tmp_path).made
