"""Pure: escape text from files and tenants in Markdown and HTML.

GitHub and GitLab turn `@name`, `#1`, URLs and hashes in a comment into links and mentions, but not inside code. Foreign
text is therefore always code: a code span in Markdown, an element in HTML.
"""

import hashlib
import re
from html import escape
from urllib.parse import quote

from reconciler.core.plan import SANDBOX, TenantName
from reconciler.core.quoting import pluralize, shorten, visible
from reconciler.output.source_links import JUST_HERE, USUAL_CONFIG, SourceLinks

BACKTICKS = re.compile("`+")
MARKED = "reconciler"
LONGEST_SHOWN = 300
"""The limit for a text that a pull request or a tenant can make long."""
MOST_LINES = 200
"""The limit for lines of a code block."""
LONGEST_MARKED = 150
"""The limit for a name in a marker. A longer name is replaced by its start and a digest."""


def marker(tenant: str, checkout: SourceLinks = JUST_HERE) -> str:
    """Return the marker of a document: an HTML comment that identifies its tenant and is invisible on the page.

    The marker also names the configuration, unless it is the usual one, because two configurations may share a tenant
    name.
    """
    names = [tenant, *([checkout.config] if checkout.config != USUAL_CONFIG else [])]
    return f"<!-- {':'.join([MARKED, *map(_marked, names)])} -->"


def _marked(name: str) -> str:
    marked = quote(name, safe="").replace("-", "%2D")
    if len(marked) <= LONGEST_MARKED:
        return marked
    return f"{marked[:LONGEST_MARKED]}~{hashlib.sha256(marked.encode()).hexdigest()}"


def span(text: str) -> str:
    """Return `text` as a code span of Markdown (CommonMark 6.1). It is not safe in tables, where `|` ends a cell."""
    shown = _shown(text)
    if not shown:
        return "(empty)"
    fence = "`" * (1 + _longest_run(shown))
    edges = {shown[0], shown[-1]}
    padding = " " if "`" in edges or (edges == {" "} and not shown.isspace()) else ""
    return f"{fence}{padding}{shown}{padding}{fence}"


def named(tenant: TenantName) -> str:
    """Return the name of a tenant for Markdown. SANDBOX follows the name of a sandbox, and no name can imitate it."""
    return f"{span(tenant.name)} **{SANDBOX}**" if tenant.is_sandbox else span(tenant.name)


def element(text: str) -> str:
    """Return `text` as an HTML element."""
    return f"<code>{escape(_shown(text))}</code>"


def _shown(text: str) -> str:
    return shorten(visible(text), LONGEST_SHOWN)


def at_commit(checkout: SourceLinks) -> str:
    """Return the commit of a document for Markdown, or an empty text."""
    return f" at commit {span(checkout.commit)}" if checkout.commit else ""


def block(lines: list[str], language: str) -> list[str]:
    """Return `lines` without line breaks as a fenced code block.

    If there are too many, show the first ones and a count.
    """
    more = len(lines) - MOST_LINES
    lines = [shorten(each, LONGEST_SHOWN) for each in lines[:MOST_LINES]]
    lines += [f"… {pluralize(more, 'more line')}"] if more > 0 else []
    fence = "`" * max(3, 1 + max(map(_longest_run, lines), default=0))
    return [f"{fence}{language}", *lines, fence]


def _longest_run(text: str) -> int:
    return max(map(len, BACKTICKS.findall(text)), default=0)
