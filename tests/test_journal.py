import json
import os
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from support.builders import a_plan, a_spec, an_observed

from reconciler.core.outcome import Outcome, Result
from reconciler.journal import Journal, JournalError, open_journal


def test_a_run_leaves_a_line_before_and_after_each_write(tmp_path: Path) -> None:
    plan = a_plan([a_spec()])
    with closing(open_journal(tmp_path)) as journal:
        journal.begin(plan)
        journal.intend(1, plan.changes[0])
        journal.settle(1, Outcome(plan.changes[0], Result.APPLIED))
        journal.end(converged=True)

    entries = [json.loads(line) for line in journal.path.read_text().splitlines()]
    assert [entry["event"] for entry in entries] == ["begin", "intent", "result", "end"]
    assert {entry["run"] for entry in entries} == {journal.run}
    assert entries[1]["action"] == "create"
    assert entries[1]["before"] is None
    assert entries[1]["after"]["scope"] == ["read:invoices"]
    assert entries[2]["outcome"] == "applied"


def test_an_update_keeps_both_sides(tmp_path: Path) -> None:
    plan = a_plan([a_spec(scope=("x",))], [an_observed()])
    with closing(open_journal(tmp_path)) as journal:
        journal.intend(1, plan.changes[0])

    entry = json.loads(journal.path.read_text())
    assert (entry["before"]["scope"], entry["after"]["scope"]) == (["read:invoices"], ["x"])


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    with closing(open_journal(tmp_path)) as journal:
        assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600


def test_each_run_has_a_name_of_its_own_that_fits_into_a_header(tmp_path: Path) -> None:
    with closing(open_journal(tmp_path)) as one, closing(open_journal(tmp_path)) as other:
        assert one.run != other.run
        assert len(f"{one.run}-100000") <= 64


def test_a_journal_that_cannot_be_made_stops_the_run(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("in the way")

    with pytest.raises(JournalError, match="cannot be made, so nothing was sent"):
        open_journal(tmp_path)


def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    with closing(open_journal(tmp_path)) as journal:
        full = replace(journal, descriptor=os.open("/dev/full", os.O_WRONLY))
        with closing(full), pytest.raises(JournalError, match="No space left on device"):
            full.end(converged=True)


def test_a_journal_is_a_value(tmp_path: Path) -> None:
    with closing(open_journal(tmp_path)) as journal:
        assert Journal(journal.run, journal.path, journal.descriptor) == journal
