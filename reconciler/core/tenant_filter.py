"""Pure: what grant files say to one tenant: the grants that apply there, with its own values in them."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from reconciler.core.pattern import WILDCARDS, matches
from reconciler.core.problems import Problem
from reconciler.core.quoting import quoted, some
from reconciler.core.spec import GrantSpec
from reconciler.core.suggest import MOST_COMPARED, Suggestions

NAME = "[A-Za-z][A-Za-z0-9_]*"
BUILT_IN = "domain"
"""The one name that every tenant has: its host."""
OPENING = "${"
BROKEN = rf"(^|[^$])\$\{{(?!{NAME}\}})"
"""What begins like a placeholder and is none, in JSON Schema's regular expressions as well."""
_PLACEHOLDER = re.compile(rf"\$(?:\$(?=\{{)|\{{(?P<name>{NAME})\}})")


def names_in(text: str) -> tuple[str, ...]:
    """Return the names of the placeholders in `text`, in their order."""
    if OPENING not in text:
        return ()
    return tuple(name for match in _PLACEHOLDER.finditer(text) if (name := match["name"]))


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with the values in the places of their names; a name without a value stays as it is."""
    if OPENING not in text:
        return text
    return _PLACEHOLDER.sub(lambda match: values.get(match["name"], match[0]) if match["name"] else "$", text)


def literal(text: str) -> str:
    """Return how a file says `text` itself: filling gives it back, whatever is in it."""
    return text.replace(OPENING, "$${")


def restored(text: str, values: Mapping[str, str]) -> str:
    """Return how a file says `text` where it can by names: by that of an equal value, or of the host within it.

    Filling with the same values gives `text` back.
    """
    equal = sorted(name for name, value in values.items() if value == text)
    if equal:
        return f"${{{equal[0]}}}"
    host = values.get(BUILT_IN)
    named = f"${{{BUILT_IN}}}".join(map(literal, text.split(host))) if host else literal(text)
    return named if filled(named, values) == text else literal(text)


MOST_LISTS = 4096
"""How many lists of patterns are remembered."""


@dataclass(frozen=True, slots=True)
class TargetTenant:
    """A tenant as grant files see it: its name, and what each `${name}` stands for there."""

    name: str
    values: Mapping[str, str]


ANY_TENANT = TargetTenant("", {BUILT_IN: BUILT_IN})
"""Whom files are read for where no tenant is known: it has no values of its own."""


@dataclass(frozen=True, slots=True)
class TargetTenants:
    """Whom files are read for, and the names of all tenants that the configuration declares."""

    targets: tuple[TargetTenant, ...] = (ANY_TENANT,)
    known: tuple[str, ...] = ()


NOBODY = TargetTenants()
UNTOLD = TargetTenants(targets=())
"""Whom files are read for where the configuration cannot be read: who there is, and with which values, is not told."""


def for_tenant(specs: Iterable[GrantSpec], target: TargetTenant) -> tuple[GrantSpec, ...]:
    """Return those of `specs` that apply to a tenant, with its values in the places of their names."""
    found: list[GrantSpec] = []
    known: dict[Patterns, bool] = {}
    for spec in specs:
        if spec.tenants:
            patterns = patterns_of(spec)
            if patterns not in known:
                known[patterns] = applies(patterns, target.name)
            if not known[patterns]:
                continue
        found.append(with_values(spec, target.values) if has_variables(spec) else spec)
    return tuple(found)


Patterns = tuple[tuple[str, ...], ...]
"""The texts of a grant's lists of tenants."""


def patterns_of(spec: GrantSpec) -> Patterns:
    """Return the lists that say where `spec` applies."""
    return tuple(tuple(pattern.text for pattern in patterns) for patterns in spec.tenants)


def applies(patterns: Patterns, tenant: str) -> bool:
    """Return whether each list of patterns has one for the tenant of that name."""
    return all(
        tenant in names or any(matches(tenant, pattern) for pattern in wildcards)
        for names, wildcards in map(_names_and_wildcards, patterns)
    )


@lru_cache(maxsize=MOST_LISTS)
def _names_and_wildcards(patterns: tuple[str, ...]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return all patterns, since any may be a name as it stands, and those that can also be met by other names."""
    return frozenset(patterns), tuple(pattern for pattern in patterns if not WILDCARDS.isdisjoint(pattern))


def is_plain(spec: GrantSpec) -> bool:
    """Return whether `spec` says the same to every tenant, word for word; nearly all do, so it is told quickly."""
    return not spec.tenants and not has_variables(spec)


def has_variables(spec: GrantSpec) -> bool:
    """Return whether `spec` has texts that hold the name of a variable."""
    names = (spec.client or "", spec.client_id or "", spec.api or "", spec.audience or "")
    return OPENING in "\n".join((*names, *spec.scope, *(spec.organizations or ())))


def at_targets(
    specs: Iterable[GrantSpec], tenants: TargetTenants
) -> Iterator[tuple[GrantSpec, Sequence[TargetTenant]]]:
    """Yield each of `specs` with the tenants that it applies to."""
    known: dict[Patterns, Sequence[TargetTenant]] = {(): tenants.targets}
    for spec in specs:
        patterns = patterns_of(spec)
        if patterns not in known:
            known[patterns] = [target for target in tenants.targets if applies(patterns, target.name)]
        yield spec, known[patterns]


def misdirected(specs: Iterable[GrantSpec], tenants: TargetTenants) -> Iterator[Problem]:
    """Yield a problem for each name of a tenant, and each of a variable, that stands for none; some come repeatedly."""
    if not tenants.targets:
        return
    guess = Suggestions()
    fitting: dict[Patterns, tuple[Collection[str], bool]] = {}
    answers: dict[tuple[int, str], list[str]] = {}
    for spec, targets in at_targets(specs, tenants):
        patterns = patterns_of(spec)
        if patterns not in fitting:
            fitting[patterns] = _fitting(patterns, tenants.known)
        unknown, fits = fitting[patterns]
        yield from _unknown_tenants(spec, unknown, tenants.known, guess)
        if spec.tenants and not unknown and not fits:
            what = "no tenant fits both the file's and this grant's tenants"
            yield Problem(spec.tenants[-1][0].source, what, "correct the one or the other")
        if has_variables(spec):
            yield from _unknown_variables(spec, targets, answers, guess)


def _fitting(patterns: Patterns, known: Collection[str]) -> tuple[Collection[str], bool]:
    """Return the patterns that fit no known tenant, and whether there is a tenant that all lists fit."""
    unknown = {
        text
        for texts, wildcards in map(_names_and_wildcards, patterns)
        for text in texts.difference(known)
        if text not in wildcards or not any(matches(name, text) for name in known)
    }
    return unknown, any(applies(patterns, name) for name in known)


def with_values(spec: GrantSpec, values: Mapping[str, str]) -> GrantSpec:
    """Return `spec` with the values in the places of their names."""

    def put_in(text: str | None) -> str | None:
        return None if text is None else filled(text, values)

    return spec._replace(
        client=put_in(spec.client),
        client_id=put_in(spec.client_id),
        api=put_in(spec.api),
        audience=put_in(spec.audience),
        scope=tuple(filled(scope, values) for scope in spec.scope),
        organizations=spec.organizations and tuple(filled(each, values) for each in spec.organizations),
    )


def _unknown_tenants(
    spec: GrantSpec, unknown: Collection[str], known: Collection[str], guess: Suggestions
) -> Iterator[Problem]:
    for pattern in (pattern for patterns in spec.tenants for pattern in patterns):
        if pattern.text in unknown:
            what = f"the configuration declares no tenant {quoted(pattern.text)}"
            yield Problem(pattern.source, what, guess(pattern.text, known) or _declared(known))


def _declared(known: Collection[str]) -> str:
    if not known:
        return 'it declares none at all; name your tenants in reconciler.yaml, or remove "tenants"'
    return f"declared are {some(known)}"


def _unknown_variables(
    spec: GrantSpec, targets: Sequence[TargetTenant], answers: dict[tuple[int, str], list[str]], guess: Suggestions
) -> Iterator[Problem]:
    """Yield a problem for each variable that one of `targets` lacks; `answers` has who lacks what, by the targets."""
    for text, place in spec.placed_texts():
        for name in names_in(text):
            question = (id(targets), name)
            if question not in answers:
                answers[question] = [target.name for target in targets if name not in target.values]
            if lacking := answers[question]:
                has_some = len(lacking) < len(targets)
                known = {} if has_some else {each for target in targets[:MOST_COMPARED] for each in target.values}
                nearest = guess(name, known) if known else ""
                yield Problem(place, _lacking(lacking, name), nearest or "add it to variables in reconciler.yaml")


def _lacking(tenants: list[str], variable: str) -> str:
    named = [tenant for tenant in tenants if tenant]
    if not named:
        return f"there is no variable {quoted(variable)}"
    return f"{some(named)} {'have' if named[1:] else 'has'} no variable {quoted(variable)}"
