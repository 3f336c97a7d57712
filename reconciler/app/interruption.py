"""Handle signals and deadlines of a run."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.app.console import Console
from reconciler.apply import StopSignal
from reconciler.errors import Exit, ReconcilerError

OUT_OF_TIME = "time limit exceeded (--timeout)"
AGAIN_SECONDS = 0.5
"""Python drops an exception that is raised in some of its own callbacks, so the timer fires repeatedly."""
LEAST_SECONDS = 0.001


class _DeadlineError(BaseException):
    """Raised in any code. It is not an Exception, so that no code catches it by accident."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Stop the code inside after `seconds`. It must neither write nor await.

    This needs POSIX signals and the main thread. Otherwise there is no limit.

    Raises:
        ReconcilerError: if the time limit is exceeded.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _end)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, max(seconds, LEAST_SECONDS), AGAIN_SECONDS)
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _DeadlineError as error:
        signal.setitimer(signal.ITIMER_REAL, 0)  # the signal may arrive while the timer is being stopped
        raise ReconcilerError(OUT_OF_TIME) from error
    finally:
        signal.signal(signal.SIGALRM, before)


def _end(_number: int, _frame: object) -> None:
    raise _DeadlineError


EXIT_CODES = {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED, signal.SIGHUP: Exit.TERMINATED}
"""A closed terminal or a dropped connection sends SIGHUP."""
GRACE_SECONDS = 5.0
"""The time that changes in progress have to finish after an interruption."""


class Interruption:
    """The effect of signals on all runs of a command.

    After the first signal, no new change starts. After the second one, or some seconds, changes in progress are
    abandoned and `left` is set.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stops: list[StopSignal] = []
        self._signals: list[signal.Signals] = []
        self.left = asyncio.Event()

    @property
    def exit_code(self) -> Exit | None:
        """The exit code for the first signal, or None without a signal."""
        return EXIT_CODES[self._signals[0]] if self._signals else None

    def stop(self) -> StopSignal:
        """Return the stop signal for another run."""
        stop = StopSignal()
        self._stops.append(stop)
        return stop

    @contextmanager
    def listening(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Handle signals inside this context."""
        ignores_hangup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # nohup ignores SIGHUP
        noted = [each for each in EXIT_CODES if not (each is signal.SIGHUP and ignores_hangup)]
        for each in noted:
            loop.add_signal_handler(each, self._note, each, loop)
        try:
            yield
        finally:
            for each in noted:
                loop.remove_signal_handler(each)

    def _note(self, number: signal.Signals, loop: asyncio.AbstractEventLoop) -> None:
        self._signals.append(number)
        if len(self._signals) > 1:
            self._leave()
            return
        self._console.note("Interrupted: finishing changes in progress; press Ctrl-C again to abandon them.")
        for stop in self._stops:
            stop.request_stop("interrupted before it started")
        loop.call_later(GRACE_SECONDS, self._leave)

    def _leave(self) -> None:
        self.left.set()
        for stop in self._stops:
            stop.abort.set()
