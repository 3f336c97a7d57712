from pathlib import Path

import pytest

from reconciler.artifacts.journal import read_run, run_names
from reconciler.errors import ReconcilerError


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
