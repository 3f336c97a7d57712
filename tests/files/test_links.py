"""Links in a folder and in its committed revision are followed in the same way."""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.repository import commit_all

from reconciler.core.problems import Problem, errors
from reconciler.files.discover import SUFFIXES, TO_HIDDEN_FOLDER, LinkProblem, find, follow, read
from reconciler.files.revision import read_revision
from reconciler.git.repository import open_repository
from reconciler.git.revision import resolve_revision

FOLDERS = ["", "a/", ".b/", "a/c/"]
FILES = ["x.yaml", "y.YML", "z.txt"]
PLACES = [f"{folder}{name}" for folder in FOLDERS for name in (*FILES, "l.yaml", "m.yaml", "n")]
TEXTS = st.sampled_from(
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
    links=st.dictionaries(st.sampled_from(PLACES), TEXTS, max_size=6),
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

        today, problems = find([folder])
        contents = {path: read(path) for path in today}
        then = list(read_revision(resolve_revision(open_repository(root), commit), folder))
    finally:
        shutil.rmtree(root)

    assert sorted(data for _, data in then if isinstance(data, bytes)) == sorted(
        data for data in contents.values() if isinstance(data, bytes)
    )
    stray_today = {problem.source.file for problem in errors(problems)}
    stray_then = {problem.source.file.removesuffix(f" in {commit}"): problem.what for problem in trouble(then)}
    # a revision does not show whether the target of a link out of the folder is a folder
    assert set(stray_then) == {name for name in stray_today if name.lower().endswith(SUFFIXES)} | {
        name for name in stray_today if stray_then.get(name) == f"this symbolic link {TO_HIDDEN_FOLDER}"
    }
    assert not trouble(contents.items())


def trouble(contents: Iterable[tuple[object, bytes | Problem]]) -> list[Problem]:
    return [data for _, data in contents if isinstance(data, Problem)]


@pytest.mark.parametrize(
    ("links", "leads"),
    [
        ({}, "l.yaml"),
        ({"l.yaml": "a/b.yaml"}, "a/b.yaml"),
        ({"l.yaml": "a/b.yaml", "a": "c/d"}, "c/d/b.yaml"),
        ({"l.yaml": "a/../b.yaml", "a": "c/d"}, "c/b.yaml"),
        ({"l.yaml": "missing/../b.yaml"}, LinkProblem.NOWHERE),
        ({"l.yaml": "c/d/missing.yaml/../b.yaml"}, LinkProblem.NOWHERE),
        ({"l.yaml": ".."}, LinkProblem.OUT),
        ({"l.yaml": "."}, ""),
        ({"l.yaml": "/x"}, LinkProblem.ABSOLUTE),
        ({"l.yaml": "m.yaml", "m.yaml": "l.yaml"}, LinkProblem.CIRCLE),
    ],
)
def test_each_link_in_a_path_is_followed(links: dict[str, str], leads: str) -> None:
    assert follow("l.yaml", links.get, {"c/d"}.__contains__) == leads


def test_the_number_of_links_is_limited() -> None:
    chain = {f"{number}": f"{number + 1}" for number in range(100)}

    assert follow("60", chain.get, bool) == "100"
    assert follow("59", chain.get, bool) is LinkProblem.CIRCLE
