"""Earlier states of a tenant: copies in memory that are made just before a write."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from auth0_sandbox.store.database import Store

FINENESS = 8  # the maximum number of stored copies


def copy_of(database: Path, clock: Callable[[], float]) -> Store:
    """Return a copy of the tenant in `database` in memory. Writes to the copy do not change the database.

    A copy uses as much memory as the tenant uses disk space. The caller closes the copy after use. `clock` gives the
    times of new documents in the copy.
    """
    memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    with closing(sqlite3.connect(database)) as connection:
        connection.backup(memory)
    memory.execute("PRAGMA foreign_keys = ON")
    return Store(memory, clock)


class Past:
    """Earlier states by their position. A position is a time, or another increasing number."""

    def __init__(self) -> None:
        self._states: list[tuple[float, Store]] = []

    def remember(self, copy: Callable[[], Store], position: float, reach: float) -> None:
        """Store the current state before a change. Remove the states that are older than `reach`.

        Several writes in quick succession share the state before the first write.
        """
        while self._states and self._states[0][0] <= position - reach:
            self._states.pop(0)[1].close()
        if not self._states or self._states[-1][0] <= position - reach / FINENESS:
            self._states.append((position, copy()))

    def since(self, position: float) -> Store | None:
        """Return the state before the first write after `position`, or None."""
        return next((state for at, state in self._states if at > position), None)

    def close(self) -> None:
        """Remove all states."""
        while self._states:
            self._states.pop()[1].close()
