"""Pure: the access report as JSON data (schemas/access.schema.json). A value that is not known is `"unknown"`."""

from collections.abc import Mapping

from reconciler.artifacts.serialization import Json, field_json, json_text, tenant_json
from reconciler.core.access import AccessGrant, AccessReport, Provenance, TenantAccess
from reconciler.core.access_summary import AccessFinding, findings, totals
from reconciler.core.problems import Risk
from reconciler.core.removals import Commit

FORMAT_VERSION = "1"
UNKNOWN = "unknown"


def access_text(report: AccessReport) -> str:
    """Return the report as JSON text."""
    return json_text(access_json(report))


def access_json(report: AccessReport) -> Json:
    """Return the report as JSON data."""
    numbers = {
        (number, id(grant)): position
        for number, tenant in enumerate(report.tenants)
        for position, grant in enumerate(tenant.grants)
    }
    by_name = {tenant.tenant.name: number for number, tenant in enumerate(report.tenants)}
    return {
        "format_version": FORMAT_VERSION,
        "time": report.time,
        "commit": report.commit or None,
        "history": report.history or None,
        "selection": report.selection or None,
        "complete": all(each.is_read for tenant in report.tenants for each in tenant.listings),
        "totals": [
            {"name": each.name, "count": each.count, "unknown": each.unknown, "complete": each.is_complete}
            for each in totals(report)
        ],
        "findings": [_finding(each, numbers, by_name) for each in findings(report)],
        "tenants": [_tenant(each) for each in report.tenants],
    }


def _finding(finding: AccessFinding, numbers: Mapping[tuple[int, int], int], by_name: Mapping[str, int]) -> Json:
    return {
        "rule": finding.rule,
        "level": finding.level,
        "meaning": finding.meaning,
        "details": list(finding.details),
        "grants": [
            {"tenant": by_name[name], "grant": numbers[by_name[name], id(grant)]} for name, grant in finding.grants
        ],
    }


def _tenant(access: TenantAccess) -> Json:
    return {
        "tenant": tenant_json(access.tenant),
        "listings": [
            {"name": each.name, "read": each.is_read, "count": each.count, "reason": each.reason or None}
            for each in access.listings
        ],
        "notes": list(access.notes),
        "applications": [
            {
                "name": each.name,
                "client_id": each.client_id,
                "third_party": _known(each.third_party),
                "app_type": each.app_type,
            }
            for each in access.applications
        ],
        "apis": [
            {
                "name": each.name,
                "identifier": each.identifier,
                "scopes": list(each.scopes),
                "token_lifetime": _known(each.token_lifetime),
                "system": each.is_system,
            }
            for each in access.apis
        ],
        "grants": [grant_json(each) for each in access.grants],
    }


def grant_json(grant: AccessGrant) -> Json:
    """Return one grant."""
    return {
        "id": grant.grant_id or None,
        "application": grant.application,
        "client_id": grant.client_id,
        "default_for": grant.default_for,
        "third_party": _known(grant.third_party),
        "api": grant.api,
        "audience": _known(grant.audience),
        "subject_type": grant.subject_type,
        "scopes": [
            {"name": each.name, "level": each.level, "defined": _known(each.is_defined)} for each in grant.scopes
        ]
        if grant.scopes_known
        else UNKNOWN,
        "all_scopes": grant.all_scopes,
        "organization_usage": grant.organization_usage,
        "any_organization": grant.any_organization,
        "organizations": UNKNOWN if grant.organizations is None else list(grant.organizations),
        "authorization_details_types": list(grant.details_types),
        "state": grant.state,
        "detail": grant.detail or None,
        "differences": [field_json(each) for each in grant.differences],
        "guard": grant.guard or None,
        "level": grant.level,
        "risks": [_risk(each) for each in grant.risks],
        "token_lifetime": _known(grant.token_lifetime),
        "declaration": _declaration(grant),
    }


def _known(value: object) -> object:
    return UNKNOWN if value is None else value


def _risk(risk: Risk) -> Json:
    return {"rule": risk.rule, "level": risk.level, "message": risk.message, "known": risk.is_known}


def _declaration(grant: AccessGrant) -> Json | None:
    if grant.source is None:
        return None
    return {
        "file": grant.source.file,
        "line": grant.source.line,
        "link": grant.link or None,
        "description": grant.description,
        **_provenance(grant.provenance),
    }


def _provenance(origin: Provenance) -> Json:
    return {
        "changed": commit_json(origin.changed) if origin.changed else UNKNOWN,
        "since": commit_json(origin.since) if origin.since else UNKNOWN,
        "pull_request": {"number": origin.pull_request, "link": origin.pull_request_link or None}
        if origin.pull_request
        else None,
        "reason_unknown": origin.unknown or None,
    }


def commit_json(commit: Commit) -> Json:
    """Return a commit."""
    return {"hash": commit.hash, "day": commit.day, "author": commit.author, "subject": commit.subject}
