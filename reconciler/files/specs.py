"""Convert YAML documents to grant declarations, and report problems that a JSON Schema cannot detect."""

import re
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import Any

from reconciler.core.characters import quote_text
from reconciler.core.fields import FIELDS, SETS, USAGE_DENY, FieldKind
from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.scope_sets import escape_scope
from reconciler.core.spec import GrantSpec, Mark, TenantPattern, TenantPatterns
from reconciler.core.tenant_filter import (
    NO_TENANTS,
    OPENING,
    TargetTenant,
    TargetTenants,
    escape_variables,
    find_tenant_problems,
    has_variables,
    is_same_for_all_tenants,
    substitute,
    substitute_spec,
    with_targets,
)
from reconciler.files.document import YamlList, YamlMapping
from reconciler.files.spec_limits import combinations_problem, repeated_values_problem

SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
"""Matches a scope that OAuth allows (RFC 6749, 3.3).

Auth0 accepts more characters than OAuth allows, so an invalid scope causes only a warning.
"""

TEXTS = frozenset(each.name for each in FIELDS if each.has_variables and each.kind is FieldKind.TEXT)
LISTS = frozenset(each.name for each in FIELDS if each.has_variables and each.kind is FieldKind.SET)
"""The fields of a grant declaration that may contain variables.

TEXTS contains the fields whose value is a string, and LISTS contains the fields whose value is a list.
"""

Check = Callable[[YamlMapping, Mapping[str, Any], str], Iterable[Problem]]
"""A function that replaces some fields of a grant declaration, and returns the problems in the new declaration.

The function takes the grant declaration, the new values of fields and the file name.
"""
DeclaredKey = tuple[str | None, ...]
TenantLists = tuple[TenantPatterns, ...]

_declared_key: Callable[[GrantSpec], DeclaredKey] = attrgetter(
    "client", "client_id", "default_for", "api", "audience", "subject_type"
)
"""Returns the fields of a declaration that identify the grant. Names in the file are not replaced with ids."""

SCOPES_CACHE_SIZE = 4096


def grant_specs(data: YamlMapping, file: str, problems: Iterable[Problem] = ()) -> tuple[GrantSpec, ...]:
    """Return the grant declarations under `grants:` that have no errors.

    If the list of tenants at the top of the file is invalid, return no declarations.
    """
    items = data.get("grants")
    invalid = _invalid_items(data, problems)
    if invalid is None or not isinstance(items, YamlList):
        return ()
    valid = [item for index, item in enumerate(items) if index not in invalid] if invalid else items
    file_tenants, is_snapshot = _tenant_lists(data, file), "snapshot" in data
    specs = [_grant_specs(item, file, file_tenants, is_snapshot=is_snapshot) for item in valid]
    return tuple(chain.from_iterable(specs))


def partial_specs(data: YamlMapping, file: str, problems: Iterable[Problem]) -> tuple[GrantSpec, ...]:
    """For each grant declaration that has errors, return the fields that are valid.

    The caller checks only the tenants and variables in invalid grant declarations.
    """
    items = data.get("grants")
    invalid = _invalid_items(data, problems)
    if not invalid or not isinstance(items, YamlList):
        return ()
    file_tenants, is_snapshot = _tenant_lists(data, file), "snapshot" in data
    partial = (
        _keep_valid_names(item)
        for index, item in enumerate(items)
        if index in invalid and isinstance(item, YamlMapping)
    )
    specs = (_grant_specs(item, file, file_tenants, is_snapshot=is_snapshot) for item in partial if item is not None)
    return tuple(chain.from_iterable(specs))


def _invalid_items(data: YamlMapping, problems: Iterable[Problem]) -> set[int] | None:
    """Return the indexes of the grant declarations with errors, or None if an error concerns the whole file.

    A declaration that has only warnings is valid.
    """
    positions = [(each.source.line, each.source.column) for each in problems if each.severity is Severity.ERROR]
    if any(line == 0 for line, _ in positions) or not _has_valid_tenants(data):
        return None
    marks = list(data["grants"].item_marks) if positions and isinstance(data.get("grants"), YamlList) else []
    return {bisect(marks, position) - 1 for position in positions}


def _keep_valid_names(item: YamlMapping) -> YamlMapping | None:
    """Return a copy of `item` without invalid fields and without fields that cannot contain variables.

    Return None if the list of tenants in the declaration is invalid.
    """
    partial = copy(item)
    for name, value in item.items():
        are_texts = isinstance(value, YamlList) and all(map(_is_text, value))
        if not (_is_text(value) if name in TEXTS else name in LISTS and are_texts):
            del partial[name]
    return None if "tenants" in item and not partial.get("tenants") else partial


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _grant_specs(item: YamlMapping, file: str, file_tenants: TenantLists, *, is_snapshot: bool) -> Iterable[GrantSpec]:
    """Convert a grant declaration to GrantSpec objects.

    If the declaration contains the list `clients`, return one GrantSpec for each application in the list.

    The fields of a GrantSpec have the same names and defaults as the fields of a grant declaration in a file.
    """
    values = dict(item)
    for name in SETS:
        if name in values:
            values[name] = tuple(values[name])
    values["tenants"] = file_tenants + _tenant_lists(item, file) if "tenants" in values else file_tenants
    if "clients" not in values:
        return (GrantSpec(file=file, locations=item, is_snapshot=is_snapshot, **values),)
    clients = values["clients"] = tuple(values["clients"])
    locations = (ClientLocations(item, index) for index in range(len(clients)))
    return [
        GrantSpec(file=file, locations=each, is_snapshot=is_snapshot, **{**values, "client": client})
        for client, each in zip(clients, locations, strict=True)
    ]


class ClientLocations:
    """The positions in the file for one grant of a declaration that lists several applications in `clients`.

    The reported position of the grant is the position of the application in the list `clients`.
    """

    __slots__ = ("_index", "item")

    def __init__(self, item: YamlMapping, index: int) -> None:
        self.item = item
        self._index = index

    @property
    def mark(self) -> Mark:
        """The line and column of the application in the list `clients`."""
        mark: Mark = self.item["clients"].item_marks[self._index]
        return mark

    @property
    def value_marks(self) -> Mapping[str, Mark]:
        """The line and column of the value of each field.

        For the field `client`, the position is the position of the application in the list `clients`.
        """
        return {**self.item.value_marks, "client": self.mark}

    def marks_within(self, name: str) -> Iterable[Mark]:
        """Return the line and column of each item in the list `name`."""
        return self.item.marks_within(name)


def _has_valid_tenants(data: YamlMapping) -> bool:
    """Return True if the list of tenants at the top of the file is valid, or if the file has no list of tenants."""
    patterns = data.get("tenants")
    return "tenants" not in data or (
        isinstance(patterns, YamlList) and bool(patterns) and all(isinstance(each, str) for each in patterns)
    )


def _tenant_lists(data: YamlMapping, file: str) -> TenantLists:
    """Return a tuple whose only item is the list `tenants` of a file or grant declaration.

    If the file or declaration has no list `tenants`, return an empty tuple.
    """
    if "tenants" not in data:
        return ()
    with_marks = zip(data["tenants"], data.marks_within("tenants"), strict=True)
    return (TenantPatterns(TenantPattern(text, Source(file, *mark)) for text, mark in with_marks),)


Numbered = tuple[int, GrantSpec]
"""A grant declaration with its position in the sequence of all declarations."""


def problems_of(
    specs: Sequence[GrantSpec],
    tenants: TargetTenants = NO_TENANTS,
    partial: Iterable[GrantSpec] = (),
    check: Check = lambda _item, _values, _file: (),
) -> Iterator[Problem]:
    """Check grant declarations for problems that a JSON Schema cannot detect. Yield each problem once.

    The function finds unknown tenants and variables, duplicate grants, unusual scopes, and values without effect. For a
    grant with variables, the function calls `check` once for each tenant, with the tenant's values. If `tenants` is
    empty, the function checks only the declarations that apply unchanged to all tenants. In invalid declarations, the
    function checks only tenants and variables.

    `specs` contains the valid declarations, and `partial` contains the valid fields of the invalid declarations.
    """
    partial = list(partial)
    if problem := repeated_values_problem((*specs, *partial)):
        yield problem
        return
    same: list[Numbered] = []
    special: list[Numbered] = []
    for numbered in enumerate(specs):
        (same if is_same_for_all_tenants(numbered[1]) else special).append(numbered)
    named = [*(spec for _, spec in special), *partial]
    if problem := combinations_problem(named, tenants):
        yield problem
        return
    seen: set[Problem] = set()
    plain = [spec for _, spec in same]
    found = (
        find_tenant_problems(named, tenants),
        _duplicates(plain),
        _warnings(plain),
        _problems_by_tenant(same, special, tenants, check),
    )
    for problem in chain.from_iterable(found):
        if problem not in seen:
            seen.add(problem)
            yield problem


def _problems_by_tenant(
    same: Iterable[Numbered], special: Sequence[Numbered], tenants: TargetTenants, check: Check
) -> Iterator[Problem]:
    """For each tenant, yield the problems of the declarations in `special`.

    The declarations in `special` are limited to some tenants or contain variables. The declarations in `same` apply
    unchanged to all tenants. The function also reports a declaration in `special` that declares the same grant as a
    declaration in `same`.
    """
    if not special:
        return
    plain: dict[DeclaredKey, list[Numbered]] = {}
    for index, spec in same:
        plain.setdefault(_declared_key(spec), []).append((index, spec))
    by_tenant: dict[str, list[Numbered]] = {target.name: [] for target in tenants.targets}
    previous: GrantSpec | None = None
    for (index, _), (spec, targets) in zip(special, with_targets((spec for _, spec in special), tenants), strict=True):
        is_first = not spec.is_declared_with(previous)
        previous = spec
        if not has_variables(spec):
            yield from _warnings([spec]) if is_first and targets else ()
            for target in targets:
                by_tenant[target.name].append((index, spec))
            continue
        for target in targets:
            filled = substitute_spec(spec, target)
            yield from _value_problems(filled, spec, target, check, is_first=is_first)
            yield from _warnings([filled]) if is_first else ()
            by_tenant[target.name].append((index, filled))
    for of_tenant in by_tenant.values():
        same = [each for _, spec in of_tenant for each in plain.get(_declared_key(spec), ())]
        merged = sorted(dict((*same, *of_tenant)).items())
        yield from _duplicates(spec for _, spec in merged)


def _value_problems(
    filled: GrantSpec, spec: GrantSpec, target: TargetTenant, check: Check, *, is_first: bool
) -> Iterator[Problem]:
    """Yield the problems of a grant declaration in which a tenant's values have replaced the variables.

    If `is_first` is false, an earlier grant belongs to the same declaration, and the function checks only the name of
    the application.
    """
    locations = spec.locations
    item = locations.item if isinstance(locations, ClientLocations) else locations
    if not isinstance(item, YamlMapping) or not (is_first or _has_variable(spec.client)):
        return
    values: dict[str, Any] = {}
    if is_first:
        values = {name: _literal(getattr(filled, name)) for name in TEXTS if _has_variable(getattr(spec, name))}
        values |= _filled_lists(spec, target)
    if spec.clients:
        values.pop("client", None)
        values["clients"] = [_literal(filled.client)]
    for problem in check(item, values, spec.file):
        suffix = f", with the variables of the tenant {quote_text(target.name)}" if target.name else ""
        yield problem._replace(what=f"{problem.what}{suffix}")


def _filled_lists(spec: GrantSpec, target: TargetTenant) -> dict[str, list[str]]:
    """Return the lists of a grant declaration that contain variables, with the tenant's values."""
    values: dict[str, list[str]] = {}
    for name in SETS:
        declared = getattr(spec, name) or ()
        if any(map(_has_variable, declared)):
            escape = escape_scope if name == "scope" else str
            values[name] = [
                escape(_literal(substitute(each, target.values))) if _has_variable(each) else each for each in declared
            ]
    return values


def _has_variable(text: str | None) -> bool:
    return text is not None and OPENING in text


def _literal(text: str | None) -> str:
    """Escape `${` in a field value whose variables are already replaced.

    Without the escape, reconciler would treat `${` in the value of a variable as the start of another variable.
    """
    return escape_variables(text or "")


def _duplicates(specs: Iterable[GrantSpec]) -> Iterator[Problem]:
    first: dict[DeclaredKey, GrantSpec] = {}
    for spec in specs:
        earlier = first.setdefault(_declared_key(spec), spec)
        if earlier is not spec:
            yield _duplicate(spec, earlier)


def _warnings(specs: Iterable[GrantSpec]) -> Iterator[Problem]:
    """Yield a warning for each unusual scope, and for organizations without effect, once per declaration."""
    previous: GrantSpec | None = None
    for spec in specs:
        if spec.clients and spec.is_declared_with(previous):
            continue
        previous = spec
        if not _are_valid_scopes(spec.scope):
            yield from _invalid_scopes(spec)
        if spec.organizations and spec.organization_usage == USAGE_DENY:
            what = '"organizations" has no effect while "organization_usage" is deny'
            fix = 'write "organization_usage: allow" (or require), or "organizations: []"'
            yield Problem(spec.source_of("organizations"), what, fix, Severity.WARNING)


def _duplicate(spec: GrantSpec, earlier: GrantSpec) -> Problem:
    holder = quote_text(spec.client or spec.client_id or spec.default_for or "")
    api = quote_text(spec.api or spec.audience or "")
    what = f"the grant of {holder} for {api} ({spec.subject_type}) is already declared at {earlier.source}"
    return Problem(spec.source, what, "remove one of the two declarations, or merge the scopes")


@lru_cache(maxsize=SCOPES_CACHE_SIZE)
def _are_valid_scopes(scopes: tuple[str, ...]) -> bool:
    return all(map(SCOPE_TOKEN.fullmatch, scopes))


def _invalid_scopes(spec: GrantSpec) -> Iterator[Problem]:
    for scope, source in spec.scopes_with_sources():
        if SCOPE_TOKEN.fullmatch(scope):
            continue
        fix = "write each scope as a separate item" if " " in scope.strip() else "check its spelling"
        what = f"the scope {quote_text(scope)} contains a character that OAuth does not allow in scopes (RFC 6749, 3.3)"
        yield Problem(source, what, fix, Severity.WARNING)
