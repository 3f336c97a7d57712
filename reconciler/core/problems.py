"""Classes for problems in files, results of checks, and risks of changes."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from reconciler.core.characters import join_first


class Source(NamedTuple):
    """A position in a file. Lines and columns start at 1. Columns count characters. Line 0 means the whole file."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Return `file:line:column`. Return only `file` if the line is 0."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class Severity(StrEnum):
    """The severity of a problem. An error stops the run. A warning does not stop the run."""

    ERROR = "error"
    WARNING = "warning"


class Problem(NamedTuple):
    """An error or a warning about a position in a file."""

    source: Source
    """The position of the problem in the file."""
    what: str
    """A description of the mistake, without a full stop."""
    fix: str = ""
    """Advice on how to correct the mistake, without a full stop, or an empty string."""
    severity: Severity = Severity.ERROR
    """The severity: an error stops the run, and a warning does not stop the run."""
    is_missing: bool = False
    """True if the problem is caused by an application, API or organization that does not exist in the tenant."""

    @property
    def message(self) -> str:
        """The message for the user, in the form `mistake; advice`."""
        return f"{self.what}; {self.fix}" if self.fix else self.what


def errors(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Return the problems with severity ERROR."""
    return tuple(problem for problem in problems if problem.severity is Severity.ERROR)


MAX_SOURCES = 20


def one_per_cause(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Combine equal problems on several lines of a file into a single problem.

    The combined problem has the position of the first line and mentions the other lines.

    For example, one unknown application name may cause the same problem in many grants.
    """
    by_cause: dict[tuple[str, str, Severity, bool], list[Source]] = {}
    for each in sorted(problems):
        by_cause.setdefault((each.what, each.fix, each.severity, each.is_missing), []).append(each.source)
    return tuple(sorted(_combined(sources, *cause) for cause, sources in by_cause.items()))


def _combined(sources: list[Source], what: str, fix: str, severity: Severity, is_missing: bool) -> Problem:  # noqa: FBT001 - the boolean parameter is an attribute of Problem
    first, *others = dict.fromkeys(sources)
    if not others:
        return Problem(first, what, fix, severity, is_missing)
    also = f"also at {join_first([str(each) for each in others], MAX_SOURCES)}"
    return Problem(first, what, f"{fix}; {also}" if fix else also, severity, is_missing)


class Status(StrEnum):
    """The result of a check. SKIPPED means that the check could not run."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Finding(NamedTuple):
    """The result of a check, as a line of the output of `doctor`. `advice` is the recommended action."""

    check: str
    status: Status
    found: str
    advice: str = ""


def count_statuses(findings: Iterable[Finding]) -> dict[Status, int]:
    """Count the findings with each status. The returned dictionary contains every status, even if the count is 0."""
    counted = Counter(finding.status for finding in findings)
    return {status: counted[status] for status in Status}


class Level(StrEnum):
    """The severity of a risk. The most severe level comes first."""

    CRITICAL = "critical"
    HIGH = "high"
    LOW = "low"

    @property
    def order(self) -> int:
        """The sort key of the severity. The highest severity has the lowest number."""
        return list(Level).index(self)


class Risk(NamedTuple):
    """A risk that a risk rule has found in a change or a grant.

    `is_known` is False if the risk is uncertain, because reconciler could not read a list of the tenant.
    """

    rule: str
    level: Level
    message: str
    is_known: bool = True
