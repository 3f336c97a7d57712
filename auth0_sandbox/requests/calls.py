"""Pure: what an endpoint is, and what its handler gets. Handlers know nothing of HTTP servers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from auth0_sandbox.requests.responses import SandboxResponse
from auth0_sandbox.settings import Settings
from auth0_sandbox.store.database import SandboxTenant, Store
from auth0_sandbox.store.documents import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """One request, checked: the token has the permission; path, query and body fit the endpoint's schemas.

    `now` is in UNIX seconds. `host` is the server's own name as the client used it, else empty. `scopes` are the
    token's. `body` is the parsed JSON (None for none) and `query` has numbers and booleans as such; Any, because the
    endpoint's schema says what they are.
    """

    store: Store
    settings: Settings
    tenant: SandboxTenant
    now: float
    host: str = ""
    scopes: frozenset[str] = frozenset()
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A method and a path below `/api/v2`, what it takes, who may call it, and what it does.

    `any_of` lists the permissions of which a token needs one. `identity` is the schema of the path's `id`, `query` maps
    parameters to their schemas, `body` gives the body's schema and is None where no body is read.
    """

    method: str
    path: str
    any_of: tuple[str, ...]
    handle: Callable[[ApiCall], SandboxResponse]
    identity: Schema = field(default_factory=dict)
    query: Mapping[str, Schema] = field(default_factory=dict)
    body: Callable[[], Schema] | None = None
