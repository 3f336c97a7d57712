"""Pure: compare the identity of a tenant with the configuration.

Auth0 assigns a host to each tenant, the canonical host. A tenant may also have custom domains. The canonical host is
the identity of a tenant. Auth0 includes the canonical host in the identifier of the tenant's Management API, and
therefore in each access token.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from reconciler.core.characters import join_words
from reconciler.core.directory import MANAGEMENT_API_SUFFIX, Api
from reconciler.errors import ReconcilerError

AUTH0_HOSTS = ".auth0.com"
REGIONS = ("au", "ca", "eu", "jp", "uk", "us")
"""The regions in the domains of Auth0's public cloud (Auth0 documentation: Create Tenants)."""
AUTH0_HOST = re.compile(rf"(?!xn--)[a-z0-9][a-z0-9-]{{1,61}}[a-z0-9](\.({'|'.join(REGIONS)}))?{re.escape(AUTH0_HOSTS)}")
"""Matches `<tenant>.auth0.com` and `<tenant>.<region>.auth0.com`.

Tenant names have 3 to 63 characters (Create Tenants).
"""
CREDENTIALS_PREFIX = "AUTH0_"
"""The default prefix of the environment variables that contain the credentials of a tenant."""
LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
RESERVED_NAME = re.compile(r"(.*\.)?(example|invalid|localhost|test|example\.(com|net|org))")
LAST_PORT = 65_535
DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_NAME_LENGTH = 253
CACHE_SIZE = 10_000
"""The maximum number of cached hosts.

Each tenant is compared with all other tenants, so each host is needed many times.
"""
LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
DOMAIN = re.compile(
    rf"(?P<scheme>https?://)?(?P<name>{LABEL}(\.{LABEL})*\.?|\[::1\])(:(?P<port>[0-9]{{1,5}}))?/?", re.IGNORECASE
)


def is_auth0_host(host: str) -> bool:
    """Return whether a canonical host has the form that Auth0 documents for tenants."""
    return AUTH0_HOST.fullmatch(host) is not None


def cloud_of(host: str) -> str:
    """Return the name of the Auth0 cloud that hosts the tenant with the canonical host `host`.

    All tenants of a private cloud share the rate limit of the Authentication API (Auth0 documentation: Rate Limit
    Policy). The hosts of a private cloud differ in the first label, so the other labels are the name of the cloud. A
    tenant of the public cloud has its own rate limits, so the whole host is the name of the cloud.
    """
    name = strip_port(host)
    parent = name.partition(".")[2]
    return parent if "." in parent and not is_auth0_host(host) and not is_loopback(host) else name


def is_loopback(host: str) -> bool:
    """Return whether a canonical host is a loopback address."""
    return LOOPBACK.fullmatch(host) is not None


def is_reserved(host: str) -> bool:
    """Return whether a canonical host is a loopback address or a reserved name (RFC 2606, RFC 6761)."""
    return is_loopback(host) or RESERVED_NAME.fullmatch(strip_port(host)) is not None


def base_url(domain: str) -> str:
    """Return the base URL of the tenant's API. The scheme is https, except for a loopback domain without `https://`."""
    scheme, host = parse_domain(domain)
    return f"{scheme or _default_scheme(host)}://{host}"


@lru_cache(CACHE_SIZE)
def host_of(domain: str) -> str:
    """Return the canonical host of a domain.

    Raises:
        ReconcilerError: if the domain is not valid.
    """
    return parse_domain(domain)[1]


@lru_cache(CACHE_SIZE)
def strip_port(host: str) -> str:
    """Remove the port from a canonical host."""
    return re.sub(r":[0-9]+$", "", host)


@lru_cache(CACHE_SIZE)
def comparison_key(host: str) -> str:
    """Normalize a canonical host for comparisons. All loopback names become `localhost`."""
    return LOOPBACK.sub(r"localhost\2", host) if is_loopback(host) else host


def is_same_host(host: str, other: str) -> bool:
    """Return whether two canonical hosts are equal. All loopback names are equal."""
    return comparison_key(host) == comparison_key(other)


def parse_domain(domain: str) -> tuple[str, str]:
    """Split a domain into scheme and canonical host. The scheme may be empty.

    The canonical host is in lower case, without a final dot and without the default port of the scheme.

    Raises:
        ReconcilerError: if the domain is not valid, with advice in the message.
    """
    match = DOMAIN.fullmatch(domain)
    if match is None or len(match["name"]) > MAX_NAME_LENGTH:
        raise ReconcilerError(f'"{domain}" is not a valid domain; use a domain like example.eu.auth0.com')
    scheme = (match["scheme"] or "").lower().removesuffix("://")
    name = match["name"].lower().removesuffix(".")
    port = int(match["port"] or 0)
    if match["port"] and not 0 < port <= LAST_PORT:
        raise ReconcilerError(f'"{domain}" has an invalid port; the port must be between 1 and {LAST_PORT}')
    if scheme == "http" and not is_loopback(name):
        raise ReconcilerError(f'"{domain}": plain http would show the credentials to the network; remove http://')
    if "." not in name and not port and not is_loopback(name):
        raise ReconcilerError(
            f'"{domain}" is not a complete domain (it has no dot); use a domain like example.eu.auth0.com'
        )
    is_implied = port in {0, DEFAULT_PORTS[scheme or _default_scheme(name)]}
    return scheme, name if is_implied else f"{name}:{port}"


def _default_scheme(host: str) -> str:
    return "http" if is_loopback(host) else "https"


HTTPS = "https://"
ALLOW_UNNAMED = "--allow-unnamed-tenant"
"""The option that permits a run on an undeclared tenant."""


class SameTenantError(ReconcilerError):
    """The error if several tenants in the configuration are the same tenant.

    `names` contains the names of the tenants.
    """

    def __init__(self, message: str, names: tuple[str, ...]) -> None:
        super().__init__(message)
        self.names = names


class IdentityClaims:
    """The identities of the tenants of a run. Two tenants of the configuration must not have the same identity."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}
        self._conflicts: dict[str, SameTenantError] = {}

    def claim(self, name: str, identities: Iterable[str]) -> None:
        """Record the identities of the tenant `name`. Repeated calls have no effect."""
        for identity in sorted(identities):
            names = self._names.setdefault(identity, [])
            if name not in names:
                names.append(name)
            if names[1:]:
                self.record(same_tenant_error(identity, names))

    def record(self, error: SameTenantError) -> None:
        """Record the tenants of `error` as the same tenant."""
        for name in error.names:
            self._conflicts.setdefault(name, error)

    def check(self, name: str) -> None:
        """Raise SameTenantError if another tenant of the run has the same identity.

        Unknown identities are not compared.
        """
        if error := self._conflicts.get(name):
            raise SameTenantError(str(error), error.names)


def same_tenant_error(identity: str, names: Sequence[str]) -> SameTenantError:
    """Create the error for several tenants that all identify themselves as `identity`."""
    return SameTenantError(
        f"the tenants {join_words(list(names), 'and')} are the same tenant: they identify themselves as "
        f"{identity}; correct the domains, or remove all but one",
        tuple(names),
    )


def identity_of(identifier: str) -> str | None:
    """Return the host in a Management API identifier like `https://example.eu.auth0.com/api/v2/`.

    Return None for other identifiers.
    """
    origin = identifier.removesuffix(MANAGEMENT_API_SUFFIX)
    if not identifier.startswith(HTTPS) or origin == identifier or origin.endswith("/"):
        return None
    try:
        return host_of(origin)
    except ReconcilerError:
        return None


def management_api_identifier(host: str) -> str:
    """Return the identifier of the Management API of the tenant with the canonical host `host`."""
    return f"{HTTPS}{host}{MANAGEMENT_API_SUFFIX}"


def identities_in(apis: Collection[Api]) -> frozenset[str]:
    """Return the identities in a tenant's listing of APIs.

    Normally, the result contains a single identity. The result is empty if Auth0 changed the format of the Management
    API's identifier.
    """
    found = (identity_of(api.identifier) for api in apis if api.is_system)
    return frozenset(identity for identity in found if identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityCheck:
    """The identity that a tenant must have."""

    tenant: str
    """The name of the tenant."""
    host: str
    """The canonical form of the domain that reconciler connects to."""
    file: str
    """The name of the configuration file, for messages."""
    expected: str | None = None
    """The canonical host that the tenant must have, or None if the host is unknown."""
    source: str = ""
    """The setting or variable that contains `expected`, for messages."""
    is_configured: bool = False
    """Whether `expected` comes from the configuration and not from the environment."""
    others: Mapping[str, str] = field(default_factory=dict)
    """The names of the other declared tenants, by canonical host."""
    unknown: tuple[str, ...] = ()
    """The names of declared tenants whose canonical host is unknown."""
    is_declared: bool = True
    """Whether the configuration declares the tenant."""
    accepts_real_tenant: bool = True
    """Whether a tenant of Auth0's cloud is accepted. An undeclared tenant on a loopback address must not be one."""

    def verify(self, identities: Collection[str]) -> None:
        """Compare the identities in the tenant's responses with the expected identity.

        Raises:
            SameTenantError: if the tenant is another declared tenant.
            ReconcilerError: if the tenant has an unexpected identity or several identities.
        """
        for identity in sorted(identities):
            other = self.others.get(comparison_key(identity))
            found = f"tenant {self.tenant}: the tenant at {self.host} identifies itself as {identity}"
            if other is not None:
                raise self._same_as(other, found)
            if self.expected and not is_same_host(identity, self.expected):
                raise ReconcilerError(
                    f"{found}, but {self.source} says {self.expected}; "
                    f"connect to {self.expected}, or correct {self.source}"
                )
            if not self.accepts_real_tenant and identity.endswith(AUTH0_HOSTS):
                raise ReconcilerError(
                    f"{found}, which {self.file} does not declare; use --tenant NAME, declare the tenant, or "
                    f"use {ALLOW_UNNAMED} to continue with the shared settings"
                )
        if len(identities) > 1:
            raise ReconcilerError(
                f"tenant {self.tenant}: the tenant at {self.host} identifies itself as "
                f"{join_words(sorted(identities), 'and as')}; check which server this domain points to"
            )

    def _same_as(self, other: str, found: str) -> SameTenantError:
        what = f"{found}, which is the tenant {other} of {self.file}"
        if self.is_declared:
            fix = f"remove {self.tenant} or {other}, or correct its domain"
            return SameTenantError(f"{what}; {fix}", (self.tenant, other))
        return SameTenantError(f"{what}; use --tenant {other}, which has its own settings", (other,))

    def notes(self, identities: Collection[str]) -> tuple[str, ...]:
        """Return notes if an accepted identity is missing, not configured, or not compared with other tenants."""
        if not identities:
            compared = f", so {self.source} ({self.expected}) was not checked" if self.expected else ""
            return (f"the tenant at {self.host} does not show its identity{compared}",)
        (identity,) = identities
        return tuple(filter(None, (self._advice(identity), self._note_if_not_comparable(identity))))

    def _advice(self, identity: str) -> str | None:
        """Return advice to add the identity to the configuration, or None if no advice is needed."""
        is_written = self.is_configured if self.is_declared else self.expected or is_loopback(self.host)
        if is_written or is_same_host(identity, self.host):
            return None
        location = (
            f"under the tenant {self.tenant} in {self.file}" if self.is_declared else f"for this tenant in {self.file}"
        )
        return (
            f"the tenant at {self.host} identifies itself as {identity}; write canonical_domain: {identity} "
            f"{location}, so that each run checks the identity"
        )

    def _note_if_not_comparable(self, identity: str) -> str | None:
        """Return a note if an undeclared tenant may be a declared tenant, whose guards would not apply."""
        if self.is_declared or not self.unknown or not identity.endswith(AUTH0_HOSTS):
            return None
        return (
            f"{identity} was not compared with {join_words(list(self.unknown), 'and')}, because {self.file} lacks "
            f"canonical_domain for these tenants; if {identity} is one of these tenants, the guards of that tenant do "
            "not apply in this run"
        )
