import os
from pathlib import Path

import pytest
from support.commands import a_workspace, reconciler

from reconciler.config.file import find_config_file
from reconciler.errors import ReconcilerError

CONFIG = "tenants: {local: {kind: sandbox}}\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "repository/.git").mkdir(parents=True)
    (tmp_path / "repository/a/b").mkdir(parents=True)
    return tmp_path / "repository"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return a_workspace(tmp_path, monkeypatch)


def test_the_nearest_configuration_in_a_parent_folder_is_found(repository: Path) -> None:
    (repository / "reconciler.yaml").write_text(CONFIG)
    assert find_config_file(repository / "a/b") == "../../reconciler.yaml"

    (repository / "a/reconciler.yaml").write_text(CONFIG)
    assert find_config_file(repository / "a/b") == "../reconciler.yaml"


def test_a_configuration_in_the_working_folder_needs_no_search(repository: Path) -> None:
    (repository / "reconciler.yaml").write_text(CONFIG)

    assert find_config_file(repository) is None


def test_the_search_ends_at_the_root_of_the_repository(repository: Path) -> None:
    (repository.parent / "reconciler.yaml").write_text(CONFIG)

    assert find_config_file(repository / "a/b") is None
    assert find_config_file(repository) is None


def test_parent_folders_are_not_searched_outside_a_repository(tmp_path: Path) -> None:
    (tmp_path / "reconciler.yaml").write_text(CONFIG)
    (tmp_path / "a").mkdir()

    assert find_config_file(tmp_path / "a") is None


def test_a_worktree_is_a_repository(repository: Path) -> None:
    (repository / ".git").rmdir()
    (repository / ".git").write_text("gitdir: elsewhere\n")
    (repository / "reconciler.yaml").write_text(CONFIG)

    assert find_config_file(repository / "a") == "../reconciler.yaml"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files to other users")
@pytest.mark.parametrize("owned", ["reconciler.yaml", "."])
def test_a_configuration_of_another_user_is_refused(
    owned: str, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / "reconciler.yaml").write_text(CONFIG)
    os.chown(repository / owned, 12345, -1)

    with pytest.raises(ReconcilerError, match="belongs to another user"):
        find_config_file(repository / "a")

    monkeypatch.setenv("SUDO_UID", "12345")
    if owned == ".":
        os.chown(repository / "reconciler.yaml", 12345, -1)
    else:
        os.chown(repository, 12345, -1)
    assert find_config_file(repository / "a") == "../reconciler.yaml"


@pytest.mark.parametrize("arguments", [["plan"], ["validate"], ["fmt", "--check"], ["list"]])
def test_commands_work_in_a_folder_below_the_configuration(
    here: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / ".git").mkdir()
    expected = reconciler(*arguments)
    monkeypatch.chdir(here / "grants")

    ran = reconciler(*arguments)

    assert ran.code == expected.code == 0
    assert ran.stdout.replace("../", "") == expected.stdout


def test_paths_are_relative_to_the_working_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / ".git").mkdir()
    monkeypatch.chdir(here / "grants")
    (file,) = Path().iterdir()

    assert f'Only file "../grants/{file.name}": 1 grant' in reconciler("plan", file.name).stdout


def test_init_writes_into_the_working_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / ".git").mkdir()
    (here / "new").mkdir()
    monkeypatch.chdir(here / "new")

    reconciler("init", "--domain", "example.eu.auth0.com")

    assert Path("reconciler.yaml").exists()
