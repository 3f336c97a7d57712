"""Call a sandbox from tests: synchronously, and with a token that has all permissions."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from auth0_sandbox.requests.tokens import Permit, issue
from auth0_sandbox.settings import DEFAULT_SETTINGS, Settings
from auth0_sandbox.tenant import Sandbox, open_sandbox

DOMAIN = "acme.eu.auth0.com"
MANAGEMENT = f"https://{DOMAIN}/api/v2/"
START = 1_800_000_000.0
KINDS = (
    "client_grants",
    "clients",
    "client_credentials",
    "resource_servers",
    "organizations",
    "organization_client_grants",
)
EVERYTHING = (
    *(f"{verb}:{kind}" for verb in ("read", "create", "update", "delete") for kind in KINDS),
    "read:client_keys",
    "update:client_keys",
    "read:connections",
    "read:logs",
    "read:organization_clients",
    "read:organization_connections",
    "read:organization_discovery_domains",
    "read:organization_members",
)
INVOICES = "https://api.example.com/invoices"
SEED = """
applications:
  - {name: Worker, client_id: worker, client_secret: hush}
  - {name: Portal, client_id: portal, app_type: regular_web, grant_types: [authorization_code]}
  - {name: Partner, client_id: tpc_partner, is_first_party: false, third_party_security_mode: strict}
  - {name: Express, client_id: express, app_type: express_configuration}
apis:
  - {name: Invoices API, identifier: "https://api.example.com/invoices", scopes: ["read:invoices", "write:invoices"]}
  - {name: Empty API, identifier: "https://api.example.com/empty"}
  - {name: My Organization API, identifier: "https://acme.eu.auth0.com/my-org/", is_system: true, scopes: ["read:it"]}
organizations:
  - {name: globex, display_name: Globex}
grants:
  - {id: cgr_SystemSystem0001, client: Express, audience: "urn:express", scope: [configure], is_system: true}
"""


@dataclass
class Clock:
    """A clock whose time changes only if a test sets it."""

    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class SandboxClient:
    """Calls a sandbox."""

    sandbox: Sandbox
    clock: Clock
    scopes: tuple[str, ...] = EVERYTHING
    base_url: str = "http://sandbox.test"
    headers: Mapping[str, str] = field(default_factory=dict)

    def token(self) -> str:
        tenant = self.sandbox.store.tenant()
        return issue(tenant, Permit(client_id="somebody", audience=MANAGEMENT, scope=self.scopes), self.clock.now)

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call a path below /api/v2."""
        headers = {"authorization": f"Bearer {self.token()}"} | dict(options.pop("headers", {}))
        return self.raw(method, f"/api/v2{path}", headers=headers, **options)

    def raw(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call any path, without a token."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.sandbox.app)
            async with httpx.AsyncClient(transport=transport, base_url=self.base_url) as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    def create(self, **body: Any) -> dict[str, Any]:
        """Create a grant, by default for the application `worker` and the API INVOICES."""
        grant_body = {"client_id": "worker", "audience": INVOICES, "scope": ["read:invoices"]} | body
        response = self.call("POST", "/client-grants", json={k: v for k, v in grant_body.items() if v is not None})
        assert response.status_code == 201, response.text
        grant: dict[str, Any] = response.json()
        return grant


def open_client(folder: Path, *, seed: str = SEED, settings: Settings = DEFAULT_SETTINGS) -> SandboxClient:
    """Open a sandbox in `folder` with its own clock. The caller closes it."""
    file = folder / "seed.yaml"
    if not file.exists():  # another process may be reading it
        file.write_text(seed, encoding="utf-8")
    clock = Clock()
    return SandboxClient(open_sandbox(folder / "tenant.db", file, DOMAIN, settings=settings, clock=clock), clock)


def error_of(response: httpx.Response) -> tuple[int, str, str | None]:
    """Return status, message and errorCode of an error response, after checking its format."""
    body = response.json()
    assert list(body)[:3] == ["statusCode", "error", "message"]
    assert body["statusCode"] == response.status_code
    return response.status_code, body["message"], body.get("errorCode")
