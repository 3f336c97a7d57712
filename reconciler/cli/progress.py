"""Progress on a terminal; rich is loaded only where somebody watches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from reconciler.core.outcome import Outcome


@contextmanager
def progress(total: int, *, shown: bool) -> Iterator[Callable[[Outcome], None]]:
    """Give a function that is told each outcome, and show how many of `total` there are, on stderr."""
    if not shown:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("Applying"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("apply", total=total)

        def tell(_: Outcome) -> None:
            with suppress(OSError):  # a screen that is gone must not steer the run
                bar.advance(task)

        yield tell
