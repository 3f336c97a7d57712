from pathlib import Path

import pytest
from support.repository import commit_all, git

from reconciler.git.repository import GitError, Repository, find_root, git_dir_of, open_repository


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "file").touch()
    commit_all(folder)
    return folder


@pytest.fixture
def repository(root: Path) -> Repository:
    return open_repository(root)


def test_a_repository_is_found_from_any_folder_in_it(root: Path) -> None:
    for folder in (root, root / "deep" / "er", root / "deep" / "missing"):
        assert open_repository(folder) == open_repository(root)
    assert open_repository(root).git_dir == root / ".git"


def test_a_folder_outside_a_repository_is_an_error(tmp_path: Path) -> None:
    assert find_root(tmp_path) is None
    with pytest.raises(GitError, match="is not in a git repository"):
        open_repository(tmp_path)


def test_a_bare_repository_is_not_found(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "bare")

    assert find_root(tmp_path / "bare") is None


def test_a_worktree_shares_the_folder_of_its_repository(root: Path, tmp_path: Path) -> None:
    git(root, "worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"))

    tree = open_repository(tmp_path / "tree")

    assert tree.git_dir == root / ".git" / "worktrees" / "tree" == git_dir_of(tmp_path / "tree")
    assert (tree.root, tree.common_dir) == (tmp_path / "tree", root / ".git")


@pytest.mark.parametrize("text", ["", "gitdir: nowhere\n", "\0", "gitdir: ..\n"])
def test_an_invalid_git_file_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / ".git").write_text(text)

    with pytest.raises(GitError, match="git cannot use the repository"):
        open_repository(tmp_path)


def test_a_bare_repository_is_not_used_instead_of_an_invalid_git_folder(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", ".")
    (tmp_path / ".git").mkdir()

    with pytest.raises(GitError, match="git cannot use the repository"):
        open_repository(tmp_path)


@pytest.mark.parametrize(
    ("path", "inside"), [("", ""), (".", ""), ("deep/file", "deep/file"), ("deep/../new", "new"), ("a b/é", "a b/é")]
)
def test_paths_are_relative_to_the_root(repository: Repository, path: str, inside: str) -> None:
    assert repository.path_of(repository.root / path) == inside


def test_a_relative_path_starts_at_the_current_folder(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository.root / "deep")

    assert repository.path_of(Path("../x")) == "x"
    assert repository.path_of(Path("er")) == "deep/er"


def test_links_are_not_followed_below_the_root(repository: Repository, tmp_path: Path) -> None:
    (repository.root / "link").symlink_to("deep/er")
    (tmp_path / "entry").symlink_to(repository.root)
    (tmp_path / "inner").symlink_to(repository.root / "deep")

    assert repository.path_of(repository.root / "link" / "x") == "link/x"
    assert repository.path_of(tmp_path / "entry" / "link" / "x") == "link/x"
    assert repository.path_of(tmp_path / "inner" / "x") == "deep/x"


def test_a_path_outside_the_repository_is_an_error(repository: Repository) -> None:
    with pytest.raises(GitError, match="is not in the git repository"):
        repository.path_of(repository.root.parent / "other")


def test_a_path_with_a_parent_folder_after_a_link_is_an_error(repository: Repository) -> None:
    (repository.root / "link").symlink_to("deep/er")

    with pytest.raises(GitError, match="use a direct path"):
        repository.path_of(repository.root / "link" / ".." / "x")


def test_each_warning_of_git_is_kept_once(repository: Repository) -> None:
    git(repository.root, "tag", "main")

    for _ in range(2):
        repository.run("rev-parse", "main")

    assert repository.warnings == ["warning: refname 'main' is ambiguous."]
