from pathlib import Path

import pytest
from support.repository import commit_all, git

from reconciler.git import revision as revisions
from reconciler.git.repository import GitError, open_repository
from reconciler.git.revision import FOLDER, Revision, TreeEntry, resolve_revision


def commit_files(folder: Path, **files: str) -> Revision:
    for name, text in files.items():
        (folder / name.replace("__", "/")).parent.mkdir(parents=True, exist_ok=True)
        (folder / name.replace("__", "/")).write_text(text)
    commit_all(folder)
    return resolve_revision(open_repository(folder), "HEAD")


def contents_of(revision: Revision, entries: list[TreeEntry]) -> list[bytes]:
    return list(revision.contents(entries))


def test_a_folder_is_listed_with_its_sub_folders(tmp_path: Path) -> None:
    revision = commit_files(tmp_path, a="1", b__c="22", b__d__e="333")

    folder = revision.find("b")

    assert isinstance(folder, TreeEntry)
    assert folder.mode == FOLDER
    entries = revision.list(folder)
    assert [(entry.path, entry.size) for entry in entries] == [("c", 2), ("d/e", 3)]
    assert contents_of(revision, entries) == [b"22", b"333"]


def test_the_root_is_listed_like_a_folder(tmp_path: Path) -> None:
    revision = commit_files(tmp_path, a="1")

    root = revision.find("")

    assert isinstance(root, TreeEntry)
    assert [entry.path for entry in revision.list(root)] == ["a"]


def test_contents_are_read_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisions, "BATCH_BYTES", 3)
    revision = commit_files(tmp_path, a="1", b="22", c="4444", d="", e="5")
    root = revision.find("")
    assert isinstance(root, TreeEntry)

    assert contents_of(revision, revision.list(root)) == [b"1", b"22", b"4444", b"", b"5"]


@pytest.mark.parametrize("path", ["missing", "x tree", "x blob 5", "[a]", "a*"])
def test_find_returns_none_for_a_missing_path(tmp_path: Path, path: str) -> None:
    assert commit_files(tmp_path, a="1").find(path) is None


def test_a_name_with_a_line_break_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="line break"):
        commit_files(tmp_path, a="1").find("a\nb")


def test_links_are_followed_to_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "to-folder").symlink_to("b")
    (tmp_path / "to-file").symlink_to("to-folder/c")
    (tmp_path / "dangling").symlink_to("missing")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "out").symlink_to("../x")
    revision = commit_files(tmp_path, b__c="22")

    assert revision.find("to-folder") == revision.find("b")
    assert revision.find("to-file") == revision.find("b/c")
    assert revision.find("dangling") == revision.find("circle") == "is a link without a valid target"
    assert revision.find("b/c/d") == "is inside a file, not a folder"
    assert revision.find("out") == "is a link that leads out of the repository"


def test_an_annotated_tag_resolves_to_its_commit(tmp_path: Path) -> None:
    revision = commit_files(tmp_path, a="1")
    git(tmp_path, "tag", "--annotate", "--no-sign", "--message", "x", "v1")

    assert resolve_revision(revision.repository, "v1").commit == revision.commit


def test_a_name_with_wildcards_is_not_a_revision(tmp_path: Path) -> None:
    revision = commit_files(tmp_path, a="1")

    with pytest.raises(GitError, match="git does not know the revision"):
        resolve_revision(revision.repository, "ma*n")
    assert resolve_revision(revision.repository, ":/state").commit == revision.commit
