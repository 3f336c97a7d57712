"""The history of a grant: lines in grant files, writes by reconciler, and events in the tenant's logs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.core.access.report import AccessGrant
from reconciler.core.declared_history import Commit
from reconciler.core.identity import TenantName
from reconciler.core.journal import JournalEntry, JournalEvent, PastRun

NO_RESULT = "unknown: the journal has no result"


@dataclass(frozen=True, slots=True)
class DeclaredLine:
    """A line of a grant file, with the git commit that last changed the line.

    `commit` is None if the commit is unknown.
    """

    number: int
    text: str
    commit: Commit | None


@dataclass(frozen=True, slots=True)
class GrantWrite:
    """A request that changed a grant, according to the journal of a run."""

    run: str
    time: str
    action: str
    outcome: str


@dataclass(frozen=True, slots=True)
class GrantExplanation:
    """An explanation of why a tenant has a grant."""

    tenant: TenantName
    """The name and domain of the tenant."""
    grant: AccessGrant
    """The entry of the grant in the access report."""
    lines: tuple[DeclaredLine, ...] = ()
    """The lines that declare the grant."""
    writes: tuple[GrantWrite, ...] = ()
    """The writes to the grant according to local journals, the newest write first."""
    notes: tuple[str, ...] = ()
    """The reasons why the journals and the git history may not fully explain the grant."""


def find_writes(runs: Iterable[PastRun], tenant: TenantName, grant: AccessGrant) -> tuple[GrantWrite, ...]:
    """Search the journals of `runs`, and return the writes to a grant of a tenant."""
    return tuple(
        write
        for run in runs
        if run.begin_entry is not None and run.begin_entry.parts("tenant").get("domain") == tenant.domain
        for write in _writes(run, grant)
    )


def _writes(run: PastRun, grant: AccessGrant) -> Iterator[GrantWrite]:
    results = {entry.number: entry for entry in run.entries if entry.event == JournalEvent.RESULT}
    for entry in run.entries:
        if entry.event == JournalEvent.INTENT and _is_of(entry.parts("key"), grant):
            outcome = _outcome(results.get(entry.number))
            yield GrantWrite(run.name, entry.time, entry.text("action"), outcome)


def _is_of(key: Mapping[str, object], grant: AccessGrant) -> bool:
    return (
        key.get("client_id") == grant.client_id
        and key.get("default_for") == grant.default_for
        and key.get("audience") == grant.audience
        and key.get("subject_type") == grant.subject_type
    )


def _outcome(result: JournalEntry | None) -> str:
    if result is None:
        return NO_RESULT
    detail = result.text("detail")
    return f"{result.text('outcome')}: {detail}" if detail else result.text("outcome")
