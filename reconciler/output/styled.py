"""Pure: text with a meaning attached, so that one rendering serves terminals in colour and pipes without."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from reconciler.output.escape import MARKED


class Style(StrEnum):
    """What a piece of text means; the console knows the colours."""

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
    """A piece of a line."""

    text: str
    style: Style = Style.PLAIN


Line = tuple[Span, ...]


def line(*parts: str | Span) -> Line:
    """Return a line; bare strings are plain."""
    return tuple(part if isinstance(part, Span) else Span(part) for part in parts)


def plain(lines: Iterable[Line]) -> str:
    """Return `lines` as text without styles, each ended by a line feed."""
    return "".join("".join(span.text for span in each) + "\n" for each in lines)


BEGINNING = f"<!-- {MARKED}:"


def stamped(text: str, run: str) -> str:
    """Return the text of a report with the number of the run in the second line; without a number, the same text."""
    marker, separator, rest = text.partition("\n")
    return f"{marker}\n<!-- run {run} -->{separator}{rest}" if run and marker.startswith(BEGINNING) else text
