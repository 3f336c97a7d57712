"""What a tenant was a moment ago: copies of it in memory, each from right before a write."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from auth0_sandbox.store.database import Store

FINENESS = 8  # copies there are at most for the stretch of time that is looked back on


def copy_of(database: Path) -> Store:
    """Return the tenant in `database` as it is now, in memory; what is written into the copy stays there.

    A copy takes as much memory as the tenant takes on disk. Close it after use.
    """
    memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    with closing(sqlite3.connect(database)) as connection:
        connection.backup(memory)
    memory.execute("PRAGMA foreign_keys = ON")
    return Store(memory)


class Past:
    """States by their position: a time, or any other number that grows."""

    def __init__(self) -> None:
        self._states: list[tuple[float, Store]] = []

    def remember(self, copy: Callable[[], Store], position: float, reach: float) -> None:
        """Keep the present state, about to be changed, and let go of those that `reach` no longer covers.

        Writes that follow each other closely share the state before the first of them.
        """
        while self._states and self._states[0][0] <= position - reach:
            self._states.pop(0)[1].close()
        if not self._states or self._states[-1][0] <= position - reach / FINENESS:
            self._states.append((position, copy()))

    def since(self, position: float) -> Store | None:
        """Return the state before the first write behind `position`; None where there was none."""
        return next((state for at, state in self._states if at > position), None)

    def close(self) -> None:
        """Let go of all states."""
        while self._states:
            self._states.pop()[1].close()
