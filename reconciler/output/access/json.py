"""Write the access report as JSON data (schemas/access.schema.json), and as compact JSON data for the HTML page.

The string `"unknown"` replaces each unknown value.
"""

import json
from collections.abc import Iterator, Mapping

from reconciler.artifacts.grant_json import field_json
from reconciler.artifacts.serialization import Json, tenant_json
from reconciler.core.access.report import (
    STATE_MEANINGS,
    AccessGrant,
    AccessReport,
    Provenance,
    TenantAccess,
    plain_name,
)
from reconciler.core.access.summary import COUNTED, RULES, AccessFinding, findings, totals
from reconciler.core.characters import shorten, visible
from reconciler.core.declared_history import MAX_AUTHOR, MAX_SUBJECT, Commit
from reconciler.core.fields import IN_FILE_ORDER, ORGANIZATIONS, plain_value
from reconciler.core.token_lifetime import duration
from reconciler.output.access.words import (
    SYMBOLS,
    changed_text,
    risk_texts,
    scope_texts,
    settings,
    since_text,
    state_text,
    yes_or_no,
)

FORMAT_VERSION = "1"
UNKNOWN = "unknown"
SHORT_NAMES = {"allow_all_scopes": "all_scopes", "allow_any_organization": "any_organization"}
"""Maps the name of a field in grant files to the name in the access report, if the names differ."""


def access_json(report: AccessReport) -> Json:
    """Return the access report as JSON data."""
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
    """Return a grant of the access report as JSON data."""
    return {
        "id": grant.grant_id or None,
        "application": grant.application,
        "client_id": grant.client_id,
        "default_for": grant.default_for,
        "default_holders": _holders(grant),
        "third_party": _known(grant.third_party),
        "api": grant.api,
        "audience": _known(grant.audience),
        "subject_type": grant.subject_type,
        "scopes": [
            {"name": each.name, "level": each.level, "defined": _known(each.is_defined)} for each in grant.scopes
        ]
        if grant.scopes_known
        else UNKNOWN,
        **dict(_settings(grant)),
        "state": grant.state,
        "detail": grant.detail or None,
        "differences": [field_json(each) for each in grant.differences],
        "guard": grant.guard or None,
        "no_effect": grant.no_effect or None,
        "level": grant.level,
        "risks": [
            {"rule": each.rule, "level": each.level, "message": each.message, "known": each.is_known}
            for each in grant.risks
        ],
        "token_lifetime": _known(grant.token_lifetime),
        # null if reconciler collected no logs of the tenant
        "last_use": {"time": _known(grant.last_use or None), "text": grant.use} if grant.use else None,
        "declaration": _declaration(grant),
    }


def _holders(grant: AccessGrant) -> object:
    if grant.default_for is None:
        return None
    holders = grant.default_holders
    return UNKNOWN if holders is None else [{"name": each.name, "client_id": each.client_id} for each in holders]


def _settings(grant: AccessGrant) -> Iterator[tuple[str, object]]:
    for each in IN_FILE_ORDER:
        if each.name == ORGANIZATIONS:
            yield each.name, UNKNOWN if grant.organizations is None else list(grant.organizations)
        elif each.name != "scope":
            yield SHORT_NAMES.get(each.name, each.name), plain_value(getattr(grant.grant, each.name))


def _known(value: object) -> object:
    return UNKNOWN if value is None else value


def _declaration(grant: AccessGrant) -> Json | None:
    if grant.source is None:
        return None
    return {
        "file": grant.source.file,
        "line": grant.source.line,
        "link": grant.link or None,
        "description": grant.description,
        "expires": grant.expires or None,
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
    """Return a commit as JSON data."""
    return {"hash": commit.hash, "day": commit.day, "author": commit.author, "subject": commit.subject}


Value = str | int | list["Value"]
LINE_ANCHOR = "#L"

FIELDS = (
    *("tenant", "application", "api", "scopes", "status", "settings"),
    *("file", "line", "change", "since", "description"),
)
"""The fields of a grant in the JSON data of the HTML page. The value of `line` is a line number.

The value of every field except `line` is an index in the list `values`, which contains the actual values.
"""


def page_json(report: AccessReport) -> str:
    """Return the data of the HTML page as JSON.

    The JSON does not contain `<`, so that the text cannot end the script element.
    """
    table = _ValueTable()
    by_name = sorted(report.grants, key=lambda each: (each[1].order, each[0].tenant.label))
    rows = [_row(tenant, grant, table) for tenant, grant in by_name]
    data = {
        "fields": FIELDS,
        "values": table.values,
        "rows": rows,
        "tags": tags(),
        "symbols": SYMBOLS,
        "meanings": {str(state): meaning for state, meaning in STATE_MEANINGS.items()},
        "tenants": [
            {"name": visible(tenant.tenant.label), "read": tenant.is_read, "named": not tenant.unread_names}
            for tenant in report.tenants
        ],
    }
    compact = json.dumps(data, separators=(",", ":"))
    return compact.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def tags() -> Mapping[str, str]:
    """Return the meaning of each tag (a label of grants in the HTML page), keyed by the name of the tag.

    A tag is the name of a finding about the grant, or of a total in the report that includes the grant.
    """
    return {rule.name: rule.meaning for rule in RULES} | {name: label for name, (label, _) in COUNTED.items()}


def _row(tenant: TenantAccess, grant: AccessGrant, table: "_ValueTable") -> list[int]:
    scope_levels = [] if grant.all_scopes else [str(each.level) for each in grant.scopes]
    link, _, _ = grant.link.rpartition(LINE_ANCHOR)
    origin = grant.provenance
    state = [str(grant.state), state_text(grant), grant.guard]
    return [
        table.add(tenant.tenant.label),
        table.add(
            [
                grant.application,
                grant.client_id or "",
                yes_or_no(grant.third_party),
                _name(grant.application, grant.client_id),
            ]
        ),
        table.add([grant.api, grant.audience or "", duration(grant.token_lifetime), _name(grant.api, grant.audience)]),
        table.add([scope_texts(grant), scope_levels, len(grant.scopes)]),
        table.add([str(grant.level), risk_texts(grant), *state, list(_tags_of(grant))]),
        table.add([grant.subject_type, settings(grant)]),
        table.add([grant.source.file if grant.source else "", link]),
        grant.source.line if grant.source else 0,
        table.add([*_change(grant), origin.pull_request, origin.pull_request_link]),
        table.add(since_text(grant)),
        table.add(grant.description),
    ]


def _name(label: str, identity: str | None) -> str:
    """Return the name in `label` without the id, so that the HTML page can compare names between tenants.

    Return an empty string if `label` contains no id.
    """
    name = plain_name(label, identity)
    return "" if name == label else name


def _change(grant: AccessGrant) -> list[Value]:
    """Return the commit that last changed the declaration, and the subject of the commit message."""
    commit = grant.provenance.changed
    if commit is None:
        return [changed_text(grant), ""]
    return [
        f"{commit.short_hash} {commit.day} {shorten(commit.author, MAX_AUTHOR)}",
        shorten(commit.subject, MAX_SUBJECT),
    ]


def _tags_of(grant: AccessGrant) -> Iterator[str]:
    found = {rule.name for rule in RULES if rule.applies(grant)}
    if grant.is_present and not grant.is_unread:
        found |= {name for name, (_, test) in COUNTED.items() if test(grant)}
    return iter(sorted(found))


class _ValueTable:
    """Collects the values for the JSON data of the HTML page, and stores equal values only once.

    Escape sequences replace invisible characters.
    """

    def __init__(self) -> None:
        self.values: list[Value] = []
        self._positions: dict[str, int] = {}

    def add(self, value: object) -> int:
        """Add `value` to the list `values` unless the list contains `value`, and return the index."""
        shown = _visible(value)
        key = json.dumps(shown)
        if key not in self._positions:
            self._positions[key] = len(self.values)
            self.values.append(shown)
        return self._positions[key]


def _visible(value: object) -> Value:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, int):
        return value
    if isinstance(value, list):
        return [_visible(each) for each in value]
    raise TypeError(f"{type(value).__name__} cannot be part of the data of the page")
