"""Put a report where it belongs: look, then write what is missing. Done again as a whole, it does no harm."""

import random
import time
from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from reconciler.forge.http import TransientForgeError
from reconciler.forge.report import CommentTarget, ForgeReport, IssueTarget, entry_of, says_the_same

T = TypeVar("T")

LONGEST_WAIT_SECONDS = 60.0


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


def persistently(work: Callable[[], T], attempts: int, sleep: Callable[[float], object] = time.sleep) -> T:
    """Return what `work` does, done again from its first look on after a failure that may pass.

    So a write whose answer was lost is never repeated blindly: the next look finds what it did.

    Raises:
        ForgeError: the failure that did not pass.
    """
    for attempt in range(attempts - 1):
        try:
            return work()
        except TransientForgeError as error:
            wait = random.uniform(0.5, 1.0) * 2.0**attempt  # noqa: S311 - spreads jobs, hides nothing
            sleep(min(max(wait, error.retry_after), LONGEST_WAIT_SECONDS))
    return work()
