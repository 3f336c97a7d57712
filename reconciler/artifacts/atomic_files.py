"""Write each file completely or not at all, if the file system can replace files.

If reconciler crashes while writing a file, the file keeps its old content.
"""

import errno
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

USUAL_MODE = 0o666
"""The file mode of new files. The operating system applies the user's umask to the mode."""

BINARY = getattr(os, "O_BINARY", 0)
"""The flag that stops `os.open` from converting line endings. Only Windows has the flag O_BINARY."""

NONBLOCK = getattr(os, "O_NONBLOCK", 0)
"""The flag that stops `os.open` from waiting for the reader of a named pipe. Windows has no flag O_NONBLOCK."""

OWNER_ONLY = 0o600
REPLACE_ERRORS = frozenset({errno.EBUSY, errno.EXDEV, errno.EPERM, errno.EACCES, errno.EROFS, errno.ENOTSUP})
"""The errors that prevent `write_output` from replacing a file. `write_output` overwrites the file instead.

For example, the operating system refuses to replace a mount point or a file in a read-only folder.
"""

PIPE_SECONDS = 5.0
"""The time that `write_output` waits until another program opens a named pipe for reading."""

OUTPUT_DESCRIPTORS = (1, 2)
"""The file descriptors of stdout and stderr."""


def write_output(path: Path, content: bytes, mode: int | None = None) -> None:
    """Write `content` to the file `path`. Create the file if the file does not exist. Follow symbolic links.

    Write a new file with the owner and group of the old file. Replace the old file with the new file. `mode` is the
    file mode of the new file. If `mode` is None, the new file keeps the mode of the old file. If replacing the file is
    impossible or would lose the owner or the hard links, overwrite the existing file. If `path` is a device or a pipe,
    or if stdout or stderr is redirected to `path`, append `content` to the old content.

    Raises:
        OSError: if writing fails, or if no program reads from the named pipe `path`. The file still has its old content
            after an OSError. The error message contains the file name.
    """
    with _naming(path):
        status = _status(path)
        if status and (not stat.S_ISREG(status.st_mode) or _is_process_output(status)):
            with open(path, "ab", buffering=0, opener=_open_existing) as existing:
                _write_all(existing.fileno(), content)
            return
        file = Path(os.path.realpath(path))
        is_linked = status is not None and status.st_nlink > 1
        if is_linked or not _replace(file, content, mode, status):
            _overwrite(file, content, mode)


BYTE_ORDER_MARK = "\ufeff"


def rewrite_text(path: Path, text: str) -> None:
    """Replace the text of the file at `path`, which may be a symbolic link. Keep a byte order mark. Raises OSError."""
    file = Path(os.path.realpath(path))
    has_mark = file.read_bytes().startswith(BYTE_ORDER_MARK.encode())
    write_output(file, f"{BYTE_ORDER_MARK if has_mark else ''}{text}".encode())


def check_output(path: Path) -> None:
    """Check that `write_output` can write `path`. Leave the file at `path` unchanged.

    Raises:
        OSError: if the file cannot be written. The error message contains the file name.
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
    """Delete the content of the regular file at `path`, but keep the empty file. Raises OSError."""
    with _naming(path):
        status = _status(path)
        if status and stat.S_ISREG(status.st_mode) and not _is_process_output(status):
            os.truncate(path, 0)


def check_folder(folder: Path) -> None:
    """Check that files can be created in `folder`.

    Raises:
        OSError: if no file can be created. The error message contains the name of the folder.
    """
    with _naming(folder), _temporary_file(folder / "any", b"", OWNER_ONLY):
        pass


def check_new_folder(folder: Path) -> None:
    """Check that files can be created in `folder`.

    If `folder` does not exist, check the nearest existing parent folder.

    Raises OSError if no file can be created.
    """
    while not os.path.lexists(folder):
        folder = folder.parent
    check_folder(folder)


def write_new_files(texts: Mapping[Path, str]) -> None:
    """Create a new file for each path in `texts`. Create missing folders.

    If a file cannot be created, remove the files that were already created. Do not overwrite existing files.

    Raises:
        FileExistsError: if one of the files already exists.
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
    with suppress(OSError):  # a different program may have created a file in the folder
        folder.rmdir()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Set the file name in each OSError to `path`, because the user does not know the name of the temporary file."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def _status(path: Path) -> os.stat_result | None:
    """Return the status of the file at `path`, or None if the file does not exist. Follow symbolic links."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _is_process_output(status: os.stat_result) -> bool:
    """Return whether stdout or stderr is redirected to the file that `status` describes.

    If reconciler replaced the output file of its own process, later output would be lost.
    """
    for descriptor in OUTPUT_DESCRIPTORS:
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), status):
                return True
    return False


def _open_existing(path: str, flags: int) -> int:
    """Open an existing file. For a named pipe, wait at most PIPE_SECONDS for a reader."""
    deadline = monotonic() + PIPE_SECONDS
    while True:
        try:
            descriptor = os.open(path, flags & ~os.O_CREAT | NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO or not _is_pipe(path):
                raise
            if monotonic() >= deadline:
                raise OSError(errno.ENXIO, "no program reads from this named pipe") from error
            sleep(0.05)
        else:
            if sys.platform != "win32":
                os.set_blocking(descriptor, True)
            return descriptor


def _is_pipe(path: str) -> bool:
    return stat.S_ISFIFO(os.stat(path).st_mode)  # noqa: PTH116 - the opener of `open` gets a string


def _replace(file: Path, content: bytes, mode: int | None, status: os.stat_result | None) -> bool:
    """Replace `file` with a new file. Return False if the operating system does not allow the replacement of `file`."""
    new_mode = stat.S_IMODE(status.st_mode) if mode is None and status else mode
    try:
        with _temporary_file(file, content, USUAL_MODE if new_mode is None else new_mode) as draft:
            if sys.platform != "win32" and status:
                owner = (status.st_uid, status.st_gid)
                if (draft.stat().st_uid, draft.stat().st_gid) != owner:
                    os.chown(draft, *owner)
            if new_mode is not None:
                draft.chmod(new_mode)  # chmod runs after chown, because chown may clear bits of the file mode
            draft.replace(file)
    except OSError as error:
        if status is None or error.errno not in REPLACE_ERRORS:
            raise
        return False
    return True


def _overwrite(file: Path, content: bytes, mode: int | None) -> None:
    """Overwrite an existing file. If writing fails, restore the old content."""
    before = file.read_bytes()
    descriptor = os.open(file, os.O_WRONLY | BINARY)
    try:
        if mode is not None:
            with suppress(OSError):  # the file may belong to a different user
                os.chmod(descriptor if os.chmod in os.supports_fd else file, mode)  # noqa: PTH101 - os.chmod also accepts a descriptor
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
    """Create a temporary file in the folder of `path` and flush its content to disk.

    The temporary file is removed at the end of the `with` block.
    """
    temporary = path.with_name(f".reconciler-{os.urandom(8).hex()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | BINARY | os.O_CREAT | os.O_EXCL, mode)
        try:
            _write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        yield temporary
    finally:
        with suppress(OSError):
            temporary.unlink()
