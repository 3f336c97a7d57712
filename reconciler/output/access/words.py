"""Write the phrases that occur in several output formats of the access report."""

from collections.abc import Iterator, Mapping

from reconciler.core.access.report import AccessGrant, AccessReport, AccessState, GrantLevel, TenantAccess
from reconciler.core.access.summary import unread_listings
from reconciler.core.characters import join_some
from reconciler.core.diff import FieldChange, SetChange
from reconciler.core.expiry import expiry_text
from reconciler.core.fields import SETTINGS, SUBJECT_CLIENT, USAGE_DENY
from reconciler.core.token_lifetime import NOT_KNOWN
from reconciler.output.words import setting_texts

SYMBOLS: Mapping[GrantLevel, str] = {
    GrantLevel.CRITICAL: "!!",
    GrantLevel.HIGH: "!",
    GrantLevel.UNKNOWN: "?",
    GrantLevel.LOW: "·",
    GrantLevel.NONE: "",
}
"""The symbol of each risk level, so that readers who do not see colours recognize the level."""
NO_SCOPES = "no scopes"
ALL_SCOPES = "all scopes"
OTHER_SETTINGS = tuple(
    each
    for each in SETTINGS
    if each.name not in {"scope", "allow_all_scopes", "organization_usage", "allow_any_organization"}
)
"""The grant settings that the access report shows with a label and a value."""


def yes_or_no(answer: bool | None) -> str:  # noqa: FBT001 - a value
    """Return "yes" for True, "no" for False, and "not known" for None."""
    return NOT_KNOWN if answer is None else "yes" if answer else "no"


def scope_texts(grant: AccessGrant) -> list[str]:
    """Return the scopes of a grant, or a phrase such as `all scopes`.

    A remark follows each scope that the API does not define.
    """
    names = [
        f"{each.name} (not defined by the API)" if each.is_defined is False else each.name for each in grant.scopes
    ]
    if grant.all_scopes:
        now = f" (now {len(names)})" if grant.scopes_known else ""
        return [f"{ALL_SCOPES}{now}"]
    return names or [NO_SCOPES]


def settings(grant: AccessGrant) -> list[str]:
    """Return the expiry date, the effect and the last use of a grant, and the settings that are not the defaults."""
    found = [f"gives no access: {grant.no_effect}"] if grant.no_effect else []
    found += [grant.subject_type] if grant.subject_type != SUBJECT_CLIENT else []
    if grant.default_for:
        holders = grant.default_holders
        names = NOT_KNOWN if holders is None else join_some([each.name for each in holders]) or "no application now"
        found.append(f"applies to: {names}")
    if grant.expires and grant.state is not AccessState.EXPIRED:
        found.append(f"expires {expiry_text(grant.expires)}")
    if grant.grant.organization_usage != USAGE_DENY:
        found.append(f"organization_usage: {grant.grant.organization_usage}")
        assigned = NOT_KNOWN if grant.organizations is None else ", ".join(grant.organizations) or "none"
        found.append("any organization" if grant.grant.allow_any_organization else f"organizations: {assigned}")
    found += setting_texts(grant.grant, OTHER_SETTINGS)
    if grant.third_party is not False:
        found.append("third party" if grant.third_party else f"third party: {NOT_KNOWN}")
    return [*found, f"use: {grant.use}"] if grant.use else found


def difference_text(change: FieldChange) -> str:
    """Return a phrase for a field whose value in the tenant differs from the value in the files."""
    if isinstance(change, SetChange):
        parts = [f"only in the files: {', '.join(change.added)}"] if change.added else []
        parts += [f"only in the tenant: {', '.join(change.removed)}"] if change.removed else []
        return f"{change.field}: {'; '.join(parts)}"
    return f"{change.field}: {change.after} in the files, {change.before} in the tenant"


def state_text(grant: AccessGrant) -> str:
    """Return the state of a grant, with an explanation and the fields that differ between files and tenant."""
    parts = [*([grant.detail] if grant.detail else []), *map(difference_text, grant.differences)]
    return f"{grant.state}: {'; '.join(parts)}" if parts else str(grant.state)


def location(grant: AccessGrant) -> str:
    """Return the file and line of the declaration, or an empty string for an undeclared grant."""
    return f"{grant.source.file}:{grant.source.line}" if grant.source else ""


def changed_text(grant: AccessGrant) -> str:
    """Return the commit that last changed the declaration, or an empty string for an undeclared grant."""
    origin = grant.provenance
    if grant.source is None:
        return ""
    if origin.changed is None:
        return f"commit {NOT_KNOWN}: {origin.unknown}" if origin.unknown else f"commit {NOT_KNOWN}"
    request = f", request {origin.pull_request}" if origin.pull_request else ""
    return f"{origin.changed}{request}"


def since_text(grant: AccessGrant) -> str:
    """Return the commit that first declared the grant, or an empty string for an undeclared grant."""
    if grant.source is None:
        return ""
    since = grant.provenance.since
    return f"{since.day} ({since.short_hash})" if since else NOT_KNOWN


def risk_texts(grant: AccessGrant) -> list[str]:
    """Return a phrase for each risk of a grant. The phrase contains the risk level and the name of the risk rule.

    A question mark after the level means that the risk is not certain.
    """
    return [f"{risk.level}{'' if risk.is_known else '?'} ({risk.rule}): {risk.message}" for risk in grant.risks]


def heading(report: AccessReport) -> str:
    """Return the heading of the access report, with the creation time and the commit of the grant files."""
    commit = f"commit {report.commit[:10]}" if report.commit else "no commit"
    return f"Access on {report.time.replace('T', ' ').removesuffix('Z')} UTC, {commit}"


def tenant_counts(tenant: TenantAccess) -> str:
    """Return the number of grants, applications, APIs and other objects that reconciler read from a tenant."""
    return ", ".join(f"{each.count} {each.name}" for each in tenant.listings if each.is_read)


def incompleteness(report: AccessReport) -> Iterator[str]:
    """Yield a phrase for each reason why the access report is incomplete.

    The report is incomplete, for example, if reconciler could not read the applications of a tenant.
    """
    if report.selection:
        yield f"only grants with {report.selection} are shown"
    for text in unread_listings(report):
        yield f"not read: {text}"
    if report.history:
        yield f"git history: {report.history}"
