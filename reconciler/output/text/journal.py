"""Format past runs from the journals as lines of text and as JSON data."""

import json
from collections.abc import Iterable, Iterator, Mapping

from reconciler.artifacts.serialization import Json
from reconciler.core.characters import pluralize, visible
from reconciler.core.identity import TenantName
from reconciler.core.journal import JournalEntry, JournalEvent, PastRun
from reconciler.core.outcome import Result
from reconciler.output.styled import Line, Span, Style, line

INDENT = "  "
DATE_AND_SECOND = len("2026-01-31T12:00:00")
CLOCK = slice(len("2026-01-31T"), len("2026-01-31T12:00:00.000"))
EVENT_WIDTH = max(len(event) for event in JournalEvent)
RESULT_STYLES: Mapping[str, Style] = {Result.APPLIED: Style.CREATE, Result.SKIPPED: Style.WARNING}
CONVERGED = Span("converged", Style.CREATE)
NOT_CONVERGED = Span("not converged", Style.ERROR)
NO_END = Span("no end recorded: the run was interrupted or is still running", Style.ERROR)


def runs_lines(runs: Iterable[PastRun]) -> Iterator[Line]:
    """Yield lines with the time, tenant and results of each run, and with the changes that have no recorded result."""
    for run in runs:
        yield from _summary(run)


def run_lines(run: PastRun, journal: str, *, verbose: bool) -> Iterator[Line]:
    """Yield the summary of a run, followed by the journal entries of the run in order.

    If `verbose` is true, the lines include the grants before and after each change.
    """
    yield from _summary(run)
    yield line(INDENT, Span(visible(journal), Style.MUTED))
    yield line()
    for entry in run.entries:
        yield from _entry(entry, verbose=verbose)


def runs_json(runs: Iterable[PastRun]) -> Json:
    """Return `{"runs": [...]}`. The data of a run contains the fields of `run_json` without `entries`."""
    return {"runs": [_run(run) for run in runs]}


def run_json(run: PastRun) -> Json:
    """Return a run and the journal entries of the run as JSON data.

    The field `unsettled` identifies, by number, the changes for which the journal contains no result.
    """
    return {**_run(run), "entries": [dict(entry.content) for entry in run.entries]}


def _run(run: PastRun) -> Json:
    return {
        "run": run.name,
        "time": run.begin_entry.time if run.begin_entry else None,
        "tenant": dict(run.begin_entry.parts("tenant")) if run.begin_entry else None,
        "changes": run.changes,
        "results": dict(run.results),
        "unsettled": [entry.number for entry in run.unsettled],
        "converged": run.converged,
        "damaged_lines": list(run.unreadable_lines),
    }


def _summary(run: PastRun) -> Iterator[Line]:
    yield line(Span(visible(run.name), Style.STRONG), INDENT, _time_and_tenant(run.begin_entry))
    if evidence := _evidence(run.begin_entry):
        yield line(INDENT, Span(visible(evidence), Style.MUTED))
    changes = "unknown number of changes" if run.changes is None else pluralize(run.changes, "change")
    results = ", ".join(f"{count} {visible(result) or 'unnamed'}" for result, count in run.results.items())
    state = NO_END if run.converged is None else CONVERGED if run.converged else NOT_CONVERGED
    yield line(INDENT, f"{changes}: {results or 'no result'}; ", state)
    if run.unsettled:
        warning = f"NO RESULT for {pluralize(len(run.unsettled), 'write')}: it is unknown whether they took effect"
        yield line(INDENT, Span(warning, Style.ERROR))
        for entry in run.unsettled:
            yield line(INDENT * 2, Span(f"{entry.number} {_change_text(entry)}", Style.ERROR))
        yield line(INDENT, Span("-> run apply again: apply reads the tenant before it writes", Style.STRONG))
    if run.unreadable_lines:
        damage = f"Unreadable lines: {', '.join(map(str, run.unreadable_lines))}."
        if run.is_truncated and len(run.unreadable_lines) == 1:
            damage = "The last line is incomplete: the run ended while writing it."
        yield line(INDENT, Span(damage, Style.WARNING))


def _time_and_tenant(begin_entry: JournalEntry | None) -> str:
    if begin_entry is None:
        return "the start of the run is not recorded"
    tenant = begin_entry.parts("tenant")
    start_time = begin_entry.time[:DATE_AND_SECOND].replace("T", " ")
    name = TenantName(str(tenant.get("name", "?")), str(tenant.get("domain", "?")), tenant.get("sandbox") is True)
    return visible(f"{start_time} UTC  {name}")


def _evidence(begin_entry: JournalEntry | None) -> str:
    """Return the user, the commit, the approval and the version of reconciler of a run.

    Details that the journal does not contain are omitted.
    """
    if begin_entry is None:
        return ""
    labels = (("user", "by "), ("commit", "commit "), ("approval", "approved by "), ("version", "version "))
    return ", ".join(f"{label}{begin_entry.text(name)}" for name, label in labels if begin_entry.text(name))


def _entry(entry: JournalEntry, *, verbose: bool) -> Iterator[Line]:
    start = Span(f"{visible(entry.time[CLOCK]):<12}", Style.MUTED)
    yield line(start, f"  {visible(entry.event):<{EVENT_WIDTH}}  ", *_entry_details(entry))
    if verbose and entry.event == JournalEvent.INTENT:
        for side in ("before", "after"):
            text = json.dumps(entry.content.get(side), ensure_ascii=False)
            yield line(INDENT * 7, Span(f"{side:<6} {visible(text)}", Style.MUTED))


def _entry_details(entry: JournalEntry) -> Iterator[Span]:
    match entry.event:
        case JournalEvent.BEGIN:
            yield Span(_time_and_tenant(entry))
        case JournalEvent.INTENT:
            yield Span(f"{entry.number} {_change_text(entry)}")
        case JournalEvent.RESULT:
            result, detail = entry.text("outcome"), entry.text("detail")
            yield Span(f"{entry.number} ")
            yield Span(visible(result), RESULT_STYLES.get(result, Style.ERROR))
            yield Span(f": {visible(detail)}" if detail else "")
        case JournalEvent.END:
            yield CONVERGED if entry.content.get("converged") is True else NOT_CONVERGED
        case _:
            yield Span("")


def _change_text(entry: JournalEntry) -> str:
    """Return the change that a journal entry records.

    The text contains names, or ids if the journal contains no names.
    """
    key = entry.parts("key")
    subject = key.get("subject_type")
    subject_label = "" if subject in {None, "client"} else f" ({subject})"
    holder = entry.text("client_name") or key.get("client_id") or key.get("default_for")
    api = entry.text("api_name") or key.get("audience")
    return visible(f"{entry.text('action')} {holder} -> {api}{subject_label}")
