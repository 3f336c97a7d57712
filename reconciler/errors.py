"""What can go wrong that is nobody's bug, and the exit code each means.

    ReconcilerError              exit 1: usage, configuration; nothing was written
    ├── ProblemsError            exit 1: files say something wrong; carries every problem
    ├── RefusedError             exit 4: a guard says no
    ├── StalePlanError           exit 5: the saved plan is stale, altered, too old, another tenant's or made otherwise
    ├── ReportLostError          exit 3: the tenant was changed, and nobody could be told how
    ├── CrashError               exit 1, 3 if something was written: a bug at one of several tenants
    └── Auth0Error               exit 1: the Management API or the way to it (auth0/errors.py has its leaves)

The entry point catches the base only; anything else is a bug and keeps its traceback.
"""

import traceback
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

from reconciler.core.problems import Problem, errors


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    FAILED = 1
    CHANGES = 2
    INCOMPLETE = 3
    REFUSED = 4
    STALE = 5
    INTERRUPTED = 130
    TERMINATED = 143


class ReconcilerError(Exception):
    """The run cannot go on; the message says why and what to do.

    `tenants` has the names of the tenants that it is about, if any are, each with whether that is a sandbox.
    """

    exit_code = Exit.FAILED
    tenants: Mapping[str, bool] = MappingProxyType({})

    @property
    def told(self) -> tuple[str, ...]:
        """What a report says of it, one line each."""
        return (str(self),)


class ProblemsError(ReconcilerError):
    """Files declare something that cannot be; `problems` has every one of them, `texts` the files' contents."""

    def __init__(self, problems: tuple[Problem, ...], texts: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{len(problems)} problem(s)")
        self.problems = problems
        self.texts = texts or {}

    @property
    def told(self) -> tuple[str, ...]:
        """Every problem that stops the run, with its place."""
        return tuple(f"{problem.source}: {problem.message}" for problem in errors(self.problems))


class RefusedError(ReconcilerError):
    """A guard refuses the whole run."""

    exit_code = Exit.REFUSED


class ReportLostError(ReconcilerError):
    """Stdout broke when the report of a run that wrote was due."""

    exit_code = Exit.INCOMPLETE


class CrashError(ReconcilerError):
    """A bug at one of several tenants: an exception that is no ReconcilerError. `trace` is its traceback."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"unexpected {type(error).__name__}: {error}; this is a bug, please report it")
        self.trace = "".join(traceback.format_exception(error))


class StalePlanError(ReconcilerError):
    """A saved plan does not approve what would be done now; nothing was written."""

    exit_code = Exit.STALE


def reason(error: Exception) -> str:
    """Return what went wrong in plain words: the system's, without the number that Python puts before them."""
    match error:
        case OSError(strerror=str(words)):
            return words
        case UnicodeDecodeError():
            return "it is no text in UTF-8"
        case _:
            return str(error)
