"""Pure: reports, and which of the entries that a place has already is the one of a report.

A report is Markdown whose first line is a marker, a comment that no reader sees. It names what the report is about, so
that a newer report takes the place of the older one.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from reconciler.core.quoting import visible
from reconciler.errors import ReconcilerError

MARKER = re.compile(r"<!-- reconciler(:[A-Za-z0-9._~%-]+){1,2} -->")

CUT = "\n> [!CAUTION]\n> This report is cut, because it is too long for a comment. Read the log of the job.\n\n"


@dataclass(frozen=True, slots=True)
class Report:
    """What is to be put. `body` is the whole text, its marker included."""

    file: str
    marker: str
    body: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A comment or an issue that is there; `ours` if the holder of our token wrote it."""

    id: str
    body: str
    ours: bool


class Place(Protocol):
    """Where reports are put: the comments of one request, or the open issues of one project."""

    most_characters: int

    def entries(self) -> Iterable[Entry]:
        """Yield all that is there, oldest first. Raises ForgeError."""

    def add(self, body: str) -> None:
        """Put a new entry. Raises ForgeError."""

    def edit(self, entry_id: str, body: str) -> None:
        """Give an entry another body. Raises ForgeError."""


class Tracker(Place, Protocol):
    """A place whose entries can be closed."""

    def close(self, entry_id: str, body: str) -> None:
        """Give an entry its last body, and close it. Raises ForgeError."""


def parse_report(file: str, text: str) -> Report:
    """Return the report that `text` is.

    Raises:
        ReconcilerError: if its first line is no marker, or another line is one, too.
    """
    marker = _first_line(text)
    if not MARKER.fullmatch(marker):
        raise ReconcilerError(
            f"{visible(file)}:1:1: the first line is no marker, so this is no report; make one with: "
            f"reconciler plan --report markdown={visible(file)}",
        )
    for number, line in enumerate(text.split("\n")[1:], start=2):
        if MARKER.fullmatch(line.rstrip()):
            raise ReconcilerError(
                f"{visible(file)}:{number}:1: a second report begins here, and a file holds one; "
                "use {tenant} in the name of the report",
            )
    return Report(file, marker, text)


def shortened_report(report: Report, most_characters: int) -> Report:
    """Return the report with as many of its lines as fit.

    A report is never refused for its length: the older one, which may say "No changes", must not stay.
    """
    if len(report.body) <= most_characters:
        return report
    first, *lines = report.body.splitlines(keepends=True)
    text = first.rstrip("\n") + CUT
    for line in lines:
        if len(text) + len(line) > most_characters:
            break
        text += line
    return replace(report, body=text)


def refuse_equal_markers(reports: Iterable[Report]) -> None:
    """Raise ReconcilerError for a report that another of `reports` would overwrite."""
    seen: dict[str, str] = {}
    for report in reports:
        other = seen.setdefault(report.marker, report.file)
        if other != report.file:
            raise ReconcilerError(f"{visible(other)} and {visible(report.file)} are about the same: give one of them")


def entry_of(report: Report, entries: Iterable[Entry]) -> Entry | None:
    """Return the first entry that we wrote and that begins with the report's marker, if there is one.

    Anybody can copy a marker. What somebody else wrote stays theirs to change, so it never stands for ours.
    """
    return next((each for each in entries if each.ours and _first_line(each.body) == report.marker), None)


def says_the_same(entry: Entry, report: Report) -> bool:
    """Return whether nothing has to be written; services change line ends and drop blanks around a text."""
    return _settled(entry.body) == _settled(report.body)


def _first_line(text: str) -> str:
    return text.partition("\n")[0].rstrip()


def _settled(text: str) -> str:
    return text.replace("\r\n", "\n").strip()
