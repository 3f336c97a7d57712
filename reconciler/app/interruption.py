"""Handle the signals that interrupt a run."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from reconciler.app.console import Console
from reconciler.concurrency import StopSignal, run_unless
from reconciler.errors import Exit, NotStartedError

T = TypeVar("T")

HANGUP = getattr(signal, "SIGHUP", None)
"""The signal for a closed terminal or a dropped connection, or None on Windows."""
BREAK = getattr(signal, "SIGBREAK", None)
"""The signal for Ctrl-Break on Windows, or None on other systems."""
EXIT_CODES = {
    number: code
    for number, code in (
        (signal.SIGINT, Exit.INTERRUPTED),
        (signal.SIGTERM, Exit.TERMINATED),
        (HANGUP, Exit.TERMINATED),
        (BREAK, Exit.TERMINATED),
    )
    if number is not None
}
"""The exit code for each signal."""
GRACE_SECONDS = 5.0
"""The time in seconds for which changes in progress may continue after an interruption."""


NOT_STARTED = "interrupted before the change started"


class Interruption:
    """Handles SIGINT, SIGTERM and similar signals for all runs of a command.

    After the first signal, no new change starts, and the event `stopped` is set. After the second signal or after
    GRACE_SECONDS, changes in progress are abandoned and the event `abandoned` is set.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stop_signals: list[StopSignal] = []
        self._signals: list[signal.Signals] = []
        self.stopped = asyncio.Event()
        self.abandoned = asyncio.Event()

    @property
    def exit_code(self) -> Exit | None:
        """The exit code for the first signal, or None if no signal was received."""
        return EXIT_CODES[self._signals[0]] if self._signals else None

    def new_stop_signal(self) -> StopSignal:
        """Return a StopSignal that tells the tasks of a run when to stop.

        If the command has already received a signal, the returned StopSignal already requests a stop.
        """
        new_stop_signal = StopSignal()
        self._stop_signals.append(new_stop_signal)
        if self._signals:
            new_stop_signal.request_stop(NOT_STARTED)
        if self.abandoned.is_set():
            new_stop_signal.abort.set()
        return new_stop_signal

    async def unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of `work`. If the command receives a signal such as SIGINT, raise NotStartedError at once.

        `work` must not change a tenant.
        """
        result = await run_unless(self.stopped, work)
        if result is None:
            raise self.not_started()
        return result

    def check_not_stopped(self) -> None:
        """Raise NotStartedError if the command has received a signal."""
        if self._signals:
            raise self.not_started()

    def not_started(self) -> NotStartedError:
        """Return the error for a tenant that had no plan when the command received a signal such as SIGINT."""
        return NotStartedError(
            "interrupted before the tenant was planned, so nothing was written", self.exit_code or Exit.FAILED
        )

    @contextmanager
    def handle_signals(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Handle the signals in EXIT_CODES while the `with` block runs."""
        ignores_hangup = HANGUP is not None and signal.getsignal(HANGUP) is signal.SIG_IGN  # nohup ignores SIGHUP
        handled = [each for each in EXIT_CODES if not (each is HANGUP and ignores_hangup)]
        with _signal_handlers(loop, handled, lambda number: self._handle(number, loop)):
            yield

    def _handle(self, number: signal.Signals, loop: asyncio.AbstractEventLoop) -> None:
        self._signals.append(number)
        if len(self._signals) > 1:
            self._abandon()
            return
        self.stopped.set()
        self._console.note("Interrupted: finishing changes in progress; press Ctrl-C again to abandon them.")
        for new_stop_signal in self._stop_signals:
            new_stop_signal.request_stop(NOT_STARTED)
        loop.call_later(GRACE_SECONDS, self._abandon)

    def _abandon(self) -> None:
        self.abandoned.set()
        for new_stop_signal in self._stop_signals:
            new_stop_signal.abort.set()


@contextmanager
def _signal_handlers(
    loop: asyncio.AbstractEventLoop, signals: Sequence[signal.Signals], handle: Callable[[signal.Signals], None]
) -> Iterator[None]:
    """While the `with` block runs, call `handle` in the event loop for each signal of `signals` that arrives.

    On Windows, the event loop cannot handle signals, so Python's signal handlers forward each signal to the event loop.
    """

    def pass_to_loop(number: int, _frame: object) -> None:
        loop.call_soon_threadsafe(handle, signal.Signals(number))

    with ExitStack() as undo:
        for each in signals:
            try:
                loop.add_signal_handler(each, handle, each)
                undo.callback(loop.remove_signal_handler, each)
            except NotImplementedError:  # the event loop on Windows does not support signal handlers
                undo.callback(signal.signal, each, signal.signal(each, pass_to_loop))
        yield
