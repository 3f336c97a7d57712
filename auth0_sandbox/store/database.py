"""Store a tenant's documents in one SQLite file. No other module uses SQLite.

A document is stored as the JSON text of its response. Generated columns make the text searchable, so no value is stored
twice. Reads and writes of a local file take less than a millisecond, so asynchronous code may call the store directly.
Several processes may share a file because of WAL, short write transactions with an immediate lock, and a busy timeout.
A commit reaches the operating system before the commit returns, so acknowledged writes survive the end of the process.
"""

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from threading import RLock
from time import monotonic, sleep, time
from typing import Any

from auth0_sandbox.errors import SandboxError, reason
from auth0_sandbox.store.documents import Document, dump, parse, parse_foreign
from auth0_sandbox.store.queries import BY_ID, Filters, Order, order_of, selection, sql
from auth0_sandbox.store.tables import APPLICATION_ID, STATEMENTS, TABLES, VERSION

BUSY_TIMEOUT_SECONDS = 15.0
RETRY_SECONDS = 0.005

MOST_ROWS = 2**62
OWNER_ONLY = 0o600
BESIDE = ("-wal", "-shm", "-journal")
"""The suffixes of the files that SQLite creates next to a database."""


class DocumentKind(StrEnum):
    """A kind of document. The value is the name of the table and the key of the items in the API's listings."""

    CLIENTS = "clients"
    RESOURCE_SERVERS = "resource_servers"
    ORGANIZATIONS = "organizations"
    CLIENT_GRANTS = "client_grants"
    CREDENTIALS = "client_credentials"
    ASSOCIATIONS = "organization_client_grants"
    LOGS = "logs"


class TakenError(Exception):
    """A document with the same id or the same unique attribute exists."""


@dataclass(frozen=True, slots=True)
class SandboxTenant:
    """The identity of a tenant: its canonical domain, the key that signs tokens, and the tool's credentials.

    `seed` is the SHA-256 of the tenant's seed, or an empty text for a tenant without a seed.
    """

    domain: str
    client_id: str
    client_secret: str = field(repr=False)
    signing_key: bytes = field(repr=False)
    seed: str = ""

    @property
    def name(self) -> str:
        """The name of the tenant, the first label of its canonical domain."""
        return self.domain.partition(".")[0]

    @property
    def issuer(self) -> str:
        """The `iss` of the tenant's tokens at the canonical domain."""
        return f"https://{self.domain}/"

    @property
    def management_audience(self) -> str:
        """The identifier of the Management API. The identifier is the same at every domain of the tenant."""
        return f"{self.issuer}api/v2/"


@dataclass(frozen=True, slots=True)
class Row:
    """A stored document: its id, its JSON text, and its position in the order of its listing.

    The times of the creation and the last change are in UNIX seconds.
    """

    id: str
    text: str
    cursor: str
    created_at: float
    updated_at: float

    def document(self) -> Document:
        """Return the document as a value."""
        return parse(self.text)


class Store:
    """An open database. Methods are thread-safe. Each call is atomic, and each `transaction` is atomic.

    `clock` (UNIX seconds) gives the times of documents.
    """

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], float] = time) -> None:
        self._connection = connection
        self._clock = clock
        self._lock = RLock()

    def close(self) -> None:
        """Close the database. The last process merges the write-ahead log into the file."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all calls inside this context atomic. An exception undoes all calls. Transactions do not nest."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def version(self) -> int:
        """Return the version of the tables in the file, or `NO_TABLES` for a new file."""
        version: int = self._rows("PRAGMA user_version")[0][0]
        return version

    def make_tables(self) -> None:
        """Drop and create all tables. The caller must have started a transaction."""
        for table in (*reversed(DocumentKind), "used_once", "tenant"):  # drop referring tables first
            self._rows(f"DROP TABLE IF EXISTS {table}")
        for statement in (*STATEMENTS, f"PRAGMA user_version = {VERSION}"):
            self._rows(statement)

    def tenant(self) -> SandboxTenant:
        """Return the tenant. Each call reads the database, because another process may reset the tenant."""
        (row,) = self._rows("SELECT domain, client_id, client_secret, signing_key, seed FROM tenant")
        return SandboxTenant(*row)

    def set_tenant(self, tenant: SandboxTenant) -> None:
        """Write the identity of the tenant."""
        values = (tenant.domain, tenant.client_id, tenant.client_secret, tenant.signing_key, tenant.seed)
        self._rows("INSERT OR REPLACE INTO tenant VALUES (1, ?, ?, ?, ?, ?)", values)

    def add(self, kind: DocumentKind, identity: str, document: Document) -> None:
        """Insert a document.

        Raises:
            TakenError: if another document has the same id or the same unique attribute.
        """
        now = self._clock()
        statement = sql("INSERT INTO", kind, "(id, body, created_at, updated_at) VALUES (?, ?, ?, ?)")
        self._write(statement, identity, (identity, dump(document), now, now))

    def replace(self, kind: DocumentKind, identity: str, document: Document) -> None:
        """Replace an existing document.

        Raises:
            TakenError: if another document has the same unique attribute.
        """
        statement = sql("UPDATE", kind, "SET body = ?, updated_at = ? WHERE id = ?")
        self._write(statement, identity, (dump(document), self._clock(), identity))

    def get(self, kind: DocumentKind, identity: str) -> Document | None:
        """Return the document with the id `identity`, or None."""
        rows = self._rows(sql("SELECT body FROM", kind, "WHERE id = ?"), (identity,))
        return parse(rows[0][0]) if rows else None

    def first(self, kind: DocumentKind, filters: Filters) -> Document | None:
        """Return the first matching document in the order of the listing, or None."""
        rows = self.find(kind, filters, limit=1)
        return rows[0].document() if rows else None

    def find(  # noqa: PLR0913 - the parts of a query
        self,
        kind: DocumentKind,
        filters: Filters,
        *,
        limit: int,
        offset: int = 0,
        after: str = "",
        order: Order | None = None,
    ) -> list[Row]:
        """Return matching documents in the order of the listing, after the position `after` (the cursor of a row).

        `after` can be combined only with an ascending order.

        Raises:
            ValueError: if `after` is not a position in this listing.
        """
        chosen = selection(kind, filters)
        order = order or order_of(kind)
        columns = ", ".join(order.columns)
        place = _place(after, order)
        later = f"AND ({columns}) > ({', '.join('?' * len(place))})" if place else ""
        # The inner select uses only an index, so late pages are as fast as the first page.
        inner = sql("SELECT id FROM", chosen.sql, later, f"ORDER BY {order.sql} LIMIT ? OFFSET ?")
        named = f"id, body, created_at, updated_at, {columns}"
        outer = sql("SELECT", named, "FROM", kind, f"WHERE id IN ({inner}) ORDER BY {order.sql}")
        rows = self._rows(outer, (*chosen.values, *place, limit, min(offset, MOST_ROWS)))
        return [_row(each, order) for each in rows]

    def count(self, kind: DocumentKind, filters: Filters) -> int:
        """Return the number of matching documents."""
        chosen = selection(kind, filters)
        number: int = self._rows(sql("SELECT count(*) FROM", chosen.sql), chosen.values)[0][0]
        return number

    def remove(self, kind: DocumentKind, filters: Filters) -> None:
        """Delete the matching documents and all dependent documents. A call without a match is not an error."""
        chosen = selection(kind, filters)
        self._rows(sql("DELETE FROM", chosen.sql), chosen.values)

    def use_once(self, name: str, *, until: float, now: float) -> bool:
        """Store a name until the time `until` (UNIX seconds). Return whether the name is new.

        The caller must have started a transaction.
        """
        self._rows("DELETE FROM used_once WHERE until < ?", (now,))
        return bool(self._rows("INSERT OR IGNORE INTO used_once VALUES (?, ?) RETURNING 1", (name, until)))

    def _write(self, statement: str, identity: str, values: Sequence[object]) -> None:
        try:
            self._rows(statement, values)
        except sqlite3.IntegrityError as error:
            raise TakenError(identity) from error

    def _rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()


def _row(columns: tuple[Any, ...], order: Order) -> Row:
    """Return a row from the columns id, body, created_at, updated_at and the columns of the order.

    The cursor is the id, or a JSON array of the columns of the order.
    """
    identity, text, created_at, updated_at, *place = columns
    return Row(identity, text, identity if order == BY_ID else dump(place), created_at, updated_at)


def _place(cursor: str, order: Order) -> list[Any]:
    """Return the values of a cursor. An empty cursor means the start of the listing."""
    if not cursor or order == BY_ID:
        return [cursor] if cursor else []
    place = parse_foreign(cursor.encode())
    if not isinstance(place, list) or len(place) != len(order.columns):
        raise ValueError(cursor)
    if type(place[-1]) is not int or not all(type(each) in {int, float, str} for each in place):
        raise ValueError(cursor)
    return place


def open_store(path: Path, clock: Callable[[], float] = time) -> Store:
    """Open or create the database file at `path` and its folder. Do not create the tables.

    Only the owner can read a new file. A file that is not a sandbox database stays unchanged. Symbolic links are
    refused. `clock` (UNIX seconds) gives the times of documents.

    Raises:
        SandboxError: if the file cannot be opened or is not a sandbox database.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = _make_file(path)
        if not is_new:
            _refuse_foreign(path)
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise SandboxError(f"cannot open the sandbox database {path}: {reason(error)}") from error
    try:
        if is_new or connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        _use_log(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error as error:
        connection.close()
        raise SandboxError(f"cannot use {path} as sandbox database: {error}; use another file") from error
    return Store(connection, clock)


def _make_file(path: Path) -> bool:
    """Create an empty file for the owner only. Return False if the file already exists. Raises OSError."""
    for file in (path, *(path.with_name(f"{path.name}{suffix}") for suffix in BESIDE)):
        if file.is_symlink():
            raise SandboxError(f"{file} is a symbolic link, not a sandbox database; remove the link")
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY))
    except FileExistsError:
        return False
    return True


def _refuse_foreign(path: Path) -> None:
    """Raise SandboxError if the file is not a sandbox database. The check uses no lock and creates no file."""
    deadline = monotonic() + BUSY_TIMEOUT_SECONDS
    while stat.S_ISREG(path.lstat().st_mode) and not path.stat().st_size and monotonic() < deadline:
        sleep(RETRY_SECONDS)  # another process has just created the file
    if not stat.S_ISREG(path.lstat().st_mode) or not _is_ours(path):
        raise SandboxError(
            f"{path} is not a sandbox database, so it is not opened; use another file, or remove this file"
        )


def _is_ours(path: Path) -> bool:
    """Return whether a regular file has the application id of sandbox databases or the tables of an older sandbox."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            (mark,) = connection.execute("PRAGMA application_id").fetchone()
            if mark:  # another process may change the tables during the check
                return bool(mark == APPLICATION_ID)
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.DatabaseError:
        return False
    return tables >= TABLES


def _use_log(connection: sqlite3.Connection) -> None:
    """Switch a new file to the write-ahead log.

    If several processes open a new file at the same time, SQLite fails at once without the busy timeout. So `_use_log`
    waits and tries again.
    """
    deadline = monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() > deadline:
                raise
            sleep(RETRY_SECONDS)
        else:
            return


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
