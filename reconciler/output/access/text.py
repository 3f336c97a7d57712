"""Pure: the access report as lines for a terminal."""

from collections.abc import Iterator
from textwrap import wrap

from reconciler.core.access import AccessGrant, AccessReport, AccessState, GrantLevel, TenantAccess
from reconciler.core.access_summary import totals
from reconciler.core.characters import visible
from reconciler.core.token_lifetime import duration
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
from reconciler.output.styled import Line, Span, Style, line

WIDTH = 96
INDENT = "      "
SYMBOL_WIDTH = 3
LEVEL_STYLES = {
    GrantLevel.CRITICAL: Style.ERROR,
    GrantLevel.HIGH: Style.WARNING,
    GrantLevel.UNKNOWN: Style.WARNING,
    GrantLevel.LOW: Style.MUTED,
    GrantLevel.NONE: Style.PLAIN,
}


def access_lines(report: AccessReport, *, verbose: bool = False) -> Iterator[Line]:
    """Yield the report. `verbose` adds the risks of the level low."""
    yield line(Span(heading(report), Style.STRONG))
    for text in incompleteness(report):
        yield line(Span(f"INCOMPLETE: {visible(text)}", Style.ERROR))
    for tenant in report.tenants:
        yield line()
        yield from _tenant(tenant, verbose=verbose)
    yield line()
    yield line(Span("Totals: ", Style.STRONG), "; ".join(f"{each.label} {each.text}" for each in totals(report)))


def _tenant(tenant: TenantAccess, *, verbose: bool) -> Iterator[Line]:
    yield line(Span(f"Tenant {visible(str(tenant.tenant))}", Style.STRONG), f"  {tenant_counts(tenant)}")
    for note in tenant.notes:
        yield line(Span(f"Note: {visible(note)}", Style.WARNING))
    for grant in tenant.grants:
        yield from grant_lines(grant, verbose=verbose)
    if not tenant.grants and tenant.is_read:
        yield line("  no grants")


def grant_lines(grant: AccessGrant, *, verbose: bool = False) -> Iterator[Line]:
    """Yield one grant: who, what, where and why."""
    label = f"{visible(grant.application)} -> {visible(grant.api)}"
    state = Style.MUTED if grant.state is AccessState.AS_DECLARED else Style.WARNING
    symbol = Span(f"{SYMBOLS[grant.level]:<{SYMBOL_WIDTH}}", LEVEL_STYLES[grant.level])
    yield line("  ", symbol, Span(label, Style.STRONG), "  ", Span(f"[{grant.state}]", state))
    for text in _details(grant, verbose=verbose):
        for part in wrap(visible(text), WIDTH - len(INDENT), break_on_hyphens=False):
            yield line(INDENT, visible(part))  # again, because a line must not start like a command of a runner


def _details(grant: AccessGrant, *, verbose: bool) -> Iterator[str]:
    yield ", ".join(scope_texts(grant))
    yield "; ".join(settings(grant))
    if state_text(grant) != grant.state:
        yield state_text(grant)
    yield f"guard: {grant.guard}" if grant.guard else ""
    yield "  ".join(filter(None, (location(grant), grant.description)))
    if grant.source:
        yield f"declared since {since_text(grant)}; last change: {changed_text(grant)}"
    shown = [text for text in risk_texts(grant) if verbose or not text.startswith("low")]
    yield "; ".join(shown)
    if verbose:
        yield f"access tokens are valid for {duration(grant.token_lifetime)}"
