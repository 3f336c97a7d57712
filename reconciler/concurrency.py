"""Helpers for tasks that run at the same time."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


@asynccontextmanager
async def at_once() -> AsyncIterator[asyncio.TaskGroup]:
    """Open a task group. The first failing task cancels the others, and its error is raised instead of a group."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


def run_by(runner: asyncio.Runner, work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine and return its result.

    The result is kept out of the task. Otherwise the runner, which restores the handler of SIGINT after a task, would
    format the whole result for an error message that nobody sees (`signal.signal` and its `Handlers`).
    """
    results: list[T] = []

    async def working() -> None:
        results.append(await work)

    runner.run(working())
    return results[0]


async def unless(cut: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Return the result of `work`, or None if `cut` comes first. The work is then cancelled."""
    working, cutting = asyncio.ensure_future(work), asyncio.ensure_future(cut.wait())
    await asyncio.wait({working, cutting}, return_when=asyncio.FIRST_COMPLETED)
    cutting.cancel()
    if working.done():
        return working.result()
    working.cancel()
    await asyncio.wait({working})
    return None
