"""Pure: convert reports to the Markdown of other hosting services.

Reports are written for GitHub and GitLab. Azure DevOps does not know alerts. Bitbucket shows HTML as text, so tables
become lists there, and folded details are shown.
"""

import re
from collections.abc import Callable, Iterator
from html import unescape

from reconciler.output.escape import span

ALERT = re.compile(r"> \[!(CAUTION|WARNING|NOTE)\]")
FENCE = re.compile(r"(`{3,})\w*")
CELL = re.compile(r"<td>(.*?)</td>")
SUMMARY = re.compile(r"<details><summary>(.*)</summary>")
CODE = re.compile(r"<code>(.*?)</code>")
LINK = re.compile(r'<a href="(.*?)">(.*?)</a>')
SYMBOL = re.compile(r"^([-+~]) ")
"""The symbol of a change. At the start of a line, it would start a list."""
FOOT = "Plan <code>"
FRAME = ("<table>", "</table>", "<tr><th>", "</details>")
"""The starts of lines that have no content of their own."""


def without_alerts(text: str) -> str:
    """Return a report with bold words instead of alerts, for Azure DevOps."""
    return _convert(text, _without_alert)


def without_html(text: str) -> str:
    """Return a report without HTML and alerts, for Bitbucket. Hidden lines remain HTML comments."""
    return _convert(text, _without_html)


def _convert(text: str, convert: Callable[[str], Iterator[str]]) -> str:
    """Convert each line outside of code blocks. The generator makes each fence longer than any in the block."""
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
    """Yield a line without HTML. Only these lines of a report contain HTML. In others, it is text inside of code."""
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
    """Return Markdown for the elements that the generator writes in a line."""
    linked = LINK.sub(lambda match: f"[{match[2]}](<{unescape(match[1])}>)", html)
    return CODE.sub(lambda match: span(unescape(match[1])), linked.replace("<br>", "; "))
