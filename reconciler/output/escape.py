"""Escape text from files and tenants in Markdown, HTML and CSV.

GitHub and GitLab turn `@name`, `#1`, URLs and hashes in a comment into links and mentions, but not inside code. Text
from files and tenants is always written as code: as a code span in Markdown, as a `code` element in HTML.
"""

import hashlib
import re
from collections.abc import Iterable
from html import escape
from urllib.parse import quote

from reconciler.core.characters import pluralize, shorten, visible
from reconciler.core.identity import SANDBOX, TenantName
from reconciler.output.source_links import DEFAULT_CONFIG, NO_REPOSITORY, SourceLinks
from reconciler.output.styled import MARKER_PREFIX

BACKTICKS = re.compile("`+")
FLEET_NAME = "all-tenants"
"""The name that replaces a tenant name in the hidden HTML comment of a report about all tenants.

In a hidden HTML comment, %2D replaces each hyphen of a tenant name, so no tenant name is equal to `all-tenants`.
"""
MAX_TEXT_LENGTH = 300
"""The maximum length of a string from a pull request or a tenant, in characters."""
MAX_BLOCK_LINES = 200
"""The maximum number of lines in a code block."""
MAX_MARKER_NAME_LENGTH = 150
"""The maximum length of a tenant name or path in a hidden comment, in characters.

A name above the limit is shortened, and a digest of the name is added.
"""


def marker(tenant: str, links: SourceLinks = NO_REPOSITORY, prefix: str = MARKER_PREFIX) -> str:
    """Return the marker of a document, which is a hidden HTML comment with the name of the tenant.

    Two configuration files may define tenants with equal names. If the configuration file is not reconciler.yaml, the
    hidden comment also contains the path of the file.
    """
    return _marker(_marker_name(tenant), links, prefix)


def fleet_marker(links: SourceLinks = NO_REPOSITORY, prefix: str = MARKER_PREFIX) -> str:
    """Return the hidden HTML comment that identifies a report about all tenants of one configuration file.

    The hidden comment contains `all-tenants`, which the hidden comment of a single tenant never contains.
    """
    return _marker(FLEET_NAME, links, prefix)


def _marker(name: str, links: SourceLinks, prefix: str) -> str:
    file = [_marker_name(links.config)] if links.config != DEFAULT_CONFIG else []
    return f"<!-- {':'.join([prefix, name, *file])} -->"


def _marker_name(name: str) -> str:
    marked = quote(name, safe="").replace("-", "%2D")
    if len(marked) <= MAX_MARKER_NAME_LENGTH:
        return marked
    return f"{marked[:MAX_MARKER_NAME_LENGTH]}~{hashlib.sha256(marked.encode()).hexdigest()}"


def span(text: str) -> str:
    """Return `text` as a Markdown code span (CommonMark 6.1).

    The code span is not safe in a Markdown table, because the character `|` ends a cell.
    """
    shown = _visible_prefix(text)
    if not shown:
        return "(empty)"
    fence = "`" * (1 + _longest_run(shown))
    edges = {shown[0], shown[-1]}
    padding = " " if "`" in edges or (edges == {" "} and not shown.isspace()) else ""
    return f"{fence}{padding}{shown}{padding}{fence}"


def tenant_label(tenant: TenantName) -> str:
    """Return the name of a tenant as Markdown. For a sandbox, the bold word SANDBOX follows the name.

    A tenant name cannot imitate the bold word SANDBOX, because the name is written as code.
    """
    return f"{span(tenant.name)} **{SANDBOX}**" if tenant.is_sandbox else span(tenant.name)


def element(text: str, max_length: int = MAX_TEXT_LENGTH) -> str:
    """Return `text` as an HTML `code` element. Shorten `text` to about `max_length` characters."""
    return f"<code>{escape(_visible_prefix(text, max_length))}</code>"


def _visible_prefix(text: str, max_length: int = MAX_TEXT_LENGTH) -> str:
    return shorten(visible(text), max_length)


def commit_suffix(links: SourceLinks) -> str:
    """Return a Markdown text such as "at commit 1a2b3c4", or an empty string if the commit is unknown."""
    return f" at commit {span(links.commit)}" if links.commit else ""


def block(lines: list[str], language: str) -> list[str]:
    """Return a Markdown code block that contains `lines`. No line may contain a line break.

    If `lines` has more than MAX_BLOCK_LINES items, the last line of the block contains the number of omitted lines.
    """
    more = len(lines) - MAX_BLOCK_LINES
    lines = [shorten(each, MAX_TEXT_LENGTH) for each in lines[:MAX_BLOCK_LINES]]
    lines += [f"… {pluralize(more, 'more line')}"] if more > 0 else []
    fence = "`" * max(3, 1 + max(map(_longest_run, lines), default=0))
    return [f"{fence}{language}", *lines, fence]


def _longest_run(text: str) -> int:
    return max(map(len, BACKTICKS.findall(text)), default=0)


FORMULA = re.compile("(^|[;,\t\"'|])(\\s*)([=+\\-@\uff1d\uff0b\uff0d\uff20])")
"""Matches a character with which a spreadsheet program starts a formula.

A matched character is at the start of a CSV cell, or follows a character that separates cells in some locales.
"""


def csv_line(cells: Iterable[str]) -> str:
    """Return `cells` as a line of CSV."""
    return ",".join(map(_csv_cell, cells)) + "\r\n"


def _csv_cell(text: str) -> str:
    """Return a quoted CSV cell. An apostrophe precedes each character that could start a formula."""
    quoted = FORMULA.sub(r"\1\2'\3", visible(text)).replace('"', '""')
    return f'"{quoted}"'
