"""Limit the time of computations that do not use `await`."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.errors import ReconcilerError

TIME_LIMIT_EXCEEDED = "time limit exceeded (--timeout)"
REPEAT_SECONDS = 0.5
"""The interval in seconds at which the timer repeats its signal after the time limit.

The timer repeats the signal, because Python ignores an exception that a signal handler raises inside some callbacks.
"""
MIN_TIMER_SECONDS = 0.001


class _DeadlineError(BaseException):
    """The run exceeded its time limit.

    The class derives from BaseException, because `except Exception` must not catch the error.
    """


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise ReconcilerError in a `with` block that runs for more than `seconds`.

    The `with` block must not write files and must not use `await`.

    The time limit works only in the main thread. On Windows, `time_limit` has no effect.

    Raises:
        ReconcilerError: if the time limit is exceeded.
    """
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    previous_handler = signal.signal(signal.SIGALRM, _raise_deadline_error)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, max(seconds, MIN_TIMER_SECONDS), REPEAT_SECONDS)
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _DeadlineError as error:
        signal.setitimer(signal.ITIMER_REAL, 0)  # the timer signal may arrive while the timer is being stopped
        raise ReconcilerError(TIME_LIMIT_EXCEEDED) from error
    finally:
        signal.signal(signal.SIGALRM, previous_handler)


def _raise_deadline_error(_number: int, _frame: object) -> None:
    raise _DeadlineError
