"""Collect the use of grants from a tenant's logs, from log stream files, and from API metrics."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.app.console import Console
from reconciler.app.load import workspace_of
from reconciler.app.options import GlobalOptions, PlanOptions, RequestOptions
from reconciler.app.outputs import OutputFile, check_outputs
from reconciler.app.usage import operations
from reconciler.artifacts.usage_file import read_usage, write_usage
from reconciler.auth0.errors import Auth0Error, UnreadableError
from reconciler.core.characters import pluralize, visible
from reconciler.core.usage.events import OperationTable, UsageCounter, event_id, event_time, usage_event
from reconciler.core.usage.records import (
    DAY_LENGTH,
    Checkpoint,
    Period,
    Usage,
    UsedScope,
    add,
    gaps,
    merge,
    moment,
    time_text,
    with_scopes,
)
from reconciler.errors import ReconcilerError
from reconciler.files.usage_files import EventReader
from reconciler.output.styled import Line, Span, Style, line

if TYPE_CHECKING:
    from reconciler.auth0.client import TenantLogs
    from reconciler.auth0.wire import Json

DELAY = timedelta(minutes=5)
"""The newest events may still be missing in a tenant's logs, so a run treats the last five minutes as not collected."""
PAGES_BETWEEN_WRITES = 100
NO_EVENTS = "The tenant's logs are empty."


def utc(text: str) -> datetime:
    """Parse a time with a time zone, or a day. If `text` is a day, return the start of the day in UTC.

    Raises ValueError.
    """
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if len(text) == DAY_LENGTH else moment(text)


@contextmanager
def _stored(options: GlobalOptions, path: Path) -> Iterator[Usage]:
    """Check the path of the usage file, and yield the content of the usage file."""
    workspace_of(options.config).refuse_checkout_links(path, "--usage")
    if path.exists():
        check_outputs(options, [OutputFile("--usage", path)])
    yield read_usage(path)


def _write(path: Path, usage: Usage) -> None:
    """Write a usage file.

    If a simultaneous run has changed the usage file, keep the changes of that run. Raises ReconcilerError.
    """
    write_usage(path, merge(read_usage(path), usage))


def collect_files(
    options: GlobalOptions,
    path: Path,
    files: Iterable[tuple[str, BufferedReader]],
    period: Period | None,
    console: Console,
) -> None:
    """Add the events in log stream files to the usage file.

    The log stream files must contain all events in the time span `period`.

    Raises:
        ReconcilerError: if a log file is damaged, or if the files contain no event of the tenant in `period`. The usage
            file is unchanged after an error.
    """
    with _stored(options, path) as known:
        counter = UsageCounter(OperationTable(operations()), options.now, known.tenant)
        reader = EventReader()
        for name, file in files:
            for number, event in reader.read(file, name):
                try:
                    counter.add(event)
                except ValueError as error:
                    raise ReconcilerError(
                        f"{name}:{number}: this event has no valid date; correct or remove the line"
                    ) from error
        if period is None:
            periods = counter.periods()
        elif not counter.has_events_in(period):  # the files are probably empty, or belong to another tenant or time
            tenant = f" of the tenant {visible(counter.tenant)}" if counter.tenant else ""
            raise ReconcilerError(
                f"--period: the files contain no event{tenant} in this time span; check the files and the time span"
            )
        else:  # the logs cannot contain events after `now`
            periods = (Period(period.start, min(period.end, time_text(options.now))),)
        _write(path, merge(known, counter.usage(periods)))
    for text in _file_notes(counter, reader, periods):
        console.note(text)
    console.result(_collected(counter.events, periods))


def _file_notes(counter: UsageCounter, reader: EventReader, periods: Iterable[Period]) -> Iterator[str]:
    counts = reader.counts
    for count, what in (
        (counts.foreign, "line without a log event of Auth0"),
        (counts.repeated, "repeated event"),
        (counter.other_tenants, "event of another tenant"),
    ):
        if count:
            yield f"Skipped {pluralize(count, what)}."
    if counts.without_id:
        yield f"{pluralize(counts.without_id, 'event')} without a log id, so repeated events are counted twice."
    yield from _incomplete_note(counter.incomplete)
    for gap in gaps(periods):
        times = f"from {_minute(gap.start)} to {_minute(gap.end)}"
        yield f"Gap: no events {times}. If the files contain all events of this time span, use --period."


def _incomplete_note(count: int) -> Iterator[str]:
    """Yield a note if some log events do not show which grant an application used."""
    if count:
        yield (
            f"{pluralize(count, 'event')} may report an issued token without showing which grant was used. `usage` "
            "reports the use of all matching grants as not known."
        )


def _collected(events: int, periods: Sequence[Period]) -> Iterator[Line]:
    seen = ", ".join(f"{_minute(each.start)} to {_minute(each.end)}" for each in periods) or "none"
    yield line(Span(f"Collected: {pluralize(events, 'event')}; periods with complete logs: {seen}.", Style.STRONG))


def _minute(time: str) -> str:
    return f"{time[:10]} {time[11:16]}"


def collect_scopes(options: GlobalOptions, path: Path, scopes: Iterable[tuple[UsedScope, str]]) -> None:
    """Record in the usage file when each scope was last used, according to the metrics of the API.

    Raises ReconcilerError.
    """
    with _stored(options, path) as known:
        _write(path, with_scopes(known, scopes))


def collect_logs(options: GlobalOptions, path: Path, request_options: RequestOptions, console: Console) -> None:
    """Add the new events in a tenant's logs to the usage file.

    If a request fails, the usage file contains the events from the earlier requests.

    Raises:
        ReconcilerError: if the logs cannot be read.
    """
    from reconciler.app.tenant_runs import tenant_runs  # `collect_files` does not need this slow import

    with (
        _stored(options, path) as known,
        tenant_runs(options, PlanOptions(), request_options, console, ()) as tenants,
    ):
        collection = _LogCollection(known, path, options.now, console)
        tenants.run(lambda session: collection.run(session.client.logs))


class _LogCollection:
    """Reads a tenant's logs, starting at the checkpoint, and stores the uses of grants."""

    def __init__(self, known: Usage, path: Path, now: datetime, console: Console) -> None:
        self._known = known
        self._path = path
        self._now = now
        self._console = console
        self._counter = self._new_counter()
        self._events = 0
        self._incomplete = 0
        self._start = ""
        self._checkpoint = known.checkpoint

    def _new_counter(self) -> UsageCounter:
        return UsageCounter(OperationTable(operations()), self._now, self._known.tenant)

    async def run(self, logs: "TenantLogs") -> None:
        """Read all new events in the logs. Raises ReconcilerError."""
        checkpoint = self._known.checkpoint
        if checkpoint and not await logs.exists(checkpoint.log_id):
            self._console.note(
                f"The logs no longer contain the last event of the previous run. Events after "
                f"{_minute(checkpoint.until)} may be missing, so the usage file has a gap after this time."
            )
            checkpoint = None
        if checkpoint is None:
            oldest = await logs.oldest()
            if not oldest:
                self._console.note(NO_EVENTS)
                return
            log_id = self._count(oldest)
        else:
            self._start, log_id = checkpoint.until, checkpoint.log_id
        try:
            await self._read(logs, log_id)
        except Auth0Error:
            self._store(None)
            raise
        self._store(self._now - DELAY)
        for text in _incomplete_note(self._incomplete):
            self._console.note(text)
        self._console.result(_collected(self._events, self._known.periods))

    async def _read(self, logs: "TenantLogs", log_id: str) -> None:
        pages = 0
        seen = {log_id}
        while page := await logs.after(log_id):
            log_id = self._count(page)
            if log_id in seen:
                raise UnreadableError("the list of log events repeats: a page ends with an event of an earlier page")
            seen.add(log_id)
            pages += 1
            if pages % PAGES_BETWEEN_WRITES == 0:
                self._store(None)

    def _count(self, page: Sequence["Json"]) -> str:
        """Count the log events of a page up to the last event that has an id, and return the id of the event.

        The next page of the logs starts after the returned id, so uncounted events at the end of the page are read
        again.

        Raises:
            UnreadableError: if no event has an id, or if an event has no valid date.
            ReconcilerError: if an event belongs to another tenant than the usage file.
        """
        last = max((number for number, event in enumerate(page) if event_id(event)), default=-1)
        if last < 0:
            raise UnreadableError("the events in the logs have no id, so reading cannot continue")
        for event in page[: last + 1]:
            try:
                time = self._counter.add(usage_event(event))
                self._start = self._start or time
            except ValueError as error:
                raise UnreadableError(f"an event in the logs has no valid date: {error}") from error
            if self._counter.other_tenants:
                other = visible(str(event.get("tenant_name")))
                raise ReconcilerError(
                    f"the logs belong to the tenant {other}, but the usage file belongs to the tenant "
                    f"{visible(self._counter.tenant)}; choose another file with --usage"
                )
        until = max(event_time(page[last].get("date")), self._checkpoint.until if self._checkpoint else "")
        self._checkpoint = Checkpoint(until, event_id(page[last]))
        return self._checkpoint.log_id

    def _store(self, until: datetime | None) -> None:
        """Write the counted events to the usage file.

        `until` is the end of the collected logs. If `until` is None, the usage file records the time of the last event
        as the end of the collected logs.
        """
        checkpoint = self._checkpoint
        if checkpoint is None:
            return
        end = max(checkpoint.until, time_text(until)) if until else checkpoint.until
        new = self._counter.usage([Period(self._start, end)], Checkpoint(end, checkpoint.log_id))
        self._events += self._counter.events
        self._incomplete += self._counter.incomplete
        self._known = replace(add(self._known, new), checkpoint=new.checkpoint)
        self._start, self._checkpoint = end, new.checkpoint
        self._counter = self._new_counter()
        _write(self._path, self._known)
