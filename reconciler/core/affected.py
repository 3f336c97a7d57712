"""Pure: find the tenants that a change of the files affects.

A tenant is affected if its settings, or a grant that applies to it, differ from the base. Only a tenant whose settings
and grants are certainly the same is not affected.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from reconciler.core.config_changes import TenantSettings, config_changes
from reconciler.core.spec import GrantSpec
from reconciler.core.tenant_filter import Patterns, applies_to_tenant, patterns_of

MAX_REASONS = 5
"""The maximum number of reasons per tenant."""
Content = tuple[object, ...]


def affected_tenants(
    current: Mapping[str, TenantSettings],
    base: Mapping[str, TenantSettings],
    specs: Iterable[GrantSpec],
    specs_at_base: Iterable[GrantSpec],
) -> dict[str, tuple[str, ...]]:
    """Return the affected tenants of `current` with the reasons.

    Args:
        current: The tenants by name.
        base: The tenants at the base by name.
        specs: The grants in the files. Grants in files that have the same content at the base may be missing.
        specs_at_base: The grants in the files at the base, with the same exception.
    """
    settings = _changed_settings(current, base)
    grants = list(_changed_grants(specs, specs_at_base))
    by_patterns: dict[Patterns, list[str]] = {}
    for patterns, reason in grants:
        by_patterns.setdefault(patterns, []).append(reason)
    found = {}
    for name in current:
        reasons = [*settings.get(name, ())]
        for patterns, texts in by_patterns.items():
            if applies_to_tenant(patterns, name):
                reasons += texts
        if reasons:
            found[name] = limit_reasons(reasons)
    return found


def limit_reasons(reasons: Sequence[str]) -> tuple[str, ...]:
    """Return the first MAX_REASONS reasons, and the number of the others."""
    more = len(reasons) - MAX_REASONS
    return (*reasons[:MAX_REASONS], *([f"and {more} more"] if more > 0 else []))


def _changed_settings(
    current: Mapping[str, TenantSettings], base: Mapping[str, TenantSettings]
) -> dict[str, list[str]]:
    """Return the reasons for the tenants whose settings differ. Settings include the shared settings."""
    changed = {name: tenant for name, tenant in current.items() if base.get(name) != tenant}
    found: dict[str, list[str]] = {name: [] for name in changed}
    for change in config_changes(base.values(), current.values()) if changed else ():
        for name in change.tenants:
            if name in found:
                found[name].append(change.risk.message)
    return {name: reasons or ["its settings changed"] for name, reasons in found.items()}


def _changed_grants(specs: Iterable[GrantSpec], specs_at_base: Iterable[GrantSpec]) -> Iterator[tuple[Patterns, str]]:
    """Yield the tenants and the reason for each grant that only one of both has."""
    now = {_content(spec): spec for spec in specs}
    before = {_content(spec): spec for spec in specs_at_base}
    for content, spec in now.items():
        if content not in before:
            yield patterns_of(spec), f"{spec.source}: grant added or changed"
    for content, spec in before.items():
        if content not in now:
            yield patterns_of(spec), f"{spec.source}: grant removed or changed"


POSITIONS = frozenset({"file", "locations", "tenants"})
"""The fields of a spec that contain positions. The names of the tenants are compared separately."""
_FIELDS = tuple(name for name in GrantSpec._fields if name not in POSITIONS)


def _content(spec: GrantSpec) -> Content:
    """Return everything in a spec except its position. The order of a list does not count."""
    values = (getattr(spec, name) for name in _FIELDS)
    return (*(tuple(sorted(each)) if isinstance(each, tuple) else each for each in values), patterns_of(spec))
