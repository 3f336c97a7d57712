"""Files written whole or not at all: a crash, a full disk or a signal leaves what was there before."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

USUAL_MODE = 0o666  # less what the user's umask takes away


def replace_file(path: Path, text: str, mode: int) -> None:
    """Give the file `path` this text and these permissions, whether it exists or not.

    Raises:
        OSError: if that cannot be; what was there stays.
    """
    with _beside(path, text, mode) as beside:
        beside.chmod(mode)  # the umask has no say where a mode is kept
        beside.replace(path)


def write_new_files(texts: Mapping[Path, str]) -> None:
    """Make all these files, or none of them; what exists is never overwritten.

    Raises:
        FileExistsError: one of them is there already.
        OSError: if one cannot be written.
    """
    with ExitStack() as stack, ExitStack() as undo:
        places = {path: stack.enter_context(_beside(path, text, USUAL_MODE)) for path, text in texts.items()}
        for path, beside in places.items():
            os.link(beside, path)
            undo.callback(path.unlink)
        undo.pop_all()


@contextmanager
def _beside(path: Path, text: str, mode: int) -> Iterator[Path]:
    """Give a file beside `path` that has the text safely on disk; it is gone afterwards."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield beside
    finally:
        with suppress(OSError):
            beside.unlink()
