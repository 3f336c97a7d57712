"""Write files completely or not at all, if the file system allows it. After a crash, the old content remains."""

import errno
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

USUAL_MODE = 0o666
"""The mode of new files. The operating system applies the user's umask to it."""

OWNER_ONLY = 0o600
REPLACE_ERRORS = frozenset({errno.EBUSY, errno.EXDEV, errno.EPERM, errno.EACCES, errno.EROFS, errno.ENOTSUP})
"""Errors after which a file is written in place, for example if it is mounted or its folder is read-only."""

OUTPUT_DESCRIPTORS = (1, 2)
"""The descriptors of stdout and stderr."""


def write_output(path: Path, content: bytes, mode: int | None = None) -> None:
    """Write `content` to the file `path`. Create the file if it does not exist. Links are followed.

    A regular file is replaced by a new file with the same owner and group, and with the same mode unless `mode` is
    given. If a replacement is impossible, or would lose the owner or hard links, the existing file is overwritten.
    Content is appended to devices, pipes and the file that stdout writes to.

    Raises:
        OSError: if writing fails. The old content remains. The error contains the file name.
    """
    with _naming(path):
        status = _status(path)
        if status and (not stat.S_ISREG(status.st_mode) or _is_process_output(status)):
            _append(path, content)
            return
        file = Path(os.path.realpath(path))
        is_linked = status is not None and status.st_nlink > 1
        if is_linked or not _replace(file, content, mode, status):
            _overwrite(file, content, mode)


BYTE_ORDER_MARK = "\ufeff"


def rewrite_text(path: Path, text: str) -> None:
    """Replace the text of the file at `path`, which may be a link. A byte order mark is kept. Raises OSError."""
    file = Path(os.path.realpath(path))
    has_mark = file.read_bytes().startswith(BYTE_ORDER_MARK.encode())
    write_output(file, f"{BYTE_ORDER_MARK if has_mark else ''}{text}".encode())


def check_output(path: Path) -> None:
    """Check that `write_output` can write `path`, without changing it.

    Raises:
        OSError: if it cannot. The error contains the file name.
    """
    with _naming(path):
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
    with _naming(path):
        status = _status(path)
        if status and stat.S_ISREG(status.st_mode) and not _is_process_output(status):
            os.truncate(path, 0)


def check_folder(folder: Path) -> None:
    """Check that files can be created in `folder`, or in its first existing parent.

    Raises:
        OSError: if they cannot. The error contains the folder.
    """
    with _naming(folder), _temporary_file(folder / "any", b"", OWNER_ONLY):
        pass


def check_new_folder(folder: Path) -> None:
    """Check that files can be created in `folder`, which may not exist yet. Raises OSError like `check_folder`."""
    while not os.path.lexists(folder):
        folder = folder.parent
    check_folder(folder)


def write_new_files(texts: Mapping[Path, str]) -> None:
    """Create all files and their folders. If one cannot be created, none remains. Files are never overwritten.

    Raises:
        FileExistsError: if a file already exists.
        OSError: if a file cannot be written. The error contains the file name.
    """
    with ExitStack() as stack, ExitStack() as undo:
        drafts: dict[Path, Path] = {}
        for path, text in texts.items():
            with _naming(path):
                for folder in reversed([each for each in path.parents if not os.path.lexists(each)]):
                    folder.mkdir()
                    undo.callback(_remove_folder, folder)
                drafts[path] = stack.enter_context(_temporary_file(path, text.encode(), USUAL_MODE))
        for path, draft in drafts.items():
            with _naming(path):
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, USUAL_MODE))
                undo.callback(path.unlink)
                draft.replace(path)
        undo.pop_all()


def _remove_folder(folder: Path) -> None:
    with suppress(OSError):  # another program may have created a file in it
        folder.rmdir()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put `path` into each OSError, instead of the name of the temporary file."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def _status(path: Path) -> os.stat_result | None:
    """Return the status of the file at `path`, or None if it does not exist. Links are followed."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _is_process_output(status: os.stat_result) -> bool:
    """Return whether stdout or stderr writes to this file. If it were replaced, their output would be lost."""
    for descriptor in OUTPUT_DESCRIPTORS:
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
    """Replace `file` by a new file. Return False if this is impossible and the file must be overwritten."""
    new_mode = stat.S_IMODE(status.st_mode) if mode is None and status else mode
    try:
        with _temporary_file(file, content, USUAL_MODE if new_mode is None else new_mode) as draft:
            if status and (draft.stat().st_uid, draft.stat().st_gid) != (status.st_uid, status.st_gid):
                os.chown(draft, status.st_uid, status.st_gid)
            if new_mode is not None:
                draft.chmod(new_mode)  # after chown, which may clear bits of the mode
            draft.replace(file)
    except OSError as error:
        if status is None or error.errno not in REPLACE_ERRORS:
            raise
        return False
    return True


def _overwrite(file: Path, content: bytes, mode: int | None) -> None:
    """Overwrite an existing file. If that fails, restore the old content."""
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
    remaining = memoryview(content)
    while remaining:
        remaining = remaining[os.write(descriptor, remaining) :]


@contextmanager
def _temporary_file(path: Path, content: bytes, mode: int) -> Iterator[Path]:
    """Create a temporary file in the folder of `path` and flush its content to disk. Remove it at the end."""
    temporary = path.with_name(f".reconciler-{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            _write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        yield temporary
    finally:
        with suppress(OSError):
            temporary.unlink()
