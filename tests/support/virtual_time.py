"""Run asynchronous code with a virtual clock, so that waits take no real time.

If no task is ready, the clock jumps to the next timer. Servers in the same event loop work, because their sockets are
ready at once. Other processes and threads do not work, because the clock does not wait for them.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

SOCKET_WAIT_SECONDS = 0.005
LOOP_SOCKETS = 1  # the socket that wakes the event loop


class _JumpingSelector(selectors.DefaultSelector):
    """Waits a short real time for sockets, and then advances the clock by the requested wait."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        socket_wait = SOCKET_WAIT_SECONDS if len(self.get_map()) > LOOP_SOCKETS else 0.0
        ready = super().select(None if timeout is None else min(timeout, socket_wait))
        if not ready and timeout:
            self.now += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, selector: _JumpingSelector) -> None:
        self._jumping = selector
        super().__init__(selector)

    def time(self) -> float:
        return self._jumping.now


def run_virtually(work: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """Return the result of `work` and the virtual seconds that it took."""
    selector = _JumpingSelector()
    with asyncio.Runner(loop_factory=lambda: _Loop(selector)) as runner:
        return runner.run(work), selector.now
