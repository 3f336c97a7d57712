"""Pure: convert valid documents to grant specs, and find the problems that a schema cannot find."""

import re
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from typing import Any

from reconciler.core.fields import FIELDS, SETS, FieldKind
from reconciler.core.organization_usage import USAGE_DENY
from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.quoting import quote_text
from reconciler.core.spec import GrantSpec, TenantPattern
from reconciler.core.tenant_filter import (
    NO_TENANTS,
    OPENING,
    TargetTenant,
    TargetTenants,
    escape_variables,
    find_tenant_problems,
    has_variables,
    is_same_for_all_tenants,
    patterns_of,
    substitute_spec,
    with_targets,
)
from reconciler.files.document import YamlList, YamlMapping

SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
"""The characters of a scope in OAuth (RFC 6749, 3.3). Auth0 does not enforce them, and tenants have other scopes."""

TEXTS = frozenset(each.name for each in FIELDS if each.has_variables and each.kind is FieldKind.TEXT)
LISTS = frozenset(each.name for each in FIELDS if each.has_variables and each.kind is FieldKind.SET)
"""Fields that may contain variables or names of tenants."""

MOST_COMBINATIONS = 2_000_000
"""The limit for pairs of a tenant with a grant or a value. Each takes a microsecond or more."""

Check = Callable[[YamlMapping, Mapping[str, Any], str], Iterable[Problem]]
"""Takes an item, its new values and the file name. Returns the problems of the item with these values."""
DeclaredKey = tuple[str | None, ...]
Lists = tuple[tuple[TenantPattern, ...], ...]

MOST_SETS_OF_SCOPES = 4096
"""The size of a cache."""


def grant_specs(data: YamlMapping, file: str, problems: Iterable[Problem] = ()) -> tuple[GrantSpec, ...]:
    """Return the specs of all items under `grants:` that have no problem.

    If the tenants of the file itself have a problem, return no specs.
    """
    items = data.get("grants")
    unsound = _unsound(data, problems)
    if unsound is None or not isinstance(items, YamlList):
        return ()
    sound = [item for index, item in enumerate(items) if index not in unsound] if unsound else items
    of_file, is_snapshot = _tenants(data, file), "snapshot" in data
    return tuple(_grant_spec(item, file, of_file, is_snapshot=is_snapshot) for item in sound)


def legible_specs(data: YamlMapping, file: str, problems: Iterable[Problem]) -> tuple[GrantSpec, ...]:
    """Return partial specs for the items that `grant_specs` leaves out, so that their names are checked too."""
    items = data.get("grants")
    unsound = _unsound(data, problems)
    if not unsound or not isinstance(items, YamlList):
        return ()
    of_file, is_snapshot = _tenants(data, file), "snapshot" in data
    legible = (_legible(item) for index, item in enumerate(items) if index in unsound and isinstance(item, YamlMapping))
    return tuple(_grant_spec(item, file, of_file, is_snapshot=is_snapshot) for item in legible if item is not None)


def _unsound(data: YamlMapping, problems: Iterable[Problem]) -> set[int] | None:
    """Return the indexes of the items with problems, or None if all items are affected."""
    places = [(problem.source.line, problem.source.column) for problem in problems]
    if any(line == 0 for line, _ in places) or not _tells_where(data):
        return None
    marks = list(data["grants"].item_marks) if places and isinstance(data.get("grants"), YamlList) else []
    return {bisect(marks, place) - 1 for place in places}


def _legible(item: YamlMapping) -> YamlMapping | None:
    """Return an item reduced to its valid names, or None if its tenants are invalid."""
    legible = copy(item)
    for name, value in item.items():
        if not (_is_text(value) if name in TEXTS else name in LISTS and _are_texts(value)):
            del legible[name]
    return None if "tenants" in item and not legible.get("tenants") else legible


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_texts(value: object) -> bool:
    return isinstance(value, YamlList) and all(map(_is_text, value))


def _grant_spec(item: YamlMapping, file: str, of_file: Lists, *, is_snapshot: bool) -> GrantSpec:
    """Return the spec of an item. Specs have the same field names and defaults as files."""
    said = dict(item)
    for name in SETS:
        if name in said:
            said[name] = tuple(said[name])
    said["tenants"] = of_file + _tenants(item, file) if "tenants" in said else of_file
    return GrantSpec(file=file, locations=item, is_snapshot=is_snapshot, **said)


def _tells_where(data: YamlMapping) -> bool:
    """Return whether the tenants of the file are valid or absent."""
    patterns = data.get("tenants")
    return "tenants" not in data or (
        isinstance(patterns, YamlList) and bool(patterns) and all(isinstance(each, str) for each in patterns)
    )


def _tenants(data: YamlMapping, file: str) -> Lists:
    """Return the tenants of a file or a grant, in a tuple that is empty if it has none."""
    if "tenants" not in data:
        return ()
    placed = zip(data["tenants"], data.marks_within("tenants"), strict=True)
    return (tuple(TenantPattern(text, Source(file, *mark)) for text, mark in placed),)


def problems_of(
    specs: Sequence[GrantSpec],
    tenants: TargetTenants = NO_TENANTS,
    legible: Iterable[GrantSpec] = (),
    check: Check = lambda _item, _values, _file: (),
) -> Iterator[Problem]:
    """Yield the problems of `specs` for `tenants` that a schema cannot find, each once.

    These are unknown tenants and variables, duplicate grants, problems that `check` finds after inserting the values of
    a tenant, and warnings about values without effect. Without tenants, only specs that are equal for all tenants are
    checked. `legible` specs are partial, so only their names are checked.
    """
    special = [spec for spec in specs if not is_same_for_all_tenants(spec)]
    named = [*special, *legible]
    if (count := _combinations(named, tenants)) > MOST_COMBINATIONS:
        yield _too_many_combinations(named[0].file, count)
        return
    seen: set[Problem] = set()
    found = (
        find_tenant_problems(named, tenants),
        _problems_at_one(filter(is_same_for_all_tenants, specs)),
        _problems_at(specs, tenants, check),
    )
    for problem in chain.from_iterable(found):
        if problem not in seen:
            seen.add(problem)
            yield problem


def _combinations(specs: Iterable[GrantSpec], tenants: TargetTenants) -> int:
    """Return the number of pairs of a tenant with a grant or a value."""
    specs = list(specs)
    patterns = {each for spec in specs for each in patterns_of(spec)}
    compared = sum(map(len, patterns)) * len({*tenants.known, *(target.name for target in tenants.targets)})
    if compared > MOST_COMBINATIONS:
        return compared
    texts = (
        len(targets) * (2 + len(spec.scope) + len(spec.organizations or ()) if has_variables(spec) else 1)
        for spec, targets in with_targets(specs, tenants)
    )
    return compared + sum(texts)


def _too_many_combinations(file: str, count: int) -> Problem:
    what = f"grants and tenants have {count:,} combinations, more than {MOST_COMBINATIONS:,}, so they are not checked"
    return Problem(
        Source(file), what, "name fewer tenants with --tenant, or write fewer tenants and variables in grants"
    )


def _problems_at(specs: Sequence[GrantSpec], tenants: TargetTenants, check: Check) -> Iterator[Problem]:
    """Yield the problems of grants that differ between tenants."""
    special = [(index, spec) for index, spec in enumerate(specs) if not is_same_for_all_tenants(spec)]
    if not special:
        return
    plain: dict[DeclaredKey, list[tuple[int, GrantSpec]]] = {}
    for index, spec in enumerate(specs):
        if is_same_for_all_tenants(spec):
            plain.setdefault(_declared_key(spec), []).append((index, spec))
    at: dict[str, list[tuple[int, GrantSpec]]] = {target.name: [] for target in tenants.targets}
    for (index, _), (spec, targets) in zip(special, with_targets((spec for _, spec in special), tenants), strict=True):
        for target in targets:
            if not has_variables(spec):
                at[target.name].append((index, spec))
                continue
            filled = substitute_spec(spec, target.values)
            yield from _broken_by_values(filled, spec, target, check)
            at[target.name].append((index, filled))
    for here in at.values():
        same = [each for _, spec in here for each in plain.get(_declared_key(spec), ())]
        merged = sorted(dict((*same, *here)).items())
        yield from _problems_at_one(spec for _, spec in merged)


def _broken_by_values(filled: GrantSpec, spec: GrantSpec, target: TargetTenant, check: Check) -> Iterator[Problem]:
    """Yield the problems of an item after inserting the values of a tenant, at their positions in the file."""
    if not isinstance(spec.locations, YamlMapping):
        return
    values: dict[str, Any] = {name: _literal(getattr(filled, name)) for name in TEXTS if _holds(getattr(spec, name))}
    for name in SETS:
        said = getattr(spec, name) or ()
        if any(map(_holds, said)):
            texts = zip(said, getattr(filled, name), strict=True)
            values[name] = [_literal(text) if _holds(each) else each for each, text in texts]
    for problem in check(spec.locations, values, spec.file):
        whose = f", with the values of {quote_text(target.name)}" if target.name else ""
        yield replace(problem, what=f"{problem.what}{whose}")


def _holds(text: str | None) -> bool:
    return text is not None and OPENING in text


def _literal(text: str | None) -> str:
    """Return the text as a file would contain it, so that a value is not read as another variable."""
    return escape_variables(text or "")


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
    """Return the key of a spec without a tenant. It contains names instead of ids."""
    return (spec.client, spec.client_id, spec.default_for, spec.api, spec.audience, spec.subject_type)


def _duplicate(spec: GrantSpec, earlier: GrantSpec) -> Problem:
    holder = quote_text(spec.client or spec.client_id or spec.default_for or "")
    api = quote_text(spec.api or spec.audience or "")
    what = f"the grant of {holder} for {api} ({spec.subject_type}) is already declared at {earlier.source}"
    return Problem(spec.source, what, "remove one of them, or merge their scopes")


@lru_cache(maxsize=MOST_SETS_OF_SCOPES)
def _are_usual(scopes: tuple[str, ...]) -> bool:
    return all(map(SCOPE_TOKEN.fullmatch, scopes))


def _odd_scopes(spec: GrantSpec) -> Iterator[Problem]:
    for scope, place in spec.scopes_with_sources():
        if not SCOPE_TOKEN.fullmatch(scope):
            yield _odd_scope(scope, place)


def _odd_scope(scope: str, place: Source) -> Problem:
    fix = "write each scope as a separate item" if " " in scope.strip() else "check its spelling"
    what = f"the scope {quote_text(scope)} contains a character that OAuth does not allow in scopes (RFC 6749, 3.3)"
    return Problem(place, what, fix, Severity.WARNING)


def _useless_organizations(spec: GrantSpec) -> Problem:
    what = '"organizations" has no effect while "organization_usage" is deny'
    fix = 'write "organization_usage: allow" (or require), or "organizations: []"'
    return Problem(spec.source_of("organizations"), what, fix, Severity.WARNING)
