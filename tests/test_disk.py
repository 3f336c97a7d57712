import stat
from pathlib import Path

import pytest

from reconciler.disk import replace_file, write_new_files


def test_a_file_is_replaced_with_the_mode_that_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("old")

    replace_file(file, "new\r\n", 0o666)

    assert file.read_bytes() == b"new\r\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o666
    assert list(tmp_path.iterdir()) == [file]


def test_new_files_are_made_all_together(tmp_path: Path) -> None:
    write_new_files({tmp_path / "a": "A", tmp_path / "b": "B"})

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "A", "b": "B"}


@pytest.mark.parametrize("in_the_way", ["a", "b"])
def test_what_exists_is_never_overwritten_and_then_nothing_is_made(tmp_path: Path, in_the_way: str) -> None:
    (tmp_path / in_the_way).write_text("mine")

    with pytest.raises(FileExistsError):
        write_new_files({tmp_path / "a": "A", tmp_path / "b": "B"})

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {in_the_way: "mine"}


def test_a_link_that_leads_nowhere_is_in_the_way_too(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(FileExistsError):
        write_new_files({tmp_path / "a": "A"})

    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_where_one_file_has_no_place_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_new_files({tmp_path / "a": "A", tmp_path / "no" / "b": "B"})

    assert list(tmp_path.iterdir()) == []
