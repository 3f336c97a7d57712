"""Evidence of what a run did: a line before and after each write, on disk before the next step. No run reads it back.

JSON Lines, one file a run, mode 0600. An intent without a result marks a write that nobody saw the end of.
"""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from reconciler.core.outcome import Outcome
from reconciler.core.plan import Change, Plan, grant_before, grants_after
from reconciler.errors import ReconcilerError
from reconciler.render.plan_json import action_of, grant_json, key_json

FOLDER = "journal"
OWNER_ONLY = 0o600


class JournalError(ReconcilerError):
    """The journal cannot be written, so nothing may be sent."""


@dataclass(frozen=True, slots=True)
class Journal:
    """One run's journal, open for writing. Times are UTC."""

    run: str
    path: Path
    descriptor: int

    def begin(self, plan: Plan) -> None:
        """Note the start of a run. Raises JournalError, as all of these do."""
        tenant = {"name": plan.tenant.name, "domain": plan.tenant.domain}
        self._write({"event": "begin", "tenant": tenant, "changes": len(plan.changes)})

    def intend(self, number: int, change: Change) -> None:
        """Note that a change is about to be sent."""
        before, after = grant_before(change), grants_after(change)
        self._write(
            {
                "event": "intent",
                "number": number,
                "action": action_of(change),
                "key": key_json(change.key),
                "before": before and grant_json(before),
                "after": after and grant_json(after),
            }
        )

    def settle(self, number: int, outcome: Outcome) -> None:
        """Note what became of a change."""
        result = {"outcome": str(outcome.result), "detail": outcome.detail}
        self._write({"event": "result", "number": number, **result})

    def end(self, *, converged: bool) -> None:
        """Note the end of a run."""
        self._write({"event": "end", "converged": converged})

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)

    def _write(self, entry: Mapping[str, object]) -> None:
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "run": self.run, **entry})
        data = f"{line}\n".encode()
        try:
            written = os.write(self.descriptor, data)
            os.fsync(self.descriptor)
        except OSError as error:
            raise JournalError(f"the journal {self.path} cannot be written: {error.strerror}") from error
        if written != len(data):
            raise JournalError(f"the journal {self.path} cannot be written: no room is left")


def open_journal(folder: Path) -> Journal:
    """Open the journal of a new run in `folder`/journal.

    Raises:
        JournalError: if it cannot be made.
    """
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    path = folder / FOLDER / f"{run}.jsonl"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, OWNER_ONLY)
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be made, so nothing was sent: {error.strerror}") from error
    return Journal(run, path, descriptor)
