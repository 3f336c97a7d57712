"""Serve a sandbox on a free port, for tests of other programs."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from auth0_sandbox.faults.plan import NO_FAULTS, FaultPlan, Rule
from auth0_sandbox.requests.tokens import Permit, issue
from auth0_sandbox.server.serve import serving
from auth0_sandbox.server.tls import Certificates, certificates
from auth0_sandbox.settings import DEFAULT_SETTINGS, Settings
from auth0_sandbox.store.database import MOST_ROWS, DocumentKind
from auth0_sandbox.store.documents import Document, parse
from auth0_sandbox.tenant import Sandbox, open_sandbox

DOMAIN = "sandbox.localhost"


@dataclass(frozen=True, slots=True)
class ServedSandbox:
    """A running sandbox.

    `url` is the address of the sandbox, and `audience` is the identifier of the Management API. The credentials belong
    to the tool of the seed. `certificates` is None without TLS. `sandbox` is the tenant itself.
    """

    url: str
    audience: str
    client_id: str
    client_secret: str = field(repr=False)
    certificates: Certificates | None
    sandbox: Sandbox

    @property
    def domain(self) -> str:
        """The host and the port of the sandbox, for example `127.0.0.1:8321`."""
        return self.url.partition("://")[2]

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment variables that Auth0's tools and their HTTP libraries read."""
        return {
            "AUTH0_DOMAIN": self.domain,
            "AUTH0_CLIENT_ID": self.client_id,
            "AUTH0_CLIENT_SECRET": self.client_secret,
            "AUTH0_AUDIENCE": self.audience,
            **(self.certificates.trust if self.certificates else {}),
        }

    def token(self, *scope: str) -> str:
        """Return an access token with the scopes in `scope`. The default is all scopes of the Management API."""
        store = self.sandbox.store
        api = store.first(DocumentKind.RESOURCE_SERVERS, {"identifier": self.audience}) or {}
        permissions = scope or [each["value"] for each in api.get("scopes", ())]
        permit = Permit(client_id=self.client_id, audience=self.audience, scope=permissions)
        return issue(store.tenant(), permit, time.time())

    def grants(self) -> list[Document]:
        """Return all client grants in their stored form."""
        rows = self.sandbox.store.find(DocumentKind.CLIENT_GRANTS, {}, limit=MOST_ROWS)
        return [parse(row.text) for row in rows]

    def set_faults(self, *rules: Rule) -> None:
        """Replace all fault rules. Without arguments, no faults remain."""
        self.sandbox.control.set_faults(FaultPlan(rules))

    def statistics(self) -> Mapping[str, object]:
        """Return the number of requests since the start, by endpoint and status."""
        return self.sandbox.control.statistics.data()


@contextmanager
def served(  # noqa: PLR0913 - the options of open_sandbox
    database: Path,
    seed: Path | None = None,
    *,
    tls: bool = False,
    settings: Settings = DEFAULT_SETTINGS,
    faults: FaultPlan = NO_FAULTS,
    rate_limit: str = "none",
) -> Iterator[ServedSandbox]:
    """Serve the tenant in `database` on a free port inside this context. Raises like `open_sandbox`.

    With `tls`, the certificates are stored next to the database.
    """
    files = certificates(database, datetime.now(UTC), settings.custom_domain) if tls else None
    with (
        open_sandbox(
            database, seed, DOMAIN, settings=settings, faults=faults, rate_limit=rate_limit, with_admin=True
        ) as sandbox,
        serving(sandbox, certificate=files.server if files else None) as address,
    ):
        yield ServedSandbox(
            url=f"https://localhost:{address.partition(':')[2]}" if tls else f"http://{address}",
            audience=sandbox.store.tenant().management_audience,
            client_id=sandbox.credentials.client_id,
            client_secret=sandbox.credentials.client_secret,
            certificates=files,
            sandbox=sandbox,
        )
