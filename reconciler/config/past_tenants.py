"""Find a tenant in an earlier version of reconciler.yaml."""

from dataclasses import replace
from functools import cached_property

from reconciler.config.tenants import Config, undeclared_tenant
from reconciler.core.declared_history import TenantStatus, TenantVersion
from reconciler.core.identity import comparison_key, is_same_host
from reconciler.core.tenant import Tenant, TenantKind


class PastConfig:
    """An earlier version of reconciler.yaml, which declares the tenants of `config`."""

    def __init__(self, config: Config) -> None:
        self._config = config

    @cached_property
    def _by_host(self) -> dict[str, list[Tenant]]:
        found: dict[str, list[Tenant]] = {}
        for tenant in self._config.tenants.values():
            for host in tenant.hosts:
                found.setdefault(comparison_key(host), []).append(tenant)
        return found

    def find(self, tenant: Tenant, now: Config) -> TenantVersion:
        """Return the earlier name and variables of `tenant`, which is a tenant of today's configuration `now`."""
        found = self.find_tenant(tenant, now)
        return found.target if isinstance(found, Tenant) else found

    def find_tenant(self, tenant: Tenant, now: Config) -> Tenant | TenantStatus:
        """Return the earlier settings of `tenant`, which is a tenant of today's configuration `now`.

        Compare domains, because a tenant can be renamed, and another tenant can get its old name. Compare sandboxes by
        name.

        If the earlier version declares no tenants, its runs took the tenant from AUTH0_DOMAIN. Return UNKNOWN if `now`
        declares the tenant. Otherwise, return the settings that the earlier version gives to an undeclared tenant.
        """
        past, is_declared = self._config, tenant.name in now.tenants
        namesake = past.tenants.get(tenant.name)
        candidates = [each for host in tenant.hosts for each in self._by_host.get(comparison_key(host), ())]
        for each in (namesake, *candidates):
            if each is not None and is_same_tenant(tenant, each):
                return each
        if namesake is not None and is_same_tenant(tenant, namesake) is None:
            return TenantStatus.UNKNOWN
        if is_declared:
            return TenantStatus.UNDECLARED if past.tenants else TenantStatus.UNKNOWN
        if past.tenants and not now.tenants:
            return TenantStatus.UNDECLARED
        return replace(undeclared_tenant(past, tenant.domain), name=tenant.name)


def is_same_tenant(tenant: Tenant, past: Tenant) -> bool | None:
    """Return whether two versions of reconciler.yaml mean the same tenant. Return None if only the names are equal."""
    if TenantKind.SANDBOX in {tenant.kind, past.kind}:
        return tenant.kind is past.kind and tenant.name == past.name
    if tenant.canonical_host and past.canonical_host:
        return is_same_host(tenant.canonical_host, past.canonical_host)
    if any(is_same_host(host, other) for host in tenant.hosts for other in past.hosts):
        return True
    return None if tenant.name == past.name else False
