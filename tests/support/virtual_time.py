"""Run asynchronous code on a clock that jumps: waits take no time, and are counted exactly.

Time passes only while nothing is ready: then it jumps to the next timer. Sockets within the same loop are ready at
once, so servers of the test's own work too; another process or thread would be left behind by the jumps.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 0.005
OF_THE_LOOP_ITSELF = 1  # the socket by which it is woken


class _JumpingSelector(selectors.DefaultSelector):
    """Gives sockets a moment, then lets the time pass that it was to wait; without sockets, at once."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        patience = PATIENCE_SECONDS if len(self.get_map()) > OF_THE_LOOP_ITSELF else 0.0
        ready = super().select(None if timeout is None else min(timeout, patience))
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
    """Return what `work` does, and how many seconds it would have taken."""
    selector = _JumpingSelector()
    with asyncio.Runner(loop_factory=lambda: _Loop(selector)) as runner:
        return runner.run(work), selector.now
