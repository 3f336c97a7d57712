"""The journal of a run. The run appends one line before each write to the tenant, and one line after the write.

The journal flushes each line to disk before the run continues. A journal is a file in the format JSON Lines, and only
its owner can read the file. A line with the event `intent` announces a write to the tenant. If the `intent` line of a
write is not followed by a `result` line, the outcome of the write is unknown. A later run reads journals only to find
out whether a saved plan was already applied.
"""

import asyncio
import json
import os
import secrets
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from reconciler import __version__
from reconciler.artifacts.atomic_files import BINARY, OWNER_ONLY
from reconciler.artifacts.grant_json import grant_json, key_json
from reconciler.artifacts.serialization import action_of, plan_id, tenant_json
from reconciler.core.directory import Directory
from reconciler.core.journal import SAVED_PLAN, PastRun, parse_run
from reconciler.core.outcome import Outcome
from reconciler.core.plan import Change, Plan, grant_after, grant_before
from reconciler.core.problems import Problem
from reconciler.errors import ReconcilerError
from reconciler.files.discover import NO_WAIT, read

FOLDER = "journal"


class JournalError(ReconcilerError):
    """The journal cannot be written, so reconciler must not send further requests."""


class Journal:
    """The open journal of one run. All times are in UTC.

    Each method that writes a line waits until the operating system has stored the line on disk. Simultaneous changes
    share one call of fsync, because fsync takes longer than most requests to a tenant.
    """

    def __init__(self, run: str, path: Path, descriptor: int, flush: Callable[[int], None] = os.fsync) -> None:
        self.run = run
        self.path = path
        self._descriptor = descriptor
        self._flush = flush
        self._written = 0
        self._on_disk = 0
        self._error_text = ""
        self._directory = Directory()

    async def begin(self, plan: Plan, saved_plan: str | None = None, evidence: Mapping[str, str] | None = None) -> None:
        """Record the start of a run: the tenant, `evidence`, and the checksum of the approved saved plan.

        `evidence` contains the user of the program, the commit, and the kind of approval. All methods that write a line
        raise JournalError if the journal cannot be written.
        """
        self._directory = plan.directory
        content: dict[str, object] = {
            "event": "begin",
            "tenant": tenant_json(plan.tenant),
            "changes": len(plan.changes),
        }
        content |= {SAVED_PLAN: saved_plan} if saved_plan else {}
        content |= {"version": __version__, "plan_id": plan_id(plan), **(evidence or {})}
        try:
            await self._append(content)
        except JournalError as error:
            raise JournalError(f"{error}; nothing was sent") from error

    async def intend(self, number: int, change: Change) -> None:
        """Record a planned change before reconciler sends the request."""
        before, after = grant_before(change), grant_after(change)
        await self._append(
            {
                "event": "intent",
                "number": number,
                "action": action_of(change),
                "key": key_json(change.key),
                "client_name": self._directory.client_name(change.key),
                "api_name": self._directory.api_name(change.key),
                "before": before and grant_json(before),
                "after": after and grant_json(after),
            }
        )

    async def settle(self, number: int, outcome: Outcome) -> None:
        """Record whether the change succeeded."""
        result = {"outcome": str(outcome.result), "detail": outcome.detail}
        await self._append({"event": "result", "number": number, **result})

    async def end(self, *, converged: bool) -> None:
        """Record the end of a run."""
        await self._append({"event": "end", "converged": converged})

    def discard(self) -> None:
        """Remove the journal file of a run that sent nothing, so that the run is not listed as interrupted."""
        with suppress(OSError):
            self.path.unlink()

    def close(self) -> None:
        """Close the journal file."""
        os.close(self._descriptor)

    async def _append(self, entry: Mapping[str, object]) -> None:
        if self._error_text:
            raise JournalError(self._error_text)
        self._write(entry)
        self._written += 1
        own_line = self._written
        await asyncio.sleep(0)  # simultaneous tasks can add their lines before the fsync
        if self._on_disk < own_line:
            self._flush_lines()

    def _write(self, entry: Mapping[str, object]) -> None:
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "run": self.run, **entry})
        data = f"{line}\n".encode()
        try:
            written = os.write(self._descriptor, data)
        except OSError as error:
            raise self._remember_error(self._error(error)) from error
        if written != len(data):
            raise self._remember_error(JournalError(f"the journal {self.path} cannot be written: no space left"))

    def _flush_lines(self) -> None:
        """Make the operating system store all written lines on disk.

        If storing the lines fails, every later call also fails, because the lost lines cannot be written again.
        """
        written = self._written
        if self._error_text:
            raise JournalError(self._error_text)
        try:
            self._flush(self._descriptor)
        except OSError as error:
            raise self._remember_error(self._error(error)) from error
        self._on_disk = written

    def _remember_error(self, error: JournalError) -> JournalError:
        """Store the error message, so that later writes to the journal also fail.

        A journal that has lost a line is not reliable.
        """
        self._error_text = str(error)
        return error

    def _error(self, error: OSError) -> JournalError:
        return JournalError(f"the journal {self.path} cannot be written: {error.strerror}")


def open_journal(folder: Path) -> Journal:
    """Create the journal file of a new run in the folder `folder`/journal.

    Raises:
        JournalError: if the journal file cannot be created.
    """
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    path = journal_path(folder, run)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | BINARY | os.O_CREAT | os.O_EXCL | os.O_APPEND, OWNER_ONLY)
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be created, so nothing was sent: {error.strerror}") from error
    return Journal(run, path, descriptor)


SUFFIX = ".jsonl"
MAX_JOURNAL_BYTES = 500_000_000
"""The maximum size of a journal file in bytes."""

FIRST_LINE_BYTES = 65_536
"""The number of bytes that reconciler reads from the start of a journal to find the first line.

The first line of a journal is shorter than FIRST_LINE_BYTES.
"""


def run_names(folder: Path) -> list[str]:
    """Return the names of the runs that have a journal in `folder`/journal, the newest run first.

    The name of a run starts with the start time of the run.

    Raises:
        ReconcilerError: if the folder cannot be read.
    """
    folder_of_journals = folder / FOLDER
    try:
        names = [path.stem for path in folder_of_journals.iterdir() if path.suffix == SUFFIX]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ReconcilerError(f"{folder_of_journals} cannot be read: {error.strerror}") from error
    return sorted(names, reverse=True)


def read_run(folder: Path, name: str) -> PastRun:
    """Return the content of the journal of the run `name`.

    Raises:
        ReconcilerError: if the journal cannot be read.
    """
    path = journal_path(folder, name)
    if path.is_symlink() or not path.is_file():
        raise ReconcilerError(f"the journal {path} cannot be read: it is not a regular file")
    content = read(path, MAX_JOURNAL_BYTES)
    if isinstance(content, Problem):
        raise ReconcilerError(f"the journal {path} cannot be read: {content.what}")
    return parse_run(name, content)


def run_that_applied(folder: Path, saved_plan: str) -> str | None:
    """Return the name of the run that applied all changes of a saved plan, or None.

    Raises:
        ReconcilerError: if the journal of an earlier run of the saved plan cannot be read.
    """
    runs = (read_run(folder, name) for name in run_names(folder) if _may_mention(folder, name, saved_plan))
    return next((run.name for run in runs if run.has_applied(saved_plan)), None)


def _may_mention(folder: Path, name: str, saved_plan: str) -> bool:
    """Return whether the start of the journal of the run `name` contains the checksum `saved_plan`.

    Return False for special files such as pipes. Do not read special files.
    """
    try:
        with open(journal_path(folder, name), "rb", opener=_opener) as file:
            return stat.S_ISREG(os.fstat(file.fileno()).st_mode) and saved_plan.encode() in file.read(FIRST_LINE_BYTES)
    except OSError:
        return False


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | NO_WAIT)


def journal_path(folder: Path, name: str) -> Path:
    """Return the path of the journal of the run `name`."""
    return folder / FOLDER / f"{name}{SUFFIX}"
