"""Blame: the commit of each line at HEAD, the pull request in its message, and hostile commit data."""

from pathlib import Path

import pytest
from support.repository import commit_all, git

from reconciler.git.history import blame_file, is_shallow, newest_first, read_commits, request_in
from reconciler.git.repository import GitError, open_repository
from reconciler.git.revision import head_commit


def change(folder: Path, text: str, message: str, *options: str) -> str:
    (folder / "a.yaml").write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--no-gpg-sign", "--message", message, *options)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.yaml").write_text("one\ntwo\n")
    commit_all(tmp_path)
    return tmp_path


def test_each_line_has_the_commit_that_changed_it(folder: Path) -> None:
    first, second = git(folder, "rev-parse", "HEAD"), change(folder, "one\n2\nauthor x\n", "Change")

    blame = blame_file(open_repository(folder), "a.yaml")

    assert blame.lines == {1: first, 2: second, 3: second}
    assert head_commit(open_repository(folder)) == second


def test_the_blame_of_a_merged_line_contains_the_merge(folder: Path) -> None:
    git(folder, "checkout", "--quiet", "-b", "topic")
    commit = change(folder, "one\n2\n", "Change")
    git(folder, "checkout", "--quiet", "-")
    git(folder, "merge", "--quiet", "--no-ff", "--no-gpg-sign", "-m", "Merge pull request #7 from a/topic", "topic")
    repository = open_repository(folder)

    blame = blame_file(repository, "a.yaml")

    assert blame.lines[2] == commit
    assert read_commits(repository, [blame.merges[2]])[blame.merges[2]].request == "#7"


def test_hostile_texts_in_commits_are_read_unchanged(folder: Path) -> None:
    message = "</script>\u202e|`x` (#9)\n\nboundary\nauthor nobody\n0123456789 1 1 1"
    commit = change(folder, "one\n2\n", message, "--author", "=cmd() <a@b>")
    repository = open_repository(folder)

    found = read_commits(repository, blame_file(repository, "a.yaml").lines.values())[commit]

    assert (found.author, found.subject, found.request) == ("=cmd()", "</script>\u202e|`x` (#9)", "#9")


def test_a_mailmap_of_the_checkout_does_not_rename_authors(folder: Path) -> None:
    (folder / ".mailmap").write_text("Somebody Else <somebody@example.com>\n")
    commit = change(folder, "1\n", "Change")
    repository = open_repository(folder)

    assert read_commits(repository, [commit])[commit].author == "Somebody"


def test_a_text_conversion_of_the_repository_is_not_run(folder: Path) -> None:
    (folder / ".gitattributes").write_text("*.yaml diff=evil\n")
    git(folder, "config", "diff.evil.textconv", f"touch {folder / 'ran'}; cat")
    change(folder, "one\nother\n", "Change")

    blame_file(open_repository(folder), "a.yaml")

    assert not (folder / "ran").exists()


def test_lines_of_the_oldest_commit_of_a_shallow_clone_are_at_its_boundary(folder: Path, tmp_path: Path) -> None:
    change(folder, "one\n2\n", "Change")
    last = change(folder, "1\n2\n", "Change again")
    clone = tmp_path / "clone"
    git(folder, "clone", "--quiet", "--depth=2", f"file://{folder}", str(clone))
    repository = open_repository(clone)

    blame = blame_file(repository, "a.yaml")

    assert is_shallow(repository)
    assert not is_shallow(open_repository(folder))
    assert blame.lines[1] == last
    assert blame.boundary == {blame.lines[2]}


def test_a_file_that_head_does_not_have_is_an_error(folder: Path) -> None:
    with pytest.raises(GitError):
        blame_file(open_repository(folder), "missing.yaml")


def test_only_whole_hashes_are_passed_to_git(folder: Path) -> None:
    assert read_commits(open_repository(folder), ["--all", "HEAD", "0123"]) == {}


def test_a_repository_without_commit_has_no_head(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")

    assert head_commit(open_repository(tmp_path)) == ""


@pytest.mark.parametrize(
    ("subject", "body", "request_"),
    [
        ("Let it write (#12)", "", "#12"),
        ("Merge pull request #34 from a/b", "", "#34"),
        ("Merge branch 'a'", "Text\n\nSee merge request group/project!56\n", "!56"),
        ("Fix #12 in part", "", ""),
        ("Text (#12345678901)", "", ""),
        ("Text", "See merge request x!1 later", ""),
    ],
)
def test_the_request_is_found_in_the_message(subject: str, body: str, request_: str) -> None:
    assert request_in(subject, body) == request_


def test_commits_are_ordered_by_their_parents_and_not_by_their_times(folder: Path) -> None:
    later = change(folder, "one\n2\n", "Change", "--date", "1999-01-01T00:00:00Z")
    first = git(folder, "rev-parse", "HEAD~1")

    assert newest_first(open_repository(folder), "") == {later: 0, first: 1}
