"""Pure: what one look at a tenant showed, before anybody judges it."""

from dataclasses import dataclass, field

from reconciler.auth0.budget import Heard
from reconciler.auth0.probe import Greeting
from reconciler.config import Tenant
from reconciler.core.identity import IdentityCheck
from reconciler.proxy import Proxy


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something did not work, and what to do about it."""

    text: str
    advice: str


@dataclass(frozen=True, slots=True)
class Unseen:
    """Something could not be looked at, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Listing:
    """An answer to a list of grants: what is wrong with it (nothing if empty), what to do, and the limit it tells."""

    wrong: str
    advice: str
    said: Heard


@dataclass(frozen=True, slots=True)
class Token:
    """An access token; `renewable` if another one can be fetched."""

    text: str = field(repr=False)
    renewable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """All that a look at a tenant showed.

    `credentials` says which ones and where they come from; `addresses` are those of the host that is connected to.
    `identity` is what the tenant's identity is compared with, `unconfirmed` says what is wrong, and what to do, if only
    the configuration decides where credentials go.
    """

    tenant: Tenant
    proxy: Proxy | None
    proxy_notes: tuple[str, ...]
    addresses: tuple[str, ...] | Trouble | Unseen
    credentials: str | Trouble | Unseen
    greeting: Greeting | Trouble | Unseen
    token: Token | Trouble | Unseen
    listing: Listing | Trouble | Unseen
    identity: IdentityCheck | None = None
    unconfirmed: tuple[str, str] | None = None
