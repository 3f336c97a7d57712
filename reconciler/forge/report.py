"""Parse reports, find the comment or issue that contains an earlier report, and post reports.

A report is a Markdown document. The first line of a report is a marker: an HTML comment with the kind of the report,
the tenant and the configuration. The kind of a report is either a plan or the result of `apply`. To post a report,
reconciler replaces the text of the comment or issue that starts with the marker of the report. The second line of a
report contains the number of the pipeline run that wrote the report.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol
from urllib.parse import unquote

from reconciler.core.characters import visible
from reconciler.errors import ReconcilerError

MARKER = re.compile(r"<!-- (?P<kind>reconciler(-result)?)(:[A-Za-z0-9._~%-]+){1,2} -->")
STAMP = re.compile(r"<!-- run (?P<run>[0-9]+) -->")

TRUNCATION_NOTE = (
    "\n> [!CAUTION]\n> This report is truncated, because it is too long for a comment. Read the log of the job.\n\n"
)


@dataclass(frozen=True, slots=True)
class ForgeReport:
    """A report to post. `body` is the complete text of the report, including the first line."""

    file: str
    marker: str
    body: str


@dataclass(frozen=True, slots=True)
class PostedEntry:
    """A comment or issue that exists at the hosting service.

    `is_ours` is true if the token of the current job wrote the comment or issue.
    """

    id: str
    body: str
    is_ours: bool

    @property
    def marker(self) -> str:
        """The first line of the report, or an empty string if the comment or issue does not contain a report."""
        line = _first_line(self.body)
        return line if MARKER.fullmatch(line) else ""


class CommentTarget(Protocol):
    """The place to which reports are posted: the comments on one pull request, or the open issues of one project."""

    max_characters: int

    def entries(self) -> Iterable[PostedEntry]:
        """Yield all comments or issues, starting with the oldest comment or issue. Raises ForgeError."""

    def add(self, body: str) -> None:
        """Add a comment or issue with the text `body`. Raises ForgeError."""

    def edit(self, entry_id: str, body: str) -> None:
        """Replace the text of a comment or issue. Raises ForgeError."""


class IssueTarget(CommentTarget, Protocol):
    """The open issues of a project. reconciler posts reports as issues and can close issues."""

    def close(self, entry_id: str, body: str) -> None:
        """Replace the text of an issue and close the issue. Raises ForgeError."""


def parse_report(file: str, text: str, run: str = "") -> ForgeReport:
    """Parse the text of a report.

    Raises:
        ReconcilerError: if the text is not a report, if the text contains several reports, or if the report does not
            belong to the pipeline run `run`.
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
                f"{visible(file)}:{number}:1: a second report starts here, but a file can contain only one report; "
                "use {tenant} in the file name",
            )
    stamp = STAMP.fullmatch(_first_line(text.partition("\n")[2]))
    if run and (stamp is None or stamp["run"] != run):
        raise ReconcilerError(f"{visible(file)}:2:1: a run other than {run} wrote this report; plan again in this run")
    return ForgeReport(file, marker, text)


def truncated_report(report: ForgeReport, max_characters: int, note: str = TRUNCATION_NOTE) -> ForgeReport:
    """Return the report, shortened if the report has more than `max_characters` characters.

    In a shortened report, `note` follows the first line. reconciler also posts a long report, because an outdated
    earlier report might say "No changes".
    """
    if len(report.body) <= max_characters:
        return report
    first, *lines = report.body.splitlines(keepends=True)
    text = first.rstrip("\n") + note
    for line in lines:
        if len(text) + len(line) > max_characters:
            break
        text += line
    return replace(report, body=text)


def refuse_equal_markers(reports: Iterable[ForgeReport]) -> None:
    """Raise ReconcilerError if two reports in `reports` have the same first line."""
    seen: dict[str, str] = {}
    for report in reports:
        other = seen.setdefault(report.marker, report.file)
        if other != report.file:
            raise ReconcilerError(
                f"{visible(other)} and {visible(report.file)} are reports about the same tenant: "
                "pass only one of the two reports"
            )


def tenant_of(marker: str) -> str:
    """Return the name of the tenant in the first line of a report."""
    return unquote(_names(marker)[0])


def stale_markers(entries: Iterable[PostedEntry], like: str, current: Sequence[str]) -> Iterator[str]:
    """Yield the first lines of earlier reports by reconciler, without duplicates and without the lines in `current`.

    `like` is the first line of a report. The function yields a line only if the line names the same kind of report and
    the same configuration as `like`. `current` contains the first lines of the reports of this run.
    """
    seen = set(current)
    for entry in entries:
        marker = entry.marker
        if entry.is_ours and marker and marker not in seen and _scope(marker) == _scope(like):
            seen.add(marker)
            yield marker


def _names(marker: str) -> list[str]:
    return marker.removesuffix(" -->").split(":")[1:]


def _scope(marker: str) -> tuple[str, ...]:
    """Return the kind and the configuration that the first line of a report contains."""
    return marker.partition(":")[0], *_names(marker)[1:]


def entry_of(report: ForgeReport, entries: Iterable[PostedEntry]) -> PostedEntry | None:
    """Return the first comment or issue by reconciler that starts with the first line of the report, or None.

    Comments and issues of other authors are ignored, because anybody can copy the first line of a report.
    """
    return next((each for each in entries if each.is_ours and _first_line(each.body) == report.marker), None)


def has_same_content(entry: PostedEntry, report: ForgeReport) -> bool:
    """Return whether the comment or issue contains the text of the report.

    Differences in line endings and surrounding whitespace are ignored, because hosting services may change both.
    """
    return _normalized(entry.body) == _normalized(report.body)


def _first_line(text: str) -> str:
    return text.partition("\n")[0].rstrip()


def _normalized(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


class PublishResult(StrEnum):
    """The result of posting or closing a report."""

    ADDED = "added"
    UPDATED = "updated"
    KEPT = "unchanged"
    CLOSED = "closed"
    NONE = "nothing to close"


def publish(target: CommentTarget, report: ForgeReport) -> PublishResult:
    """Update the comment or issue that contains an earlier version of the report, or add a new comment or issue.

    Raises ForgeError.
    """
    entry = entry_of(report, target.entries())
    if entry is None:
        target.add(report.body)
        return PublishResult.ADDED
    if has_same_content(entry, report):
        return PublishResult.KEPT
    target.edit(entry.id, report.body)
    return PublishResult.UPDATED


def close(target: IssueTarget, report: ForgeReport) -> PublishResult:
    """If an issue contains an earlier version of the report, replace its text and close the issue.

    Raises ForgeError.
    """
    entry = entry_of(report, target.entries())
    if entry is None:
        return PublishResult.NONE
    target.close(entry.id, report.body)
    return PublishResult.CLOSED
