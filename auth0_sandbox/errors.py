"""The errors that users of the sandbox cause."""

from collections.abc import Sequence
from dataclasses import dataclass


class SandboxError(Exception):
    """The sandbox cannot continue. The message contains the mistake and a way to correct the mistake."""


@dataclass(frozen=True, slots=True)
class FileProblem:
    """A mistake in a file. Lines and columns start at 1. Line 0 means that the mistake concerns the whole file."""

    file: str
    line: int
    column: int
    what: str
    fix: str = ""

    def __str__(self) -> str:
        """Return the problem as text in the form `file:line:column: what; fix`."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.what}; {self.fix}" if self.fix else f"{place}: {self.what}"


class FileError(SandboxError):
    """A file has problems. `problems` contains all problems, and `text` is the content of the file."""

    def __init__(self, problems: Sequence[FileProblem], text: str = "") -> None:
        super().__init__(f"{len(problems)} problem(s)")
        self.problems = tuple(problems)
        self.text = text


def reason(error: Exception) -> str:
    """Return the message of an error without the error number of the operating system."""
    return str(getattr(error, "strerror", None) or error)
