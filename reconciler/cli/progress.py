"""How far a run has come, on the last line of a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reconciler.cli.console import Console
from reconciler.core.outcome import Outcome


@contextmanager
def progress(total: int, console: Console) -> Iterator[Callable[[Outcome], None]]:
    """Give a function that is told each outcome, and show how many of `total` there are to whoever watches stderr."""
    told = 0

    def tell(_: Outcome) -> None:
        nonlocal told
        told += 1
        console.last_line(f"Applying: {told} of {total}")

    if total:
        console.last_line(f"Applying: 0 of {total}")
    try:
        yield tell
    finally:
        console.last_line("")
