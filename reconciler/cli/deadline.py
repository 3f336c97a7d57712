"""A deadline for work that computes, which no event loop can interrupt."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.errors import ReconcilerError

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
