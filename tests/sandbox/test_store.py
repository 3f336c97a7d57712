import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event

import pytest

from auth0_sandbox.errors import SandboxError
from auth0_sandbox.store.database import DocumentKind, Store, TakenError, open_store
from auth0_sandbox.store.tables import APPLICATION_ID, NO_TABLES, VERSION

GRANTS = DocumentKind.CLIENT_GRANTS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "deep" / "down" / "tenant.db")
    with opened.transaction():
        opened.make_tables()
    yield opened
    opened.close()


def grant(number: int, client: str = "c", audience: str = "a") -> dict[str, object]:
    return {"id": f"cgr_{number}", "client_id": client, "audience": audience, "subject_type": "client", "scope": []}


def add(store: Store, number: int, client: str = "c", audience: str = "a") -> None:
    store.add(GRANTS, f"cgr_{number}", grant(number, client, audience))


def test_a_new_file_has_no_tables(tmp_path: Path) -> None:
    store = open_store(tmp_path / "tenant.db")
    assert store.version() == NO_TABLES
    with store.transaction():
        store.make_tables()
    assert store.version() == VERSION
    store.close()


def test_a_document_is_stored_unchanged(store: Store) -> None:
    add(store, 1)
    assert store.get(GRANTS, "cgr_1") == grant(1)
    store.replace(GRANTS, "cgr_1", grant(1) | {"scope": ["é"]})
    assert store.get(GRANTS, "cgr_1") == grant(1) | {"scope": ["é"]}
    assert store.get(GRANTS, "cgr_2") is None


@pytest.mark.parametrize(("number", "audience"), [(1, "other"), (2, "a")], ids=["same id", "same key"])
def test_ids_and_keys_are_unique(store: Store, number: int, audience: str) -> None:
    add(store, 1)
    with pytest.raises(TakenError):
        add(store, number, audience=audience)


def test_a_failed_transaction_writes_nothing(store: Store) -> None:
    def add_twice() -> None:
        with store.transaction():
            add(store, 1)
            add(store, 1)

    with pytest.raises(TakenError):
        add_twice()
    assert store.count(GRANTS, {}) == 0


def test_a_filter_matches_one_value_or_a_list_of_values(store: Store) -> None:
    for number, client in enumerate("xyz"):
        add(store, number, client)
    assert store.count(GRANTS, {"client_id": "x"}) == 1
    assert store.count(GRANTS, {"client_id": ["x", "z"], "audience": "a"}) == 2
    assert store.count(GRANTS, {"client_id": []}) == 0
    assert store.first(GRANTS, {"client_id": ["z", "y"]}) == grant(1, "y")
    assert store.first(GRANTS, {"client_id": "w"}) is None
    store.remove(GRANTS, {"client_id": ["x", "y"]})
    assert [row.id for row in store.find(GRANTS, {}, limit=9)] == ["cgr_2"]


@pytest.mark.parametrize(
    "filters",
    [{}, {"client_id": "c"}, {"audience": "a"}, {"default_for": "d"}, {"allow_any_organization": False}],
    ids=["all", "client", "audience", "default", "any organization"],
)
def test_every_list_of_grants_uses_an_index(store: Store, filters: dict[str, str | bool]) -> None:
    plans: list[str] = []
    connection = store._connection  # noqa: SLF001 - needed to read the query plan of SQLite
    connection.set_trace_callback(plans.append)
    store.find(GRANTS, filters, limit=10, after="cgr_1")
    connection.set_trace_callback(None)
    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {plans[-1]}")]
    assert not [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step]


def test_a_file_that_is_not_a_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "tenant.db"
    file.write_text("This is a letter and not a database." * 100)
    with pytest.raises(SandboxError, match="use another file"):
        open_store(file)


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SandboxError, match="cannot open"):
        open_store(tmp_path / "file" / "tenant.db")
    with pytest.raises(SandboxError, match="is not a sandbox database"):
        open_store(tmp_path)


def test_another_connection_sees_what_was_committed(store: Store, tmp_path: Path) -> None:
    add(store, 1)
    other = sqlite3.connect(tmp_path / "deep" / "down" / "tenant.db")
    assert other.execute("SELECT client_id FROM client_grants").fetchall() == [("c",)]
    other.close()


def test_a_transaction_waits_for_the_previous_one_before_it_reads(tmp_path: Path) -> None:
    one, other = open_store(tmp_path / "tenant.db"), open_store(tmp_path / "tenant.db")
    with one.transaction():
        one.make_tables()
    has_read = Event()

    def write() -> None:
        with other.transaction():
            other.count(GRANTS, {})
            has_read.set()
            add(other, 2, "other")

    with ThreadPoolExecutor() as pool:
        with one.transaction():
            done = pool.submit(write)
            assert not has_read.wait(0.1)
            add(one, 1)
        done.result()
    assert one.count(GRANTS, {}) == 2
    one.close()
    other.close()


def test_opening_waits_for_another_process_that_creates_the_file(tmp_path: Path) -> None:
    file = tmp_path / "tenant.db"
    other = sqlite3.connect(file, isolation_level=None)
    other.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    other.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor() as pool:
        opening = pool.submit(open_store, file)
        assert not wait([opening], timeout=0.1).done
        other.execute("ROLLBACK")
        opening.result().close()
    other.close()
