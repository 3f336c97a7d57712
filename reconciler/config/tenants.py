"""The content of reconciler.yaml, and the selection of a tenant from options, environment and configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import product

from reconciler.core.characters import join_some
from reconciler.core.expiry import DEFAULT_WARN_BEFORE
from reconciler.core.fleet.rollout import Rollout
from reconciler.core.identity import (
    ALLOW_UNNAMED,
    CREDENTIALS_PREFIX,
    IdentityCheck,
    comparison_key,
    host_of,
    identity_of,
    is_auth0_host,
    is_loopback,
    is_same_host,
    management_api_identifier,
)
from reconciler.core.pattern import ManagedScope, Protect
from reconciler.core.problems import Source
from reconciler.core.settings import Limits, Policy, all_denials, strictest
from reconciler.core.suggest import did_you_mean
from reconciler.core.tenant import SANDBOX_DOMAIN, Tenant, TenantKind
from reconciler.core.tenant_filter import ANY_TENANT, TargetTenant, TargetTenants
from reconciler.errors import ReconcilerError

DEFAULT_FILE = "reconciler.yaml"
CI_VARIABLES = ("CI", "GITHUB_ACTIONS", "GITLAB_CI")


@dataclass(frozen=True, slots=True)
class Config:
    """The content of reconciler.yaml: the declared tenants and the shared settings."""

    file: str = DEFAULT_FILE
    tenants: Mapping[str, Tenant] = field(default_factory=dict)
    default_tenant: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    scope_sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    credentials: str = CREDENTIALS_PREFIX
    managed_scope: ManagedScope = field(default_factory=ManagedScope)
    protect: tuple[Protect, ...] = ()
    own_applications: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)
    policy: Policy = field(default_factory=Policy)
    rollout: Rollout = field(default_factory=Rollout)
    scope_set_sources: Mapping[str, Source] = field(default_factory=dict)
    warn_before: timedelta = DEFAULT_WARN_BEFORE

    def declares(self, tenant: Tenant) -> bool:
        """Return whether the configuration declares the domain of `tenant`.

        For a sandbox, compare the name of the tenant instead of the domain. If the configuration lists no tenants,
        return whether the name of `tenant` equals its host.
        """
        if not self.tenants:
            return tenant.name == tenant.host
        if tenant.kind is TenantKind.SANDBOX:
            return any(each.kind is TenantKind.SANDBOX for name, each in self.tenants.items() if name == tenant.name)
        return any(is_same_host(tenant.host, host) for each in self._at_auth0() for host in each.hosts)

    def policy_for(self, tenant: Tenant) -> Policy:
        """Return this configuration's policy for `tenant`, which a different configuration declares.

        A pull request can change every tenant name and domain, so `policy_for` combines several policies. The returned
        policy combines the strictest rules of all tenants that share the name or domain of `tenant`. If this
        configuration does not declare `tenant`, the policy contains the `deny` rules and policy schemas of all tenants.
        """
        if not self.declares(tenant):
            return all_denials((self.policy, *(each.policy for each in self.tenants.values())))
        if not self.tenants:
            return self.policy
        same_name = [self.tenants[tenant.name]] if tenant.name in self.tenants else []
        hosts = () if tenant.kind is TenantKind.SANDBOX else tenant.hosts
        same_hosts = [
            each for each in self._at_auth0() if any(is_same_host(*pair) for pair in product(hosts, each.hosts))
        ]
        return strictest(each.policy for each in (*same_name, *same_hosts))

    def _at_auth0(self) -> list[Tenant]:
        return [each for each in self.tenants.values() if each.kind is TenantKind.AUTH0]

    def targets(self, *tenants: Tenant) -> TargetTenants:
        """Return the tenants whose grants are read from files.

        If `tenants` is empty, return all declared tenants. If the configuration declares no tenants, return a
        placeholder that represents an arbitrary tenant.
        """
        any_tenant = TargetTenant("", {**ANY_TENANT.values, **self.variables}, self.scope_sets)
        chosen = tenants or self.tenants.values()
        return TargetTenants(tuple(tenant.target for tenant in chosen) or (any_tenant,), tuple(self.tenants))


def choose_tenants(
    config: Config,
    names: Sequence[str],
    environment: Mapping[str, str],
    *,
    every: bool = False,
    allow_unnamed: bool = False,
) -> list[Tenant]:
    """Return the tenants in `names` (from --tenant) without duplicates.

    If `every` is true, return all tenants of the configuration. If `names` is empty, return the tenant that
    `choose_tenant` selects. If only one tenant is selected, check that its credentials may be sent to the tenant. If
    several tenants are selected, the caller must check the credentials of each tenant separately. With separate checks,
    a wrong domain stops only one tenant.

    Raises:
        ReconcilerError: if `every` is true and `names` is not empty, or if no tenant is selected.
    """
    if every and names:
        raise ReconcilerError("use either --all-tenants or --tenant")
    if every and not config.tenants:
        raise ReconcilerError(f"--all-tenants: {config.file} declares no tenants")
    chosen = list(config.tenants if every else dict.fromkeys(names))
    if len(chosen) > 1:
        return [tenant_named(config, name) for name in chosen]
    return [choose_tenant(config, next(iter(chosen), None), environment, allow_unnamed=allow_unnamed)]


def choose_tenant(
    config: Config, name: str | None, environment: Mapping[str, str], *, allow_unnamed: bool = False
) -> Tenant:
    """Select a tenant, and check that reconciler may send the credentials to the selected tenant.

    Raises:
        ReconcilerError: if no tenant is selected, or if the credentials must not be sent to the tenant.
    """
    tenant = select_tenant(config, name, environment, allow_unnamed=allow_unnamed)
    check_environment(tenant, environment)
    return tenant


def select_tenant(
    config: Config, name: str | None, environment: Mapping[str, str], *, allow_unnamed: bool = False
) -> Tenant:
    """Return the tenant with `name` (from --tenant), the tenant of AUTH0_DOMAIN, or the default tenant, in this order.

    If reconciler.yaml declares the domain in AUTH0_DOMAIN, the settings of the declared tenant apply. An undeclared
    domain is allowed if reconciler.yaml declares no tenants, the domain is loopback, or `allow_unnamed` is true.

    Raises:
        ReconcilerError: if the tenant is not declared, or no tenant is selected.
    """
    domain = environment.get("AUTH0_DOMAIN", "").strip()
    if name is not None:
        return tenant_named(config, name)
    if domain:
        return tenant_at_domain(config, domain) or _undeclared_tenant(config, domain, allowed=allow_unnamed)
    if config.default_tenant is not None:
        return tenant_named(config, config.default_tenant)
    if len(config.tenants) == 1:
        return next(iter(config.tenants.values()))
    empty = " (it is empty)" if "AUTH0_DOMAIN" in environment else ""
    raise ReconcilerError(
        f"no tenant is selected: use --tenant, set AUTH0_DOMAIN{empty}, or set default_tenant in {config.file}"
    )


def _undeclared_tenant(config: Config, domain: str, *, allowed: bool) -> Tenant:
    """Return a tenant that reconciler.yaml does not declare.

    Raises ReconcilerError if undeclared tenants are not allowed.
    """
    tenant = undeclared_tenant(config, domain)
    if config.tenants and not allowed and not is_loopback(tenant.host):
        raise ReconcilerError(
            f"AUTH0_DOMAIN: {config.file} declares no tenant with the domain {tenant.host} (it declares "
            f"{join_some(config.tenants)}); use --tenant NAME, declare the tenant, or use {ALLOW_UNNAMED} to "
            "continue with the shared settings",
        )
    return tenant


def check_environment(tenant: Tenant, environment: Mapping[str, str]) -> None:
    """Check, before the first request to `tenant`, that the environment's credentials may be sent to `tenant`.

    A pull request can change reconciler.yaml, so reconciler.yaml alone must not decide where credentials are sent. The
    environment must contain the domain of the tenant, for example in AUTH0_DOMAIN. If the environment contains no
    domain, credentials are sent only to hosts of Auth0.

    Raises:
        ReconcilerError: if the domain or the Management API in the environment belongs to a different tenant. Also
            raised if the environment contains no domain and the domain of `tenant` is not a domain of Auth0.
    """
    if tenant.kind is TenantKind.SANDBOX:
        return
    _check_domain(tenant, environment)
    variable = f"{tenant.credentials}AUDIENCE"
    audience, canonical = environment.get(variable, "").strip(), tenant.canonical_host
    if audience and canonical and not is_same_host(identity_of(audience) or "", canonical):
        correct = "" if tenant.canonical_domain is None else ", or correct canonical_domain in the configuration"
        raise ReconcilerError(
            f"tenant {tenant.name}: {variable} is {audience}, but the canonical domain is {canonical}; nothing was "
            f"sent: unset {variable}, or set it to {management_api_identifier(canonical)}{correct}",
        )


def _check_domain(tenant: Tenant, environment: Mapping[str, str]) -> None:
    variable = tenant.domain_variable
    confirmed_domain = _domain_for(tenant, environment)
    if confirmed_domain and is_same_host(confirmed_domain, tenant.host):
        return
    if not confirmed_domain and not is_auth0_host(tenant.host):
        empty = f" ({variable} is empty)" if variable in environment else ""
        raise ReconcilerError(
            f"tenant {tenant.name}: {tenant.host} is not a host of Auth0; to send credentials there "
            f"nevertheless, set {variable}={tenant.domain} in the environment{empty}",
        )
    if confirmed_domain:
        warning = "" if is_auth0_host(tenant.host) else " (not a host of Auth0)"
        raise ReconcilerError(
            f"tenant {tenant.name}: {variable} is {confirmed_domain}, but the tenant's domain is {tenant.host}"
            f"{warning}; nothing was sent: set {variable}={tenant.host} together with the credentials of that tenant, "
            f"or set a different prefix for each tenant, for example credentials: {CREDENTIALS_PREFIX}PROD_",
        )


def _domain_for(tenant: Tenant, environment: Mapping[str, str]) -> str | None:
    """Return the host in an environment variable such as AUTH0_DOMAIN, or None if the variable is not set."""
    domain = environment.get(tenant.domain_variable, "").strip()
    try:
        return host_of(domain) if domain else None
    except ReconcilerError as error:
        raise ReconcilerError(f"{tenant.domain_variable}: {error}") from error


def unconfirmed_domain(tenant: Tenant, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """If reconciler runs in CI and the environment lacks the tenant's domain, return a problem and its fix."""
    in_ci = any(environment.get(name, "").strip().lower() not in {"", "0", "false"} for name in CI_VARIABLES)
    if not in_ci or tenant.kind is TenantKind.SANDBOX or _domain_for(tenant, environment):
        return None
    variable = tenant.domain_variable
    what = f"{variable} is not set: if a commit changes the domain of {tenant.name}, the new host gets the credentials"
    return what, f"set {variable}={tenant.host} together with the credentials"


def identity_check(
    config: Config, tenant: Tenant, environment: Mapping[str, str], *, allow_unnamed: bool = False
) -> IdentityCheck | None:
    """Return an object that checks that the connected tenant is `tenant`, or None if `tenant` is a sandbox."""
    if tenant.kind is TenantKind.SANDBOX:
        return None
    is_declared = config.tenants.get(tenant.name) == tenant
    others = [each for each in config.tenants.values() if each.kind is TenantKind.AUTH0 and each != tenant]
    variable = f"{tenant.credentials}AUDIENCE"
    configured = tenant.canonical_host
    return IdentityCheck(
        tenant=tenant.name,
        host=tenant.host,
        file=config.file,
        expected=configured or identity_of(environment.get(variable, "").strip()),
        source=variable if configured is None else "domain" if tenant.canonical_domain is None else "canonical_domain",
        is_configured=configured is not None,
        others={comparison_key(host): other.name for other in others for host in other.hosts},
        unknown=tuple(other.name for other in others if other.canonical_host is None),
        is_declared=is_declared,
        accepts_real_tenant=is_declared or allow_unnamed or not config.tenants or not is_loopback(tenant.host),
    )


def tenant_at_domain(config: Config, domain: str) -> Tenant | None:
    """Return the declared tenant that has the domain `domain`, or None."""
    host = host_of(domain)
    declared = (tenant for tenant in config.tenants.values() if tenant.kind is TenantKind.AUTH0)
    return next((each for each in declared if any(is_same_host(host, own) for own in each.hosts)), None)


def undeclared_tenant(config: Config, domain: str) -> Tenant:
    """Return an undeclared tenant with the domain `domain` and the shared settings."""
    shared = Config.__dataclass_fields__.keys() & Tenant.__dataclass_fields__.keys()
    settings = {name: getattr(config, name) for name in shared}
    return Tenant(name=host_of(domain), domain=domain, sandbox_domain=_served_domain(config), **settings)


def _served_domain(config: Config) -> str:
    """Return the domain of the sandbox that `reconciler sandbox serve` starts if it has no options."""
    sandboxes = {name: each for name, each in config.tenants.items() if each.kind is TenantKind.SANDBOX}
    default = sandboxes.get(config.default_tenant or "")
    if default is None and len(sandboxes) == 1:
        default = next(iter(sandboxes.values()))
    return default.domain if default else SANDBOX_DOMAIN


def tenant_named(config: Config, name: str) -> Tenant:
    """Return the declared tenant with the name `name`.

    Raises ReconcilerError if reconciler.yaml does not declare the tenant.
    """
    if name not in config.tenants:
        raise ReconcilerError(
            f'{config.file} does not declare the tenant "{name}"; {tenant_name_advice(name, config.tenants)}'
        )
    return config.tenants[name]


def tenant_name_advice(name: str, declared: Mapping[str, object]) -> str:
    """Return advice for an undeclared tenant name: a similar declared name, or all declared names."""
    return did_you_mean(name, declared) or f"declared tenants: {join_some(declared) or 'none'}"
