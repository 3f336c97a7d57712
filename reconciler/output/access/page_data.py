"""Pure: the data of the HTML page. Values that repeat are stored once, because a page may have 50,000 grants."""

import json
from collections.abc import Iterator, Mapping

from reconciler.core.access import STATE_MEANINGS, AccessGrant, AccessReport, TenantAccess, plain_name
from reconciler.core.access_summary import COUNTED, RULES
from reconciler.core.characters import shorten, visible
from reconciler.core.removals import MAX_AUTHOR, MAX_SUBJECT
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

Value = str | int | list["Value"]
LINE_ANCHOR = "#L"

FIELDS = (
    *("tenant", "application", "api", "scopes", "status", "settings"),
    *("file", "line", "change", "since", "description"),
)
"""The fields of a row. `line` is a number, and the others are positions in `values`."""


def page_json(report: AccessReport) -> str:
    """Return the data as JSON that contains no `<`, so that it cannot end its element."""
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
        "tenants": [{"name": visible(tenant.tenant.label), "read": tenant.is_read} for tenant in report.tenants],
    }
    compact = json.dumps(data, separators=(",", ":"))
    return compact.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def tags() -> Mapping[str, str]:
    """Return the names of tags with their meanings. A row has a tag for each finding and total that contains it."""
    return {rule.name: rule.meaning for rule in RULES} | {name: label for name, (label, _) in COUNTED.items()}


def _row(tenant: TenantAccess, grant: AccessGrant, table: "_ValueTable") -> list[int]:
    scope_levels = [] if grant.all_scopes else [str(each.level) for each in grant.scopes]
    link, _, _ = grant.link.rpartition(LINE_ANCHOR)
    origin = grant.provenance
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
        table.add(_status(grant)),
        table.add([grant.subject_type, settings(grant)]),
        table.add([grant.source.file if grant.source else "", link]),
        grant.source.line if grant.source else 0,
        table.add([*_change(grant), origin.pull_request, origin.pull_request_link]),
        table.add(since_text(grant)),
        table.add(grant.description),
    ]


def _name(label: str, identity: str | None) -> str:
    """Return the name that tenants are compared by, or an empty text if it is the label."""
    name = plain_name(label, identity)
    return "" if name == label else name


def _status(grant: AccessGrant) -> list[object]:
    """Return the risks, the state and the tags of a grant."""
    state = [str(grant.state), state_text(grant), grant.guard]
    return [str(grant.level), risk_texts(grant), *state, list(_tags_of(grant))]


def _change(grant: AccessGrant) -> list[Value]:
    """Return the commit that last changed the declaration, and the subject of its message."""
    commit = grant.provenance.changed
    if commit is None:
        return [changed_text(grant), ""]
    return [
        f"{commit.short_hash} {commit.day} {shorten(commit.author, MAX_AUTHOR)}",
        shorten(commit.subject, MAX_SUBJECT),
    ]


def _tags_of(grant: AccessGrant) -> Iterator[str]:
    found = {rule.name for rule in RULES if rule.applies(grant)}
    if grant.is_present:
        found |= {name for name, (_, test) in COUNTED.items() if test(grant)}
    return iter(sorted(found))


class _ValueTable:
    """The distinct values of a page with their positions. All texts are made visible."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self._positions: dict[str, int] = {}

    def add(self, value: object) -> int:
        """Return the position of a value, which is a text or a list of texts, numbers and lists."""
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
    raise TypeError(f"{type(value).__name__} is not a value of the page")
