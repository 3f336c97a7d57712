"""The first-parent history, read from real repositories."""

from pathlib import Path

import pytest
from support.repository import commit_all, git

from reconciler.git.history import NO_FILE, first_parent_history
from reconciler.git.repository import GitError, open_repository
from reconciler.git.revision import resolve_revision


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "grants").mkdir()
    (tmp_path / "grants" / "a.yaml").write_text("a")
    commit_all(tmp_path)
    (tmp_path / "grants" / "b.yaml").write_text("b")
    (tmp_path / "other").write_text("other")
    commit_all(tmp_path)
    return tmp_path


def paths_by_commit(folder: Path, since: str | None = None) -> list[list[tuple[str, bool]]]:
    """Return the changed paths of each commit, and whether they still exist after it."""
    opened = open_repository(folder)
    start = resolve_revision(opened, since) if since else None
    commits = first_parent_history(opened, ["grants"], start)
    return [[(change.path, change.mode_after != NO_FILE) for change in commit.changes] for commit in commits]


def test_the_oldest_commit_is_first_and_other_files_are_left_out(repository: Path) -> None:
    assert paths_by_commit(repository) == [[("grants/a.yaml", True)], [("grants/b.yaml", True)]]


def test_a_deleted_file_has_no_mode(repository: Path) -> None:
    (repository / "grants" / "a.yaml").unlink()
    commit_all(repository)

    assert paths_by_commit(repository)[-1] == [("grants/a.yaml", False)]


def test_the_commits_of_a_merged_branch_count_as_the_merge(repository: Path) -> None:
    git(repository, "checkout", "--quiet", "-b", "topic")
    for name in ("c.yaml", "d.yaml"):
        (repository / "grants" / name).write_text(name)
        commit_all(repository)
    git(repository, "checkout", "--quiet", "main")
    git(repository, "merge", "--quiet", "--no-ff", "-m", "merge", "topic")

    assert paths_by_commit(repository)[2:] == [[("grants/c.yaml", True), ("grants/d.yaml", True)]]


def test_the_history_starts_after_since(repository: Path) -> None:
    assert paths_by_commit(repository, "HEAD~1") == [[("grants/b.yaml", True)]]


def test_since_must_be_an_ancestor(repository: Path) -> None:
    git(repository, "checkout", "--quiet", "--orphan", "elsewhere")
    commit_all(repository)

    with pytest.raises(GitError, match="not an ancestor of HEAD"):
        paths_by_commit(repository, "main")


def test_a_folder_without_commits_has_no_history(repository: Path) -> None:
    assert first_parent_history(open_repository(repository), ["nothing-here"]) == []


def test_metadata_cannot_forge_another_commit(repository: Path) -> None:
    """Names and subjects may contain any character except NUL and line feed."""
    (repository / "grants" / "c.yaml").write_text("c")
    git(repository, "add", "--all")
    evil = ":000000 100644 a b A\x02\x1b[31m"
    git(repository, "-c", f"user.name={evil}", "commit", "--quiet", "--message", evil, "--no-gpg-sign")

    last = first_parent_history(open_repository(repository), ["grants"])[-1]

    assert last.subject == evil
    assert [change.path for change in last.changes] == ["grants/c.yaml"]


def test_settings_of_the_repository_do_not_hide_changes(repository: Path) -> None:
    for name, value in (("log.showRoot", "false"), ("diff.renames", "copies"), ("diff.noprefix", "true")):
        git(repository, "config", name, value)
    git(repository, "mv", "grants/a.yaml", "grants/z.yaml")
    commit_all(repository)

    assert paths_by_commit(repository) == [
        [("grants/a.yaml", True)],
        [("grants/b.yaml", True)],
        [("grants/a.yaml", False), ("grants/z.yaml", True)],
    ]


def test_a_shallow_clone_is_refused_with_the_fix(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    clone = tmp_path_factory.mktemp("clone")
    git(clone, "clone", "--quiet", "--depth=1", f"file://{repository}", ".")

    with pytest.raises(GitError, match=r"the clone is shallow.*fetch-depth: 0"):
        paths_by_commit(clone)


def test_a_shallow_clone_that_reaches_since_is_read(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    clone = tmp_path_factory.mktemp("clone")
    git(clone, "clone", "--quiet", "--depth=2", f"file://{repository}", ".")

    assert paths_by_commit(clone, "HEAD~1") == [[("grants/b.yaml", True)]]
