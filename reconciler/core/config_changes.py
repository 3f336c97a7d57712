"""Pure: compare reconciler.yaml with its content at the base. Each change that matters to a reviewer has a risk.

Whatever is not known to be as strict as before counts as loosened.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Protocol

from reconciler.core.config_rules import (
    ADDED,
    CONFIG_RULES,
    CREDENTIALS,
    DEFAULT,
    LOOSENED,
    MOVED,
    NEW_FILE,
    REMOVED,
    RENAMED,
    STRICTER,
    UNKNOWN,
    VARIABLE,
    ConfigChange,
)
from reconciler.core.domain import is_same_host
from reconciler.core.limits import Limits
from reconciler.core.pattern import NAMES, Border, Pattern, Protect, matches
from reconciler.core.policy import Policy, PolicyRule, Verdict
from reconciler.core.quoting import quoted, some
from reconciler.core.risk import Risk

SANDBOX_KIND = "sandbox"
ANY_CHARACTER = "?"
SHARED = ""
"""Stands for the settings that tenants share, and that a tenant without a name takes."""


class TenantSettings(Protocol):
    """What reconciler.yaml says of one tenant, shared settings included."""

    @property
    def name(self) -> str:
        """The name of the tenant."""

    @property
    def host(self) -> str:
        """The canonical host of the tenant's domain."""

    @property
    def canonical_host(self) -> str | None:
        """The host that Auth0 gave the tenant, if it is known."""

    @property
    def kind(self) -> str:
        """`auth0` or `sandbox`."""

    @property
    def variables(self) -> Mapping[str, str]:
        """The values that grant files use."""

    @property
    def credentials(self) -> str:
        """The prefix of the environment variables with the credentials."""

    @property
    def border(self) -> Border:
        """The items of `manage`."""

    @property
    def protect(self) -> tuple[Protect, ...]:
        """The items of `protect`."""

    @property
    def own_applications(self) -> frozenset[str]:
        """The items of `own`."""

    @property
    def limits(self) -> Limits:
        """The limits."""

    @property
    def policy(self) -> Policy:
        """The policy."""


def not_compared(file: str, base: str, why: str) -> tuple[ConfigChange, ...]:
    """Return the change that stands for all that nobody could see, because the base's file cannot be used."""
    message = f"{file} in {base} {why}; its changes are not known, so read the whole file"
    return (ConfigChange((), UNKNOWN.risk(message)),)


def file_is_new(file: str, base: str) -> tuple[ConfigChange, ...]:
    """Return the change for a configuration that the base does not have at its path."""
    message = f"{base} has no {file}: every setting is new, or the file was moved; read the whole file"
    return (ConfigChange((), NEW_FILE.risk(message)),)


def config_changes(
    base: Iterable[TenantSettings],
    now: Iterable[TenantSettings],
    default_tenants: tuple[str | None, str | None] = (None, None),
) -> tuple[ConfigChange, ...]:
    """Return what differs between the settings of the base and those of now, the worst first.

    The settings named SHARED are those of tenants without a name. A tenant is compared with the one of its name, and
    with the one at its domain: nobody gets rid of a guard by exchanging names.
    """
    old = {each.name: each for each in base}
    new = {each.name: each for each in now}
    found: dict[Risk, list[str]] = {}
    for name, risk in (*_tenants(old, new), *_default(*default_tenants)):
        names = found.setdefault(risk, [])
        if name not in names:
            names.append(name)
    return worst_first(ConfigChange(tuple(name for name in names if name), risk) for risk, names in found.items())


def worst_first(changes: Iterable[ConfigChange]) -> tuple[ConfigChange, ...]:
    """Return changes by the order of the rules, then by tenants."""
    order = {rule.name: number for number, rule in enumerate(CONFIG_RULES)}
    return tuple(sorted(changes, key=lambda each: (order[each.risk.rule], each.tenants, each.risk.message)))


Named = tuple[str, Risk]
"""A risk, and the name of the tenant that it is about."""


def _tenants(old: Mapping[str, TenantSettings], new: Mapping[str, TenantSettings]) -> Iterator[Named]:
    renamed: set[str] = set()
    for name, tenant in new.items():
        at_its_domain = [each for each in old.values() if _share_a_host(each, tenant)]
        if name in old:
            yield from _both(old[name], tenant)
        else:
            yield from _new_name(tenant, at_its_domain, new)
            renamed.update(each.name for each in at_its_domain if each.name not in new)
        for each in at_its_domain:
            if each.name != name:
                yield from _settings(each, tenant)
    for name, tenant in old.items():
        if name not in new and name not in renamed:
            yield name, REMOVED.risk(f"the tenant at {tenant.host} is removed, and its settings with it")


def _new_name(
    tenant: TenantSettings, at_its_domain: Sequence[TenantSettings], new: Mapping[str, TenantSettings]
) -> Iterator[Named]:
    if gone := [each.name for each in at_its_domain if each.name not in new]:
        yield tenant.name, RENAMED.risk(f"the tenant at {tenant.host} had the name {some(gone)}")
        return
    whose = f", the domain of {some([each.name for each in at_its_domain])} before" if at_its_domain else ""
    yield tenant.name, ADDED.risk(f"new tenant of kind {tenant.kind} at {tenant.host}{whose}")


def _share_a_host(one: TenantSettings, other: TenantSettings) -> bool:
    """Return whether both are the same tenant of Auth0. A sandbox is known by its name only."""
    if SHARED in (one.name, other.name) or SANDBOX_KIND in (one.kind, other.kind):
        return False
    return any(is_same_host(*pair) for pair in product(_hosts(one), _hosts(other)))


def _hosts(tenant: TenantSettings) -> tuple[str, ...]:
    return tuple(filter(None, (tenant.host, tenant.canonical_host)))


def _both(was: TenantSettings, now: TenantSettings) -> Iterator[Named]:
    """Yield what differs between the tenants of one name."""
    name = now.name
    if was.kind != now.kind:
        real = "" if now.kind == SANDBOX_KIND else ": runs now change a real tenant"
        unreal = ": runs no longer change the real tenant" if now.kind == SANDBOX_KIND else ""
        yield name, MOVED.risk(f"the kind changes from {was.kind} to {now.kind}{real}{unreal}")
    if name and not is_same_host(was.host, now.host):
        yield name, MOVED.risk(f"the domain changes from {was.host} to {now.host}")
    elif was.canonical_host != now.canonical_host:
        said = [each or "none" for each in (was.canonical_host, now.canonical_host)]
        yield name, MOVED.risk(f"the canonical domain changes from {said[0]} to {said[1]}")
    yield from _settings(was, now)


def _settings(was: TenantSettings, now: TenantSettings) -> Iterator[Named]:
    for risk in (
        *_protect(was.protect, now.protect),
        *_manage(was.border.patterns, now.border.patterns),
        *_own(was.own_applications, now.own_applications),
        *_limits(was.limits, now.limits),
        *_policy(was.policy, now.policy),
        *_credentials(was.credentials, now.credentials),
        *_variables(was.variables, now.variables),
    ):
        yield now.name, risk


def _default(was: str | None, now: str | None) -> Iterator[Named]:
    if was != now:
        said = [quoted(each) if each else "none" for each in (was, now)]
        yield SHARED, DEFAULT.risk(f"default_tenant changes from {said[0]} to {said[1]}")


def _covers(pattern: Pattern, other: Pattern) -> bool:
    """Return whether `pattern` certainly matches each grant that `other` matches."""
    for name in NAMES:
        wide, narrow = getattr(pattern, name), getattr(other, name)
        if wide is None or wide == narrow:
            continue
        if narrow is None or ANY_CHARACTER in wide or not matches(narrow, wide):
            return False
    return True


def _uncovered(patterns: Iterable[Pattern], by: Sequence[Pattern]) -> list[str]:
    return [str(each) for each in dict.fromkeys(patterns) if not any(_covers(other, each) for other in by)]


def _protect(was: Sequence[Protect], now: Sequence[Protect]) -> Iterator[Risk]:
    if lost := _uncovered(was, now):
        yield LOOSENED.risk(f"protect no longer has: {_listed(lost)}")
    yield from _only_other(was, now, lost, _uncovered(now, was), "protect")


def _manage(was: Sequence[Pattern], now: Sequence[Pattern]) -> Iterator[Risk]:
    """Yield a risk if grants may be managed that were not. Without an item, all grants are managed."""
    gained = [] if not was else ["every grant, since it has no item"] if not now else _uncovered(now, was)
    if gained:
        yield LOOSENED.risk(f"manage now covers: {_listed(gained)}")
    lost = [] if not now else ["every grant, since it had no item"] if not was else _uncovered(was, now)
    yield from _only_other(was, now, gained, lost, "manage")


def _only_other(
    was: Sequence[object], now: Sequence[object], loosened: Sequence[str], tightened: Sequence[str], setting: str
) -> Iterator[Risk]:
    """Yield a risk of the lowest level for a setting that differs, but is not loosened."""
    if loosened or list(was) == list(now):
        return
    what = "now has" if setting == "protect" else "no longer covers"
    yield STRICTER.risk(f"{setting} {what}: {_listed(tightened)}" if tightened else f"{setting} is written otherwise")


def _own(was: frozenset[str], now: frozenset[str]) -> Iterator[Risk]:
    if lost := sorted(was - now):
        yield LOOSENED.risk(f"own no longer has: {_listed(lost)}")
    if gained := sorted(now - was):
        yield STRICTER.risk(f"own now has: {_listed(gained)}")


def _limits(was: Limits, now: Limits) -> Iterator[Risk]:
    pairs = (
        ("deletes", " %", was.deletes_percent, now.deletes_percent),
        ("updates", " %", was.updates_percent, now.updates_percent),
        ("organization_grants", "", was.organization_grants, now.organization_grants),
    )
    for name, unit, before, after in pairs:
        if before != after:
            rule = LOOSENED if after > before else STRICTER
            yield rule.risk(f"limits: {name} changes from {before}{unit} to {after}{unit}")


def _credentials(was: str, now: str) -> Iterator[Risk]:
    if was != now:
        yield CREDENTIALS.risk(f"credentials changes from {was} to {now}")


def _variables(was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Risk]:
    for name in sorted({*was, *now}):
        before, after = (quoted(each[name]) if name in each else "" for each in (was, now))
        if was.get(name) == now.get(name):
            continue
        if before and after:
            yield VARIABLE.risk(f"the variable {name} changes from {before} to {after}")
        else:
            yield STRICTER.risk(f"new variable {name}: {after}" if after else f"the variable {name} is removed")


def _policy(was: Policy, now: Policy) -> Iterator[Risk]:
    loosened = list(_rules_loosened(was.rules, now.rules))
    lost = [each for each in was.schemas if each not in now.schemas]
    gained = [each for each in now.schemas if each not in was.schemas]
    if lost:
        loosened.append(f"the schema {_listed([each.title for each in lost])} is removed or changed")
    for what in loosened:
        yield LOOSENED.risk(f"policy: {what}")
    if not loosened and (was.rules != now.rules or gained):
        yield STRICTER.risk("policy is stricter or written otherwise")


def _rules_loosened(was: Sequence[PolicyRule], now: Sequence[PolicyRule]) -> Iterator[str]:
    """Yield what the rules allow or fail to deny, unlike before. The rules for one risk do not concern another."""
    for risk in sorted({each.rule for each in (*was, *now)}):
        before, after = (list(dict.fromkeys(map(_bare, _of(risk, rules)))) for rules in (was, now))
        removed = [each for each in before if each not in after]
        added = [each for each in after if each not in before]
        for each in removed:
            if each.verdict is Verdict.DENY or (each.verdict is Verdict.WARN and _follows(before, each, Verdict.ALLOW)):
                yield f"no longer {_said(each)}"
        for each in added:
            if each.verdict is Verdict.ALLOW or (each.verdict is Verdict.WARN and _follows(after, each, Verdict.DENY)):
                yield f"now {_said(each)}"
        kept = [each for each in before if each in after]
        if kept != [each for each in after if each in before]:
            yield f"the rules for {risk} are in another order, and the first that matches decides"


def _of(risk: str, rules: Iterable[PolicyRule]) -> Iterator[PolicyRule]:
    return (each for each in rules if each.rule == risk)


def _bare(rule: PolicyRule) -> PolicyRule:
    return replace(rule, reason="")


def _follows(rules: Sequence[PolicyRule], rule: PolicyRule, verdict: Verdict) -> bool:
    return any(each.verdict is verdict for each in rules[rules.index(rule) + 1 :])


def _said(rule: PolicyRule) -> str:
    verbs = {Verdict.DENY: "denies", Verdict.ALLOW: "allows", Verdict.WARN: "warns of"}
    return f"{verbs[rule.verdict]} {rule.rule} for {rule.grants if str(rule.grants) else 'all grants'}"


def _listed(items: Collection[str]) -> str:
    return some(items)
