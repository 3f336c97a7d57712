"""Pure: compare the identity of a tenant with the configuration.

A tenant has one host from Auth0, the canonical host, and may have custom domains. Its identity is the canonical host.
Auth0 writes it into the identifier of the tenant's Management API, and so into each access token.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.core.directory import MANAGEMENT_API_SUFFIX, Api
from reconciler.core.domain import AUTH0_HOSTS, comparable, host_of, is_loopback, is_same_host
from reconciler.core.quoting import enumerated
from reconciler.errors import ReconcilerError

HTTPS = "https://"
ALLOW_UNNAMED = "--allow-unnamed-tenant"
"""The option that allows a tenant that the configuration does not declare."""


class SameTenantError(ReconcilerError):
    """A declared tenant is reached under another name; `names` are the declared tenants that are one and the same."""

    def __init__(self, message: str, names: tuple[str, ...]) -> None:
        super().__init__(message)
        self.names = names


def same_tenants(identity: str, names: Sequence[str]) -> SameTenantError:
    """Return the error that these declared tenants are one and the same."""
    return SameTenantError(
        f"the tenants {enumerated(list(names), 'and')} are the same tenant: they identify themselves as {identity}; "
        "correct the domain of all but one, or remove them",
        tuple(names),
    )


def identity_of(identifier: str) -> str | None:
    """Return the host in a Management API identifier like `https://example.eu.auth0.com/api/v2/`; None without one."""
    origin = identifier.removesuffix(MANAGEMENT_API_SUFFIX)
    if not identifier.startswith(HTTPS) or origin == identifier or origin.endswith("/"):
        return None
    try:
        return host_of(origin)
    except ReconcilerError:
        return None


def management_api_of(host: str) -> str:
    """Return the identifier of the Management API of the tenant whose canonical host is `host`."""
    return f"{HTTPS}{host}{MANAGEMENT_API_SUFFIX}"


def identities_in(apis: Collection[Api]) -> frozenset[str]:
    """Return the identities in a tenant's list of APIs: one, unless Auth0 changed what it calls its own API."""
    found = (identity_of(api.identifier) for api in apis if api.is_system)
    return frozenset(identity for identity in found if identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityCheck:
    """Which identity a tenant must have.

    `expected` is the canonical host as far as it is known, and `source` is what gives it; `is_configured` says whether
    that is the configuration, not the environment. `others` has the names of the other declared tenants by their hosts,
    `unknown` the names of those whose canonical host nobody wrote down. `is_declared` says whether the configuration
    names the tenant, `may_be_real` whether a tenant of Auth0 may be found there: not on loopback where an unnamed
    tenant is not allowed.
    """

    tenant: str
    host: str
    file: str
    expected: str | None = None
    source: str = ""
    is_configured: bool = False
    others: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    is_declared: bool = True
    may_be_real: bool = True

    def verify(self, seen: Collection[str]) -> None:
        """Compare the identities that the tenant showed with the expected one.

        Raises:
            SameTenantError: if it is another declared tenant.
            ReconcilerError: if it is any other tenant than the configuration says.
        """
        for identity in sorted(seen):
            other = self.others.get(comparable(identity))
            found = f"tenant {self.tenant}: the tenant at {self.host} identifies itself as {identity}"
            if other is not None:
                raise self._same_as(other, found)
            if self.expected and not is_same_host(identity, self.expected):
                raise ReconcilerError(
                    f"{found}, but {self.source} says {self.expected}; no run goes on until one of them is corrected"
                )
            if not self.may_be_real and identity.endswith(AUTH0_HOSTS):
                raise ReconcilerError(
                    f"{found}, which {self.file} does not declare; use --tenant NAME, declare the tenant, or use "
                    f"{ALLOW_UNNAMED} to go on with the shared settings"
                )
        if len(seen) > 1:
            raise ReconcilerError(
                f"tenant {self.tenant}: the tenant at {self.host} identifies itself as "
                f"{enumerated(sorted(seen), 'and as')}; find out what answers there"
            )

    def _same_as(self, other: str, found: str) -> SameTenantError:
        what = f"{found}, which is the tenant {other} of {self.file}"
        if self.is_declared:
            fix = f"remove {self.tenant} or {other}, or correct its domain"
            return SameTenantError(f"{what}; {fix}", (self.tenant, other))
        return SameTenantError(f"{what}; use --tenant {other}, which has its own settings", (other,))

    def notes(self, seen: Collection[str]) -> tuple[str, ...]:
        """Return what a person should know of identities that `verify` accepted."""
        if not seen:
            compared = f"was not compared with {self.source} ({self.expected})" if self.expected else "is unknown"
            return (f"the tenant at {self.host} does not show its identity, which {compared}",)
        (identity,) = seen
        return tuple(filter(None, (self._advice(identity), self._uncompared(identity))))

    def _advice(self, identity: str) -> str | None:
        """Return how to write the identity down where that is still to be done."""
        is_written = self.is_configured if self.is_declared else self.expected or is_loopback(self.host)
        if is_written or is_same_host(identity, self.host):
            return None
        where = f"under the tenant {self.tenant} in {self.file}" if self.is_declared else f"for it in {self.file}"
        return (
            f"the tenant at {self.host} identifies itself as {identity}; write canonical_domain: {identity} {where}, "
            "and each run compares them"
        )

    def _uncompared(self, identity: str) -> str | None:
        """Return that an unnamed tenant may be a declared one, whose guards would be missing."""
        if self.is_declared or not self.unknown or not identity.endswith(AUTH0_HOSTS):
            return None
        return (
            f"{identity} was not compared with {enumerated(list(self.unknown), 'and')}: {self.file} lacks their "
            "canonical_domain, so this may be one of them, without its guards"
        )
