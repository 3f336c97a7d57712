"""Put a report where it belongs: look, then write what is missing. Done again as a whole, it does no harm."""

from enum import StrEnum

from reconciler.forge.report import CommentTarget, ForgeReport, IssueTarget, entry_of, says_the_same


class PublishResult(StrEnum):
    """What was done for a report."""

    ADDED = "added"
    UPDATED = "updated"
    KEPT = "said already"
    CLOSED = "closed"
    NONE = "nothing to close"


def put(place: CommentTarget, report: ForgeReport) -> PublishResult:
    """Update the report's entry, or add it where there is none. Raises ForgeError."""
    entry = entry_of(report, place.entries())
    if entry is None:
        place.add(report.body)
        return PublishResult.ADDED
    if says_the_same(entry, report):
        return PublishResult.KEPT
    place.edit(entry.id, report.body)
    return PublishResult.UPDATED


def close(tracker: IssueTarget, report: ForgeReport) -> PublishResult:
    """Let the report be the last word of its entry, and close that, if there is one. Raises ForgeError."""
    entry = entry_of(report, tracker.entries())
    if entry is None:
        return PublishResult.NONE
    tracker.close(entry.id, report.body)
    return PublishResult.CLOSED
