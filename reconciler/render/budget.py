"""Pure: a text within so many bytes: what matters most is kept, and what was left out is counted."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

LONGEST_REMARK_BYTES = 100
MOST_BYTES = 60_000
"""Of a comment: GitHub cuts one at 65,536 characters."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a document: `items` of which the last may be left out, each a text of whole lines.

    `head` and `tail` stand around the items and go with them; `noun` names an item in the remark on what is left out.
    Without a noun nothing may be left out.
    """

    items: tuple[str, ...]
    head: str = ""
    tail: str = ""
    noun: str = ""

    @property
    def is_fixed(self) -> bool:
        """Whether nothing may be left out."""
        return not self.noun


def fitted(parts: Sequence[Part], most_bytes: int) -> str:
    """Return `parts` as one text of at most `most_bytes` (UTF-8), unless what is fixed takes more by itself.

    The last items of the last parts go first; once one did not fit, none behind it is shown.
    """
    left = most_bytes - sum(_size(_whole(part)) if part.is_fixed else LONGEST_REMARK_BYTES for part in parts)
    texts: list[str] = []
    for part in parts:
        if part.is_fixed:
            texts.append(_whole(part))
            continue
        kept = list(_that_fit(part.items, left - _size(part.head + part.tail)))
        left -= sum(map(_size, kept)) + _size(part.head + part.tail)
        texts += _shown(part, kept)
        if len(kept) < len(part.items):
            left = 0
    return "".join(texts)


def _that_fit(items: Iterable[str], room: int) -> Iterator[str]:
    for item in items:
        room -= _size(item)
        if room < 0:
            return
        yield item


def _shown(part: Part, kept: list[str]) -> Iterator[str]:
    if kept:
        yield from (part.head, *kept, part.tail)
    if missing := len(part.items) - len(kept):
        yield f"\n_{missing:,} {'more ' if kept else ''}{part.noun}{'s' * (missing != 1)} not shown here._\n\n"


def _whole(part: Part) -> str:
    return "".join((part.head, *part.items, part.tail))


def _size(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))
