"""Select the grant declarations that apply to a tenant, and replace variables with the tenant's values."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from reconciler.core.characters import join_some, quote_text
from reconciler.core.pattern import WILDCARDS, matches
from reconciler.core.problems import Problem, Source
from reconciler.core.scope_sets import PREFIX, ExpandedScope, expand_scopes, has_scope_sets, set_name_of
from reconciler.core.spec import GrantSpec, PatternTexts, TenantPatterns
from reconciler.core.suggest import MAX_COMPARED, Suggestions

VARIABLE_NAME = "[A-Za-z][A-Za-z0-9_]*"
BUILT_IN = "domain"
"""The name of the built-in variable, whose value is the host in the tenant's Management API identifier."""
OPENING = "${"
INVALID_PLACEHOLDER = rf"(^|[^$])\$\{{([^A-Za-z]|$|{VARIABLE_NAME}([^A-Za-z0-9_}}]|$))"
"""Matches a string in which `${` is not followed by a valid variable name and `}`.

The JSON Schemas contain a copy of the regular expression INVALID_PLACEHOLDER. The expression contains no lookahead,
because lookahead makes the validator twice as slow.
"""
_PLACEHOLDER = re.compile(rf"\$(?:\$(?=\{{)|\{{(?P<name>{VARIABLE_NAME})\}})")


def variable_names(text: str) -> tuple[str, ...]:
    """Return the names of the variables that `text` contains, in the order of their appearance."""
    if OPENING not in text:
        return ()
    return tuple(name for match in _PLACEHOLDER.finditer(text) if (name := match["name"]))


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Replace the variables in `text` with their values. A variable without a value stays unchanged."""
    if OPENING not in text:
        return text
    return _PLACEHOLDER.sub(lambda match: values.get(match["name"], match[0]) if match["name"] else "$", text)


def escape_variables(text: str) -> str:
    """Escape `${` in `text`, so that `substitute` returns `text` unchanged."""
    return text.replace(OPENING, "$${")


def insert_variables(text: str, values: Mapping[str, str]) -> str:
    """Replace known values in `text` with variables. The function `substitute` restores the original text.

    If `text` is equal to the value of a variable, return a reference such as `${stage}`. If `text` is not the value of
    any variable, replace the tenant's host in `text` with `${domain}`.
    """
    equal = sorted(name for name, value in values.items() if value == text)
    if equal:
        return f"${{{equal[0]}}}"
    host = values.get(BUILT_IN)
    with_domain = f"${{{BUILT_IN}}}".join(map(escape_variables, text.split(host))) if host else escape_variables(text)
    return with_domain if substitute(with_domain, values) == text else escape_variables(text)


CACHE_SIZE = 4096
"""The maximum number of cached `tenants` lists."""


class TargetTenant(NamedTuple):
    """The tenant settings that grant files use: the tenant's name, the values of variables, and the scope sets."""

    name: str
    values: Mapping[str, str]
    scope_sets: Mapping[str, tuple[str, ...]] = MappingProxyType({})


ANY_TENANT = TargetTenant("", {BUILT_IN: BUILT_IN})
"""A placeholder tenant for reading grant files if reconciler.yaml declares no tenant.

ANY_TENANT has only the variable `domain`.
"""


class TargetTenants(NamedTuple):
    """The tenants for which reconciler reads grant files, and the names of all tenants in reconciler.yaml."""

    targets: tuple[TargetTenant, ...] = (ANY_TENANT,)
    known: tuple[str, ...] = ()


NO_TENANTS = TargetTenants()
UNKNOWN_TENANTS = TargetTenants(targets=())
"""If reconciler.yaml is invalid, reconciler reads grant files with this empty list of tenants.

If reconciler.yaml is invalid, reconciler does not check tenant names and variable names in grant files.
"""


def select_for_tenant(specs: Iterable[GrantSpec], target: TargetTenant) -> tuple[GrantSpec, ...]:
    """Return the declarations that apply to a tenant. Replace variables with the tenant's values."""
    return tuple(
        substitute_spec(spec, target) if has_variables(spec) else spec
        for spec, targets in with_targets(specs, TargetTenants((target,)))
        if targets
    )


Patterns = tuple[PatternTexts, ...]
"""The `tenants` lists of a grant file and of a declaration.

Each `tenants` list limits the declaration to certain tenants.

A `tenants` list may contain tenant names and patterns for tenant names.
"""


def patterns_of(spec: GrantSpec) -> Patterns:
    """Return the `tenants` lists that limit a declaration to certain tenants."""
    return tuple(patterns.texts for patterns in spec.tenants)


def applies_to_tenant(patterns: Patterns, tenant: str) -> bool:
    """Return whether every `tenants` list contains an item that matches the tenant."""
    return all(
        tenant in names or any(matches(tenant, pattern) for pattern in wildcards)
        for names, wildcards in map(_names_and_wildcards, patterns)
    )


@lru_cache(maxsize=CACHE_SIZE)
def _names_and_wildcards(patterns: PatternTexts) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return all items of a `tenants` list, and separately the items that contain wildcards.

    An item with wildcards may also be the exact name of a tenant.
    """
    return frozenset(patterns), tuple(pattern for pattern in patterns if not WILDCARDS.isdisjoint(pattern))


def is_same_for_all_tenants(spec: GrantSpec) -> bool:
    """Return whether a declaration contains no variables, scope sets or `tenants` lists."""
    return not spec.tenants and not has_variables(spec)


def has_variables(spec: GrantSpec) -> bool:
    """Return whether the declaration contains variables or scope sets.

    The values of variables and scope sets may differ between tenants.
    """
    lists = (*spec.scope, *spec.organizations) if spec.organizations else spec.scope
    text = "\n".join((spec.client or "", spec.client_id or "", spec.api or "", spec.audience or "", *lists))
    return OPENING in text or (PREFIX in text and has_scope_sets(spec.scope))


def with_targets(
    specs: Iterable[GrantSpec], tenants: TargetTenants
) -> Iterator[tuple[GrantSpec, Sequence[TargetTenant]]]:
    """Yield each declaration, paired with the tenants to which the declaration applies."""
    matching = _tenant_matcher([target.name for target in tenants.targets])
    known: dict[Patterns, Sequence[TargetTenant]] = {}
    for spec in specs:
        if not spec.tenants:
            yield spec, tenants.targets
            continue
        patterns = patterns_of(spec)
        if patterns not in known:
            names = frozenset.intersection(*map(matching, patterns))
            known[patterns] = [target for target in tenants.targets if target.name in names]
        yield spec, known[patterns]


def _tenant_matcher(names: Collection[str]) -> Callable[[PatternTexts], frozenset[str]]:
    """Return a function that returns the tenants in `names` that match a `tenants` list.

    The function matches each list once, because all grants of a file share the list of the file.
    """
    return cache(lambda texts: frozenset(name for name in names if applies_to_tenant((texts,), name)))


def find_tenant_problems(specs: Iterable[GrantSpec], tenants: TargetTenants) -> Iterator[Problem]:
    """Yield a problem for each unknown tenant, each undefined variable, and each undefined scope set.

    The function may yield a problem several times.
    """
    if not tenants.targets:
        return
    suggest = Suggestions()
    tenants_without: dict[tuple[int, str], list[str]] = {}
    previous: GrantSpec | None = None
    yield from _unmatched_tenants(specs := list(specs), tenants.known, suggest)
    for spec, targets in with_targets(specs, tenants):
        if has_variables(spec):
            is_first = not spec.is_declared_with(previous)
            texts = spec.texts_with_sources() if is_first else [(spec.client or "", spec.source_of("client"))]
            yield from _unknown_variables(texts, targets, tenants_without, suggest)
            yield from _scope_set_problems(spec, targets, suggest) if is_first else ()
            previous = spec


def _unmatched_tenants(specs: Iterable[GrantSpec], known: Sequence[str], suggest: Suggestions) -> Iterator[Problem]:
    """Yield a problem for each unknown tenant, and for each grant whose two `tenants` lists have no tenant in common.

    The function checks each `tenants` list once, although all grants of a file share the list of the file.
    """
    matching = _tenant_matcher(known)
    unknown_in = cache(lambda texts: _unknown_items(texts, known))
    is_matched = cache(lambda patterns: bool(frozenset.intersection(*map(matching, patterns))))
    checked: tuple[TenantPatterns, ...] = ()
    for spec in specs:
        for patterns in spec.tenants:
            if not any(patterns is each for each in checked):
                yield from _unknown_tenants(patterns, unknown_in(patterns.texts), known, suggest)
        checked = spec.tenants
        texts = patterns_of(spec)
        if texts and not any(map(unknown_in, texts)) and not is_matched(texts):
            what = 'no tenant matches both "tenants" of the file and "tenants" of this grant'
            yield Problem(spec.tenants[-1][0].source, what, "correct one of the two lists of tenants")


def _unknown_items(patterns: PatternTexts, known: Collection[str]) -> Collection[str]:
    """Return the items of a `tenants` list that match no known tenant."""
    texts, wildcards = _names_and_wildcards(patterns)
    unknown = texts.difference(known)
    names = unknown.difference(wildcards)
    return names | {text for text in unknown - names if not any(matches(name, text) for name in known)}


FIELDS_WITH_VARIABLES = frozenset({"client", "client_id", "api", "audience", "scope", "organizations"})
"""The fields in which `substitute_spec` replaces variables with values."""


def substitute_spec(spec: GrantSpec, target: TargetTenant) -> GrantSpec:
    """Replace the variables in a declaration with the tenant's values, and replace scope sets with their scopes."""
    values = target.values

    def substitute_optional(text: str | None) -> str | None:
        return None if text is None else substitute(text, values)

    return spec._replace(
        client=substitute_optional(spec.client),
        client_id=substitute_optional(spec.client_id),
        api=substitute_optional(spec.api),
        audience=substitute_optional(spec.audience),
        organizations=spec.organizations and tuple(substitute(each, values) for each in spec.organizations),
        **_substitute_scopes(spec, target),
    )


def _substitute_scopes(spec: GrantSpec, target: TargetTenant) -> dict[str, Any]:
    """Return the scopes of a declaration. Replace variables with values, and scope sets with their scopes."""
    if not has_scope_sets(spec.scope):
        return {"scope": tuple(substitute(scope, target.values) for scope in spec.scope)}
    expanded: dict[str, ExpandedScope] = {}
    sets: dict[str, list[str]] = {}
    for each in expand_scopes(spec.scope, target.scope_sets):
        scope = substitute(each.text, target.values)
        expanded.setdefault(scope, each)
        if each.set_name:
            sets.setdefault(each.set_name, []).append(scope)
    return {
        "scope": tuple(expanded),
        "scope_items": tuple(each.item for each in expanded.values()),
        "scope_sets": tuple((name, tuple(scopes)) for name, scopes in sets.items()),
    }


def _unknown_tenants(
    patterns: TenantPatterns, unknown: Collection[str], known: Collection[str], suggest: Suggestions
) -> Iterator[Problem]:
    for pattern in patterns:
        if pattern.text in unknown:
            what = f"the configuration does not declare the tenant {quote_text(pattern.text)}"
            fix = 'add your tenants to reconciler.yaml, or remove "tenants"'
            if known:
                fix = f"declared tenants: {join_some(known)}"
            yield Problem(pattern.source, what, suggest(pattern.text, known) or fix)


def _unknown_variables(
    texts: Iterable[tuple[str, Source]],
    targets: Sequence[TargetTenant],
    cached: dict[tuple[int, str], list[str]],
    suggest: Suggestions,
) -> Iterator[Problem]:
    """Yield a problem for each variable that `texts` contains but a tenant does not define.

    `texts` contains the texts of a declaration with their positions. For each variable, `cached` stores the
    tenants that do not define the variable.
    """
    for text, source in texts:
        for name in variable_names(text):
            cache_key = (id(targets), name)
            if cache_key not in cached:
                cached[cache_key] = [target.name for target in targets if name not in target.values]
            if tenants_without := cached[cache_key]:
                is_partly_defined = len(tenants_without) < len(targets)
                known = (
                    {} if is_partly_defined else {each for target in targets[:MAX_COMPARED] for each in target.values}
                )
                suggestion = suggest(name, known) if known else ""
                yield Problem(
                    source,
                    _undefined_message(tenants_without, name),
                    suggestion or "define the variable under `variables` in reconciler.yaml",
                )


def _scope_set_problems(spec: GrantSpec, targets: Sequence[TargetTenant], suggest: Suggestions) -> Iterator[Problem]:
    """Yield a problem for each reference to a scope set if at least one tenant does not define the scope set.

    The function also yields a problem for each undefined variable in a scope set.
    """
    if not has_scope_sets(spec.scope):
        return
    for item, source in spec.scopes_with_sources():
        name = set_name_of(item)
        if not name:
            continue
        without = [target.name for target in targets if name not in target.scope_sets]
        if without:
            known = {each for target in targets[:MAX_COMPARED] for each in target.scope_sets} - {name}
            fix = suggest(name, known) or "define the scope set under `scope_sets` in reconciler.yaml"
            yield Problem(source, _undefined_message(without, name, "scope set"), fix)
        variables = {
            each for target in targets for text in target.scope_sets.get(name, ()) for each in variable_names(text)
        }
        for variable in sorted(variables):
            if lacking := [target.name for target in targets if variable not in target.values]:
                what = f"{_undefined_message(lacking, variable)} of the scope set {quote_text(name)}"
                yield Problem(source, what, "define the variable under `variables` in reconciler.yaml")


def _undefined_message(tenants: list[str], name: str, kind: str = "variable") -> str:
    names = [tenant for tenant in tenants if tenant]
    if not names:
        return f"the {kind} {quote_text(name)} is not defined"
    return f"{join_some(names)} {'have' if names[1:] else 'has'} no {kind} {quote_text(name)}"
