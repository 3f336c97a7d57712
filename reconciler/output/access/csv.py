"""Pure: the access report as CSV, one line per grant. Formulas of spreadsheets are neutralized."""

import re
from collections.abc import Iterable

from reconciler.core.access import AccessGrant, AccessReport, TenantAccess
from reconciler.core.characters import visible
from reconciler.core.token_lifetime import NOT_KNOWN, duration
from reconciler.output.access.words import (
    changed_text,
    incompleteness,
    location,
    risk_texts,
    scope_texts,
    settings,
    since_text,
    state_text,
    yes_or_no,
)

COLUMNS = (
    *("tenant", "application", "client_id", "third_party", "api", "audience", "subject_type", "scopes", "settings"),
    *("state", "level", "risks", "token_lifetime", "declared_at", "description", "since", "changed", "pull_request"),
)
FORMULA = re.compile("(^|[;,\t\"'|])(\\s*)([=+\\-@\uff1d\uff0b\uff0d\uff20])")
"""Matches a character that starts a formula, at the start of a cell or after a separator of another locale."""


def access_csv(report: AccessReport) -> str:
    """Return the report as CSV (RFC 4180). Lines after the table say what is not known or not shown."""
    rows = [COLUMNS, *(_row(tenant, grant) for tenant, grant in report.grants)]
    rows += [(f"# {text}",) for text in incompleteness(report)]
    return "".join(map(line_of, rows))


def _row(tenant: TenantAccess, grant: AccessGrant) -> tuple[str, ...]:
    return (
        tenant.tenant.label,
        grant.application,
        grant.client_id or "",
        yes_or_no(grant.third_party),
        grant.api,
        NOT_KNOWN if grant.audience is None else grant.audience,
        grant.subject_type,
        " ".join(scope_texts(grant)),
        "; ".join(settings(grant)),
        state_text(grant),
        grant.level,
        "; ".join(risk_texts(grant)),
        duration(grant.token_lifetime),
        location(grant),
        grant.description,
        since_text(grant),
        changed_text(grant),
        grant.provenance.pull_request,
    )


def line_of(cells: Iterable[str]) -> str:
    """Return a line of CSV."""
    return ",".join(map(cell, cells)) + "\r\n"


def cell(text: str) -> str:
    """Return a quoted cell. An apostrophe precedes each character that could start a formula."""
    quoted = FORMULA.sub(r"\1\2'\3", visible(text)).replace('"', '""')
    return f'"{quoted}"'
