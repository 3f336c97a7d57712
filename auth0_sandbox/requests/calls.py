"""Endpoints and the checked requests for their handlers. Handlers do not depend on an HTTP server."""

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from auth0_sandbox.requests.hosts import is_custom_domain
from auth0_sandbox.requests.responses import SandboxResponse
from auth0_sandbox.settings import Settings
from auth0_sandbox.store.database import SandboxTenant, Store
from auth0_sandbox.store.documents import Document, Schema, project

LONGEST_CORRELATION_ID = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSender:
    """The sender of a request. Unknown values are empty texts.

    `base_url` is the address that the sender used for the server, without a final slash. `auth0_client` is the raw
    value of the header Auth0-Client.
    """

    ip: str = ""
    user_agent: str = ""
    auth0_client: str = ""
    correlation_id: str = ""
    base_url: str = ""

    def sdk(self) -> Mapping[str, Any]:
        """Return the decoded header Auth0-Client: the name and version of an SDK.

        An invalid header gives an empty mapping.
        """
        try:
            content = json.loads(b64decode(self.auth0_client))
        except (ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """A checked request.

    The token has the required scope, and the path, query and body match the endpoint's schemas.

    `now` is in UNIX seconds. `host` is the Host header if it names this server, otherwise an empty text. `client_id`
    and `scopes` belong to the token. `body` is the parsed JSON or None. `query` contains parsed numbers and booleans.
    """

    store: Store
    settings: Settings
    tenant: SandboxTenant
    now: float
    host: str = ""
    sender: RequestSender = field(default_factory=RequestSender)
    client_id: str = ""
    scopes: frozenset[str] = frozenset()
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None

    @property
    def issuer(self) -> str:
        """The `iss` of tokens for this request, with the custom domain if the client used the custom domain."""
        return f"https://{self.settings.custom_domain}/" if self.is_at_custom_domain else self.tenant.issuer

    @property
    def is_at_custom_domain(self) -> bool:
        """True if the client used the custom domain."""
        return is_custom_domain(self.host, self.settings.custom_domain)

    def shown_fields(self, document: Document) -> Document:
        """Return `document` with only the requested attributes. The default is all attributes."""
        names = frozenset(name.strip() for name in self.query.get("fields", "").split(",")) - {""}
        return project(document, names, include=self.query.get("include_fields", True)) if names else document


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A method and a path below `/api/v2`, with its schemas, its required scopes and its handler.

    A token needs only one of the scopes in `any_of`. `identity` is the schema of the path parameter `id`. `query`
    contains the schema of each query parameter. `body` returns the schema of the body, and is None for endpoints
    without a body. Log events contain `summary` as the description of the endpoint.
    """

    method: str
    path: str
    any_of: tuple[str, ...]
    handle: Callable[[ApiCall], SandboxResponse]
    identity: Schema = field(default_factory=dict)
    query: Mapping[str, Schema] = field(default_factory=dict)
    body: Callable[[], Schema] | None = None
    summary: str = ""
