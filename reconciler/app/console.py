"""The only module that writes to the terminal: results to stdout, everything else to stderr."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO

from reconciler.app.options import GlobalOptions
from reconciler.artifacts.serialization import json_text
from reconciler.core.outcome import Outcome
from reconciler.core.problems import Problem
from reconciler.core.quoting import visible
from reconciler.errors import CrashError, ProblemsError, ReconcilerError
from reconciler.output.styled import Line, Span, Style, line, plain
from reconciler.output.text.problems import problem_lines

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
"""Parameters of the escape sequence that selects a colour (ECMA-48, SGR)."""


class Console:
    """Writes lines, coloured if options and stream allow it."""

    def __init__(self, options: GlobalOptions) -> None:
        self._color = options.color
        self._quiet = options.quiet
        self._last_line = ""

    def result(self, lines: Iterable[Line]) -> None:
        """Write the result to stdout."""
        _write(sys.stdout, self._drawn(sys.stdout, lines))

    def plan(self, lines: Iterable[Line], *, data: bool, asks: bool) -> None:
        """Write a plan to stdout, or to stderr when stdout carries data.

        Before a question, --quiet does not hide it.
        """
        if not data:
            self.result(lines)
        elif asks:
            self._comment(lines)
        else:
            self.say(lines)

    def data(self, value: object) -> None:
        """Write exactly one JSON object to stdout."""
        self.text(json_text(value))

    def text(self, text: str) -> None:
        """Write text of our own to stdout unchanged."""
        _write(sys.stdout, text)

    def say(self, lines: Iterable[Line]) -> None:
        """Write information to stderr, unless --quiet is set."""
        if not self._quiet:
            self._comment(lines)

    def note(self, text: str) -> None:
        """Write a note to stderr, unless --quiet is set."""
        self.say([line(Span(visible(text), Style.WARNING))])

    def problems(self, problems: Iterable[Problem], texts: Mapping[str, str]) -> None:
        """Write problems to stderr. On a terminal, show the lines of the files."""
        self._comment(problem_lines(problems, texts, excerpts=sys.stderr.isatty()))

    def error(self, message: str, tenant: str = "") -> None:
        """Write to stderr why the run, or its part for one of several tenants, cannot continue."""
        where = f"{visible(tenant)}: " if tenant else ""
        self._comment([line(Span("error:", Style.ERROR), " ", where, visible(message))])

    def failure(self, error: ReconcilerError, tenant: str = "") -> None:
        """Write an error to stderr: its message, or all of its problems."""
        if isinstance(error, CrashError):
            self._comment(line(visible(each)) for each in error.trace.splitlines())
        if not isinstance(error, ProblemsError):
            self.error(str(error), tenant)
            return
        if tenant:
            self.error(str(error), tenant)
        self.problems(error.problems, error.texts)

    def asked(self, question: str) -> str:
        """Write a question to stderr and return the answer. At the end of the input, the answer is empty."""
        self._comment([line()])
        with suppress(OSError):
            _write(sys.stderr, visible(question))
        answer = sys.stdin.readline()
        if not answer:
            self._comment([line()])
        return answer.strip()

    def last_line(self, text: str) -> None:
        """Keep a short text as the last line of a terminal on stderr. An empty text removes it."""
        if sys.stderr.isatty() and not self._quiet:
            with suppress(OSError):
                _write(sys.stderr, _erasing(self._last_line) + text)
            self._last_line = text

    def _comment(self, lines: Iterable[Line]) -> None:
        """Write to stderr. Errors are ignored, because messages must never affect a run that changes a tenant."""
        with suppress(OSError):
            said = self._drawn(sys.stderr, lines)
            _write(sys.stderr, f"{_erasing(self._last_line)}{said}{self._last_line}")

    def _drawn(self, stream: IO[str], lines: Iterable[Line]) -> str:
        return "".join(map(_colored, lines)) if self._is_colored(stream) else plain(lines)

    def _is_colored(self, stream: IO[str]) -> bool:
        if self._color != "auto":
            return self._color == "always"
        return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _write(stream: IO[str], text: str) -> None:
    """Write and flush. Somebody may wait for the line, and a full disk must be noticed before the tenant is changed."""
    stream.write(text)
    stream.flush()


def _erasing(text: str) -> str:
    """Return the characters that erase a text from its line on any terminal."""
    return f"\r{' ' * len(text)}\r" if text else ""


def _colored(styled: Line) -> str:
    return "".join(_span(span) for span in styled) + "\n"


def _span(span: Span) -> str:
    code = ANSI_CODES[span.style]
    return f"\x1b[{code}m{span.text}\x1b[0m" if code else span.text


@contextmanager
def progress(total: int, console: Console) -> Iterator[Callable[[Outcome], None]]:
    """Yield a function that counts outcomes. It shows the progress on a terminal on stderr."""
    told = 0

    def tell(_: Outcome) -> None:
        nonlocal told
        told += 1
        console.last_line(f"Applying: {told} of {total}")

    if total:
        console.last_line(f"Applying: 0 of {total}")
    try:
        yield tell
    finally:
        console.last_line("")
