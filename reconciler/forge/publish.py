"""Post a report: read the existing entries, then write what is missing. Repeating it is safe."""

from enum import StrEnum

from reconciler.forge.report import CommentTarget, ForgeReport, IssueTarget, entry_of, says_the_same


class PublishResult(StrEnum):
    """The result of posting a report."""

    ADDED = "added"
    UPDATED = "updated"
    KEPT = "said already"
    CLOSED = "closed"
    NONE = "nothing to close"


def put(place: CommentTarget, report: ForgeReport) -> PublishResult:
    """Update the report's entry, or add one. Raises ForgeError."""
    entry = entry_of(report, place.entries())
    if entry is None:
        place.add(report.body)
        return PublishResult.ADDED
    if says_the_same(entry, report):
        return PublishResult.KEPT
    place.edit(entry.id, report.body)
    return PublishResult.UPDATED


def close(tracker: IssueTarget, report: ForgeReport) -> PublishResult:
    """Replace the text of the report's entry and close it, if it exists. Raises ForgeError."""
    entry = entry_of(report, tracker.entries())
    if entry is None:
        return PublishResult.NONE
    tracker.close(entry.id, report.body)
    return PublishResult.CLOSED
