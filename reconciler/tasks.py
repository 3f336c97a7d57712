"""Several calls at the same time, whose first failure is raised as itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def at_once() -> AsyncIterator[asyncio.TaskGroup]:
    """Give a task group: the first task that fails ends the others, and its error is raised, not a group of errors."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
