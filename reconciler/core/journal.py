"""Pure: what a journal says about a run that is over, or was cut off. It is evidence: nothing of it is carried out."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from reconciler.core.suggest import did_you_mean
from reconciler.errors import ReconcilerError

LAST = "last"
MOST_NAMED = 5
SAVED_PLAN = "saved_plan"
"""What the checksum of the saved plan is called in the line that begins a run."""


class JournalEvent(StrEnum):
    """What a line of a journal tells of."""

    BEGIN = "begin"
    INTENT = "intent"
    RESULT = "result"
    END = "end"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A line of a journal. `number` is the change's within the plan, 0 where the line is about the run as a whole.

    `content` is the whole line as it was read: whoever asks it for something has to expect that it is not there.
    """

    event: str
    time: str
    number: int
    content: Mapping[str, object]

    def text(self, name: str) -> str:
        """Return what the line says under `name`, as text; empty if it does not."""
        value = self.content.get(name)
        return value if isinstance(value, str) else ""

    def parts(self, name: str) -> Mapping[str, object]:
        """Return the object under `name`; empty if there is none."""
        value = self.content.get(name)
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class PastRun:
    """What a journal says of one run; `damaged` are the numbers of its lines that cannot be read, counted from 1.

    `broken_off` means that the last line is one of these, as it is when a process is killed while it writes.
    """

    name: str
    entries: tuple[JournalEntry, ...]
    damaged: tuple[int, ...] = ()
    broken_off: bool = False

    @property
    def begun(self) -> JournalEntry | None:
        """The line that began the run."""
        return next(iter(self._of(JournalEvent.BEGIN)), None)

    @property
    def changes(self) -> int | None:
        """How many changes its plan had; None if that is not told."""
        return _whole(self.begun.content.get("changes")) if self.begun else None

    @property
    def results(self) -> Mapping[str, int]:
        """How many changes came to which result; changes without one are not counted."""
        last = {entry.number: entry.text("outcome") for entry in self._of(JournalEvent.RESULT)}
        return dict(sorted(Counter(last.values()).items()))

    @property
    def unsettled(self) -> tuple[JournalEntry, ...]:
        """The intents without a result, the last of each change: nobody noted what became of them."""
        settled = {entry.number for entry in self._of(JournalEvent.RESULT)}
        intents = {entry.number: entry for entry in self._of(JournalEvent.INTENT)}
        return tuple(entry for number, entry in sorted(intents.items()) if number not in settled)

    @property
    def converged(self) -> bool | None:
        """Whether the tenant was seen to equal the files in the end; None if the run did not come to its end."""
        ends = self._of(JournalEvent.END)
        return ends[-1].content.get("converged") is True if ends else None

    def has_applied(self, saved_plan: str) -> bool:
        """Return whether the run applied every change that was left to do of the saved plan with this checksum."""
        begun = self.begun
        return (
            begun is not None
            and begun.text(SAVED_PLAN) == saved_plan
            and self.results.get("applied", 0) == self.changes
        )

    def _of(self, event: JournalEvent) -> list[JournalEntry]:
        return [entry for entry in self.entries if entry.event == event]


def parse_run(name: str, data: bytes) -> PastRun:
    """Return what the journal `data` of the run `name` says, whatever has become of some of its lines."""
    entries: list[JournalEntry] = []
    damaged: list[int] = []
    lines = data.splitlines()
    for number, text in enumerate(lines, start=1):
        entry = _entry(text)
        if entry is None:
            damaged.append(number)
        else:
            entries.append(entry)
    return PastRun(name, tuple(entries), tuple(damaged), broken_off=bool(lines) and len(lines) in damaged)


def choose_run(word: str, names: Sequence[str]) -> str:
    """Return which of `names` (newest first) `word` means: `last`, a whole name, or a beginning that only one has.

    Raises:
        ReconcilerError: if none does, or several.
    """
    if not names:
        raise ReconcilerError(f'there is no run "{word}": no run has left a journal here')
    if word == LAST:
        return names[0]
    fitting = [name for name in names if name == word] or [name for name in names if name.startswith(word)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise ReconcilerError(f'"{word}" may be any of {len(fitting)} runs: {_some(fitting)}; give more of its name')
    hint = did_you_mean(word, names) or f"there are: {_some(names)}"
    raise ReconcilerError(f'there is no run "{word}"; {hint}')


def _some(names: Iterable[str]) -> str:
    first, more = list(names)[:MOST_NAMED], len(list(names)) - MOST_NAMED
    return ", ".join(first) + (f" and {more} more" if more > 0 else "")


def _entry(text: bytes) -> JournalEntry | None:
    try:
        content = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not isinstance(content.get("event"), str):
        return None
    time = content.get("time")
    number = _whole(content.get("number")) or 0
    return JournalEntry(content["event"], time if isinstance(time, str) else "", number, content)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")
