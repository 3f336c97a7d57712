"""Which tenant: reconciler.yaml and the environment, turned into one value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from reconciler.core.guards import Limits, Protect
from reconciler.core.pattern import NAMES, Pattern
from reconciler.core.policy import Policy, PolicyRule, Verdict
from reconciler.core.suggest import did_you_mean
from reconciler.errors import ReconcilerError

DEFAULT_FILE = "reconciler.yaml"
SANDBOX_DOMAIN = "sandbox.localhost"
SANDBOX_DATABASE = ".reconciler/sandbox.db"
AUTH0_HOSTS = ".auth0.com"
LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")
LAST_PORT = 65_535
DOMAIN = re.compile(r"(?P<scheme>https?://)?(?P<host>[A-Za-z0-9.-]+(:\d{1,5})?|\[::1\](:\d{1,5})?)/?")


class Kind(StrEnum):
    """Where a tenant lives."""

    AUTH0 = "auth0"
    SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A tenant as configured. `domain` is as written, so it may carry `https://`."""

    name: str
    domain: str
    kind: Kind = Kind.AUTH0
    protect: tuple[Protect, ...] = ()
    limits: Limits = field(default_factory=Limits)
    policy: Policy = field(default_factory=Policy)
    database: Path = Path(SANDBOX_DATABASE)
    seed: Path | None = None

    @property
    def host(self) -> str:
        """The domain without a scheme."""
        return _parts(self.domain)[1]

    @property
    def base_url(self) -> str:
        """Where the API is: https, but plain http on loopback unless the domain is written with https://."""
        scheme, host = _parts(self.domain)
        return f"{scheme or ('http' if LOOPBACK.fullmatch(host) else 'https')}://{host}"


@dataclass(frozen=True, slots=True)
class Config:
    """reconciler.yaml; what all tenants share stands in `shared`, a tenant without a name of its own takes it as is."""

    file: str = DEFAULT_FILE
    tenants: Mapping[str, Tenant] = field(default_factory=dict)
    default_tenant: str | None = None
    protect: tuple[Protect, ...] = ()
    limits: Limits = field(default_factory=Limits)
    policy: Policy = field(default_factory=Policy)

    def policy_of(self, tenant: str) -> Policy:
        """Return the policy for the tenant of that name, declared here or not."""
        return self.tenants[tenant].policy if tenant in self.tenants else self.policy


def parse_config(data: Mapping[str, Any], file: str) -> Config:
    """Turn the content of reconciler.yaml, which has passed its schema, into a value.

    Paths in it are relative to the file. A tenant's `protect` adds to the shared one, its `limits` replace the shared,
    the rules of its `policy` decide before the shared ones.

    Raises:
        ReconcilerError: if a domain is none, or the default tenant is not declared.
    """
    shared = Config(file, {}, data.get("default_tenant"), _protect(data), _limits(data, Limits()), _policy(data))
    folder = Path(file).parent
    tenants = {name: _tenant(name, item or {}, folder, shared) for name, item in (data.get("tenants") or {}).items()}
    config = replace(shared, tenants=tenants)
    if config.default_tenant is not None:
        _named(config, config.default_tenant)
    return config


def choose_tenant(config: Config, name: str | None, environment: Mapping[str, str]) -> Tenant:
    """Return the tenant to work on: `name` (from --tenant), else AUTH0_DOMAIN, else the default tenant.

    AUTH0_DOMAIN may name a domain of reconciler.yaml, whose settings it then takes, or any other.

    Raises:
        ReconcilerError: if there is no such tenant or none is named, or if only reconciler.yaml, which a pull request
            can change, says that credentials should go to a host outside Auth0.
    """
    domain = environment.get("AUTH0_DOMAIN", "").strip()
    if name is not None:
        tenant = _named(config, name)
    elif domain:
        tenant = _by_domain(config, domain)
    elif config.default_tenant is not None:
        tenant = _named(config, config.default_tenant)
    elif len(config.tenants) == 1:
        (tenant,) = config.tenants.values()
    else:
        raise ReconcilerError(f"no tenant: use --tenant, set AUTH0_DOMAIN, or name default_tenant in {config.file}")
    _refuse_strange_host(tenant, domain)
    return tenant


def _refuse_strange_host(tenant: Tenant, domain: str) -> None:
    if tenant.kind is Kind.SANDBOX or tenant.host.split(":")[0].endswith(AUTH0_HOSTS):
        return
    if not domain or _parts(domain)[1] != tenant.host:
        raise ReconcilerError(
            f"tenant {tenant.name}: {tenant.host} is not a host of Auth0; to send credentials there all the same, "
            f"set AUTH0_DOMAIN={tenant.domain} in the environment",
        )


def _by_domain(config: Config, domain: str) -> Tenant:
    host = _parts(domain)[1]
    known = [tenant for tenant in config.tenants.values() if tenant.kind is Kind.AUTH0 and tenant.host == host]
    if known:
        return known[0]
    return Tenant(name=host, domain=domain, protect=config.protect, limits=config.limits, policy=config.policy)


def _named(config: Config, name: str) -> Tenant:
    if name not in config.tenants:
        known = ", ".join(config.tenants) or "none"
        hint = did_you_mean(name, config.tenants) or f"declared are: {known}"
        raise ReconcilerError(f'{config.file} declares no tenant "{name}"; {hint}')
    return config.tenants[name]


def _tenant(name: str, item: Mapping[str, Any], folder: Path, shared: Config) -> Tenant:
    domain = str(item.get("domain", SANDBOX_DOMAIN))
    _parts(domain)
    seed = item.get("seed")
    return Tenant(
        name=name,
        domain=domain,
        kind=Kind(item.get("kind", Kind.AUTH0)),
        protect=(*shared.protect, *_protect(item)),
        limits=_limits(item, shared.limits),
        policy=Policy((*_policy(item).rules, *shared.policy.rules)),
        database=folder / str(item.get("database", SANDBOX_DATABASE)),
        seed=folder / str(seed) if seed else None,
    )


def _protect(item: Mapping[str, Any]) -> tuple[Protect, ...]:
    return tuple(Protect(**patterns) for patterns in item.get("protect") or ())


def _policy(item: Mapping[str, Any]) -> Policy:
    said = item.get("policy") or {}
    return Policy(tuple(_policy_rule(rule) for rule in said.get("rules") or ()))


def _policy_rule(rule: Mapping[str, Any]) -> PolicyRule:
    patterns = {name: rule[name] for name in NAMES if name in rule}
    return PolicyRule(rule["rule"], Verdict(rule["verdict"]), Pattern(**patterns), rule.get("reason", ""))


def _limits(item: Mapping[str, Any], shared: Limits) -> Limits:
    said = item.get("limits") or {}
    return Limits(
        deletes_percent=said.get("deletes", shared.deletes_percent),
        updates_percent=said.get("updates", shared.updates_percent),
        organization_grants=said.get("organization_grants", shared.organization_grants),
    )


def _parts(domain: str) -> tuple[str, str]:
    """Split a domain into its scheme (or nothing) and its host with port."""
    match = DOMAIN.fullmatch(domain)
    if match is None:
        raise ReconcilerError(f'"{domain}" is no domain; write it like example.eu.auth0.com')
    scheme, host = (match["scheme"] or "").removesuffix("://"), match["host"].lower()
    _, _, port = host.rpartition(":")
    if port.isdigit() and not 0 < int(port) <= LAST_PORT:
        raise ReconcilerError(f'"{domain}" has a port that cannot be; ports end at {LAST_PORT}')
    if scheme == "http" and not LOOPBACK.fullmatch(host):
        raise ReconcilerError(f'"{domain}": plain http would show the credentials to the network; leave http:// out')
    return scheme, host
