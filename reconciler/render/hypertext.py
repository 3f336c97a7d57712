"""Pure: text from files and tenants inside Markdown and HTML, as nothing but itself.

GitHub and GitLab turn `@name`, `#1`, addresses and hashes in a comment into links and mentions, but not in code. So
whatever is not ours stands in code: in a code span between lines of Markdown, in an element within HTML.
"""

import re
from html import escape
from urllib.parse import quote

from reconciler.core.plan import SANDBOX, TenantName
from reconciler.core.quoting import visible
from reconciler.render.checkout import JUST_HERE, USUAL_CONFIG, Checkout

BACKTICKS = re.compile("`+")
MARKED = "reconciler"


def marker(tenant: str, checkout: Checkout = JUST_HERE) -> str:
    """Return the comment by which a document about a tenant is found again; nobody sees it on the page.

    It names the configuration, too, where that is not the usual one: another may have a tenant of the same name.
    """
    names = [tenant, *([checkout.config] if checkout.config != USUAL_CONFIG else [])]
    return f"<!-- {':'.join([MARKED, *map(_marked, names)])} -->"


def _marked(name: str) -> str:
    return quote(name, safe="").replace("-", "%2D")


def span(text: str) -> str:
    """Return `text` as a code span of Markdown (CommonMark 6.1); not for tables, where a `|` ends even code."""
    shown = visible(text)
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
    return f"<code>{escape(visible(text))}</code>"


def block(lines: list[str], language: str) -> list[str]:
    """Return `lines`, which hold no line breaks, as a fenced code block."""
    fence = "`" * max(3, 1 + max(map(_longest_run, lines), default=0))
    return [f"{fence}{language}", *lines, fence]


def _longest_run(text: str) -> int:
    return max(map(len, BACKTICKS.findall(text)), default=0)
