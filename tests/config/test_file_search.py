import os
from pathlib import Path

import pytest
from support.commands import a_workspace, reconciler

from reconciler.config.file_search import find_config_file, refuse_ignored_config
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


def test_a_configuration_in_a_parent_folder_is_not_ignored_outside_a_repository(tmp_path: Path) -> None:
    (tmp_path / "reconciler.yaml").write_text(CONFIG)
    (tmp_path / "a/b").mkdir(parents=True)

    with pytest.raises(ReconcilerError, match=r"inside a git repository, .* --config ../../reconciler.yaml"):
        refuse_ignored_config(tmp_path / "a/b")


def test_a_configuration_above_the_repository_is_ignored(repository: Path) -> None:
    (repository.parent / "reconciler.yaml").write_text(CONFIG)

    refuse_ignored_config(repository / "a")


@pytest.mark.parametrize("name", ["reconciler.yml", "Reconciler.yaml", ".reconciler.yaml", ".RECONCILER.YML"])
@pytest.mark.parametrize("folder", [".", "a", "a/b"])
def test_a_configuration_with_a_similar_name_is_not_ignored(folder: str, name: str, repository: Path) -> None:
    (repository / folder / name).write_text(CONFIG)

    assert find_config_file(repository / "a/b") is None
    with pytest.raises(ReconcilerError, match=rf"{name} is not read, .* rename the file, or set --config .*{name}"):
        refuse_ignored_config(repository / "a/b")


def test_a_similar_name_in_a_nearer_folder_is_refused_despite_a_configuration_above(repository: Path) -> None:
    (repository / "reconciler.yaml").write_text(CONFIG)
    (repository / "a/reconciler.yml").write_text(CONFIG)

    assert find_config_file(repository / "a/b") is None


def test_a_similar_name_next_to_the_configuration_is_ignored(repository: Path) -> None:
    (repository / "reconciler.yaml").write_text(CONFIG)
    (repository / "reconciler.yml").write_text(CONFIG)

    assert find_config_file(repository / "a") == "../reconciler.yaml"


@pytest.mark.parametrize("name", ["reconciler.yaml.bak", "reconciler.json", "my-reconciler.yaml", "reconciler.yaml"])
def test_files_with_other_names_or_in_subfolders_are_ignored(name: str, repository: Path) -> None:
    (repository / "grants").mkdir()
    (repository / ("grants" if name == "reconciler.yaml" else ".") / name).write_text(CONFIG)

    refuse_ignored_config(repository / "a")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files to other users")
def test_a_configuration_of_another_user_in_a_parent_folder_is_ignored_outside_a_repository(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "reconciler.yaml").symlink_to("a")
    os.chown(tmp_path / "reconciler.yaml", 12345, -1, follow_symlinks=False)

    refuse_ignored_config(tmp_path / "a")


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


@pytest.mark.parametrize("name", ["reconciler.yaml", "reconciler.yml"])
@pytest.mark.parametrize("arguments", [["--domain", "x.eu.auth0.com"], ["--add", "x", "--domain", "x.eu.auth0.com"]])
def test_init_writes_no_second_configuration_into_a_repository(
    here: Path, arguments: list[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / ".git").mkdir()
    (here / "reconciler.yaml").rename(here / name)
    monkeypatch.chdir(here / "grants")
    before = list(Path().iterdir())

    ran = reconciler("init", *arguments)

    assert (ran.code, list(Path().iterdir())) == (1, before)
    assert f"error: ../{name} {'exists' if name == 'reconciler.yaml' else 'is not read'}" in ran.stderr


def test_init_writes_a_second_configuration_with_the_option(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / ".git").mkdir()
    (here / "new").mkdir()
    monkeypatch.chdir(here / "new")

    ran = reconciler("--config", "reconciler.yaml", "init", "--domain", "example.eu.auth0.com", "--ci", "none")

    assert ran.code == 0, ran.output
    assert reconciler("validate").code == 0


READING = [
    ["validate"],
    ["plan"],
    ["apply", "--yes"],
    ["fmt"],
    ["list"],
    ["access", "--offline"],
    ["import"],
    ["fleet", "list"],
    ["sandbox", "reset"],
    ["usage"],
    ["why", "Billing", "Invoices API"],
    ["doctor"],
]


@pytest.mark.parametrize("arguments", READING, ids=lambda words: words[0])
def test_no_command_runs_without_the_configuration_in_a_parent_folder(
    here: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "work").mkdir()
    monkeypatch.chdir(here / "work")
    monkeypatch.setenv("RECONCILER_GRANTS", "../grants")

    ran = reconciler(*arguments)

    assert ran.code == 1
    assert "../reconciler.yaml exists" in ran.output
    assert list(Path().iterdir()) == []
    assert not (here / ".reconciler").exists()


@pytest.mark.parametrize("inside", ["", ".git"], ids=["outside-a-repository", "in-another-repository"])
def test_no_plan_without_the_configuration_above_the_grant_folder(
    here: Path, inside: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / inside).mkdir(exist_ok=True)
    monkeypatch.chdir(elsewhere)

    ran = reconciler("--grants", str(here / "grants"), "plan")

    assert ran.code == 1
    assert f"{os.path.relpath(here / 'reconciler.yaml')} exists" in ran.output


@pytest.mark.parametrize("arguments", READING, ids=lambda words: words[0])
@pytest.mark.parametrize("name", ["reconciler.yml", "reconciler.yaml"])
def test_no_command_runs_without_a_misnamed_or_missing_configuration(
    here: Path, name: str, arguments: list[str]
) -> None:
    Path("reconciler.yaml").unlink()
    Path(name).symlink_to("missing.yaml")

    ran = reconciler(*arguments)

    assert ran.code == 1
    assert f"{name} is {'not read' if name == 'reconciler.yml' else 'a link'}" in ran.output
    assert not (here / ".reconciler").exists()


@pytest.mark.parametrize(
    "arguments", [["schema"], ["risks"], ["--version"], ["plan", "--help"], ["demo", "new"]], ids=lambda words: words[0]
)
def test_commands_without_configuration_work_below_an_ignored_configuration(
    here: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "work").mkdir()
    monkeypatch.chdir(here / "work")

    assert reconciler(*arguments).code == 0


def test_init_starts_a_new_folder_below_a_configuration_outside_a_repository(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "work").mkdir()
    monkeypatch.chdir(here / "work")

    assert reconciler("init", "--domain", "example.eu.auth0.com").code == 0
    assert reconciler("validate").code == 0


def test_a_grant_file_with_a_similar_name_is_not_a_configuration(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("grants/reconciler.yml").write_text("# comment\ngrants: []\n")
    (here / ".git").mkdir()
    monkeypatch.chdir(here / "grants")

    assert find_config_file(Path()) == "../reconciler.yaml"


def test_a_grant_file_with_the_name_of_the_configuration_needs_no_configuration(
    tmp_path: Path,
) -> None:
    (tmp_path / "grants").mkdir()
    (tmp_path / "grants/reconciler.yaml").write_text("grants: []\n")

    refuse_ignored_config(tmp_path, Path("grants"))


def test_a_configuration_of_another_user_above_the_grant_folder_is_refused_in_a_repository(
    repository: Path, tmp_path: Path
) -> None:
    if os.geteuid():
        pytest.skip("only root can give a file to another user")
    (repository / "reconciler.yaml").write_text(CONFIG)
    os.chown(repository / "reconciler.yaml", 12345, -1)

    with pytest.raises(ReconcilerError, match="belongs to another user"):
        refuse_ignored_config(tmp_path, Path("repository/grants"))
