"""Signals while tenants are being changed: noted rather than died of."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.app.console import Console
from reconciler.apply import StopSignal
from reconciler.errors import Exit, ReconcilerError

OUT_OF_TIME = "the time is up (--timeout)"
AGAIN_SECONDS = 0.5
"""Python drops an exception that is raised in some of its own callbacks, so the timer does not give up."""
LEAST_SECONDS = 0.001


class _DeadlineError(BaseException):
    """Raised wherever the program is; not an Exception, so that no code on the way takes it for its own."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """End what runs inside this after `seconds`. What runs inside must not write, and must not await.

    It needs the signals of POSIX and the main thread; elsewhere, nothing is ended.

    Raises:
        ReconcilerError: if the time is up.
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
        signal.setitimer(signal.ITIMER_REAL, 0)  # the signal may come while the timer is being stopped
        raise ReconcilerError(OUT_OF_TIME) from error
    finally:
        signal.signal(signal.SIGALRM, before)


def _end(_number: int, _frame: object) -> None:
    raise _DeadlineError


EXIT_CODES = {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED, signal.SIGHUP: Exit.TERMINATED}
"""A closed terminal or a dropped connection sends SIGHUP."""
GRACE_SECONDS = 5.0
"""What is under way when a run is interrupted has this long to finish."""


class Interruption:
    """What signals ask of all runs of a command.

    After the first, nothing new is begun; after the second, or a while, what is under way is left too: `left` is set.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stops: list[StopSignal] = []
        self._signals: list[signal.Signals] = []
        self.left = asyncio.Event()

    @property
    def exit_code(self) -> Exit | None:
        """The exit code that the first signal stands for; None without one."""
        return EXIT_CODES[self._signals[0]] if self._signals else None

    def stop(self) -> StopSignal:
        """Return what tells one more run to stop."""
        stop = StopSignal()
        self._stops.append(stop)
        return stop

    @contextmanager
    def listening(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Take the signals as long as this lasts."""
        ignores_hangup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # as nohup has it
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
        self._console.note("Interrupted: finishing what is under way; once more leaves it.")
        for stop in self._stops:
            stop.ask("interrupted before it began")
        loop.call_later(GRACE_SECONDS, self._leave)

    def _leave(self) -> None:
        self.left.set()
        for stop in self._stops:
            stop.cut.set()
