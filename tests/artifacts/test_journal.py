import asyncio
import json
import os
import resource
import stat
from contextlib import closing
from pathlib import Path

import pytest
from support.builders import a_plan, a_spec, an_observed

from reconciler.artifacts.journal import Journal, JournalError, open_journal, read_run, run_names
from reconciler.core.outcome import Outcome, Result
from reconciler.core.plan import Plan
from reconciler.errors import ReconcilerError


async def record_run(journal: Journal, plan: Plan) -> None:
    await journal.begin(plan)
    await journal.intend(1, plan.changes[0])
    await journal.settle(1, Outcome(plan.changes[0], Result.APPLIED))
    await journal.end(converged=True)


def test_the_journal_has_a_line_before_and_after_each_write(tmp_path: Path) -> None:
    plan = a_plan([a_spec()])
    with closing(open_journal(tmp_path)) as journal:
        asyncio.run(record_run(journal, plan))

    entries = [json.loads(line) for line in journal.path.read_text().splitlines()]
    assert [entry["event"] for entry in entries] == ["begin", "intent", "result", "end"]
    assert {entry["run"] for entry in entries} == {journal.run}
    assert entries[1]["action"] == "create"
    assert entries[1]["before"] is None
    assert entries[1]["after"]["scope"] == ["read:invoices"]
    assert entries[2]["outcome"] == "applied"


def test_the_journal_contains_both_states_of_an_update(tmp_path: Path) -> None:
    plan = a_plan([a_spec(scope=("x",))], [an_observed()])
    with closing(open_journal(tmp_path)) as journal:
        asyncio.run(journal.intend(1, plan.changes[0]))

    entry = json.loads(journal.path.read_text())
    assert (entry["before"]["scope"], entry["after"]["scope"]) == (["read:invoices"], ["x"])


def test_only_the_owner_may_read_the_journal(tmp_path: Path) -> None:
    with closing(open_journal(tmp_path)) as journal:
        assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600


def test_each_run_has_a_unique_name_that_is_valid_in_a_header(tmp_path: Path) -> None:
    with closing(open_journal(tmp_path)) as one, closing(open_journal(tmp_path)) as other:
        assert one.run != other.run
        assert len(f"{one.run}-100000") <= 64


def test_a_journal_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("in the way")

    with pytest.raises(JournalError, match="cannot be created, so nothing was sent"):
        open_journal(tmp_path)


def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    full = Journal("run", tmp_path, os.open("/dev/full", os.O_WRONLY))

    with closing(full), pytest.raises(JournalError, match="No space left on device"):
        asyncio.run(full.end(converged=True))


def test_concurrent_changes_share_one_fsync(tmp_path: Path) -> None:
    calls: list[int] = []
    plan = a_plan([a_spec()])

    async def run_concurrently() -> None:
        await asyncio.gather(*(journal.intend(number, plan.changes[0]) for number in range(8)))
        await journal.end(converged=True)

    with (tmp_path / "journal").open("w") as file:
        journal = Journal("run", tmp_path, file.fileno(), calls.append)
        asyncio.run(run_concurrently())

    assert len(calls) == 2
    assert len((tmp_path / "journal").read_text().splitlines()) == 9


def test_a_failed_fsync_fails_all_later_calls(tmp_path: Path) -> None:
    failures = [OSError(5, "Input/output error"), None]

    def flush(_: int) -> None:
        if failure := failures.pop(0):
            raise failure

    with (tmp_path / "journal").open("w") as file:
        journal = Journal("run", tmp_path, file.fileno(), flush)
        for _ in range(2):
            with pytest.raises(JournalError, match="cannot be written: Input/output error"):
                asyncio.run(journal.end(converged=True))


def test_no_line_is_written_after_a_partial_line(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with path.open("w") as file:
        journal = Journal("run", tmp_path, file.fileno())
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
        try:
            with pytest.raises(JournalError, match="no space left"):
                asyncio.run(journal.end(converged=True))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        with pytest.raises(JournalError, match="no space left"):
            asyncio.run(journal.end(converged=True))

    assert len(path.read_bytes()) == 20


def test_a_missing_folder_contains_no_runs(tmp_path: Path) -> None:
    assert run_names(tmp_path) == []


def test_runs_are_listed_newest_first_and_other_files_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    for name in ("20260801T1.jsonl", "20260802T1.jsonl", "notes.txt"):
        (tmp_path / "journal" / name).touch()

    assert run_names(tmp_path) == ["20260802T1", "20260801T1"]


def test_a_journal_is_read_by_name(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "r.jsonl").write_text('{"event": "end", "converged": false}\n')

    assert (read_run(tmp_path, "r").name, read_run(tmp_path, "r").converged) == ("r", False)


def test_a_file_instead_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "journal").touch()

    with pytest.raises(ReconcilerError, match="journal cannot be read: Not a directory"):
        run_names(tmp_path)


def test_a_journal_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "journal" / "r.jsonl").mkdir(parents=True)

    with pytest.raises(ReconcilerError, match=r"r\.jsonl cannot be read: it is not a regular file"):
        read_run(tmp_path, "r")
