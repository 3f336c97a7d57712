"""Which tenants there are, and which of them is meant: reconciler.yaml and the environment together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from reconciler.core.domain import CREDENTIALS_PREFIX, base_url, is_auth0s, parts_of
from reconciler.core.limits import Limits
from reconciler.core.pattern import Border, Pattern, Protect
from reconciler.core.policy import Policy
from reconciler.core.suggest import did_you_mean
from reconciler.core.template import BUILT_IN
from reconciler.core.tenancy import ANY_TENANT, Target, Tenants
from reconciler.errors import ReconcilerError

DEFAULT_FILE = "reconciler.yaml"
SANDBOX_DOMAIN = "sandbox.localhost"
SANDBOX_DATABASE = ".reconciler/sandbox.db"


class Kind(StrEnum):
    """Where a tenant lives."""

    AUTH0 = "auth0"
    SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A tenant as configured. `domain` is as written, so it may carry `https://`.

    `credentials` is how the names of the environment variables begin that hold its credentials.
    """

    name: str
    domain: str
    kind: Kind = Kind.AUTH0
    variables: Mapping[str, str] = field(default_factory=dict)
    credentials: str = CREDENTIALS_PREFIX
    border: Border = field(default_factory=Border)
    protect: tuple[Protect, ...] = ()
    limits: Limits = field(default_factory=Limits)
    policy: Policy = field(default_factory=Policy)
    database: Path = Path(SANDBOX_DATABASE)
    seed: Path | None = None

    @property
    def host(self) -> str:
        """The domain without a scheme."""
        return parts_of(self.domain)[1]

    @property
    def base_url(self) -> str:
        """Where the API is: https, but plain http on loopback unless the domain is written with https://."""
        return base_url(self.domain)

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """By which grants are managed or protected."""
        return (*self.border.patterns, *self.protect)

    @property
    def target(self) -> Target:
        """The tenant as grant files see it."""
        return Target(self.name, {**self.variables, BUILT_IN: self.host})


@dataclass(frozen=True, slots=True)
class Config:
    """reconciler.yaml; what all tenants share stands in `shared`, a tenant without a name of its own takes it as is."""

    file: str = DEFAULT_FILE
    tenants: Mapping[str, Tenant] = field(default_factory=dict)
    default_tenant: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    credentials: str = CREDENTIALS_PREFIX
    border: Border = field(default_factory=Border)
    protect: tuple[Protect, ...] = ()
    limits: Limits = field(default_factory=Limits)
    policy: Policy = field(default_factory=Policy)

    def policy_of(self, tenant: str) -> Policy:
        """Return the policy for the tenant of that name, declared here or not."""
        return self.tenants[tenant].policy if tenant in self.tenants else self.policy

    def readers(self, *tenants: Tenant) -> Tenants:
        """Return whom grant files are read for: `tenants`, else all that are declared, else whichever there may be."""
        anyone = Target("", {**ANY_TENANT.values, **self.variables})
        chosen = tenants or self.tenants.values()
        return Tenants(tuple(tenant.target for tenant in chosen) or (anyone,), tuple(self.tenants))


def choose_tenants(
    config: Config,
    names: Sequence[str],
    environment: Mapping[str, str],
    *,
    every: bool = False,
) -> list[Tenant]:
    """Return the tenants of these names (from --tenant), each once; with `every`, all; else the one that is chosen.

    Raises:
        ReconcilerError: as `choose_tenant` does; if none is declared; if both are asked for.
    """
    if every and names:
        raise ReconcilerError("--all-tenants and --tenant: use one of them")
    if every and not config.tenants:
        raise ReconcilerError(f"--all-tenants: {config.file} declares no tenant")
    chosen = config.tenants if every else dict.fromkeys(names)
    if not chosen:
        return [choose_tenant(config, None, environment)]
    return [choose_tenant(config, name, environment) for name in chosen]


def choose_tenant(config: Config, name: str | None, environment: Mapping[str, str]) -> Tenant:
    """Return the tenant to work on, the one that is `meant`, if credentials may go there.

    Raises:
        ReconcilerError: as `meant` does, or if only reconciler.yaml, which a pull request can change, says that
            credentials should go to a host outside Auth0.
    """
    tenant = meant(config, name, environment)
    _refuse_strange_host(tenant, environment)
    return tenant


def meant(config: Config, name: str | None, environment: Mapping[str, str]) -> Tenant:
    """Return the tenant of `name` (from --tenant), else the one of AUTH0_DOMAIN, else the default one.

    AUTH0_DOMAIN may name a domain of reconciler.yaml, whose settings it then takes, or any other.

    Raises:
        ReconcilerError: if there is no such tenant, or none is named.
    """
    domain = environment.get("AUTH0_DOMAIN", "").strip()
    if name is not None:
        return named(config, name)
    if domain:
        return by_domain(config, domain)
    if config.default_tenant is not None:
        return named(config, config.default_tenant)
    if len(config.tenants) == 1:
        return next(iter(config.tenants.values()))
    raise ReconcilerError(f"no tenant: use --tenant, set AUTH0_DOMAIN, or name default_tenant in {config.file}")


def _refuse_strange_host(tenant: Tenant, environment: Mapping[str, str]) -> None:
    """Let credentials go to a host outside Auth0 only where the environment names both by the same prefix."""
    if tenant.kind is Kind.SANDBOX or is_auth0s(tenant.host):
        return
    variable = f"{tenant.credentials}DOMAIN"
    agreed = environment.get(variable, "").strip()
    if not agreed or parts_of(agreed)[1] != tenant.host:
        raise ReconcilerError(
            f"tenant {tenant.name}: {tenant.host} is not a host of Auth0; to send credentials there all the same, "
            f"set {variable}={tenant.domain} in the environment",
        )


def by_domain(config: Config, domain: str) -> Tenant:
    """Return the tenant at a domain: one of the configuration, or one with what the configuration says for all.

    Raises:
        ReconcilerError: if several tenants of the configuration are there.
    """
    host = parts_of(domain)[1]
    known = [tenant for tenant in config.tenants.values() if tenant.kind is Kind.AUTH0 and tenant.host == host]
    if len(known) > 1:
        names = ", ".join(tenant.name for tenant in known)
        raise ReconcilerError(
            f"{host} is the domain of several tenants of {config.file}: {names}; say which by --tenant"
        )
    if known:
        return known[0]
    return Tenant(
        name=host,
        domain=domain,
        variables=config.variables,
        credentials=config.credentials,
        border=config.border,
        protect=config.protect,
        limits=config.limits,
        policy=config.policy,
    )


def named(config: Config, name: str) -> Tenant:
    """Return the tenant of that name. Raises ReconcilerError if none is declared."""
    if name not in config.tenants:
        raise ReconcilerError(f'{config.file} declares no tenant "{name}"; {which(name, config.tenants)}')
    return config.tenants[name]


def which(name: str, declared: Mapping[str, object]) -> str:
    """Return what to do about the name of a tenant that is none of `declared`."""
    return did_you_mean(name, declared) or f"declared are: {', '.join(declared) or 'none'}"
