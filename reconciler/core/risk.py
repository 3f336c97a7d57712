"""Pure: what a reviewer should know of a change before agreeing to it."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a risk may cost, the worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    LOW = "low"

    @property
    def order(self) -> int:
        """What risks are sorted by: the worst first."""
        return list(Level).index(self)


@dataclass(frozen=True, slots=True)
class Risk:
    """What one rule says of one change: the rule's name, and in `message` what it found there.

    `is_known` is False if the rule could not decide: something that it needs was not read.
    """

    rule: str
    level: Level
    message: str
    is_known: bool = True
