"""A sandbox with faults, and its caller with its own clock and timeout."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sandbox.sandbox_client import DOMAIN, SEED, Clock, SandboxClient

from auth0_sandbox.faults.plan import Fault, FaultPlan, Rule
from auth0_sandbox.server.transport import SandboxTransport
from auth0_sandbox.settings import DEFAULT_SETTINGS, Settings
from auth0_sandbox.store.database import DocumentKind
from auth0_sandbox.tenant import open_sandbox

GRANTS = "/api/v2/client-grants"
GRANT = "/api/v2/client-grants/{id}"


@dataclass(frozen=True)
class FaultySandboxClient(SandboxClient):
    """Calls a sandbox that can break connections. `slept` has the delays of the tenant in seconds."""

    slept: list[float] = field(default_factory=list)
    timeout: float | None = None

    def raw(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = SandboxTransport(self.sandbox.app)
            async with httpx.AsyncClient(transport=transport, base_url=self.base_url, timeout=self.timeout) as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    def set_faults(self, *rules: Rule) -> None:
        self.sandbox.control.set_faults(FaultPlan(rules))

    def stored(self, grant: dict[str, Any]) -> dict[str, Any] | None:
        """Return the grant as the tenant stores it."""
        return self.sandbox.store.get(DocumentKind.CLIENT_GRANTS, grant["id"])


@contextmanager
def open_faulty_sandbox(
    folder: Path,
    *rules: Rule,
    rate_limit: str = "none",
    settings: Settings = DEFAULT_SETTINGS,
    with_admin: bool = False,
    timeout: float | None = None,
) -> Iterator[FaultySandboxClient]:
    """Open a sandbox in `folder` that injects the faults in `rules`."""
    seed = folder / "seed.yaml"
    seed.write_text(SEED, encoding="utf-8")
    clock = Clock()
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if timeout is not None:
            await asyncio.sleep(seconds)

    with open_sandbox(
        folder / "tenant.db",
        seed,
        DOMAIN,
        settings=settings,
        clock=clock,
        faults=FaultPlan(rules),
        rate_limit=rate_limit,
        sleep=sleep,
        with_admin=with_admin,
    ) as sandbox:
        yield FaultySandboxClient(sandbox, clock, base_url="http://localhost", slept=slept, timeout=timeout)


def on_grants(fault: Fault, method: str = "*", **options: Any) -> Rule:
    """Return a rule for /client-grants."""
    return Rule(fault, method, GRANTS, **options)


def on_a_grant(fault: Fault, method: str = "*", **options: Any) -> Rule:
    """Return a rule for /client-grants/{id}."""
    return Rule(fault, method, GRANT, **options)
