import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from time import sleep

import pytest

from reconciler.artifacts import atomic_files
from reconciler.artifacts.atomic_files import OWNER_ONLY, check_output, write_new_files, write_output

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to another user")
OTHER = 12345


@pytest.fixture
def strict_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("strict_umask")
def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("old")
    file.chmod(0o664)

    write_output(file, b"new\r\n")

    assert file.read_bytes() == b"new\r\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o664
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("exists", [True, False])
def test_an_explicit_mode_is_used(tmp_path: Path, *, exists: bool) -> None:
    file = tmp_path / "a"
    if exists:
        file.write_text("old")

    write_output(file, b"new", OWNER_ONLY)

    assert stat.S_IMODE(file.stat().st_mode) == OWNER_ONLY


@AS_ROOT
def test_a_file_keeps_its_owner_and_group(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("old")
    os.chown(file, OTHER, OTHER + 1)

    write_output(file, b"new")

    assert (file.stat().st_uid, file.stat().st_gid) == (OTHER, OTHER + 1)
    assert file.read_bytes() == b"new"


def test_hard_and_symbolic_links_remain(tmp_path: Path) -> None:
    file, other, link = tmp_path / "a", tmp_path / "b", tmp_path / "link"
    file.write_text("a longer old text")
    other.hardlink_to(file)
    link.symlink_to("a")

    write_output(link, b"new")

    assert link.is_symlink()
    assert file.samefile(other)
    assert other.read_bytes() == b"new"


def test_a_dangling_link_remains_a_link(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("a")

    write_output(link, b"new")

    assert link.is_symlink()
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EXDEV, errno.EACCES])
def test_a_file_that_cannot_be_replaced_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    file = tmp_path / "a"
    file.write_text("a longer old text")
    before = file.stat().st_ino

    def fail(_: Path, __: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "replace", fail)
    write_output(file, b"new")

    assert (file.read_bytes(), file.stat().st_ino) == (b"new", before)
    assert list(tmp_path.iterdir()) == [file]


def test_the_old_content_remains_if_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a"
    file.write_text("old")
    (tmp_path / "b").hardlink_to(file)
    real, calls = os.write, []

    def write(descriptor: int, data: bytes) -> int:
        calls.append(data)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, bytes(data)[:3])

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(OSError, match="No space left") as caught:
        write_output(file, b"new and longer")

    assert caught.value.filename == str(file)
    assert file.read_text() == "old"


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    check_output(pipe)
    write_output(pipe, b"new", OWNER_ONLY)

    assert os.read(reader, 10) == b"new"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    before = os.lstat("/dev/null")
    write_output(Path("/dev/null"), b"new", OWNER_ONLY)
    assert stat.S_ISCHR(os.lstat("/dev/null").st_mode)
    assert os.lstat("/dev/null").st_mode == before.st_mode


def test_a_pipe_without_a_reader_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic_files, "PIPE_SECONDS", 0.1)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    with pytest.raises(OSError, match="no program reads from this named pipe") as caught:
        write_output(pipe, b"new")

    assert caught.value.filename == str(pipe)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_pipe_waits_for_its_reader(tmp_path: Path) -> None:
    pipe, content = tmp_path / "pipe", b"x" * 200_000
    os.mkfifo(pipe)
    read: list[bytes] = []

    def read_later() -> None:
        sleep(0.2)
        read.append(pipe.read_bytes())

    reader = Thread(target=read_later)
    reader.start()
    write_output(pipe, content)
    reader.join()

    assert read == [content]


def test_the_file_that_stdout_writes_to_is_not_replaced(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(1, b"first\n")
    write_output(Path("/dev/stdout"), b"second\n", OWNER_ONLY)

    assert capfd.readouterr().out == "first\nsecond\n"


def test_checking_an_output_changes_no_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")

    check_output(tmp_path / "a")
    check_output(tmp_path / "new")

    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    for path in (tmp_path, tmp_path / "no" / "a", tmp_path / "a" / "b", Path("/proc/new")):
        with pytest.raises(OSError) as caught:  # noqa: PT011 - any message
            check_output(path)
        assert caught.value.filename


def test_new_files_are_created_with_their_folders(tmp_path: Path) -> None:
    write_new_files({tmp_path / "a": "A", tmp_path / "x" / "y" / "b": "B\n", tmp_path / "x" / "c": "C"})

    found = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"a": "A", "x/y/b": "B\n", "x/c": "C"}


def test_a_file_system_without_hard_links_is_supported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", fail)
    write_new_files({tmp_path / "a": "A"})

    assert (tmp_path / "a").read_text() == "A"


@pytest.mark.parametrize("in_the_way", ["a", "b"])
def test_no_file_is_created_if_one_exists_already(tmp_path: Path, in_the_way: str) -> None:
    (tmp_path / in_the_way).write_text("mine")

    with pytest.raises(FileExistsError):
        write_new_files({tmp_path / "new" / "c": "C", tmp_path / "a": "A", tmp_path / "b": "B"})

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {in_the_way: "mine"}


def test_a_dangling_link_counts_as_an_existing_file(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(FileExistsError):
        write_new_files({tmp_path / "a": "A"})

    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_no_file_remains_if_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(OSError, match="No space left") as caught:
        write_new_files({tmp_path / "x" / "a": "A"})

    assert caught.value.filename == str(tmp_path / "x" / "a")
    assert list(tmp_path.iterdir()) == []
