"""Pure: from a document that has passed the schema to grant specs, and what to say about them all together."""

import re
from bisect import bisect
from collections.abc import Iterable, Iterator

from reconciler.core.grant import SUBJECT_CLIENT, USAGE_DENY
from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.quoting import quoted
from reconciler.core.spec import GrantSpec
from reconciler.files.document import Mapping, Sequence

SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
"""What OAuth allows in a scope (RFC 6749, 3.3). Auth0 does not insist, and tenants have others."""

DeclaredKey = tuple[tuple[str, str], tuple[str, str], str]


def grant_specs(data: Mapping, file: str, problems: Iterable[Problem] = ()) -> tuple[GrantSpec, ...]:
    """Return the specs under `grants:`, but for the items that one of the file's `problems` stands in."""
    items = data.get("grants")
    places = [(problem.source.line, problem.source.column) for problem in problems]
    if not isinstance(items, Sequence) or any(line == 0 for line, _ in places):
        return ()
    unsound = {bisect(items.item_marks, place) - 1 for place in places}
    return tuple(
        _grant_spec(item, file, is_snapshot="snapshot" in data)
        for index, item in enumerate(items)
        if index not in unsound
    )


def _grant_spec(item: Mapping, file: str, *, is_snapshot: bool) -> GrantSpec:
    scope: Sequence = item.get("scope") or Sequence()
    organizations: Sequence | None = item.get("organizations")
    return GrantSpec(
        file=file,
        mark=item.mark,
        client=item.get("client"),
        client_id=item.get("client_id"),
        default_for=item.get("default_for"),
        api=item.get("api"),
        audience=item.get("audience"),
        description=item.get("description", ""),
        subject_type=item.get("subject_type", SUBJECT_CLIENT),
        scope=tuple(scope),
        organization_usage=item.get("organization_usage", USAGE_DENY),
        allow_any_organization=item.get("allow_any_organization", False),
        authorization_details_types=tuple(item.get("authorization_details_types", ())),
        allow_all_scopes=item.get("allow_all_scopes", False),
        organizations=None if organizations is None else tuple(organizations),
        is_snapshot=is_snapshot,
        marks=item.value_marks,
        scope_marks=tuple(scope.item_marks),
        organization_marks=() if organizations is None else tuple(organizations.item_marks),
    )


def problems_of(specs: Iterable[GrantSpec]) -> Iterator[Problem]:
    """Yield what no schema can see: grants declared twice, and, as warnings, what OAuth or Auth0 has no use for."""
    first: dict[DeclaredKey, GrantSpec] = {}
    for spec in sorted(specs, key=lambda spec: spec.source):
        earlier = first.setdefault(_declared_key(spec), spec)
        if earlier is not spec:
            yield _duplicate(spec, earlier)
        for scope, place in spec.placed_scopes():
            if not SCOPE_TOKEN.fullmatch(scope):
                yield _odd_scope(scope, place)
        if spec.organizations and spec.organization_usage == USAGE_DENY:
            yield _useless_organizations(spec)


def _declared_key(spec: GrantSpec) -> DeclaredKey:
    """Return what two specs may not share, as far as that can be told without a tenant: names are not ids yet."""
    holder = (("client", spec.client), ("client_id", spec.client_id), ("default_for", spec.default_for))
    api = (("api", spec.api), ("audience", spec.audience))
    return (_given(holder), _given(api), spec.subject_type)


def _given(alternatives: Iterable[tuple[str, str | None]]) -> tuple[str, str]:
    """Return the one alternative that the file gives."""
    return next((name, value) for name, value in alternatives if value is not None)


def _duplicate(spec: GrantSpec, earlier: GrantSpec) -> Problem:
    (_, holder), (_, api), subject_type = _declared_key(spec)
    what = f"the grant of {quoted(holder)} for {quoted(api)} ({subject_type}) is declared at {earlier.source} already"
    return Problem(spec.source, what, "remove one of them, or merge their scopes")


def _odd_scope(scope: str, place: Source) -> Problem:
    fix = "write each scope as an item of its own" if " " in scope.strip() else "check its spelling"
    what = f"the scope {quoted(scope)} has a character that OAuth does not allow in scopes (RFC 6749, 3.3)"
    return Problem(place, what, fix, Severity.WARNING)


def _useless_organizations(spec: GrantSpec) -> Problem:
    what = '"organizations" has no effect while "organization_usage" is deny'
    fix = 'write "organization_usage: allow" (or require), or "organizations: []"'
    return Problem(spec.source_of("organizations"), what, fix, Severity.WARNING)
