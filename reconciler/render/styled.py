"""Pure: text with a meaning attached, so that one rendering serves terminals in colour and pipes without."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


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


def visible(text: str) -> str:
    r"""Return `text` with every character that could deceive or command a terminal written out, as in `\u202e`.

    Text from files and from the tenant passes through here before it is shown: control characters, invisible and
    direction-changing ones, line separators, lone surrogates, private use.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if _harmless(character) else _written_out(character) for character in text)


def _harmless(character: str) -> bool:
    return character == " " or unicodedata.category(character)[0] not in "CZ"


def _written_out(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
