"""Pure: what one look at a tenant showed, before anybody judges it."""

from dataclasses import dataclass, field

from reconciler.auth0.budget import RateLimitHeaders
from reconciler.auth0.probe import FirstResponse
from reconciler.config import Tenant
from reconciler.core.identity import IdentityCheck
from reconciler.proxy import Proxy


@dataclass(frozen=True, slots=True)
class ProbeFailed:
    """Something did not work, and what to do about it."""

    text: str
    advice: str


@dataclass(frozen=True, slots=True)
class ProbeSkipped:
    """Something could not be looked at, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class ProbedListing:
    """An answer to a list of grants: what is wrong with it (nothing if empty), what to do, and the limit it tells."""

    wrong: str
    advice: str
    said: RateLimitHeaders


@dataclass(frozen=True, slots=True)
class ProbedToken:
    """An access token; `renewable` if another one can be fetched."""

    text: str = field(repr=False)
    renewable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantProbe:
    """All that a look at a tenant showed.

    `credentials` says which ones and where they come from; `addresses` are those of the host that is connected to.
    `identity` is what the tenant's identity is compared with, `unconfirmed` says what is wrong, and what to do, if only
    the configuration decides where credentials go.
    """

    tenant: Tenant
    proxy: Proxy | None
    proxy_notes: tuple[str, ...]
    addresses: tuple[str, ...] | ProbeFailed | ProbeSkipped
    credentials: str | ProbeFailed | ProbeSkipped
    greeting: FirstResponse | ProbeFailed | ProbeSkipped
    token: ProbedToken | ProbeFailed | ProbeSkipped
    listing: ProbedListing | ProbeFailed | ProbeSkipped
    identity: IdentityCheck | None = None
    unconfirmed: tuple[str, str] | None = None
