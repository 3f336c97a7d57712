"""Post a report. Existing entries are read first, so posting the same report again is safe."""

from enum import StrEnum

from reconciler.forge.report import CommentTarget, ForgeReport, IssueTarget, entry_of, has_same_content


class PublishResult(StrEnum):
    """The result of posting a report."""

    ADDED = "added"
    UPDATED = "updated"
    KEPT = "unchanged"
    CLOSED = "closed"
    NONE = "nothing to close"


def publish(target: CommentTarget, report: ForgeReport) -> PublishResult:
    """Update the entry of the report, or add an entry. Raises ForgeError."""
    entry = entry_of(report, target.entries())
    if entry is None:
        target.add(report.body)
        return PublishResult.ADDED
    if has_same_content(entry, report):
        return PublishResult.KEPT
    target.edit(entry.id, report.body)
    return PublishResult.UPDATED


def close(target: IssueTarget, report: ForgeReport) -> PublishResult:
    """Replace the text of the report's entry and close the entry, if it exists. Raises ForgeError."""
    entry = entry_of(report, target.entries())
    if entry is None:
        return PublishResult.NONE
    target.close(entry.id, report.body)
    return PublishResult.CLOSED
