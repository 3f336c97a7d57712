"""The only module that writes to the terminal: results to stdout, everything else to stderr."""

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from shutil import get_terminal_size
from typing import IO, TYPE_CHECKING

from reconciler.app.options import GlobalOptions
from reconciler.core.characters import visible
from reconciler.errors import CrashError, ProblemsError, ReconcilerError
from reconciler.output.styled import Line, Span, Style, line, plain

if TYPE_CHECKING:
    from reconciler.core.outcome import Outcome
    from reconciler.core.problems import Problem

ANSI_CODES: Mapping[Style, str] = {
    Style.PLAIN: "",
    Style.STRONG: "1",
    Style.MUTED: "2",
    Style.CREATE: "32",
    Style.UPDATE: "33",
    Style.DELETE: "31",
    Style.WARNING: "33",
    Style.ERROR: "31;1",
}
"""The parameter of the ANSI escape sequence for each style (ECMA-48, SGR)."""


class Console:
    """Writes text lines to stdout and stderr.

    The lines are coloured if the options and the output stream allow colours.
    """

    def __init__(self, options: GlobalOptions) -> None:
        self._color = options.color
        self._quiet = options.quiet
        self._status_line = ""

    def result(self, lines: Iterable[Line]) -> None:
        """Write the result of the command to stdout."""
        _write(sys.stdout, self._render(sys.stdout, lines))

    def plan(self, lines: Iterable[Line], *, stdout_has_data: bool, before_question: bool) -> None:
        """Write a plan to stdout, or to stderr if the command writes JSON or other data to stdout.

        If a question follows, the plan is written even with --quiet.
        """
        if not stdout_has_data:
            self.result(lines)
        elif before_question:
            self._write_stderr(lines)
        else:
            self.info(lines)

    def lost_result(self, lines: Iterable[Line]) -> None:
        """Write a result to stderr because writing to stdout failed. --quiet has no effect."""
        self._write_stderr(lines)

    def data(self, value: object) -> None:
        """Write `value` as one JSON object to stdout."""
        from reconciler.artifacts.grant_json import json_text

        self.text(json_text(value))

    def text(self, text: str) -> None:
        """Write `text` to stdout without escaping. `text` must not contain unescaped text from files or tenants."""
        _write(sys.stdout, text)

    def info(self, lines: Iterable[Line]) -> None:
        """Write information to stderr, unless --quiet is set."""
        if not self._quiet:
            self._write_stderr(lines)

    def note(self, text: str) -> None:
        """Write a note to stderr, unless --quiet is set."""
        self.info([line(Span(visible(text), Style.WARNING))])

    def problems(self, problems: "Iterable[Problem]", texts: Mapping[str, str]) -> None:
        """Write problems to stderr. On a terminal, also show the affected lines of the files."""
        from reconciler.output.problems import problem_lines

        self._write_stderr(problem_lines(problems, texts, excerpts=sys.stderr.isatty()))

    def error(self, message: str, tenant: str = "") -> None:
        """Write the error message `message` to stderr.

        `tenant` is the name of the failed tenant if the run has several tenants.
        """
        prefix = f"{visible(tenant)}: " if tenant else ""
        self._write_stderr([line(Span("error:", Style.ERROR), " ", prefix, visible(message))])

    def failure(self, error: ReconcilerError, tenant: str = "") -> None:
        """Write an error to stderr: the message, or every problem of a ProblemsError.

        A CrashError also prints its traceback.
        """
        if isinstance(error, CrashError):
            self._write_stderr(line(visible(each)) for each in error.trace.splitlines())
        if not isinstance(error, ProblemsError):
            self.error(str(error), tenant)
            return
        if tenant:
            self.error(str(error), tenant)
        self.problems(error.problems, error.texts)

    def ask(self, question: str) -> str:
        """Write a question to stderr and return the answer, or an empty string at the end of stdin."""
        self._write_stderr([line()])
        with suppress(OSError):
            _write(sys.stderr, visible(question))
        try:
            answer = sys.stdin.readline()
        except KeyboardInterrupt:
            self._write_stderr([line()])
            raise
        if not answer:
            self._write_stderr([line()])
        return answer.strip()

    def set_status_line(self, text: str) -> None:
        """If stderr is a terminal, show a short text in the status line, the last line of the terminal.

        If `text` is empty, remove the status line.
        """
        if sys.stderr.isatty() and not self._quiet:
            text = visible(text)[: get_terminal_size().columns - 1]
            with suppress(OSError):
                _write(sys.stderr, _erase(self._status_line) + text)
            self._status_line = text

    def _write_stderr(self, lines: Iterable[Line]) -> None:
        """Write lines to stderr.

        Errors are ignored, because a closed stderr must not stop a run that changes a tenant.
        """
        with suppress(OSError):
            text = self._render(sys.stderr, lines)
            _write(sys.stderr, f"{_erase(self._status_line)}{text}{self._status_line}")

    def _render(self, stream: IO[str], lines: Iterable[Line]) -> str:
        return "".join(map(_to_ansi, lines)) if self._is_colored(stream) else plain(lines)

    def _is_colored(self, stream: IO[str]) -> bool:
        if self._color != "auto":
            return self._color == "always"
        if os.environ.get("NO_COLOR"):
            return False
        if os.environ.get("FORCE_COLOR"):
            return True
        return stream.isatty() and terminal_knows_colors(sys.platform, os.environ)


COLOR_TERMINALS = ("WT_SESSION", "ConEmuANSI", "ANSICON", "TERM", "GITHUB_ACTIONS")
"""On Windows, a terminal that shows colours sets at least one of the environment variables in COLOR_TERMINALS.

The old Windows console shows escape codes as text.
"""


def terminal_knows_colors(system: str, environment: Mapping[str, str]) -> bool:
    """Return whether a terminal on the platform `system` (a value of `sys.platform`) shows colours."""
    if environment.get("TERM") == "dumb":
        return False
    return system != "win32" or any(environment.get(name) for name in COLOR_TERMINALS)


def _write(stream: IO[str], text: str) -> None:
    """Write text and flush the stream, so that the text appears at once and a full disk is noticed."""
    stream.write(text)
    stream.flush()


def _erase(text: str) -> str:
    """Return the characters that erase the line `text` from a terminal.

    Every terminal supports the returned characters.
    """
    return f"\r{' ' * len(text)}\r" if text else ""


def _to_ansi(styled: Line) -> str:
    spans = ((ANSI_CODES[span.style], span.text) for span in styled)
    return "".join(f"\x1b[{code}m{text}\x1b[0m" if code else text for code, text in spans) + "\n"


class Progress:
    """Counts the finished changes.

    If stderr is a terminal, the last line of the terminal shows the number of changes.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._total = 0
        self._count = 0

    def add(self, changes: int) -> None:
        """Add `changes` to the total number of changes in the progress line."""
        self._total += changes
        self._show()

    def on_outcome(self, _: "Outcome") -> None:
        """Count one outcome."""
        self._count += 1
        self._show()

    def clear(self) -> None:
        """Remove the progress line from the terminal."""
        self._console.set_status_line("")

    def _show(self) -> None:
        self._console.set_status_line(f"Applying: {self._count} of {self._total}")
