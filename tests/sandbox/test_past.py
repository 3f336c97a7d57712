import sqlite3
from collections.abc import Callable
from pathlib import Path
from time import time

import pytest
from sandbox.sandbox_client import DOMAIN

from auth0_sandbox.faults.engine import Past
from auth0_sandbox.store.database import DocumentKind, Store, copy_of
from auth0_sandbox.tenant import open_sandbox

REACH = 8.0


@pytest.fixture
def database(tmp_path: Path) -> Path:
    open_sandbox(tmp_path / "tenant.db", None, DOMAIN).close()
    return tmp_path / "tenant.db"


@pytest.fixture
def copies(database: Path) -> tuple[list[Store], Callable[[], Store]]:
    made: list[Store] = []

    def copy() -> Store:
        made.append(copy_of(database, time))
        return made[-1]

    return made, copy


def test_a_write_to_a_copy_does_not_change_the_original(database: Path) -> None:
    with open_sandbox(database, None, DOMAIN) as sandbox:
        copy = copy_of(database, time)
        copy.remove(DocumentKind.CLIENTS, {})
        assert (copy.count(DocumentKind.CLIENTS, {}), sandbox.store.count(DocumentKind.CLIENTS, {})) == (0, 2)
        copy.close()


def test_writes_within_a_short_time_share_a_state(copies: tuple[list[Store], Callable[[], Store]]) -> None:
    made, copy = copies
    past = Past()
    for position in (0.0, 0.9, 1.0, 1.5, 2.5):
        past.remember(copy, position, REACH)
    assert len(made) == 3
    assert [past.since(position) for position in (-1, 0, 1, 2.5)] == [*made, None]
    past.close()


def test_states_that_no_rule_needs_are_removed(copies: tuple[list[Store], Callable[[], Store]]) -> None:
    made, copy = copies
    past = Past()
    past.remember(copy, 0.0, REACH)
    past.remember(copy, REACH, REACH)
    assert past.since(-1) is made[1]
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        made[0].version()
    past.close()
    assert past.since(-1) is None
