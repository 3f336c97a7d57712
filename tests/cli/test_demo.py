"""`reconciler demo` works in an empty folder. tests/test_package.py runs it from the wheel."""

from pathlib import Path

import pytest
from support.commands import enter_clean_folder, reconciler


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    enter_clean_folder(folder, monkeypatch)
    return folder


def test_the_demo_shows_each_command_and_ends_without_changes(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH0_DOMAIN", "company.eu.auth0.com")
    (empty / ".git").mkdir()

    ran = reconciler("demo")

    assert ran.code == 0, ran.output
    steps = [text for text in ran.stdout.splitlines() if text.startswith("$ ")]
    assert steps == [f"$ reconciler {step}" for step in ("validate", "plan", "apply --yes", "plan")]
    assert (empty / ".gitignore").read_text() == ".reconciler/\n"
    assert "No changes: the tenant matches the files." in ran.stdout.rpartition("$ reconciler plan")[2]
    monkeypatch.delenv("AUTH0_DOMAIN")
    assert reconciler("plan", "--detailed-exitcode").code == 0


def test_the_demo_can_have_its_own_folder(empty: Path) -> None:
    (empty / "mine.txt").touch()

    ran = reconciler("demo", "new folder")

    assert ran.code == 0
    assert ran.stdout.endswith("Next: cd 'new folder', edit a file in grants/, and run reconciler plan\n")
    assert {path.name for path in empty.iterdir()} == {"mine.txt", "new folder"}


def test_a_folder_with_files_is_refused(empty: Path) -> None:
    (empty / "mine.txt").touch()

    ran = reconciler("demo")

    assert ran.code == 1
    assert ran.stderr == "error: . is not an empty folder; use reconciler demo NEW_FOLDER\n"
    assert [path.name for path in empty.iterdir()] == ["mine.txt"]
