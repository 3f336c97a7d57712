"""`python -m reconciler` must not run modules of the checkout that have the names of its own or of Python's modules."""

from pathlib import Path

import pytest
from support.commands import a_workspace, run_process


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return a_workspace(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ["click", "logging"])
def test_a_module_in_the_current_folder_is_not_imported(here: Path, name: str) -> None:
    marker = here.parent / f"{here.name}-marker"
    (here / f"{name}.py").write_text(f"open({str(marker)!r}, 'w')\n", encoding="utf-8")

    result = run_process("plan", cwd=here)

    assert not marker.exists()
    assert result.code == 0, result.output


def test_every_spelling_of_the_current_folder_is_removed_from_the_path(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = here / "marker"
    (here / "click.py").write_text(f"open({str(marker)!r}, 'w')\n", encoding="utf-8")
    (here / "link").symlink_to(here)
    monkeypatch.setenv("PYTHONPATH", f":.:{here / 'link'}")

    result = run_process("--version", cwd=here)

    assert not marker.exists()
    assert result.code == 0, result.output
