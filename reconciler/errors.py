"""The errors that users and networks can cause, and the exit code for each error.

ReconcilerError is the base class of the other errors:

- ReconcilerError (exit code 1): a wrong option or configuration; nothing was written
- ProblemsError (exit code 1): files have problems; the error contains all problems
- RefusedError (exit code 4): a safety rule (guard) refuses the run
- StalePlanError (exit code 5): the saved plan is stale, altered, too old or for a different tenant
- ReportLostError (exit code 3, 130 or 143): the tenant was changed, and the report could not be printed
- CrashError (exit code 1, or 3 after a write): a bug ended a tenant's run in a command with several tenants
- NotStartedError (exit code 1, 130 or 143): the command ended before the tenant's run started
- Auth0Error (exit code 1): an error of the Management API or the network, see auth0/errors.py

The entry point of the program catches only ReconcilerError. Any other exception is a bug and is shown with its
traceback.
"""

import traceback
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

from reconciler.core.problems import Problem, errors


class Exit(IntEnum):
    """The exit code of a command."""

    DONE = 0
    FAILED = 1
    CHANGES = 2
    INCOMPLETE = 3
    REFUSED = 4
    STALE = 5
    INTERRUPTED = 130
    TERMINATED = 143


EXIT_CODES_BY_SEVERITY = (
    Exit.DONE,
    Exit.CHANGES,
    Exit.STALE,
    Exit.REFUSED,
    Exit.FAILED,
    Exit.INCOMPLETE,
    Exit.TERMINATED,
    Exit.INTERRUPTED,
)
"""The exit codes from least to most severe.

The exit code of a run that changed a part of the tenant is more severe than the exit code of a run without changes.
"""


class ReconcilerError(Exception):
    """The base class of errors that end a run. The error message says what is wrong and what to do.

    `tenants` maps the name of each affected tenant to True for a local sandbox, and to False for a real Auth0 tenant.
    """

    exit_code = Exit.FAILED
    tenants: Mapping[str, bool] = MappingProxyType({})

    @property
    def report_lines(self) -> tuple[str, ...]:
        """The lines that a report shows for the error."""
        return (str(self),)


class ProblemsError(ReconcilerError):
    """Files have problems.

    `problems` contains every problem, and `texts` maps file names to the content of the files.
    """

    def __init__(self, problems: tuple[Problem, ...], texts: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{len(problems)} problem(s)")
        self.problems = problems
        self.texts = texts or {}

    @property
    def report_lines(self) -> tuple[str, ...]:
        """The file, position and message of each problem with severity ERROR."""
        return tuple(f"{problem.source}: {problem.message}" for problem in errors(self.problems))


class RefusedError(ReconcilerError):
    """A safety rule (guard) refuses the whole run."""

    exit_code = Exit.REFUSED


class ReportLostError(ReconcilerError):
    """The tenant was changed, but reconciler could not print the report to stdout."""

    def __init__(self, reason: str, exit_code: Exit = Exit.INCOMPLETE) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


class CrashError(ReconcilerError):
    """A bug ended the run of one tenant. The runs of the other tenants continue.

    `trace` is the traceback of the bug.
    """

    def __init__(self, error: Exception, *, may_have_written: bool = False) -> None:
        super().__init__(f"unexpected {type(error).__name__}: {error}; this is a bug, please report it")
        self.exit_code = Exit.INCOMPLETE if may_have_written else Exit.FAILED
        self.trace = "".join(traceback.format_exception(error))


class NotStartedError(ReconcilerError):
    """The command ended before the tenant's run started. The tenant was neither read nor changed."""

    def __init__(self, reason: str, exit_code: Exit = Exit.FAILED) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


class StalePlanError(ReconcilerError):
    """The saved plan is out of date or does not contain all current changes. The tenant was not changed."""

    exit_code = Exit.STALE


def reason(error: Exception) -> str:
    """Return the message of an exception without the error number and file name that Python adds."""
    match error:
        case OSError(strerror=str(text)):
            return text
        case UnicodeDecodeError():
            return "the content is not UTF-8 text"
        case _:
            return str(error)
