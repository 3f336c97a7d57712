"""Pure: reports, and which of the entries that a place has already is the one of a report.

A report is Markdown whose first line is a marker, a comment that no reader sees. It names what the report is about, so
that a newer report takes the place of the older one. The second line names the run of the job that wrote the report.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import unquote

from reconciler.core.quoting import visible
from reconciler.errors import ReconcilerError

MARKER = re.compile(r"<!-- reconciler(:[A-Za-z0-9._~%-]+){1,2} -->")
STAMP = re.compile(r"<!-- run (?P<run>[0-9]+) -->")

CUT = "\n> [!CAUTION]\n> This report is cut, because it is too long for a comment. Read the log of the job.\n\n"


@dataclass(frozen=True, slots=True)
class ForgeReport:
    """What is to be put. `body` is the whole text, its marker included."""

    file: str
    marker: str
    body: str


@dataclass(frozen=True, slots=True)
class PostedEntry:
    """A comment or an issue that is there; `ours` if the holder of our token wrote it."""

    id: str
    body: str
    ours: bool

    @property
    def marker(self) -> str:
        """The first line, if it is a marker."""
        line = _first_line(self.body)
        return line if MARKER.fullmatch(line) else ""


class CommentTarget(Protocol):
    """Where reports are put: the comments of one request, or the open issues of one project."""

    most_characters: int

    def entries(self) -> Iterable[PostedEntry]:
        """Yield all that is there, oldest first. Raises ForgeError."""

    def add(self, body: str) -> None:
        """Put a new entry. Raises ForgeError."""

    def edit(self, entry_id: str, body: str) -> None:
        """Give an entry another body. Raises ForgeError."""


class IssueTarget(CommentTarget, Protocol):
    """A place whose entries can be closed."""

    def close(self, entry_id: str, body: str) -> None:
        """Give an entry its last body, and close it. Raises ForgeError."""


def parse_report(file: str, text: str, run: str = "") -> ForgeReport:
    """Return the report that `text` is.

    Raises:
        ReconcilerError: if its first line is no marker, another line is one, too, or it does not name `run`.
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
    stamp = STAMP.fullmatch(_first_line(text.partition("\n")[2]))
    if run and (stamp is None or stamp["run"] != run):
        raise ReconcilerError(f"{visible(file)}:2:1: another run than {run} wrote this report; plan again in this run")
    return ForgeReport(file, marker, text)


def shortened_report(report: ForgeReport, most_characters: int) -> ForgeReport:
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


def refuse_equal_markers(reports: Iterable[ForgeReport]) -> None:
    """Raise ReconcilerError for a report that another of `reports` would overwrite."""
    seen: dict[str, str] = {}
    for report in reports:
        other = seen.setdefault(report.marker, report.file)
        if other != report.file:
            raise ReconcilerError(f"{visible(other)} and {visible(report.file)} are about the same: give one of them")


def tenant_of(marker: str) -> str:
    """Return the name of the tenant that a marker names."""
    return unquote(_names(marker)[0])


def stale_markers(entries: Iterable[PostedEntry], like: str, current: Sequence[str]) -> Iterator[str]:
    """Yield the markers of our entries for the configuration that `like` names, each once, without those of `current`.

    These are the entries that no report replaces.
    """
    seen = set(current)
    for entry in entries:
        marker = entry.marker
        if entry.ours and marker and marker not in seen and _names(marker)[1:] == _names(like)[1:]:
            seen.add(marker)
            yield marker


def _names(marker: str) -> list[str]:
    return marker.removeprefix("<!-- reconciler:").removesuffix(" -->").split(":")


def entry_of(report: ForgeReport, entries: Iterable[PostedEntry]) -> PostedEntry | None:
    """Return the first entry that we wrote and that begins with the report's marker, if there is one.

    Anybody can copy a marker. What somebody else wrote stays theirs to change, so it never stands for ours.
    """
    return next((each for each in entries if each.ours and _first_line(each.body) == report.marker), None)


def says_the_same(entry: PostedEntry, report: ForgeReport) -> bool:
    """Return whether nothing has to be written; services change line ends and drop blanks around a text."""
    return _settled(entry.body) == _settled(report.body)


def _first_line(text: str) -> str:
    return text.partition("\n")[0].rstrip()


def _settled(text: str) -> str:
    return text.replace("\r\n", "\n").strip()
