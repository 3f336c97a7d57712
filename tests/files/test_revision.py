import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.repository import commit_all

from reconciler.core.problems import Problem, errors
from reconciler.errors import ReconcilerError
from reconciler.files.discover import MAX_BYTES, SUFFIXES, TO_HIDDEN_FOLDER, find, read
from reconciler.files.read import read_grants, read_grants_at
from reconciler.files.revision import read_revision
from reconciler.git.repository import open_repository
from reconciler.git.revision import Revision, resolve_revision

GRANT = "grants:\n  - {client: A, api: B, scope: [%s]}\n"


@pytest.fixture
def grants(tmp_path: Path) -> Path:
    folder = tmp_path / "repository" / "grants"
    (folder / "apps").mkdir(parents=True)
    (folder / "apps" / "a.yaml").write_text(GRANT % "read")
    return folder


def at(revision: str, path: Path) -> Revision:
    return resolve_revision(open_repository(path.parent), revision)


def contents_at(revision: str, path: Path) -> dict[str, bytes | Problem]:
    return dict(read_revision(at(revision, path), path))


def test_files_are_read_at_the_revision(grants: Path) -> None:
    before = commit_all(grants.parent)
    (grants / "apps" / "a.yaml").write_text(GRANT % "write")
    (grants / "new.yaml").write_text(GRANT % "x")

    assert list(contents_at(before, grants).values()) == [(GRANT % "read").encode()]
    assert [spec.scope for spec in read_grants_at(at(before, grants), grants).specs] == [("read",)]


def test_a_revision_is_read_like_its_checkout(grants: Path) -> None:
    (grants / ".hidden.yaml").write_text("no: [")
    (grants / ".folder").mkdir()
    (grants / ".folder" / "x.yaml").write_text("no: [")
    (grants / "é ü.YML").write_text("# nothing\ngrants: []\n")
    (grants / "notes.txt").write_text("no: [")
    (grants / "link.yaml").symlink_to("apps/a.yaml")
    (grants / "out.yaml").symlink_to("../elsewhere.yaml")

    commit = commit_all(grants.parent)
    found, today = read_grants_at(at(commit, grants), grants), read_grants([grants])

    whats = [(problem.source.file.removesuffix(f" in {commit}"), problem.what) for problem in found.problems]
    assert whats == [(f"{grants}/out.yaml", "this symbolic link leads out of the folder")]
    assert whats == [(problem.source.file, problem.what) for problem in errors(today.problems)]
    assert [spec.scope for spec in found.specs] == [spec.scope for spec in today.specs]
    assert len(found.texts) == 3


def test_a_single_file_can_be_read(grants: Path) -> None:
    file = grants / "apps" / "a.yaml"

    assert [spec.scope for spec in read_grants_at(at(commit_all(grants.parent), grants), file).specs] == [("read",)]


def test_a_folder_missing_in_the_revision_has_no_files(grants: Path) -> None:
    before = commit_all(grants.parent)
    (grants.parent / "more").mkdir()

    assert contents_at(before, grants.parent / "more") == {}


def test_problems_name_the_revision(grants: Path) -> None:
    (grants / "apps" / "a.yaml").write_text("grants: 1\n")
    commit_all(grants.parent)

    (problem,) = read_grants_at(at("main", grants), grants).problems

    assert str(problem.source) == f"{grants}/apps/a.yaml in main:1:9"


def test_large_files_are_not_read(grants: Path) -> None:
    (grants / "apps" / "a.yaml").write_text("#" * (MAX_BYTES + 1))
    (grants / "b.yaml").write_text(GRANT % "x")

    first, second = contents_at(commit_all(grants.parent), grants).values()

    assert isinstance(first, Problem)
    assert second == (GRANT % "x").encode()


@pytest.mark.parametrize("revision", ["nowhere", "-h", "--output=x", "main:nothing"])
def test_an_unknown_revision_is_an_error(grants: Path, revision: str) -> None:
    commit_all(grants.parent)

    with pytest.raises(ReconcilerError, match=r"is not a valid git revision|git does not know the revision"):
        contents_at(revision, grants)


def test_a_folder_outside_a_repository_is_an_error(grants: Path) -> None:
    with pytest.raises(ReconcilerError, match="is not in a git repository"):
        contents_at("main", grants)


def test_a_missing_git_is_an_error(grants: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit_all(grants.parent)
    monkeypatch.setenv("PATH", "")

    with pytest.raises(ReconcilerError, match="git was not found on the PATH"):
        contents_at("main", grants)


FOLDERS = ["", "a/", ".b/", "a/c/"]
FILES = ["x.yaml", "y.YML", "z.txt"]
PATHS = [f"{folder}{name}" for folder in FOLDERS for name in (*FILES, "l.yaml", "m.yaml", "n")]
LINK_TEXTS = st.sampled_from(
    [
        *("x.yaml", "z.txt", "l.yaml", "n", "a", ".b", "c", ".", "..", "../a/x.yaml", "a/../x.yaml", "n/x.yaml"),
        *("../x.yaml", "../../x.yaml", "../.b/y.YML", "./a//x.yaml", "/etc/passwd", "missing.yaml", "../folder/x.yaml"),
        *("a/c/l.yaml", "../l.yaml", "../../folder/a/x.yaml", "a/c/../../m.yaml"),
    ]
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    files=st.sets(st.sampled_from([f"{folder}{name}" for folder in FOLDERS for name in FILES]), min_size=1),
    links=st.dictionaries(st.sampled_from(PATHS), LINK_TEXTS, max_size=6),
)
def test_links_in_a_revision_are_read_as_in_its_checkout(files: set[str], links: dict[str, str]) -> None:
    root = Path(tempfile.mkdtemp())
    try:
        folder = root / "folder"
        for name in sorted(files):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(f"# {name}\n")
        for name, text in links.items():
            if not (folder / name).exists() and not (folder / name).is_symlink():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).symlink_to(text)
        commit = commit_all(root)

        checked_out, problems = find([folder])
        contents = {path: read(path) for path in checked_out}
        at_revision = list(read_revision(resolve_revision(open_repository(root), commit), folder))
    finally:
        shutil.rmtree(root)

    assert sorted(data for _, data in at_revision if isinstance(data, bytes)) == sorted(
        data for data in contents.values() if isinstance(data, bytes)
    )
    files_with_errors = {problem.source.file for problem in errors(problems)}
    problems_at_revision = {
        problem.source.file.removesuffix(f" in {commit}"): problem.what for problem in problems_in(at_revision)
    }
    # a revision does not show whether the target of a link out of the folder is a folder
    assert set(problems_at_revision) == {name for name in files_with_errors if name.lower().endswith(SUFFIXES)} | {
        name for name in files_with_errors if problems_at_revision.get(name) == f"this symbolic link {TO_HIDDEN_FOLDER}"
    }
    assert not problems_in(contents.items())


def problems_in(contents: Iterable[tuple[object, bytes | Problem]]) -> list[Problem]:
    return [data for _, data in contents if isinstance(data, Problem)]
