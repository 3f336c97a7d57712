"""Pure: from a document that has passed the schema to grant specs, and what to say about them all together."""

import re
from bisect import bisect
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Several
from copy import copy
from functools import lru_cache
from itertools import chain

from reconciler.core.grant import USAGE_DENY
from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.quoting import quoted
from reconciler.core.spec import GrantSpec, TenantPattern
from reconciler.core.tenancy import NOBODY, Tenants, for_tenant, is_plain, misdirected
from reconciler.files.document import Mapping, Sequence

SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
"""What OAuth allows in a scope (RFC 6749, 3.3). Auth0 does not insist, and tenants have others."""

TEXTS = frozenset({"client", "client_id", "api", "audience"})
LISTS = frozenset({"scope", "organizations", "tenants"})
"""Which fields hold names that stand for something: variables, and tenants."""

SETS = ("scope", "authorization_details_types", "organizations")
"""Which fields hold what has no order, in the order in which the file says it."""

DeclaredKey = tuple[str | None, ...]
Lists = tuple[tuple[TenantPattern, ...], ...]

MOST_SETS_OF_SCOPES = 4096
"""How many are remembered, with whether they have an odd one."""


def grant_specs(data: Mapping, file: str, problems: Iterable[Problem] = ()) -> tuple[GrantSpec, ...]:
    """Return the specs under `grants:`, but for the items that one of the file's `problems` stands in.

    Where the file's own `tenants` are unsound, nothing is known of any of its items.
    """
    items = data.get("grants")
    unsound = _unsound(data, problems)
    if unsound is None or not isinstance(items, Sequence):
        return ()
    sound = [item for index, item in enumerate(items) if index not in unsound] if unsound else items
    of_file, is_snapshot = _tenants(data, file), "snapshot" in data
    return tuple(_grant_spec(item, file, of_file, is_snapshot=is_snapshot) for item in sound)


def legible_specs(data: Mapping, file: str, problems: Iterable[Problem]) -> tuple[GrantSpec, ...]:
    """Return what can be read of the items that `grant_specs` leaves out: the names in them are looked at, too."""
    items = data.get("grants")
    unsound = _unsound(data, problems)
    if not unsound or not isinstance(items, Sequence):
        return ()
    of_file, is_snapshot = _tenants(data, file), "snapshot" in data
    legible = (_legible(item) for index, item in enumerate(items) if index in unsound and isinstance(item, Mapping))
    return tuple(_grant_spec(item, file, of_file, is_snapshot=is_snapshot) for item in legible if item is not None)


def _unsound(data: Mapping, problems: Iterable[Problem]) -> set[int] | None:
    """Return the numbers of the items that problems stand in; None where nothing is known of any."""
    places = [(problem.source.line, problem.source.column) for problem in problems]
    if any(line == 0 for line, _ in places) or not _tells_where(data):
        return None
    marks = list(data["grants"].item_marks) if places and isinstance(data.get("grants"), Sequence) else []
    return {bisect(marks, place) - 1 for place in places}


def _legible(item: Mapping) -> Mapping | None:
    """Return an item with those of its fields alone that hold names; None if it is unsound where it applies."""
    legible = copy(item)
    for name, value in item.items():
        if not (_is_text(value) if name in TEXTS else name in LISTS and _are_texts(value)):
            del legible[name]
    return None if "tenants" in item and not legible.get("tenants") else legible


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_texts(value: object) -> bool:
    return isinstance(value, Sequence) and all(map(_is_text, value))


def _grant_spec(item: Mapping, file: str, of_file: Lists, *, is_snapshot: bool) -> GrantSpec:
    """Return what an item says: a spec's fields are called as in the file, and have the same defaults."""
    said = dict(item)
    for name in SETS:
        if name in said:
            said[name] = tuple(said[name])
    said["tenants"] = of_file + _tenants(item, file) if "tenants" in said else of_file
    return GrantSpec(file=file, places=item, is_snapshot=is_snapshot, **said)


def _tells_where(data: Mapping) -> bool:
    """Return whether the file's own `tenants`, if it has any, are what they should be."""
    patterns = data.get("tenants")
    return "tenants" not in data or (
        isinstance(patterns, Sequence) and bool(patterns) and all(isinstance(each, str) for each in patterns)
    )


def _tenants(data: Mapping, file: str) -> Lists:
    """Return the list of tenants that a file or a grant has, or none."""
    if "tenants" not in data:
        return ()
    placed = zip(data["tenants"], data.marks_within("tenants"), strict=True)
    return (tuple(TenantPattern(text, Source(file, *mark)) for text, mark in placed),)


def problems_of(
    specs: Several[GrantSpec], tenants: Tenants = NOBODY, legible: Iterable[GrantSpec] = ()
) -> Iterator[Problem]:
    """Yield what no schema can see, each problem once, as far as it concerns one of `tenants`.

    That is: names of tenants and variables that stand for none, grants declared twice for a tenant, and, as warnings,
    what OAuth or Auth0 has no use for. Where no tenant is told, only what says the same to all of them is looked at.
    Of `legible` specs, which are not whole, only the names are.
    """
    seen: set[Problem] = set()
    special = [spec for spec in specs if not is_plain(spec)]
    read = [for_tenant(specs, target) for target in tenants.targets] if special else [specs]
    read = read or [tuple(filter(is_plain, specs))]
    for problem in chain(misdirected([*special, *legible], tenants), chain.from_iterable(map(_problems_at_one, read))):
        if problem not in seen:
            seen.add(problem)
            yield problem


def _problems_at_one(specs: Iterable[GrantSpec]) -> Iterator[Problem]:
    first: dict[DeclaredKey, GrantSpec] = {}
    for spec in specs:
        earlier = first.setdefault(_declared_key(spec), spec)
        if earlier is not spec:
            yield _duplicate(spec, earlier)
        if not _are_usual(spec.scope):
            yield from _odd_scopes(spec)
        if spec.organizations and spec.organization_usage == USAGE_DENY:
            yield _useless_organizations(spec)


def _declared_key(spec: GrantSpec) -> DeclaredKey:
    """Return what two specs may not share, as far as that can be told without a tenant: names are not ids yet."""
    return (spec.client, spec.client_id, spec.default_for, spec.api, spec.audience, spec.subject_type)


def _duplicate(spec: GrantSpec, earlier: GrantSpec) -> Problem:
    holder = quoted(spec.client or spec.client_id or spec.default_for or "")
    api = quoted(spec.api or spec.audience or "")
    what = f"the grant of {holder} for {api} ({spec.subject_type}) is declared at {earlier.source} already"
    return Problem(spec.source, what, "remove one of them, or merge their scopes")


@lru_cache(maxsize=MOST_SETS_OF_SCOPES)
def _are_usual(scopes: tuple[str, ...]) -> bool:
    return all(map(SCOPE_TOKEN.fullmatch, scopes))


def _odd_scopes(spec: GrantSpec) -> Iterator[Problem]:
    for scope, place in spec.placed_scopes():
        if not SCOPE_TOKEN.fullmatch(scope):
            yield _odd_scope(scope, place)


def _odd_scope(scope: str, place: Source) -> Problem:
    fix = "write each scope as an item of its own" if " " in scope.strip() else "check its spelling"
    what = f"the scope {quoted(scope)} has a character that OAuth does not allow in scopes (RFC 6749, 3.3)"
    return Problem(place, what, fix, Severity.WARNING)


def _useless_organizations(spec: GrantSpec) -> Problem:
    what = '"organizations" has no effect while "organization_usage" is deny'
    fix = 'write "organization_usage: allow" (or require), or "organizations: []"'
    return Problem(spec.source_of("organizations"), what, fix, Severity.WARNING)
