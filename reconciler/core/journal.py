"""Parse journals. The journal of a run records the changes that the run made in the tenant.

Journals are only a record: no command repeats the changes in a journal.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from reconciler.core.characters import join_first, join_words, quote_text
from reconciler.core.suggest import did_you_mean
from reconciler.errors import ReconcilerError

LAST = "last"
MAX_NAMED = 5
SAVED_PLAN = "saved_plan"
"""The JSON key of the saved plan's checksum in the first line of a journal."""


class JournalEvent(StrEnum):
    """The kind of a line in a journal."""

    BEGIN = "begin"
    INTENT = "intent"
    RESULT = "result"
    END = "end"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A line of a journal."""

    event: str
    """The kind of the journal line. A journal by a newer version of reconciler may contain unknown kinds of lines."""
    time: str
    """The time at which reconciler wrote the line, or an empty string if the line contains no time."""
    number: int
    """The position of the change in the plan, or 0 if the line concerns the whole run."""
    content: Mapping[str, object]
    """The JSON keys and values of the line. Any key may be missing."""

    def text(self, name: str) -> str:
        """Return the string under the JSON key `name` in the line, or an empty string."""
        value = self.content.get(name)
        return value if isinstance(value, str) else ""

    def parts(self, name: str) -> Mapping[str, object]:
        """Return the JSON object under the JSON key `name` in the line, or an empty object."""
        value = self.content.get(name)
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class PastRun:
    """The content of the journal of an earlier run."""

    name: str
    """The id of the run."""
    entries: tuple[JournalEntry, ...]
    """The lines of the journal that reconciler could read."""
    unreadable_lines: tuple[int, ...] = ()
    """The numbers of the lines that reconciler could not read, starting at 1."""
    is_truncated: bool = False
    """True if the last line is incomplete, because the process ended while writing the line."""

    @property
    def begin_entry(self) -> JournalEntry | None:
        """The journal's line for the start of the run, or None if the line is missing."""
        return next(iter(self._entries_of(JournalEvent.BEGIN)), None)

    @property
    def tenant(self) -> str | None:
        """The name of the tenant of the run, or None if the journal does not contain the name."""
        name = self.begin_entry.parts("tenant").get("name") if self.begin_entry else None
        return name if isinstance(name, str) else None

    @property
    def changes(self) -> int | None:
        """The number of changes in the plan of the run, or None if the journal does not contain the number."""
        return _integer(self.begin_entry.content.get("changes")) if self.begin_entry else None

    @property
    def results(self) -> Mapping[str, int]:
        """The number of changes with each result, for example 3 changes with the result `applied`.

        Changes without a recorded result are not counted.
        """
        last = {entry.number: entry.text("outcome") for entry in self._entries_of(JournalEvent.RESULT)}
        return dict(sorted(Counter(last.values()).items()))

    @property
    def unsettled(self) -> tuple[JournalEntry, ...]:
        """The changes that the run started without recording a result.

        If the journal contains no result for a change, it is unknown whether Auth0 made the change.
        """
        settled = {entry.number for entry in self._entries_of(JournalEvent.RESULT)}
        intents = {entry.number: entry for entry in self._entries_of(JournalEvent.INTENT)}
        return tuple(entry for number, entry in sorted(intents.items()) if number not in settled)

    @property
    def converged(self) -> bool | None:
        """True if the tenant matched the files when the run ended, or None if the journal is incomplete."""
        ends = self._entries_of(JournalEvent.END)
        return ends[-1].content.get("converged") is True if ends else None

    def has_applied(self, saved_plan: str) -> bool:
        """Return whether the run applied all changes of the saved plan with the checksum `saved_plan`."""
        begin_entry = self.begin_entry
        return (
            begin_entry is not None
            and begin_entry.text(SAVED_PLAN) == saved_plan
            and self.results.get("applied", 0) == self.changes
        )

    def _entries_of(self, event: JournalEvent) -> list[JournalEntry]:
        return [entry for entry in self.entries if entry.event == event]


def parse_run(name: str, data: bytes) -> PastRun:
    """Parse the journal of the run with the id `name`.

    Skip unreadable lines, and record their line numbers in `unreadable_lines`.
    """
    entries: list[JournalEntry] = []
    unreadable_lines: list[int] = []
    lines = data.splitlines()
    for number, text in enumerate(lines, start=1):
        entry = _parse_entry(text)
        if entry is None:
            unreadable_lines.append(number)
        else:
            entries.append(entry)
    return PastRun(
        name, tuple(entries), tuple(unreadable_lines), is_truncated=bool(lines) and len(lines) in unreadable_lines
    )


def choose_run(word: str, names: Sequence[str], tenants: Sequence[str] = ()) -> str:
    """Return the full name of the run that the user's argument `word` selects.

    `names` contains the names of all runs, or of the runs of `tenants`, the newest run first. `word` is either `last`,
    or the complete name of a run, or a prefix that only one name has.

    Raises:
        ReconcilerError: if no run or more than one run matches `word`.
    """
    if not names:
        raise ReconcilerError(f'the run "{word}" does not exist, because no journals{of_tenants(tenants)} were found')
    if word == LAST:
        return names[0]
    matching = [name for name in names if name == word] or [name for name in names if name.startswith(word)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise ReconcilerError(
            f'"{word}" matches {len(matching)} runs: {join_first(matching, MAX_NAMED)}; use a longer prefix'
        )
    hint = did_you_mean(word, names) or f"existing runs: {join_first(names, MAX_NAMED)}"
    raise ReconcilerError(f'the run "{word}"{of_tenants(tenants)} does not exist; {hint}')


def of_tenants(names: Sequence[str]) -> str:
    """Return the part of a message that names the tenants in --tenant, or an empty string without --tenant."""
    return f" of {join_words([quote_text(each) for each in names], 'or')}" if names else ""


def _parse_entry(text: bytes) -> JournalEntry | None:
    try:
        content = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not isinstance(content.get("event"), str):
        return None
    time = content.get("time")
    number = _integer(content.get("number")) or 0
    return JournalEntry(content["event"], time if isinstance(time, str) else "", number, content)


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _refuse_constant(constant: str) -> float:
    raise ValueError(f"{constant} is not valid JSON")
