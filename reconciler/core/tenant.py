"""The settings of a tenant in reconciler.yaml, including the settings that all tenants share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from reconciler.core.expiry import DEFAULT_WARN_BEFORE
from reconciler.core.identity import (
    AUTH0_HOSTS,
    CREDENTIALS_PREFIX,
    TenantName,
    base_url,
    host_of,
    is_loopback,
    strip_port,
)
from reconciler.core.pattern import ManagedScope, Pattern, Protect
from reconciler.core.settings import Limits, Policy
from reconciler.core.tenant_filter import BUILT_IN, TargetTenant

SANDBOX_DOMAIN = "sandbox.localhost"
SANDBOX_DATABASE = ".reconciler/sandbox.db"


class TenantKind(StrEnum):
    """The kind of a tenant: a tenant at Auth0, or a local sandbox."""

    AUTH0 = "auth0"
    SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """The settings of a tenant.

    `domain` is the domain as written in the file and may start with `https://`. `canonical_domain` is the domain that
    Auth0 assigned to the tenant, and is required if `domain` is a custom domain. `credentials` is the prefix of the
    environment variables with the credentials. If `domain` is the loopback address of a local sandbox, `sandbox_domain`
    is the domain that the sandbox simulates.
    """

    name: str
    domain: str
    canonical_domain: str | None = None
    kind: TenantKind = TenantKind.AUTH0
    variables: Mapping[str, str] = field(default_factory=dict)
    scope_sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    credentials: str = CREDENTIALS_PREFIX
    managed_scope: ManagedScope = field(default_factory=ManagedScope)
    protect: tuple[Protect, ...] = ()
    own_applications: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)
    policy: Policy = field(default_factory=Policy)
    warn_before: timedelta = DEFAULT_WARN_BEFORE
    database: Path = Path(SANDBOX_DATABASE)
    seed: Path | None = None
    sandbox_domain: str = SANDBOX_DOMAIN

    @property
    def host(self) -> str:
        """The host name in `domain`, normalized so that equal hosts are equal strings."""
        return host_of(self.domain)

    @property
    def canonical_host(self) -> str | None:
        """The domain that Auth0 assigned to the tenant, or None if the configuration does not contain the domain."""
        if self.canonical_domain is not None:
            return strip_port(host_of(self.canonical_domain))
        name = strip_port(self.host)
        return name if name.endswith(AUTH0_HOSTS) else None

    @property
    def identity_host(self) -> str:
        """The host name in the identifiers of the tenant's system APIs.

        The API identifiers of a sandbox do not depend on the address where the sandbox is served.
        """
        if self.canonical_host is not None:
            return self.canonical_host
        is_served_sandbox = self.kind is TenantKind.AUTH0 and is_loopback(self.host)
        return host_of(self.sandbox_domain) if is_served_sandbox else self.host

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host of the tenant, and the canonical host if the canonical host is known and different."""
        return tuple(dict.fromkeys(filter(None, (self.host, self.canonical_host))))

    @property
    def domain_variable(self) -> str:
        """The name of the environment variable that contains the tenant's domain, such as AUTH0_DOMAIN."""
        return f"{self.credentials}DOMAIN"

    @property
    def base_url(self) -> str:
        """The URL of the Management API. The scheme is https, except for a loopback domain without `https://`."""
        return base_url(self.domain)

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """The patterns in the settings `manage` and `protect`."""
        return (*self.managed_scope.patterns, *self.protect)

    @property
    def title(self) -> TenantName:
        """The name and the domain of the tenant for plans and reports."""
        return TenantName(self.name, self.host, self.kind is TenantKind.SANDBOX)

    @property
    def target(self) -> TargetTenant:
        """The name, the variables and the scope sets of the tenant, for reading grant files."""
        return TargetTenant(self.name, {**self.variables, BUILT_IN: self.identity_host}, self.scope_sets)
