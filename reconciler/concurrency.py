"""Work that goes on at the same time, and work that is left."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


@asynccontextmanager
async def at_once() -> AsyncIterator[asyncio.TaskGroup]:
    """Give a task group: the first task that fails ends the others, and its error is raised, not a group of errors."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


def run_by(runner: asyncio.Runner, work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` does when `runner` runs it.

    The result is kept out of the task: when one has ended, the runner puts the old handler of SIGINT back, which has
    the whole result written out for the message of an error that nobody sees (`signal.signal` and its `Handlers`).
    """
    results: list[T] = []

    async def working() -> None:
        results.append(await work)

    runner.run(working())
    return results[0]


async def unless(cut: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Return what `work` does, or None if `cut` comes first: the work is left then."""
    working, cutting = asyncio.ensure_future(work), asyncio.ensure_future(cut.wait())
    await asyncio.wait({working, cutting}, return_when=asyncio.FIRST_COMPLETED)
    cutting.cancel()
    if working.done():
        return working.result()
    working.cancel()
    await asyncio.wait({working})
    return None
