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
