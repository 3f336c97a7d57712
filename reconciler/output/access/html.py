"""Write the access report as one HTML page.

The page sends no network requests. Readers can read the tables without JavaScript.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from html import escape
from pathlib import Path

from reconciler.core.access.report import AccessGrant, AccessReport, GrantLevel
from reconciler.core.access.summary import AccessFinding, AccessTotal, findings, totals
from reconciler.core.characters import pluralize, visible
from reconciler.core.token_lifetime import duration
from reconciler.output.access.json import page_json
from reconciler.output.access.words import (
    SYMBOLS,
    changed_text,
    heading,
    incompleteness,
    location,
    risk_texts,
    scope_texts,
    settings,
    since_text,
    state_text,
    tenant_counts,
)

VOID = frozenset({"link", "meta", "br"})
"""HTML elements without a closing tag."""


class Html(str):
    """Text that is valid HTML.

    Other modules create `Html` objects only from constants and from existing `Html` objects.
    """

    __slots__ = ()


def text(value: str) -> Html:
    """Convert plain text to HTML. Escape sequences replace invisible characters."""
    return Html(escape(visible(value)))


def join(*parts: str | Html) -> Html:
    """Join strings and HTML into one HTML text. Plain strings are escaped."""
    return Html("".join(part if isinstance(part, Html) else text(part) for part in parts))


def tag(name: str, /, *children: str | Html, **attributes: str) -> Html:
    """Return an HTML element.

    The attribute `class_` is written as `class`, and `aria_label` is written as `aria-label`.
    """
    pairs = (
        f' {key.rstrip("_").replace("_", "-")}="{escape(visible(value), quote=True)}"'
        for key, value in attributes.items()
    )
    start = f"<{name}{''.join(pairs)}>"
    return Html(start if name in VOID else f"{start}{join(*children)}</{name}>")


def verbatim(name: str, content: str, /, **attributes: str) -> Html:
    """Return a style or script element with trusted content, or with JSON that contains no `<`."""
    if f"</{name}" in content.lower() or "<!--" in content:
        raise ValueError(f"the content closes the {name} element")
    return Html(f"{tag(name, **attributes).removesuffix(f'</{name}>')}{content}</{name}>")


def link(label: str, url: str) -> Html:
    """Return a link for an https or http URL.

    If `url` is not an https or http URL, return only the text of the link.
    """
    if not url.startswith(("https://", "http://")):
        return text(label)
    return tag("a", label, href=url, rel="noopener noreferrer")


TITLE = "Who may call what"
MAX_STATIC_ROWS = 1_000
"""The maximum number of grants in the table that readers without JavaScript see.

The limit on grants keeps the HTML page small.
"""
MAX_DETAILED_ROWS = 500
"""The maximum number of grants in a table with detailed rows.

In a table with more than MAX_DETAILED_ROWS grants, each row contains fewer details.
"""
MAX_NAMED = 20
"""The maximum number of grants that the page lists for a finding, if the browser runs no JavaScript."""
LEVEL_ORDER = list(GrantLevel)
COLUMNS = ("Risk", "Tenant", "Application", "API", "Scopes and settings", "State", "Declared", "Last change")
REVIEW_COLUMNS = ("Keep", "Remove", "Reviewer", "Date")
"""The empty columns of the printed table, for the handwritten notes of reviewers."""


def access_html(report: AccessReport) -> str:
    """Return the access report as an HTML page."""
    script = asset("page.js")
    title = f"{TITLE}: {', '.join(each.tenant.label for each in report.tenants)}"
    cards = (_card(each) for each in totals(report))
    totals_section = tag("section", tag("h2", "Totals"), tag("dl", *cards, class_="totals"), aria_label="Totals")
    body = (
        _header(report),
        tag("nav", id="views", aria_label="Views", hidden=""),
        tag("main", totals_section, tag("div", *_static(report), id="static"), id="content", tabindex="-1"),
        _footer(),
        verbatim("script", page_json(report), type="application/json", id="data"),
        verbatim("script", script),
    )
    return document(title, body, script=script)


def document(title: str, body: Iterable[Html], *, script: str = "") -> str:
    """Return an HTML document with a Content-Security-Policy that forbids network requests.

    The Content-Security-Policy allows only the inline script `script`.
    """
    style = asset("page.css")
    script_source = f"'{_hash(script)}'" if script else "'none'"
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src {script_source}; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )
    head = tag(
        "head",
        Html('<meta charset="utf-8">'),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        verbatim("style", style),
    )
    skip = tag("a", "Skip to the content", href="#content", class_="skip")
    return f'<!DOCTYPE html>\n<html lang="en">\n{head}\n{tag("body", skip, *body)}\n</html>\n'


@cache
def asset(name: str) -> str:
    """Return the text of a file in the folder of this module."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    """Return the hash of an inline script or style for the Content-Security-Policy of a page."""
    return f"sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _header(report: AccessReport) -> Html:
    tenants = [
        tag(
            "li",
            tag("strong", each.tenant.label),
            f" ({each.tenant.domain}): " if each.tenant.domain else ": ",
            tenant_counts(each) or "nothing was read",
        )
        for each in report.tenants
    ]
    notes = [tag("li", f"{each.tenant.label}: {note}") for each in report.tenants for note in each.notes]
    return tag(
        "header",
        tag("h1", TITLE),
        tag("p", heading(report)),
        tag("ul", *tenants, class_="plain"),
        _completeness(report),
        tag("details", tag("summary", pluralize(len(notes), "note")), tag("ul", *notes)) if notes else Html(),
    )


def _completeness(report: AccessReport) -> Html:
    reasons = list(incompleteness(report))
    if not reasons:
        return tag("p", "✓ Complete: every list of every tenant was read.", class_="complete")
    items = (tag("li", reason) for reason in reasons)
    return tag(
        "section",
        tag("h2", "✗ This report is not complete"),
        tag("ul", *items),
        class_="incomplete",
        aria_label="Missing information",
    )


def _card(total: AccessTotal) -> Html:
    number, separator, rest = total.text.partition(" (")
    attention = " attention" if total.name in {"critical", "undeclared", "drifted"} and total.count else ""
    return tag(
        "div",
        tag("dt", total.label),
        tag("dd", tag("span", number), tag("small", f"({rest}") if separator else ""),
        class_=f"card{attention}",
        data_tag=total.name,
    )


def _static(report: AccessReport) -> Iterator[Html]:
    """Yield the HTML elements that a browser shows if JavaScript is disabled."""
    yield tag("h2", "Findings")
    yield tag("ul", *(_finding(each) for each in findings(report)))
    grants = [(tenant.tenant.label, grant) for tenant, grant in report.grants]
    grants.sort(key=lambda each: (LEVEL_ORDER.index(each[1].level), each[1].order, each[0]))
    shown = grants[:MAX_STATIC_ROWS]
    yield tag("h2", "Grants")
    if len(shown) < len(grants):
        yield tag(
            "p",
            f"The table has {len(shown):,} of {len(grants):,} grants, the highest risks first. "
            "To see all grants, open the page with JavaScript, or write the report as CSV.",
            class_="incomplete",
        )
    yield grants_table(shown)


def _finding(finding: AccessFinding) -> Html:
    named = [*finding.details, *(f"{grant.application} → {grant.api}" for _, grant in finding.grants[:MAX_NAMED])]
    more = len(finding.grants) - MAX_NAMED
    rest = f" and {more:,} more" if more > 0 else ""
    count = f" ({len(finding.grants):,})" if finding.grants else ""
    return tag("li", tag("strong", f"{finding.level}: {finding.meaning}{count}"), f": {'; '.join(named)}{rest}")


def grants_table(grants: Sequence[tuple[str, AccessGrant]]) -> Html:
    """Return an HTML table with a row for each grant. Each row contains the name of the tenant."""
    columns = (
        *(tag("th", name, scope="col") for name in COLUMNS),
        *(tag("th", name, scope="col", class_="review") for name in REVIEW_COLUMNS),
    )
    make_row = _row if len(grants) <= MAX_DETAILED_ROWS else _short_row
    table = tag(
        "table",
        tag("caption", "Grants"),
        tag("thead", tag("tr", *columns)),
        tag("tbody", *(make_row(*each) for each in grants)),
    )
    return tag("div", table, class_="scroll", tabindex="0", role="region", aria_label="Grants")


def _row(tenant: str, grant: AccessGrant) -> Html:
    risks = "; ".join(risk_texts(grant))
    cells = (
        _cell(f"{SYMBOLS[grant.level]} {grant.level}", small=risks),
        _cell(tenant),
        _cell(grant.application, header=True),
        _cell(grant.api, small=f"tokens valid for {duration(grant.token_lifetime)}"),
        _cell(" ".join(scope_texts(grant)), small="; ".join(settings(grant))),
        _cell(state_text(grant)),
        _cell(link(location(grant), grant.link), small=grant.description),
        _cell(_change(grant), small=f"declared since {since_text(grant)}" if grant.source else ""),
    )
    # HTML permits omitting the end tags of rows and cells, which makes a large page 20 % smaller
    return Html(f'<tr class="{grant.level}">{"".join(cells)}{"<td class=review>" * len(REVIEW_COLUMNS)}')


def _short_row(tenant: str, grant: AccessGrant) -> Html:
    """Return a short table row for a grant. The short row omits the risks, settings, descriptions and links."""
    commit = grant.provenance.changed
    cells = (
        _cell(f"{SYMBOLS[grant.level]} {grant.level}".strip()),
        _cell(tenant),
        _cell(grant.application, header=True),
        _cell(grant.api),
        _cell(" ".join(scope_texts(grant))),
        _cell(str(grant.state)),
        _cell(location(grant)),
        _cell(f"{commit.short_hash} {commit.day}" if commit else changed_text(grant)),
    )
    return Html(f"<tr>{''.join(cells)}")


def _change(grant: AccessGrant) -> Html:
    """Return the commit that last changed the declaration, with a link to the pull request."""
    origin = grant.provenance
    if not (origin.changed and origin.pull_request):
        return text(changed_text(grant))
    return join(str(origin.changed), " ", link(f"request {origin.pull_request}", origin.pull_request_link))


def _cell(content: str | Html, *, small: str = "", header: bool = False) -> Html:
    start = "<th scope=row>" if header else "<td>"
    return Html(f"{start}{join(content)}{f'<small>{text(small)}</small>' if small else ''}")


def _footer() -> Html:
    return tag(
        "footer",
        tag(
            "p",
            "Commits, authors and numbers of pull requests come from the git history and are not verified. "
            "States: declared means that a file in the repository declares the grant.",
        ),
    )
