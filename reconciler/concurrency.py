"""Run and stop simultaneous asyncio tasks."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class StopSignal:
    """Tells the tasks of a run when to stop.

    `reason` says why no further change may start, and is empty while the run continues. If `abort` is set, the run must
    abandon the changes in progress.
    """

    def __init__(self) -> None:
        self.reason = ""
        self.abort = asyncio.Event()

    def request_stop(self, reason: str) -> None:
        """Stop the run before the next change.

        If `request_stop` was called before, keep the earlier reason.
        """
        self.reason = self.reason or reason


@asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """Open a task group.

    If a task fails, cancel the remaining tasks and raise the first error instead of an exception group.
    """
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


def run_in(runner: asyncio.Runner, coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine and return its result.

    `asyncio.Runner` converts the asyncio task and the result of the task to text when the runner restores the SIGINT
    handler. Converting a large result is slow, so the asyncio task of `run_in` stores the result in a list instead of
    returning the result.
    """
    results: list[T] = []

    async def task() -> None:
        results.append(await coroutine)

    runner.run(task())
    return results[0]


async def run_unless(abort: asyncio.Event, coroutine: Coroutine[Any, Any, T]) -> T | None:
    """Return the result of `coroutine`.

    If `abort` is set before `coroutine` ends, cancel `coroutine` and return None.
    """
    task, aborting = asyncio.ensure_future(coroutine), asyncio.ensure_future(abort.wait())
    await asyncio.wait({task, aborting}, return_when=asyncio.FIRST_COMPLETED)
    aborting.cancel()
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.wait({task})
    return None
