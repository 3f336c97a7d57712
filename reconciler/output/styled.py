"""Create output in which each piece of text has a style. Terminals show each style as a colour.

A file or pipe receives plain text.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from textwrap import wrap

from reconciler.core.characters import visible


class Style(StrEnum):
    """The style of a piece of text, for example of a warning. The console chooses a colour for each style."""

    PLAIN = "plain"
    STRONG = "strong"
    MUTED = "muted"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a line of text, with the style of the part."""

    text: str
    style: Style = Style.PLAIN


Line = tuple[Span, ...]


def line(*parts: str | Span) -> Line:
    """Join `parts` into a line. A plain string in `parts` gets the style PLAIN."""
    return tuple(part if isinstance(part, Span) else Span(part) for part in parts)


def plain(lines: Iterable[Line]) -> str:
    """Return `lines` as plain text, without the styles for terminals. Each line ends with a line feed."""
    return "".join("".join(span.text for span in each) + "\n" for each in lines)


WIDTH = 80
INDENT = "      "


def note_lines(notes: Iterable[str]) -> Iterator[Line]:
    """Yield a line for each note, in the style of a warning."""
    return (line(Span(f"Note: {visible(note)}", Style.WARNING)) for note in notes)


def wrap_words(text: str, width: int) -> list[str]:
    """Wrap `text` only at spaces. A long path or name stays on one line, so that users can copy the path or name."""
    parts = wrap(visible(text), width, break_long_words=False, break_on_hyphens=False)
    return list(map(visible, parts))  # escape again, because a line must not start like a workflow command


DEFAULT_MAX_BYTES = 60_000
"""The default maximum size of a comment, in bytes. GitHub truncates comments at 65,536 characters."""
MARKER_PREFIX = "reconciler"
RESULT_PREFIX = "reconciler-result"
"""The first word of the hidden HTML comment in a report about a finished run.

RESULT_PREFIX differs from the prefix of plans, so that the report about a run does not replace a plan.
"""
MARKER_STARTS = (f"<!-- {MARKER_PREFIX}:", f"<!-- {RESULT_PREFIX}:")


def add_run_number(text: str, run: str) -> str:
    """Insert the number of the pipeline run as a hidden comment into the second line of a report.

    If `run` is empty, return the report unchanged.
    """
    marker, separator, rest = text.partition("\n")
    return f"{marker}\n<!-- run {run} -->{separator}{rest}" if run and marker.startswith(MARKER_STARTS) else text
