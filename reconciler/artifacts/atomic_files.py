"""Write files completely or not at all, if the file system allows it. After a crash, the old content remains."""

import errno
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

USUAL_MODE = 0o666
"""The user's umask is subtracted from this mode."""

OWNER_ONLY = 0o600
IRREPLACEABLE = frozenset({errno.EBUSY, errno.EXDEV, errno.EPERM, errno.EACCES, errno.EROFS, errno.ENOTSUP})
"""Errors that require writing in place: a mounted file, or a folder that accepts no new file."""

CHANNELS = (1, 2)
"""The descriptors of stdout and stderr."""


def write_output(path: Path, content: bytes, mode: int | None = None) -> None:
    """Write the content of the file `path`. Create the file if it does not exist. Links are followed.

    A regular file is replaced. The new file has the same owner and group, and the same mode unless `mode` is given. The
    file is written in place if a replacement would lose these or its hard links, or is impossible, as for a mounted
    file. Devices, pipes and the target of stdout are written to.

    Raises:
        OSError: if writing fails. The old content remains. The error names the file.
    """
    with _named(path):
        status = _status(path)
        if status and (not stat.S_ISREG(status.st_mode) or _is_channel(status)):
            _append(path, content)
            return
        file = Path(os.path.realpath(path))
        is_linked = status is not None and status.st_nlink > 1
        if is_linked or not _replace(file, content, mode, status):
            _overwrite(file, content, mode)


def check_output(path: Path) -> None:
    """Check that `write_output` can write `path`, without changing it.

    Raises:
        OSError: if it cannot. The error names the file.
    """
    with _named(path):
        status = _status(path)
        if status is None:
            check_folder(Path(os.path.realpath(path)).parent)
        elif stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        elif stat.S_ISREG(status.st_mode):
            os.close(os.open(path, os.O_WRONLY))
        elif not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def empty_output(path: Path) -> None:
    """Remove the content of a regular file that `write_output` would replace. Raises OSError."""
    with _named(path):
        status = _status(path)
        if status and stat.S_ISREG(status.st_mode) and not _is_channel(status):
            os.truncate(path, 0)


def check_folder(folder: Path) -> None:
    """Check that files can be created in `folder`, or in its first existing parent.

    Raises:
        OSError: if they cannot. The error names the folder.
    """
    with _named(folder), _beside(folder / "any", b"", OWNER_ONLY):
        pass


def check_new_folder(folder: Path) -> None:
    """Check that files can be created in `folder`, which may not exist yet. Raises OSError like `check_folder`."""
    while not os.path.lexists(folder):
        folder = folder.parent
    check_folder(folder)


def write_new_files(texts: Mapping[Path, str]) -> None:
    """Create all files and the folders that they need, or none. Existing files are never overwritten.

    Raises:
        FileExistsError: if one of them exists.
        OSError: if one cannot be written. The error names the file.
    """
    with ExitStack() as stack, ExitStack() as undo:
        drafts: dict[Path, Path] = {}
        for path, text in texts.items():
            with _named(path):
                for folder in reversed([each for each in path.parents if not os.path.lexists(each)]):
                    folder.mkdir()
                    undo.callback(_remove_folder, folder)
                drafts[path] = stack.enter_context(_beside(path, text.encode(), USUAL_MODE))
        for path, draft in drafts.items():
            with _named(path):
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, USUAL_MODE))
                undo.callback(path.unlink)
                draft.replace(path)
        undo.pop_all()


def _remove_folder(folder: Path) -> None:
    with suppress(OSError):  # another program may have created a file in it
        folder.rmdir()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let each OSError name `path` instead of the temporary file."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def _status(path: Path) -> os.stat_result | None:
    """Return the status of the target of `path`, or None if there is none."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _is_channel(status: os.stat_result) -> bool:
    """Return whether a regular file is the target of stdout or stderr. A replacement would not receive their output."""
    for descriptor in CHANNELS:
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), status):
                return True
    return False


def _append(path: Path, content: bytes) -> None:
    with open(path, "ab", buffering=0, opener=_open_existing) as file:
        _write_all(file.fileno(), content)


def _open_existing(path: str, flags: int) -> int:
    return os.open(path, flags & ~os.O_CREAT)


def _replace(file: Path, content: bytes, mode: int | None, status: os.stat_result | None) -> bool:
    """Replace `file` by a new file. Return False if the existing file has to be written in place instead."""
    exact = stat.S_IMODE(status.st_mode) if mode is None and status else mode
    try:
        with _beside(file, content, USUAL_MODE if exact is None else exact) as draft:
            if status and (draft.stat().st_uid, draft.stat().st_gid) != (status.st_uid, status.st_gid):
                os.chown(draft, status.st_uid, status.st_gid)
            if exact is not None:
                draft.chmod(exact)  # after chown, which may clear bits; the umask does not apply
            draft.replace(file)
    except OSError as error:
        if status is None or error.errno not in IRREPLACEABLE:
            raise
        return False
    return True


def _overwrite(file: Path, content: bytes, mode: int | None) -> None:
    """Write into an existing file. If that fails, restore the old content."""
    before = file.read_bytes()
    descriptor = os.open(file, os.O_WRONLY)
    try:
        if mode is not None:
            with suppress(OSError):  # the file may belong to another user
                os.fchmod(descriptor, mode)
        try:
            _fill(descriptor, content)
        except OSError:
            with suppress(OSError):
                _fill(descriptor, before)
            raise
    finally:
        os.close(descriptor)


def _fill(descriptor: int, content: bytes) -> None:
    os.lseek(descriptor, 0, os.SEEK_SET)
    _write_all(descriptor, content)
    os.ftruncate(descriptor, len(content))
    os.fsync(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@contextmanager
def _beside(path: Path, content: bytes, mode: int) -> Iterator[Path]:
    """Create a temporary file next to `path` with the content on disk. Remove it at the end."""
    beside = path.with_name(f".reconciler-{secrets.token_hex(8)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            _write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        yield beside
    finally:
        with suppress(OSError):
            beside.unlink()
