"""Pure: problems, check results and risks."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """A position in a file. Lines and columns start at 1. Columns count characters. 0 means the whole file."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Return `file:line:column`, or the file alone if there is no line."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class Severity(StrEnum):
    """An error stops the run. A warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """An error or warning with its source.

    `what` describes the mistake and `fix` the remedy. `fix` may be empty. Neither ends with a full stop. `is_missing`
    is true if the tenant lacks an application, API or organization that somebody may still create.
    """

    source: Source
    what: str
    fix: str = ""
    severity: Severity = Severity.ERROR
    is_missing: bool = False

    @property
    def message(self) -> str:
        """The text `what; fix`."""
        return f"{self.what}; {self.fix}" if self.fix else self.what


def errors(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Return the problems with severity ERROR."""
    return tuple(problem for problem in problems if problem.severity is Severity.ERROR)


class Status(StrEnum):
    """The result of a check. SKIPPED means that the check could not run."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check in one line. `advice` says what to do about it."""

    check: str
    status: Status
    found: str
    advice: str = ""


def counts(findings: Iterable[Finding]) -> dict[Status, int]:
    """Return the number of findings for every status, including 0."""
    counted = Counter(finding.status for finding in findings)
    return {status: counted[status] for status in Status}


class Level(StrEnum):
    """The severity of a risk, the highest first."""

    CRITICAL = "critical"
    HIGH = "high"
    LOW = "low"

    @property
    def order(self) -> int:
        """The sort key of the level. The highest level comes first."""
        return list(Level).index(self)


@dataclass(frozen=True, slots=True)
class Risk:
    """The finding of one risk rule about one change.

    `is_known` is false if the rule could not decide because a list was not read.
    """

    rule: str
    level: Level
    message: str
    is_known: bool = True
