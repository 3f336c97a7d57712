"""Pure: what is wrong, where it stands, and what to do about it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """A place in a file. Lines and columns count from 1, columns in characters; 0 means the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """`file:line:column`, or the file alone where the problem has no line."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class Severity(StrEnum):
    """An error stops the run, a warning is said and the run goes on."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to fix.

    `what` says what is wrong, `fix` what to do (empty where `what` says it already); neither ends with a full stop.
    `is_missing` says that the tenant lacks an application, API or organization, which somebody may still create there.
    """

    source: Source
    what: str
    fix: str = ""
    severity: Severity = Severity.ERROR
    is_missing: bool = False

    @property
    def message(self) -> str:
        """`what is wrong; what to do`."""
        return f"{self.what}; {self.fix}" if self.fix else self.what


def errors(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Return the problems that stop the run."""
    return tuple(problem for problem in problems if problem.severity is Severity.ERROR)


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
