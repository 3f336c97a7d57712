import os
import socket
from pathlib import Path

import pytest

from reconciler.core.problems import Problem, Severity
from reconciler.errors import ReconcilerError
from reconciler.files.discover import MAX_BYTES, LinkProblem, empty_folder_problems, find, follow, name_of, read


def write_files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("grants: []\n", encoding="utf-8")
    return folder


def found_in(folder: Path) -> tuple[list[str], list[str]]:
    files, problems = find([folder])
    return (
        [file.relative_to(folder).as_posix() for file in files],
        [f"{problem.source} {problem.what}".removeprefix(f"{folder}/") for problem in problems],
    )


def test_yaml_files_of_a_folder_and_subfolders_are_sorted(tmp_path: Path) -> None:
    write_files(tmp_path, "b.yaml", "a.yml", "teams/x.yaml", "teams/deep/y.yaml", "notes.md", "yaml.txt")
    assert found_in(tmp_path) == (["a.yml", "b.yaml", "teams/deep/y.yaml", "teams/x.yaml"], [])


def test_hidden_files_are_skipped_with_a_warning(tmp_path: Path) -> None:
    write_files(tmp_path, ".hidden.yaml", ".old/a.yaml", ".old/notes.md", ".git/config", ".notes.md", "seen.YAML")
    assert found_in(tmp_path) == (
        ["seen.YAML"],
        [
            ".old/a.yaml this file is in a hidden folder, so it is not read",
            ".hidden.yaml this file is hidden, so it is not read",
        ],
    )


def test_a_link_to_a_hidden_folder_is_a_problem(tmp_path: Path) -> None:
    write_files(tmp_path, ".team/a.yaml")
    (tmp_path / "team").symlink_to(".team")
    files, problems = found_in(tmp_path)
    assert (files, problems[0]) == ([], "team this symbolic link leads to a hidden folder, which is not read")


def test_a_mounted_configmap_is_read_without_warnings(tmp_path: Path) -> None:
    write_files(tmp_path, "..2026_01/a.yaml", "..2026_01/b.yaml")
    (tmp_path / "..data").symlink_to("..2026_01")
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    assert found_in(tmp_path) == (["a.yaml", "b.yaml"], [])


JSON = "this is a JSON file, so it is not read"
ELSE = "this file is not read: its name does not end in .yaml or .yml"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        *(("tenant.json", JSON), ("A.JSON", JSON), ("sub/x.json", JSON), (".hidden.json", JSON)),
        *((name, ELSE) for name in ("a.yaml.bak", "a.yml~", "a.yaml.disabled", "a.yaml_", "a.YML.orig", "#a.yaml#")),
        *((name, ELSE) for name in ("a.ymal", "a.yam", "a.yaml2", "a.yaml ", "a.json5", ".a.yaml.swap", "sub/a.yamll")),
    ],
)
def test_an_unread_file_that_looks_like_grants_gets_a_warning(tmp_path: Path, name: str, what: str) -> None:
    write_files(tmp_path, "a.yaml", name)
    files, problems = find([tmp_path])
    assert [file.name for file in files] == ["a.yaml"]
    assert [(str(each.source), each.what, each.severity) for each in problems] == [
        (f"{tmp_path.as_posix()}/{name}", what, Severity.WARNING)
    ]
    assert "grants" in problems[0].fix


@pytest.mark.parametrize("name", ["notes.md", "yaml.txt", "json", ".a.yaml.swp", "a.sh", "README", "x.json/b.md"])
def test_other_files_are_ignored(tmp_path: Path, name: str) -> None:
    write_files(tmp_path, "a.yaml", name)
    assert found_in(tmp_path) == (["a.yaml"], [])


@pytest.mark.parametrize("name", ["A.YAML", "b.Yml", "c.yaml", "d.YML"])
def test_suffixes_may_be_upper_case(tmp_path: Path, name: str) -> None:
    assert found_in(write_files(tmp_path, name)) == ([name], [])


def test_unread_links_get_a_warning(tmp_path: Path) -> None:
    write_files(tmp_path, "in/a.yaml", "out/b.yaml")
    (tmp_path / "in" / "b.json").symlink_to("../out/b.yaml")
    assert found_in(tmp_path / "in") == (["a.yaml"], [f"b.json {JSON}"])


def test_warnings_name_the_first_of_many_unread_files(tmp_path: Path) -> None:
    write_files(tmp_path, *(f"{number:02}.json" for number in range(12)))
    _, problems = find([tmp_path])
    assert [problem.source.file.rsplit("/", 1)[-1] for problem in problems[:-1]] == [f"{n:02}.json" for n in range(10)]
    assert (
        problems[-1].what
        == "12 files in this folder look like grant files and are not read; the first 10 have a warning each"
    )


def test_a_given_file_is_read_without_warning(tmp_path: Path) -> None:
    write_files(tmp_path, "a.json", ".b.yaml", ".old/c.yaml")
    files, problems = find([tmp_path, tmp_path / "a.json", tmp_path / ".b.yaml", tmp_path / ".old"])
    assert ([file.name for file in files], problems) == (["a.json", ".b.yaml", "c.yaml"], ())


def test_a_folder_without_grant_files_is_a_problem_where_one_is_needed(tmp_path: Path) -> None:
    write_files(tmp_path, "empty/x.json", "hidden/.a.yaml", "whole/sub/a.YML", "single.txt")
    (tmp_path / "bare").mkdir()
    folders = [tmp_path / name for name in ("empty", "hidden", "whole", "bare", "single.txt", "nothing")]
    problems = list(empty_folder_problems(folders))
    assert [Path(problem.source.file).name for problem in problems] == ["empty", "hidden", "bare"]
    assert {problem.what for problem in problems} == {"this folder has no grant files (*.yaml, *.yml)"}
    assert {problem.severity for problem in problems} == {Severity.ERROR}


def test_the_depth_of_folders_is_limited(tmp_path: Path) -> None:
    write_files(tmp_path, "/".join(["d"] * 31 + ["a.yaml"]), "/".join(["e"] * 32 + ["a.yaml"]))
    files, (problem,) = found_in(tmp_path)
    assert len(files) == 1
    assert problem.endswith("this folder is more than 32 levels deep")


def test_a_given_file_may_have_any_suffix(tmp_path: Path) -> None:
    write_files(tmp_path, ".hidden.txt")
    assert find([tmp_path / ".hidden.txt"]) == ((tmp_path / ".hidden.txt",), ())


def test_a_file_given_twice_is_read_once(tmp_path: Path) -> None:
    write_files(tmp_path, "a.yaml", "b.yaml")
    files, _ = find([tmp_path / "b.yaml", tmp_path, tmp_path / "." / "a.yaml"])
    assert [file.name for file in files] == ["b.yaml", "a.yaml"]


def test_a_path_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError, match=r".*/nothing does not exist; check the path"):
        find([tmp_path / "nothing"])


def test_links_are_followed_only_within_the_folder(tmp_path: Path) -> None:
    write_files(tmp_path, "in/a.yaml", "in/.data/real.yaml", "out/secret.yaml")
    inside = tmp_path / "in"
    (inside / "linked.yaml").symlink_to(".data/real.yaml")
    (inside / "stolen.yaml").symlink_to("../out/secret.yaml")
    (inside / "stolen-folder").symlink_to("../out")
    (inside / "notes.txt").symlink_to("../out/secret.yaml")
    (inside / "broken.yaml").symlink_to("nowhere.yaml")
    files, problems = found_in(inside)
    assert files == ["a.yaml", "linked.yaml"]
    assert problems == [
        "broken.yaml this symbolic link has no target",
        "stolen-folder this symbolic link leads out of the folder",
        "stolen.yaml this symbolic link leads out of the folder",
    ]


def test_a_sibling_folder_with_the_same_prefix_is_outside(tmp_path: Path) -> None:
    write_files(tmp_path, "grants/a.yaml", "grants-old/b.yaml")
    (tmp_path / "grants/b.yaml").symlink_to("../grants-old/b.yaml")
    assert found_in(tmp_path / "grants") == (["a.yaml"], ["b.yaml this symbolic link leads out of the folder"])


def test_circular_links_are_a_problem(tmp_path: Path) -> None:
    write_files(tmp_path, "a.yaml")
    (tmp_path / "again").symlink_to(".")
    (tmp_path / "self.yaml").symlink_to("self.yaml")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "up").symlink_to("..")
    files, problems = found_in(tmp_path)
    assert (files, problems) == (["a.yaml"], ["self.yaml this symbolic link leads to itself"])


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    write_files(tmp_path, "real/a.yaml")
    (tmp_path / "grants").symlink_to("real")
    assert found_in(tmp_path / "grants") == (["a.yaml"], [])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_a_problem(tmp_path: Path) -> None:
    write_files(tmp_path, "closed/a.yaml", "open.yaml")
    (tmp_path / "closed").chmod(0)
    files, problems = found_in(tmp_path)
    (tmp_path / "closed").chmod(0o700)
    assert (files, problems) == (["open.yaml"], ["closed this folder cannot be read (Permission denied)"])


def test_a_file_may_have_the_maximum_size(tmp_path: Path) -> None:
    (tmp_path / "full.yaml").write_bytes(b"#" * MAX_BYTES)
    assert read(tmp_path / "full.yaml") == b"#" * MAX_BYTES


def test_special_and_large_files_are_problems_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    with (tmp_path / "huge.yaml").open("wb") as file:
        file.truncate(1_000_000_000)
    contents = {name: read(tmp_path / name) for name in ("pipe.yaml", "folder.yaml", "huge.yaml", "missing.yaml")}
    whats = {name: problem.what for name, problem in contents.items() if isinstance(problem, Problem)}
    assert whats == {
        "pipe.yaml": "this is not a regular file",
        "folder.yaml": "this file cannot be read (Is a directory)",
        "huge.yaml": "this file has 1,000.0 MB, more than 5 MB",
        "missing.yaml": "this file cannot be read (No such file or directory)",
    }


def test_a_socket_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s.yaml")
        assert isinstance(read(Path("s.yaml")), Problem)


def test_names_are_shown_as_given_with_escapes() -> None:
    assert name_of(Path("grants/teams") / "a.yaml") == "grants/teams/a.yaml"
    assert name_of(Path(os.fsdecode(b"a\n\x1b[31m\xff.yaml"))) == "a\\n\\x1b[31m\\udcff.yaml"


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
