"""Compare reconciler.yaml with reconciler.yaml at the base revision, and assign a risk to each change.

The module also finds the grants that a change of `protect` or `manage` affects. A change has the risk `guard-loosened`
if a setting may be less strict than before.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import TypeVar

from reconciler.core.characters import join_some, pluralize, quote_text
from reconciler.core.config_rules import (
    ADDED,
    CREDENTIALS,
    DEFAULT,
    GRANT_ENTERED,
    GRANT_LEFT,
    LOOSENED,
    MOVED,
    NEW_FILE,
    REMOVED,
    RENAMED,
    STRICTER,
    UNKNOWN,
    VARIABLE,
    WAVES,
    ConfigChange,
    sort_by_risk,
)
from reconciler.core.directory import MANAGEMENT_API_SUFFIX, Directory
from reconciler.core.fleet.rollout import Rollout
from reconciler.core.grant import Key
from reconciler.core.identity import comparison_key, is_same_host
from reconciler.core.pattern import Match
from reconciler.core.pattern_changes import compare_manage, compare_protect
from reconciler.core.policy import compare_policies
from reconciler.core.problems import Risk
from reconciler.core.settings import Limits
from reconciler.core.system_apis import system_api_of
from reconciler.core.tenant import Tenant, TenantKind
from reconciler.core.token_lifetime import duration

CACHE_SIZE = 64
"""The maximum number of results in the cache of each comparison function. Most tenants have the same settings."""
SHARED = ""
"""The tenant name that stands for the shared settings. An undeclared tenant uses only the shared settings."""


def unreadable_base_file(file: str, base: str, reason: str) -> tuple[ConfigChange, ...]:
    """Return a `ConfigChange` with the message that reconciler cannot read reconciler.yaml at the base revision."""
    message = f"{file} in {base} {reason}; the changes are unknown, so review the whole file"
    return (ConfigChange((), UNKNOWN.risk(message)),)


def new_config_file(file: str, base: str) -> tuple[ConfigChange, ...]:
    """Return the change to report if the base revision does not contain reconciler.yaml."""
    message = f"{base} does not contain {file}: every setting is new, or the file was moved; review the whole file"
    return (ConfigChange((), NEW_FILE.risk(message)),)


def moved_config_file(file: str, earlier: str, base: str) -> tuple[ConfigChange, ...]:
    """Return the change to report if reconciler.yaml is in another folder than at the base revision."""
    message = f"the configuration is {file}, but in {base} it is {earlier}; review the whole file"
    return (ConfigChange((), NEW_FILE.risk(message)),)


def config_changes(
    base: Iterable[Tenant],
    current: Iterable[Tenant],
    default_tenants: tuple[str | None, str | None] = (None, None),
    rollouts: tuple[Rollout, Rollout] = (Rollout(), Rollout()),
) -> tuple[ConfigChange, ...]:
    """Compare the settings of the base revision with the current settings.

    Return the changes, the most dangerous change first.

    `default_tenants` and `rollouts` each contain the value at the base revision and the current value.

    Settings with the name SHARED apply to tenants that reconciler.yaml does not declare. Compare each tenant with the
    tenants that had the same name or the same domain at the base revision. The comparison by domain finds a removed
    `protect` pattern even if an attacker swaps the names of two tenants.
    """
    old = {each.name: each for each in base}
    new = {each.name: each for each in current}
    found: dict[Risk, list[str]] = {}
    for name, risk in (*_tenants(old, new), *_default(*default_tenants), *_rollout(*rollouts, new)):
        names = found.setdefault(risk, [])
        if name not in names:
            names.append(name)
    return sort_by_risk(ConfigChange(tuple(name for name in names if name), risk) for risk, names in found.items())


TenantRisk = tuple[str, Risk]
"""The name of a tenant, and a risk that results from a changed setting of the tenant."""


def _tenants(old: Mapping[str, Tenant], new: Mapping[str, Tenant]) -> Iterator[TenantRisk]:
    renamed: set[str] = set()
    by_host = _by_host(old.values())
    for name, tenant in new.items():
        at_its_domain = list({each.name: each for host in _hosts(tenant) for each in by_host.get(host, ())}.values())
        if name in old:
            yield from _same_tenant(old[name], tenant)
        else:
            yield from _new_name(tenant, at_its_domain, new)
            renamed.update(each.name for each in at_its_domain if each.name not in new)
        for each in at_its_domain:
            if each.name != name:
                yield from _settings(each, tenant)
    for name, tenant in old.items():
        if name not in new and name not in renamed:
            yield name, REMOVED.risk(f"the tenant at {tenant.host} and its settings are removed")


def _new_name(tenant: Tenant, at_its_domain: Sequence[Tenant], new: Mapping[str, Tenant]) -> Iterator[TenantRisk]:
    if removed_names := [each.name for each in at_its_domain if each.name not in new]:
        yield tenant.name, RENAMED.risk(f"the tenant at {tenant.host} was renamed from {join_some(removed_names)}")
        return
    suffix = f", the former domain of {join_some([each.name for each in at_its_domain])}" if at_its_domain else ""
    yield tenant.name, ADDED.risk(f"new tenant of kind {tenant.kind} at {tenant.host}{suffix}")


def _by_host(tenants: Iterable[Tenant]) -> Mapping[str, list[Tenant]]:
    found: dict[str, list[Tenant]] = {}
    for tenant in tenants:
        for host in _hosts(tenant):
            found.setdefault(host, []).append(tenant)
    return found


def _hosts(tenant: Tenant) -> Iterable[str]:
    """Return the host names that identify a tenant at Auth0, or no host names for a sandbox."""
    if tenant.name == SHARED or tenant.kind is TenantKind.SANDBOX:
        return ()
    return dict.fromkeys(map(comparison_key, tenant.hosts))


def _same_tenant(old: Tenant, new: Tenant) -> Iterator[TenantRisk]:
    """Yield a risk for each setting of a tenant that differs from the setting at the base revision."""
    name = new.name
    if old.kind != new.kind:
        is_sandbox = new.kind is TenantKind.SANDBOX
        effect = "runs no longer change the real tenant" if is_sandbox else "every run changes a real tenant"
        yield name, MOVED.risk(f"the kind changes from {old.kind} to {new.kind}: {effect}")
    if name and not is_same_host(old.host, new.host):
        yield name, MOVED.risk(f"the domain changes from {old.host} to {new.host}")
    elif old.canonical_host != new.canonical_host:
        labels = [each or "none" for each in (old.canonical_host, new.canonical_host)]
        yield name, MOVED.risk(f"the canonical domain changes from {labels[0]} to {labels[1]}")
    yield from _settings(old, new)


def _settings(old: Tenant, new: Tenant) -> Iterator[TenantRisk]:
    for risk in (
        *_protect(old.protect, new.protect),
        *_manage(old.managed_scope.patterns, new.managed_scope.patterns),
        *_own(old.own_applications, new.own_applications),
        *_limits(old.limits, new.limits),
        *_policy(old.policy, new.policy),
        *_credentials(old.credentials, new.credentials),
        *_variables(old.variables, new.variables),
        *_warn_before(old.warn_before, new.warn_before),
    ):
        yield new.name, risk


Setting = TypeVar("Setting", bound=Hashable)


def cached_comparison(
    compare: Callable[[Setting, Setting], Iterator[Risk]],
) -> Callable[[Setting, Setting], tuple[Risk, ...]]:
    """Wrap a slow comparison function in a cache. The returned function calls `compare` only for unequal values."""

    @lru_cache(CACHE_SIZE)
    def compared(old: Setting, new: Setting) -> tuple[Risk, ...]:
        return tuple(compare(old, new))

    def compare_if_changed(old: Setting, new: Setting) -> tuple[Risk, ...]:
        return () if old == new else compared(old, new)

    return compare_if_changed


def _default(old: str | None, new: str | None) -> Iterator[TenantRisk]:
    if old != new:
        labels = [quote_text(each) if each else "none" for each in (old, new)]
        yield SHARED, DEFAULT.risk(f"`default_tenant` changes from {labels[0]} to {labels[1]}")


def _rollout(old: Rollout, new: Rollout, tenants: Iterable[str]) -> Iterator[TenantRisk]:
    """Yield a risk for each change of the settings `waves` and `stop_after`."""
    if not old.waves and new.waves:
        yield SHARED, STRICTER.risk("`waves` is new: now `apply` changes one group of tenants at a time")
    elif old.waves and not new.waves:
        yield SHARED, WAVES.risk("`waves` is removed: now `apply` changes all tenants at the same time")
    elif old.waves != new.waves:
        pairs = ((name, old.wave_of(name), new.wave_of(name)) for name in tenants if name != SHARED)
        moved = [f"{name} from {before} to {after}" for name, before, after in pairs if before and before != after]
        what = f"moves {join_some(moved)}" if moved else "has a new order or new patterns"
        yield SHARED, WAVES.risk(f"`waves` {what}")
    if old.waves and new.waves and old.stop_after != new.stop_after:
        rule = WAVES if new.stop_after > old.stop_after else STRICTER
        yield SHARED, rule.risk(f"`stop_after` changes from {old.stop_after} to {new.stop_after}")


def _own(old: frozenset[str], new: frozenset[str]) -> Iterator[Risk]:
    if removed := sorted(old - new):
        yield LOOSENED.risk(f"`own` no longer contains: {join_some(removed)}")
    if added := sorted(new - old):
        yield STRICTER.risk(f"`own` now contains: {join_some(added)}")


def _limits(old: Limits, new: Limits) -> Iterator[Risk]:
    pairs = (
        ("deletes", " %", old.deletes_percent, new.deletes_percent),
        ("updates", " %", old.updates_percent, new.updates_percent),
        ("organization_grants", "", old.organization_grants, new.organization_grants),
    )
    for name, unit, before, after in pairs:
        if before != after:
            rule = LOOSENED if after > before else STRICTER
            yield rule.risk(f"limits: {name} changes from {before}{unit} to {after}{unit}")


def _credentials(old: str, new: str) -> Iterator[Risk]:
    if old != new:
        yield CREDENTIALS.risk(f"`credentials` changes from {old} to {new}")


def _variables(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Risk]:
    for name in sorted({*old, *new}):
        before, after = (quote_text(each[name]) if name in each else "" for each in (old, new))
        if old.get(name) == new.get(name):
            continue
        if before and after:
            yield VARIABLE.risk(f"the variable {name} changes from {before} to {after}")
        else:
            yield STRICTER.risk(f"new variable {name}: {after}" if after else f"the variable {name} is removed")


def _warn_before(old: timedelta, new: timedelta) -> Iterator[Risk]:
    if old != new:
        before, after = (duration(int(each.total_seconds())) for each in (old, new))
        yield STRICTER.risk(f"`warn_before` changes from {before} to {after}")


_policy = cached_comparison(compare_policies)
_protect = cached_comparison(compare_protect)
_manage = cached_comparison(compare_manage)


def compare_guards(keys: Iterable[Key], directory: Directory, old: Tenant, new: Tenant) -> Iterator[ConfigChange]:
    """Find the grants that a change of the setting `protect` or `manage` affects.

    Each yielded change lists the grants that a setting has stopped matching or has started to match. Grants for Auth0's
    own APIs come first, because a message names only some of the grants. A renamed application is not reported as a
    change, because the function compares only the settings.
    """
    if (old.protect, old.managed_scope) == (new.protect, new.managed_scope):
        return
    ordered = sorted(keys, key=lambda key: (not _is_system_api(key.audience), key.order))
    for setting, is_in, rule_for_leaving, rule_for_entering in GUARDS:
        before, after = ([is_in(each, key, directory) for key in ordered] for each in (old, new))
        pairs = list(zip(ordered, before, after, strict=True))
        no_longer_matched = [key for key, matched, matches in pairs if matched and not matches]
        newly_matched = [key for key, matched, matches in pairs if matches and not matched]
        for verb, rule, found in (
            ("no longer", rule_for_leaving, no_longer_matched),
            ("now", rule_for_entering, newly_matched),
        ):
            if found:
                labels = [f"{directory.client_label(key)} -> {directory.api_label(key)}" for key in found]
                risk = rule.risk(f"`{setting}` {verb} matches {pluralize(len(found), 'grant')}: {join_some(labels)}")
                yield ConfigChange((new.name,), risk)


def _is_system_api(audience: str) -> bool:
    return audience.endswith(MANAGEMENT_API_SUFFIX) or system_api_of(audience) is not None


def _is_protected(settings: Tenant, key: Key, directory: Directory) -> bool:
    return any(each.matches(key, directory) is not Match.NO for each in settings.protect)


def _is_managed(settings: Tenant, key: Key, directory: Directory) -> bool:
    return settings.managed_scope.includes(key, directory)


GUARDS = (("protect", _is_protected, GRANT_LEFT, GRANT_ENTERED), ("manage", _is_managed, GRANT_ENTERED, GRANT_LEFT))
"""The settings `protect` and `manage`, each with the function that matches grants and with two risk rules."""
