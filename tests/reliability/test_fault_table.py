"""Tests of the table of faults: each fault for each action, once and always."""

from pathlib import Path

import pytest
from reliability.fault_runs import BEFORE, DESIRED, HOLDERS, LIST, assert_consistent, plan_with_faults, run_with_faults
from reliability.fault_table import Case, cases

pytestmark = pytest.mark.slow

READS = [case for case in cases() if case.action == "read"]
WRITES = [case for case in cases() if case.action != "read"]


@pytest.mark.parametrize("case", WRITES, ids=lambda case: case.id)
def test_a_write_with_a_fault_has_the_result_in_the_table(tmp_path: Path, case: Case) -> None:
    desired, holder = DESIRED[case.action], HOLDERS[case.action]

    run = run_with_faults(tmp_path, desired, case.injected_fault)

    assert run.results == {holder: case.write.result}
    assert case.write.matches(run, case.action), run.calls
    assert run.after.get(holder) == (desired.expected if case.write.is_done else BEFORE).get(holder)
    assert run.converged is case.write.is_done
    assert_consistent(run, desired, holder)


@pytest.mark.parametrize("case", READS, ids=lambda case: case.id)
def test_a_read_with_a_fault_gives_the_complete_plan_or_an_error(tmp_path: Path, case: Case) -> None:
    run = plan_with_faults(tmp_path, case.injected_fault)

    assert run.calls[LIST] == case.read.requests
    assert run.after == BEFORE
    if case.read.error:
        assert isinstance(run.result, case.read.error)
    else:
        assert run.result == plan_with_faults(tmp_path).result
