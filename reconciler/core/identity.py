"""Check that reconciler is connected to the right tenant.

Auth0 assigns a host to each tenant, for example `example.eu.auth0.com`. The host that Auth0 assigns is called the
canonical host and identifies the tenant. A tenant may also have custom domains. Auth0 includes the canonical host in
the identifier of the tenant's Management API and in each access token.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from reconciler.core.characters import join_words
from reconciler.core.directory import MANAGEMENT_API_SUFFIX, Api
from reconciler.errors import ReconcilerError

AUTH0_HOSTS = ".auth0.com"
REGIONS = ("au", "ca", "eu", "jp", "uk", "us")
"""The regions that appear in domains of Auth0's public cloud, according to Auth0's documentation (Create Tenants)."""
AUTH0_HOST = re.compile(rf"(?!xn--)[a-z0-9][a-z0-9-]{{1,61}}[a-z0-9](\.({'|'.join(REGIONS)}))?{re.escape(AUTH0_HOSTS)}")
"""Matches `<tenant>.auth0.com` and `<tenant>.<region>.auth0.com`.

Tenant names have 3 to 63 characters, according to Auth0's documentation (Create Tenants).
"""
CREDENTIALS_PREFIX = "AUTH0_"
"""The default prefix of the environment variables that contain the credentials of a tenant."""
LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
RESERVED_NAME = re.compile(r"(.*\.)?(example|invalid|localhost|test|example\.(com|net|org))")
LAST_PORT = 65_535
DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_NAME_LENGTH = 253
CACHE_SIZE = 10_000
"""The maximum number of hosts that each cached function, such as `host_of`, remembers.

The cache saves time, because reconciler compares each tenant with all other tenants.
"""
LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
DOMAIN = re.compile(
    rf"(?P<scheme>https?://)?(?P<name>{LABEL}(\.{LABEL})*\.?|\[::1\])(:(?P<port>[0-9]{{1,5}}))?/?", re.IGNORECASE
)


def is_auth0_host(host: str) -> bool:
    """Return whether a host name has the form of a tenant's host name in Auth0's public cloud."""
    return AUTH0_HOST.fullmatch(host) is not None


def cloud_of(host: str) -> str:
    """Return a name for the cloud in which a tenant runs. `host` is the canonical host of the tenant.

    All tenants of a private cloud share the rate limit of the Authentication API, according to Auth0's documentation.
    The name of a private cloud is the canonical host without the first label. The first label of the canonical host
    differs between tenants. Tenants of the public cloud do not share a rate limit. For a tenant of the public cloud,
    the returned name is the whole canonical host.
    """
    name = strip_port(host)
    parent = name.partition(".")[2]
    return parent if "." in parent and not is_auth0_host(host) and not is_loopback(host) else name


def is_loopback(host: str) -> bool:
    """Return whether a host is a loopback address, such as `localhost`."""
    return LOOPBACK.fullmatch(host) is not None


def is_reserved(host: str) -> bool:
    """Return whether a host is a loopback address or a reserved name (RFC 2606, RFC 6761)."""
    return is_loopback(host) or RESERVED_NAME.fullmatch(strip_port(host)) is not None


def base_url(domain: str) -> str:
    """Return the base URL of a tenant's API. The default scheme is `https`, or `http` for a loopback domain."""
    scheme, host = parse_domain(domain)
    return f"{scheme or _default_scheme(host)}://{host}"


@lru_cache(CACHE_SIZE)
def host_of(domain: str) -> str:
    """Return the host in a domain, in normalized form.

    Raises:
        ReconcilerError: if the domain is not valid.
    """
    return parse_domain(domain)[1]


@lru_cache(CACHE_SIZE)
def strip_port(host: str) -> str:
    """Remove the port from a host."""
    return re.sub(r":[0-9]+$", "", host)


@lru_cache(CACHE_SIZE)
def comparison_key(host: str) -> str:
    """Normalize a host for comparisons. Replace each loopback name with `localhost`."""
    return LOOPBACK.sub(r"localhost\2", host) if is_loopback(host) else host


def is_same_host(host: str, other: str) -> bool:
    """Return whether two hosts are equal. Treat all loopback names as equal, such as `localhost` and `127.0.0.1`."""
    return comparison_key(host) == comparison_key(other)


def parse_domain(domain: str) -> tuple[str, str]:
    """Split a domain into the scheme and the host. The scheme is an empty string if the domain has no scheme.

    The returned host is in lower case, without a trailing dot and without the default port of the scheme.

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
"""The option that permits a run on a tenant that reconciler.yaml does not declare."""


class SameTenantError(ReconcilerError):
    """The error if several tenants in reconciler.yaml refer to the same Auth0 tenant.

    `names` contains the names that reconciler.yaml uses for the Auth0 tenant.
    """

    def __init__(self, message: str, names: tuple[str, ...]) -> None:
        super().__init__(message)
        self.names = names


class IdentityClaims:
    """The canonical hosts that Auth0 reported for the tenants of a run.

    Two tenants in reconciler.yaml must not have the same canonical host.
    """

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}
        self._conflicts: dict[str, SameTenantError] = {}

    def claim(self, name: str, identities: Iterable[str]) -> None:
        """Record the canonical hosts that the tenant `name` reported.

        Recording a canonical host again for the same tenant has no effect.
        """
        for identity in sorted(identities):
            names = self._names.setdefault(identity, [])
            if name not in names:
                names.append(name)
            if names[1:]:
                self.record(same_tenant_error(identity, names))

    def record(self, error: SameTenantError) -> None:
        """Record that all names in `error.names` refer to the same Auth0 tenant."""
        for name in error.names:
            self._conflicts.setdefault(name, error)

    def check(self, name: str) -> None:
        """Raise SameTenantError if another tenant in the run has the same canonical host as the tenant `name`.

        The check ignores tenants whose canonical host is unknown.
        """
        if error := self._conflicts.get(name):
            raise SameTenantError(str(error), error.names)


def same_tenant_error(identity: str, names: Sequence[str]) -> SameTenantError:
    """Create the error for several tenants that have the same canonical host (`identity`)."""
    return SameTenantError(
        f"the tenants {join_words(list(names), 'and')} are the same tenant: they identify themselves as "
        f"{identity}; correct the domains, or remove all but one",
        tuple(names),
    )


def identity_of(identifier: str) -> str | None:
    """Return the host in a Management API identifier like `https://example.eu.auth0.com/api/v2/`.

    Return None if `identifier` is not the identifier of a Management API.
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
    """Return the canonical hosts that occur in the identifiers of the tenant's system APIs.

    A tenant normally has a single canonical host. If Auth0 changes the format of Management API identifiers, the
    function returns an empty set.
    """
    found = (identity_of(api.identifier) for api in apis if api.is_system)
    return frozenset(identity for identity in found if identity)


class IdentityCheck(NamedTuple):
    """A check that reconciler is connected to the right tenant."""

    tenant: str
    """The name of the tenant."""
    host: str
    """The host that reconciler connects to, in normalized form."""
    file: str
    """The name of the configuration file, for messages."""
    expected: str | None = None
    """The canonical host that the tenant must have, or None if no canonical host is configured."""
    source: str = ""
    """The setting or environment variable that contains the expected host, for messages."""
    is_configured: bool = False
    """True if `expected` comes from reconciler.yaml, and False if `expected` comes from an environment variable."""
    others: Mapping[str, str] = MappingProxyType({})
    """A mapping from canonical host to tenant name, for all tenants in reconciler.yaml except the connected tenant."""
    unknown: tuple[str, ...] = ()
    """The names of the tenants in reconciler.yaml whose canonical host is unknown."""
    is_declared: bool = True
    """True if reconciler.yaml declares the tenant."""
    accepts_real_tenant: bool = True
    """True if reconciler is allowed to run on a tenant in Auth0's cloud.

    For an undeclared tenant with a loopback address, `accepts_real_tenant` is False, because only a sandbox has a
    loopback address.
    """

    def verify(self, identities: Collection[str]) -> None:
        """Compare the canonical hosts that the tenant reported with the expected host.

        Raises:
            SameTenantError: if reconciler.yaml declares the connected tenant under a second name.
            ReconcilerError: if the tenant reports an unexpected host or several hosts.
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
        what = f"{found}, which is the domain of the tenant {other} in {self.file}"
        if self.is_declared:
            fix = f"remove {self.tenant} or {other}, or correct the domain of one of the two tenants"
            return SameTenantError(f"{what}; {fix}", (self.tenant, other))
        return SameTenantError(f"{what}; use --tenant {other}, which has its own settings", (other,))

    def notes(self, identities: Collection[str]) -> tuple[str, ...]:
        """Return notes for the reviewer about an incomplete identity check, such as a tenant that reported no host."""
        if not identities:
            compared = f", so {self.source} ({self.expected}) was not checked" if self.expected else ""
            return (f"the tenant at {self.host} does not report its canonical domain{compared}",)
        (identity,) = identities
        return tuple(filter(None, (self._advice(identity), self._note_if_not_comparable(identity))))

    def _advice(self, identity: str) -> str | None:
        """Return advice to add the canonical host to reconciler.yaml, or None if no advice is needed."""
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
        """Return a note if reconciler.yaml may declare the connected tenant under a different domain.

        The settings of a declared tenant, such as `protect`, do not apply to a run on an undeclared tenant.
        """
        if self.is_declared or not self.unknown or not identity.endswith(AUTH0_HOSTS):
            return None
        names = join_words(list(self.unknown), "or")
        return (
            f"{identity} may be the declared tenant {names}, because {self.file} has no canonical_domain for {names}; "
            "the settings of the declared tenant, such as protect, do not apply to this run"
        )


SANDBOX = "SANDBOX"
"""The word that follows the name of a sandbox tenant in human-readable output."""


class TenantName(NamedTuple):
    """The name and the domain of a tenant, and whether the tenant is a sandbox (a local simulation of Auth0)."""

    name: str
    domain: str
    is_sandbox: bool = False

    @property
    def label(self) -> str:
        """The name of the tenant, followed by the word SANDBOX if the tenant is a sandbox."""
        return f"{self.name} {SANDBOX}" if self.is_sandbox else self.name

    def __str__(self) -> str:
        """Return the name and domain of the tenant, such as `production (example.eu.auth0.com)`."""
        return f"{self.label} ({self.domain})"
