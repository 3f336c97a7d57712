"""Pure: truncate a document to a number of bytes. The most important parts remain, and omitted items are counted."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

LEAST_BYTES = 1_000
"""The minimum for the document about one tenant."""
LONGEST_REMARK_BYTES = 100
ENDS_EARLY = "\n_This report is too long for this place. Read the whole plan in the log of the job._\n"
MOST_BYTES = 60_000
"""The limit for a comment. GitHub truncates comments at 65,536 characters."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a document. Its last `items` may be omitted. Each item is a text of whole lines.

    `head` and `tail` surround the items and are omitted together with them. `noun` names an item in the count of
    omitted items. Without a noun, nothing is omitted. Sections of a lower `rank` get their bytes first. A section gets
    at most `most_bytes`.
    """

    items: tuple[str, ...]
    head: str = ""
    tail: str = ""
    noun: str = ""
    rank: int = 0
    most_bytes: int | None = None

    @property
    def is_fixed(self) -> bool:
        """Whether no item may be omitted."""
        return not self.noun


def fitted(parts: Sequence[Section], most_bytes: int) -> str:
    """Return `parts` as one text of at most `most_bytes` (UTF-8).

    The last items of the last sections are omitted first, by rank. After the first omitted item, no later item is
    shown. If the fixed sections alone are too long, the text ends early with a remark.
    """
    left = most_bytes - sum(_size(_whole(part)) if part.is_fixed else LONGEST_REMARK_BYTES for part in parts)
    texts: dict[int, str] = {}
    for number, part in sorted(enumerate(parts), key=lambda each: each[1].rank):
        if part.is_fixed:
            texts[number] = _whole(part)
            continue
        around = _size(part.head + part.tail)
        kept = list(_that_fit(part.items, min(left, part.most_bytes or left) - around))
        needed = sum(map(_size, kept)) + around
        texts[number] = "".join(_shown(part, kept))
        if len(kept) < len(part.items) and needed + _size(part.items[len(kept)]) > left:
            left = 0
        else:
            left -= needed if kept else 0
    return within("".join(texts[number] for number in range(len(parts))), most_bytes)


def share_of(most_bytes: int, documents: int) -> int:
    """Return the maximum bytes per document, so that all of them fit with a remark."""
    return most_bytes if documents <= 1 else max(LEAST_BYTES, (most_bytes - LONGEST_REMARK_BYTES) // documents - 1)


def joined(documents: Sequence[str], most_bytes: int) -> str:
    """Join the documents of tenants to at most `most_bytes`. Documents that do not fit are counted."""
    items = tuple(f"\n{each}" if number else each for number, each in enumerate(documents))
    return fitted([Section(items, noun="tenant")], most_bytes) if len(items) > 1 else "".join(items)


def within(text: str, most_bytes: int) -> str:
    """Return `text`, or as many of its lines as fit, with a remark."""
    if _size(text) <= most_bytes:
        return text
    lines = text.splitlines(keepends=True)
    return "".join((*_that_fit(lines, most_bytes - _size(ENDS_EARLY)), ENDS_EARLY))


def _that_fit(items: Iterable[str], room: int) -> Iterator[str]:
    for item in items:
        room -= _size(item)
        if room < 0:
            return
        yield item


def _shown(part: Section, kept: list[str]) -> Iterator[str]:
    if kept:
        yield from (part.head, *kept, part.tail)
    if missing := len(part.items) - len(kept):
        yield f"\n_{missing:,} {'more ' if kept else ''}{part.noun}{'s' * (missing != 1)} not shown here._\n\n"


def _whole(part: Section) -> str:
    return "".join((part.head, *part.items, part.tail))


def _size(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))
