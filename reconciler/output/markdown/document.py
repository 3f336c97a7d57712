"""Shorten a Markdown document to a maximum size, and convert Markdown for Azure DevOps and Bitbucket."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import unescape
from typing import NamedTuple

from reconciler.output.escape import span

MIN_BYTES = 1_000
"""The minimum number of bytes that a report about several tenants reserves for each plan."""
MAX_REMARK_BYTES = 100
TRUNCATION_REMARK = "\n_This report is too long for a comment. Read the whole plan in the log of the job._\n"


class Section(NamedTuple):
    """A part of a Markdown document.

    Each item of `items` consists of whole lines. If the document is too long, the last items are omitted. A section
    without items is omitted.

    `head` is the text before the items, and `tail` is the text after the items. If all items of a section are omitted,
    `head` and `tail` are omitted too. If items are omitted, a remark states the number of omitted items. `noun` is the
    word for an item in the remark about omitted items. If `noun` is empty, `join_sections` omits no item of the
    section. `critical` is the number of items with critical risks. Items with critical risks come first. The remark
    about omitted items states the number of omitted critical items separately. If space is short, sections with a lower
    `rank` receive space first. A section has at most `max_bytes` bytes. `reserved` is the number of bytes that the
    document keeps free for this section.
    """

    items: tuple[str, ...]
    head: str = ""
    tail: str = ""
    noun: str = ""
    rank: int = 0
    max_bytes: int | None = None
    reserved: int = 0
    critical: int = 0

    @property
    def is_fixed(self) -> bool:
        """True if a shortened document must still contain all items of the section."""
        return not self.noun


def join_sections(parts: Sequence[Section], max_bytes: int) -> str:
    """Join sections into a document of at most `max_bytes` bytes (UTF-8).

    If the document is too long, the function omits items, first from the sections with the highest `rank`. The function
    omits items from the end of a section. If the sections that must be complete exceed `max_bytes`, the document is cut
    off and ends with a remark.
    """
    parts = [part for part in parts if part.items]
    remaining = max_bytes - sum(_size(_complete(part)) if part.is_fixed else MAX_REMARK_BYTES for part in parts)
    reserved = [min(part.reserved, _size(_complete(part)), max(remaining, 0)) for part in parts]
    remaining -= sum(reserved)
    texts: dict[int, str] = {}
    for number, part in sorted(enumerate(parts), key=lambda each: each[1].rank):
        if part.is_fixed:
            texts[number] = _complete(part)
            continue
        remaining += reserved[number]
        frame = _size(part.head + part.tail)
        shown = list(_first_items(part.items, min(remaining, part.max_bytes or remaining) - frame))
        needed = sum(map(_size, shown)) + frame
        texts[number] = "".join(_truncated(part, shown))
        if len(shown) < len(part.items) and needed + _size(part.items[len(shown)]) > remaining:
            remaining = 0
        else:
            remaining -= needed if shown else 0
    return truncate_text("".join(texts[number] for number in range(len(parts))), max_bytes)


def truncate_text(text: str, max_bytes: int) -> str:
    """If `text` has more than `max_bytes` bytes, return only the first lines, followed by a remark."""
    if _size(text) <= max_bytes:
        return text
    lines = text.splitlines(keepends=True)
    return "".join((*_first_items(lines, max_bytes - _size(TRUNCATION_REMARK)), TRUNCATION_REMARK))


def _first_items(items: Iterable[str], max_bytes: int) -> Iterator[str]:
    for item in items:
        max_bytes -= _size(item)
        if max_bytes < 0:
            return
        yield item


def _truncated(part: Section, shown: list[str]) -> Iterator[str]:
    if shown:
        yield from (part.head, *shown, part.tail)
    if missing := len(part.items) - len(shown):
        missing_critical = max(0, part.critical - len(shown))
        critical = f", {missing_critical:,} of them critical: read the log of the job" if missing_critical else ""
        more = "more " if shown else ""
        yield f"\n_{missing:,} {more}{part.noun}{'s' * (missing != 1)} not shown here{critical}._\n\n"


def _complete(part: Section) -> str:
    return "".join((part.head, *part.items, part.tail))


def _size(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


ALERT = re.compile(r"> \[!(CAUTION|WARNING|NOTE)\]")
FENCE = re.compile(r"(`{3,})\w*")
CELL = re.compile(r"<td>(.*?)</td>")
SUMMARY = re.compile(r"<details><summary>(.*)</summary>")
CODE = re.compile(r"<code>(.*?)</code>")
FOLDED = re.compile(r"<details><summary>(.*?)</summary>(.*?)</details>")
BOLD = re.compile(r"<b>(.*?)</b>")
LINK = re.compile(r'<a href="(.*?)">(.*?)</a>')
SYMBOL = re.compile(r"^([-+~]) ")
"""Matches the symbol of a change (`+`, `~` or `-`). At the start of a Markdown line, `+` or `-` would start a list."""
FOOT = "Plan <code>"
FRAME = ("<table>", "</table>", "<tr><th>", "</details>")
"""`without_html` omits the HTML lines that start with one of these strings, because the lines contain no data."""


def without_alerts(text: str) -> str:
    """Convert a Markdown report for Azure DevOps: replace alerts such as `[!CAUTION]` with bold words."""
    return _convert(text, _without_alert)


def without_html(text: str) -> str:
    """Convert a report for Bitbucket: replace HTML elements and alerts with Markdown, and keep HTML comments."""
    return _convert(text, _without_html)


def _convert(text: str, convert: Callable[[str], Iterator[str]]) -> str:
    """Call `convert` for each line outside of code blocks in a Markdown document.

    A code block starts and ends with a line of backticks. In a report, the first and last line of a code block have
    more backticks than any text inside the code block.
    """
    lines: list[str] = []
    fence = ""
    for line in text.split("\n"):
        if fence:
            fence = "" if line == fence else fence
            lines.append(line)
        elif match := FENCE.fullmatch(line):
            fence = match[1]
            lines.append(line)
        else:
            lines += convert(line)
    return "\n".join(lines)


def _without_alert(line: str) -> Iterator[str]:
    yield ALERT.sub(lambda match: f"> **{match[1].capitalize()}:**", line) if ALERT.fullmatch(line) else line


def _without_html(line: str) -> Iterator[str]:
    """Convert a line of a report to Markdown without HTML.

    A line that does not start with a known HTML element contains HTML only inside code, so the line is kept.
    """
    if line.startswith(FRAME):
        return
    if line.startswith("<tr>"):
        first, *cells = CELL.findall(line)
        yield f"- **{first}** {', '.join(_inline(cell) for cell in cells if cell)}"
    elif match := SUMMARY.fullmatch(line):
        yield SYMBOL.sub(r"**\1** ", _inline(match[1]))
    elif line.startswith(FOOT):
        yield _inline(line)
    else:
        yield from _without_alert(line)


def _inline(html: str) -> str:
    """Convert the HTML elements inside a line of a report to Markdown."""
    linked = LINK.sub(lambda match: f"[{match[2]}](<{unescape(match[1])}>)", html)
    bold = BOLD.sub(r"**\1**", FOLDED.sub(r"\1: \2", linked))
    return CODE.sub(lambda match: span(unescape(match[1])), bold.replace("<br>", "; "))
