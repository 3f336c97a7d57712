"""Pure: what a check of one's own set-up found, and what to do about it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a check ended; a skipped one could not be made."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, in a line; `advice` says what to do where it is not well."""

    check: str
    status: Status
    found: str
    advice: str = ""


def counts(findings: Iterable[Finding]) -> dict[Status, int]:
    """Return how many findings there are of each status, all statuses named."""
    counted = Counter(finding.status for finding in findings)
    return {status: counted[status] for status in Status}
