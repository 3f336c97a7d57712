"""Pure: text from files and tenants inside Markdown and HTML, as nothing but itself.

GitHub and GitLab turn `@name`, `#1`, addresses and hashes in a comment into links and mentions, but not in code. So
whatever is not ours stands in code: in a code span between lines of Markdown, in an element within HTML.
"""

import hashlib
import re
from html import escape
from urllib.parse import quote

from reconciler.core.plan import SANDBOX, TenantName
from reconciler.core.quoting import counted, shortened, visible
from reconciler.output.source_links import JUST_HERE, USUAL_CONFIG, SourceLinks

BACKTICKS = re.compile("`+")
MARKED = "reconciler"
LONGEST_SHOWN = 300
"""Of a text that a pull request or a tenant can make long."""
MOST_LINES = 200
"""Of one code block."""
LONGEST_MARKED = 150
"""Of a name in a marker. A longer one is replaced by its beginning and a digest that makes this longer yet."""


def marker(tenant: str, checkout: SourceLinks = JUST_HERE) -> str:
    """Return the comment by which a document about a tenant is found again; nobody sees it on the page.

    It names the configuration, too, where that is not the usual one: another may have a tenant of the same name.
    """
    names = [tenant, *([checkout.config] if checkout.config != USUAL_CONFIG else [])]
    return f"<!-- {':'.join([MARKED, *map(_marked, names)])} -->"


def _marked(name: str) -> str:
    marked = quote(name, safe="").replace("-", "%2D")
    if len(marked) <= LONGEST_MARKED:
        return marked
    return f"{marked[:LONGEST_MARKED]}~{hashlib.sha256(marked.encode()).hexdigest()}"


def span(text: str) -> str:
    """Return `text` as a code span of Markdown (CommonMark 6.1); not for tables, where a `|` ends even code."""
    shown = _shown(text)
    if not shown:
        return "(empty)"
    fence = "`" * (1 + _longest_run(shown))
    edges = {shown[0], shown[-1]}
    padding = " " if "`" in edges or (edges == {" "} and not shown.isspace()) else ""
    return f"{fence}{padding}{shown}{padding}{fence}"


def named(tenant: TenantName) -> str:
    """Return the name of a tenant within Markdown, followed by SANDBOX for a sandbox. No name can imitate that."""
    return f"{span(tenant.name)} **{SANDBOX}**" if tenant.is_sandbox else span(tenant.name)


def element(text: str) -> str:
    """Return `text` as an element of HTML."""
    return f"<code>{escape(_shown(text))}</code>"


def _shown(text: str) -> str:
    return shortened(visible(text), LONGEST_SHOWN)


def at_commit(checkout: SourceLinks) -> str:
    """Return the commit that a document is about, within Markdown; nothing where none is known."""
    return f" at commit {span(checkout.commit)}" if checkout.commit else ""


def block(lines: list[str], language: str) -> list[str]:
    """Return `lines`, which hold no line breaks, as a fenced code block; of many, the first ones and a count."""
    more = len(lines) - MOST_LINES
    lines = [shortened(each, LONGEST_SHOWN) for each in lines[:MOST_LINES]]
    lines += [f"… {counted(more, 'more line')}"] if more > 0 else []
    fence = "`" * max(3, 1 + max(map(_longest_run, lines), default=0))
    return [f"{fence}{language}", *lines, fence]


def _longest_run(text: str) -> int:
    return max(map(len, BACKTICKS.findall(text)), default=0)
