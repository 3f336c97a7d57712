"""Pure: reports, and the comment or issue that belongs to a report.

A report is Markdown. Its first line is a marker: an HTML comment that names the subject, so that a newer report
replaces the older one. The second line names the run that wrote the report.
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

CUT = "\n> [!CAUTION]\n> This report is truncated, because it is too long for a comment. Read the log of the job.\n\n"


@dataclass(frozen=True, slots=True)
class ForgeReport:
    """A report to post. `body` is the whole text, including the marker."""

    file: str
    marker: str
    body: str


@dataclass(frozen=True, slots=True)
class PostedEntry:
    """An existing comment or issue. `ours` is true if the holder of the token wrote it."""

    id: str
    body: str
    ours: bool

    @property
    def marker(self) -> str:
        """The first line, if it is a marker."""
        line = _first_line(self.body)
        return line if MARKER.fullmatch(line) else ""


class CommentTarget(Protocol):
    """The target of reports: the comments on one request, or the open issues of one project."""

    most_characters: int

    def entries(self) -> Iterable[PostedEntry]:
        """Yield all entries, oldest first. Raises ForgeError."""

    def add(self, body: str) -> None:
        """Add an entry. Raises ForgeError."""

    def edit(self, entry_id: str, body: str) -> None:
        """Replace the body of an entry. Raises ForgeError."""


class IssueTarget(CommentTarget, Protocol):
    """A target whose entries can be closed."""

    def close(self, entry_id: str, body: str) -> None:
        """Replace the body of an entry and close it. Raises ForgeError."""


def parse_report(file: str, text: str, run: str = "") -> ForgeReport:
    """Parse a report.

    Raises:
        ReconcilerError: if the first line is not a marker, another line is one, or the report does not name `run`.
    """
    marker = _first_line(text)
    if not MARKER.fullmatch(marker):
        raise ReconcilerError(
            f"{visible(file)}:1:1: the first line is not a marker, so this is not a report; create one with: "
            f"reconciler plan --report markdown={visible(file)}",
        )
    for number, line in enumerate(text.split("\n")[1:], start=2):
        if MARKER.fullmatch(line.rstrip()):
            raise ReconcilerError(
                f"{visible(file)}:{number}:1: a second report starts here, but a file contains one report; "
                "use {tenant} in its name",
            )
    stamp = STAMP.fullmatch(_first_line(text.partition("\n")[2]))
    if run and (stamp is None or stamp["run"] != run):
        raise ReconcilerError(f"{visible(file)}:2:1: a run other than {run} wrote this report; plan again in this run")
    return ForgeReport(file, marker, text)


def shortened_report(report: ForgeReport, most_characters: int) -> ForgeReport:
    """Return the report with as many lines as fit.

    A report that is too long is still posted. Otherwise the older one, which may say "No changes", would remain.
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
    """Raise ReconcilerError for two reports with the same subject."""
    seen: dict[str, str] = {}
    for report in reports:
        other = seen.setdefault(report.marker, report.file)
        if other != report.file:
            raise ReconcilerError(
                f"{visible(other)} and {visible(report.file)} have the same subject: pass one of them"
            )


def tenant_of(marker: str) -> str:
    """Return the name of the tenant in a marker."""
    return unquote(_names(marker)[0])


def stale_markers(entries: Iterable[PostedEntry], like: str, current: Sequence[str]) -> Iterator[str]:
    """Yield the markers of our entries for the configuration in the marker `like`, each once, without `current`.

    No report replaces these entries.
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
    """Return the first of our entries that starts with the report's marker.

    Anybody can copy a marker. Entries of other authors are therefore never changed.
    """
    return next((each for each in entries if each.ours and _first_line(each.body) == report.marker), None)


def says_the_same(entry: PostedEntry, report: ForgeReport) -> bool:
    """Return whether nothing has to be written. Services change line ends and strip surrounding whitespace."""
    return _settled(entry.body) == _settled(report.body)


def _first_line(text: str) -> str:
    return text.partition("\n")[0].rstrip()


def _settled(text: str) -> str:
    return text.replace("\r\n", "\n").strip()
