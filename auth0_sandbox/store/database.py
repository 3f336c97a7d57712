"""The only module that knows SQLite: keeps a tenant's documents in one file.

Documents are stored as the JSON text that is answered; what they are searched by are generated columns of that text,
so nothing is written twice. Reads and writes take well under a millisecond on a local file, which is why they may be
called from asynchronous code directly. Several processes may use one file: WAL, short write transactions that take
the lock at once, and a busy timeout. A commit has reached the operating system before it returns, so what was answered
survives the end of the process.
"""

import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from threading import RLock
from time import monotonic, sleep
from typing import Any

from auth0_sandbox.errors import SandboxError, reason
from auth0_sandbox.store.documents import Document, dump, parse
from auth0_sandbox.store.queries import Filters, selection, sql
from auth0_sandbox.store.tables import APPLICATION_ID, STATEMENTS, TABLES, VERSION

BUSY_TIMEOUT_SECONDS = 15.0
RETRY_SECONDS = 0.005
BIRTH_SECONDS = 2.0
"""How long a file may be empty that another process is making."""

MOST_ROWS = 2**62
OWNER_ONLY = 0o600
BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite adds to the name of a database for the files beside it."""


class DocumentKind(StrEnum):
    """What a tenant holds; the value is the table, and the key under which the API lists it."""

    CLIENTS = "clients"
    RESOURCE_SERVERS = "resource_servers"
    ORGANIZATIONS = "organizations"
    CLIENT_GRANTS = "client_grants"
    CREDENTIALS = "client_credentials"
    ASSOCIATIONS = "organization_client_grants"


class TakenError(Exception):
    """A document with this id, or with this key, exists already."""


@dataclass(frozen=True, slots=True)
class SandboxTenant:
    """What a tenant is made with: its canonical domain, the key its tokens are signed with, the tool's credentials."""

    domain: str
    client_id: str
    client_secret: str = field(repr=False)
    signing_key: bytes = field(repr=False)

    @property
    def issuer(self) -> str:
        """The `iss` of the tenant's tokens."""
        return f"https://{self.domain}/"

    @property
    def management_audience(self) -> str:
        """The identifier of the Management API, whatever name the tenant is reached under."""
        return f"{self.issuer}api/v2/"


@dataclass(frozen=True, slots=True)
class Row:
    """A stored document: its id and its JSON text."""

    id: str
    text: str

    def document(self) -> Document:
        """Return the document as a value."""
        return parse(self.text)


class Store:
    """An open database. Methods are safe to call from several threads; each call, or `transaction`, is one unit."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = RLock()

    def close(self) -> None:
        """Close the database; the last one to do so folds the write-ahead log into the file."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything inside one atomic unit; an exception undoes it. Does not nest."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def version(self) -> int:
        """Return the version of the tables that the file holds; `NO_TABLES` for a new one."""
        version: int = self._rows("PRAGMA user_version")[0][0]
        return version

    def make_tables(self) -> None:
        """Make all tables anew, empty, whatever was there; to be called in a transaction."""
        for table in (*reversed(DocumentKind), "used_once", "tenant"):  # what refers to others first
            self._rows(f"DROP TABLE IF EXISTS {table}")
        for statement in (*STATEMENTS, f"PRAGMA user_version = {VERSION}"):
            self._rows(statement)

    def tenant(self) -> SandboxTenant:
        """Return the tenant; read each time, because another process may reset it."""
        domain, client_id, secret, key = self._rows("SELECT domain, client_id, client_secret, signing_key FROM tenant")[
            0
        ]
        return SandboxTenant(domain, client_id, secret, key)

    def set_tenant(self, tenant: SandboxTenant) -> None:
        """Write the tenant."""
        values = (tenant.domain, tenant.client_id, tenant.client_secret, tenant.signing_key)
        self._rows("INSERT OR REPLACE INTO tenant VALUES (1, ?, ?, ?, ?)", values)

    def add(self, kind: DocumentKind, identity: str, document: Document) -> None:
        """Insert a document.

        Raises:
            TakenError: the id, or what must be unique for this kind, is taken.
        """
        self._write(sql("INSERT INTO", kind, "(id, body) VALUES (?, ?)"), identity, (identity, dump(document)))

    def replace(self, kind: DocumentKind, identity: str, document: Document) -> None:
        """Write a document that exists.

        Raises:
            TakenError: another document has what must be unique for this kind.
        """
        self._write(sql("UPDATE", kind, "SET body = ? WHERE id = ?"), identity, (dump(document), identity))

    def get(self, kind: DocumentKind, identity: str) -> Document | None:
        """Return the document, or None."""
        rows = self._rows(sql("SELECT body FROM", kind, "WHERE id = ?"), (identity,))
        return parse(rows[0][0]) if rows else None

    def first(self, kind: DocumentKind, filters: Filters) -> Document | None:
        """Return the first document, by id, that the filters let through, or None."""
        rows = self.find(kind, filters, limit=1)
        return rows[0].document() if rows else None

    def find(self, kind: DocumentKind, filters: Filters, *, limit: int, offset: int = 0, after: str = "") -> list[Row]:
        """Return documents in ascending order of their ids (ASCII), those behind the id `after` only."""
        chosen = selection(kind, filters)
        # the inner select walks an index alone, so that a page far behind is as cheap as the first
        inner = sql("SELECT id FROM", chosen.sql, "AND id > ? ORDER BY id LIMIT ? OFFSET ?")
        outer = sql("SELECT id, body FROM", kind, f"WHERE id IN ({inner}) ORDER BY id")
        rows = self._rows(outer, (*chosen.values, after, limit, min(offset, MOST_ROWS)))
        return [Row(identity, text) for identity, text in rows]

    def count(self, kind: DocumentKind, filters: Filters) -> int:
        """Return how many documents the filters let through."""
        chosen = selection(kind, filters)
        number: int = self._rows(sql("SELECT count(*) FROM", chosen.sql), chosen.values)[0][0]
        return number

    def remove(self, kind: DocumentKind, filters: Filters) -> None:
        """Delete the documents that the filters let through, and what belongs to them; none is fine."""
        chosen = selection(kind, filters)
        self._rows(sql("DELETE FROM", chosen.sql), chosen.values)

    def use_once(self, name: str, *, until: float, now: float) -> bool:
        """Return whether a name is new, and remember it until a time (UNIX seconds); to be called in a transaction."""
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


def open_store(path: Path) -> Store:
    """Open or make the database file at `path`, and its folder; the tables are another step.

    A new file is readable by its owner only. A file that is not a sandbox database stays as it is, and links are not
    followed.

    Raises:
        SandboxError: the file cannot be opened, or is not a sandbox database.
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
        raise SandboxError(f"cannot use {path} as sandbox database: {error}; name another file") from error
    return Store(connection)


def _make_file(path: Path) -> bool:
    """Make an empty file for its owner only, if nothing is there; return whether this did. Raises OSError."""
    for file in (path, *(path.with_name(f"{path.name}{suffix}") for suffix in BESIDE)):
        if file.is_symlink():
            raise SandboxError(f"{file} is a link, which the sandbox database must not be; remove it")
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY))
    except FileExistsError:
        return False
    return True


def _refuse_foreign(path: Path) -> None:
    """Raise SandboxError unless the file is a sandbox database. It is read without any lock or file beside it."""
    deadline = monotonic() + BIRTH_SECONDS
    while stat.S_ISREG(path.lstat().st_mode) and not path.stat().st_size and monotonic() < deadline:
        sleep(RETRY_SECONDS)  # another process has just made it
    if not stat.S_ISREG(path.lstat().st_mode) or not _is_ours(path):
        raise SandboxError(
            f"{path} is not a sandbox database, so it is not opened; name another file, or remove this one"
        )


def _is_ours(path: Path) -> bool:
    """Return whether a regular file has the mark of our databases, or the tables of an older sandbox."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            (mark,) = connection.execute("PRAGMA application_id").fetchone()
            if mark:  # the tables of a database in use may change while they are read
                return bool(mark == APPLICATION_ID)
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.DatabaseError:
        return False
    return tables >= TABLES


def _use_log(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log, once in a file's life.

    Processes that open a new file at the same moment get in each other's way here, and SQLite gives up at once,
    whatever the busy timeout; so the waiting is ours.
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
