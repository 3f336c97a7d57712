"""Talk to a sandbox as a test likes it: synchronously, and with a token that may do everything."""

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
    """A clock that stands still until it is told."""

    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class SandboxClient:
    """A sandbox, and somebody who calls it."""

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
        """Call any path, as nobody."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.sandbox.app)
            async with httpx.AsyncClient(transport=transport, base_url=self.base_url) as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    def create(self, **body: Any) -> dict[str, Any]:
        """Create a grant, by default one of the worker on the invoices."""
        whole = {"client_id": "worker", "audience": INVOICES, "scope": ["read:invoices"]} | body
        answer = self.call("POST", "/client-grants", json={k: v for k, v in whole.items() if v is not None})
        assert answer.status_code == 201, answer.text
        grant: dict[str, Any] = answer.json()
        return grant


def open_client(folder: Path, *, seed: str = SEED, settings: Settings = DEFAULT_SETTINGS) -> SandboxClient:
    """Open a sandbox with a clock of its own in `folder`; the caller closes it."""
    file = folder / "seed.yaml"
    if not file.exists():  # another process may be reading it
        file.write_text(seed, encoding="utf-8")
    clock = Clock()
    return SandboxClient(open_sandbox(folder / "tenant.db", file, DOMAIN, settings=settings, clock=clock), clock)


def error(answer: httpx.Response) -> tuple[int, str, str | None]:
    """Return status, message and errorCode of an error answer, after checking its shape."""
    body = answer.json()
    assert list(body)[:3] == ["statusCode", "error", "message"]
    assert body["statusCode"] == answer.status_code
    return answer.status_code, body["message"], body.get("errorCode")
