"""Earlier states of a tenant: copies in memory from right before a write."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from auth0_sandbox.store.database import Store

FINENESS = 8  # the maximum number of copies for the period


def copy_of(database: Path, clock: Callable[[], float]) -> Store:
    """Return a copy of the tenant in `database` in memory. Writes to the copy stay there.

    A copy uses as much memory as the tenant uses disk space. Close it after use. `clock` dates its new documents.
    """
    memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    with closing(sqlite3.connect(database)) as connection:
        connection.backup(memory)
    memory.execute("PRAGMA foreign_keys = ON")
    return Store(memory, clock)


class Past:
    """States by their position: a time, or another growing number."""

    def __init__(self) -> None:
        self._states: list[tuple[float, Store]] = []

    def remember(self, copy: Callable[[], Store], position: float, reach: float) -> None:
        """Store the current state before a change, and drop states that `reach` no longer covers.

        Writes in quick succession share the state before the first of them.
        """
        while self._states and self._states[0][0] <= position - reach:
            self._states.pop(0)[1].close()
        if not self._states or self._states[-1][0] <= position - reach / FINENESS:
            self._states.append((position, copy()))

    def since(self, position: float) -> Store | None:
        """Return the state before the first write after `position`, or None."""
        return next((state for at, state in self._states if at > position), None)

    def close(self) -> None:
        """Drop all states."""
        while self._states:
            self._states.pop()[1].close()
