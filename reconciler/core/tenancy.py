"""Pure: what grant files say to one tenant: the grants that apply there, with its own values in them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.core.pattern import meets
from reconciler.core.problems import Problem
from reconciler.core.quoting import enumerated, quoted, visible
from reconciler.core.spec import GrantSpec, TenantPattern
from reconciler.core.suggest import did_you_mean
from reconciler.core.template import BUILT_IN, OPENING, filled, names_in


@dataclass(frozen=True, slots=True)
class Target:
    """A tenant as grant files see it: its name, and what each `${name}` stands for there."""

    name: str
    values: Mapping[str, str]


ANY_TENANT = Target("", {BUILT_IN: BUILT_IN})
"""Whom files are read for where no tenant is known: it has no values of its own."""


@dataclass(frozen=True, slots=True)
class Tenants:
    """Whom files are read for, and the names of all tenants that the configuration declares."""

    targets: tuple[Target, ...] = (ANY_TENANT,)
    known: tuple[str, ...] = ()


NOBODY = Tenants()
UNTOLD = Tenants(targets=())
"""Whom files are read for where the configuration cannot be read: who there is, and with which values, is not told."""


def for_tenant(specs: Iterable[GrantSpec], target: Target) -> tuple[GrantSpec, ...]:
    """Return those of `specs` that apply to a tenant, with its values in the places of their names."""
    return tuple(
        spec if is_plain(spec) else _filled(spec, target.values)
        for spec in specs
        if not spec.tenants or applies(spec, target.name)
    )


def applies(spec: GrantSpec, tenant: str) -> bool:
    """Return whether `spec` is for the tenant of that name."""
    return all(any(meets(tenant, pattern.text) for pattern in patterns) for patterns in spec.tenants)


def is_plain(spec: GrantSpec) -> bool:
    """Return whether `spec` says the same to every tenant, word for word; nearly all do, so it is told quickly."""
    names = (spec.client or "", spec.client_id or "", spec.api or "", spec.audience or "")
    return not spec.tenants and OPENING not in "\n".join((*names, *spec.scope, *(spec.organizations or ())))


def misdirected(specs: Iterable[GrantSpec], tenants: Tenants) -> Iterator[Problem]:
    """Yield a problem for each name of a tenant, and each of a variable, that stands for none; some come repeatedly."""
    if not tenants.targets:
        return
    for spec in specs:
        unknown = [problem for patterns in spec.tenants for problem in _unknown_tenants(patterns, tenants.known)]
        yield from unknown
        if spec.tenants and not unknown and not any(applies(spec, name) for name in tenants.known):
            what = "no tenant fits both the file's and this grant's tenants"
            yield Problem(spec.tenants[-1][0].source, what, "correct the one or the other")
        if not is_plain(spec):
            yield from _unknown_variables(spec, [each for each in tenants.targets if applies(spec, each.name)])


def _filled(spec: GrantSpec, values: Mapping[str, str]) -> GrantSpec:
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


def _unknown_tenants(patterns: Iterable[TenantPattern], known: Collection[str]) -> Iterator[Problem]:
    for pattern in patterns:
        if not any(meets(name, pattern.text) for name in known):
            what = f"the configuration declares no tenant {quoted(pattern.text)}"
            fix = did_you_mean(pattern.text, known) or _declared(known)
            yield Problem(pattern.source, what, fix)


def _declared(known: Collection[str]) -> str:
    if not known:
        return 'it declares none at all; name your tenants in reconciler.yaml, or remove "tenants"'
    return f"declared are {enumerated(list(known), 'and')}"


def _unknown_variables(spec: GrantSpec, targets: Iterable[Target]) -> Iterator[Problem]:
    targets = tuple(targets)
    known = {name for target in targets for name in target.values}
    for text, place in spec.placed_texts():
        for name in names_in(text):
            lacking = [target.name for target in targets if name not in target.values]
            if lacking:
                guess = "" if name in known else did_you_mean(name, known)
                yield Problem(place, _lacking(lacking, name), guess or "add it to variables in reconciler.yaml")


def _lacking(tenants: list[str], variable: str) -> str:
    named = [visible(tenant) for tenant in tenants if tenant]
    if not named:
        return f"there is no variable {quoted(variable)}"
    return f"{enumerated(named, 'and')} {'have' if named[1:] else 'has'} no variable {quoted(variable)}"
