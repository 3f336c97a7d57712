"""Another name for a tenant must not remove its guards or send its credentials to another host."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from support.commands import GRANTS, SECRET, a_workspace, reconciler
from support.tenants import stored_grants

from auth0_sandbox.requests.tokens import Permit, issue
from auth0_sandbox.server.serve import serving
from auth0_sandbox.tenant import Sandbox, open_sandbox

IDENTITY = "prod.eu.auth0.com"
SEED = f"""
tool: {{name: Reconciler, client_id: own, client_secret: {SECRET}}}
applications:
  - {{name: Billing, client_id: billing, client_secret: {SECRET}-of-billing}}
  - {{name: Legacy Batch, client_id: legacy}}
  - {{name: Portal, client_id: portal}}
apis:
  - {{name: Invoices API, identifier: https://api.example.com/invoices, scopes: ["read:invoices", "write:invoices"]}}
grants:
  - {{client: Billing, api: Invoices API, scope: ["read:invoices", "write:invoices"]}}
  - {{client: Legacy Batch, api: Invoices API, scope: ["read:invoices"]}}
  - {{client: Portal, api: Invoices API, scope: ["read:invoices"]}}
"""
PROTECT = "protect: [{client: Legacy Batch, reason: ask first}]"
LIMITS = "limits: {deletes: 100}"
PRUNE = ("apply", "--prune", "--yes")


@dataclass(frozen=True)
class ServedTenant:
    """A tenant that is served at one or more addresses."""

    sandbox: Sandbox
    addresses: list[str]
    requests: list[str]

    @property
    def holders(self) -> set[str]:
        """The applications that hold a grant, without the tool's own."""
        return {grant["client_id"] for grant in stored_grants(self.sandbox)} - {"own"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return a_workspace(tmp_path, monkeypatch, tenant=SEED, **{"grants/billing": GRANTS})


@contextmanager
def serve_tenant(
    here: Path, identity: str = IDENTITY, addresses: int = 2, middleware: Callable[[ASGIApp], ASGIApp] = lambda app: app
) -> Iterator[ServedTenant]:
    """Serve a tenant with the identity `identity`."""
    with ExitStack() as opened:
        sandbox = opened.enter_context(open_sandbox(here / f"{identity}.db", here / "tenant.yaml", identity))
        requests: list[str] = []

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            requests.append(scope["path"])
            await middleware(sandbox.app)(scope, receive, send)

        reached = replace(sandbox, app=counted)
        yield ServedTenant(sandbox, [opened.enter_context(serving(reached)) for _ in range(addresses)], requests)


@pytest.fixture
def prod(here: Path) -> Iterator[ServedTenant]:
    with serve_tenant(here) as served:
        yield served


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch, here: Path) -> Callable[[str], None]:  # noqa: ARG001 - the fixture must run first
    def at(domain: str) -> None:
        for name, value in {"DOMAIN": domain, "CLIENT_ID": "own", "CLIENT_SECRET": SECRET}.items():
            monkeypatch.setenv(f"AUTH0_{name}", value)

    return at


def configure(here: Path, text: str) -> None:
    (here / "reconciler.yaml").write_text(f"{LIMITS}\n{text}\n")


def declare(here: Path, *tenants: str) -> None:
    configure(here, "tenants:\n" + "".join(f"  {each}\n" for each in tenants))


@pytest.mark.parametrize("spelling", ["localhost:{}", "http://LOCALHOST:{}/", "localhost.:{}", "127.0.0.1.:{}"])
def test_another_spelling_of_the_host_does_not_remove_the_guards(
    here: Path, prod: ServedTenant, credentials: Callable[[str], None], spelling: str
) -> None:
    address = prod.addresses[0]
    declare(here, f"prod: {{domain: '{address}', {PROTECT}}}")
    credentials(spelling.format(address.rpartition(":")[2]))

    result = reconciler(*PRUNE)

    assert result.code == 0, result.output
    assert "Tenant prod" in result.stdout
    assert prod.holders == {"billing", "legacy"}


def test_another_address_of_a_declared_tenant_is_refused(
    here: Path, prod: ServedTenant, credentials: Callable[[str], None]
) -> None:
    first, second = prod.addresses
    declare(here, f"prod: {{domain: '{first}', canonical_domain: {IDENTITY}, {PROTECT}}}")
    credentials(second)

    for options in ([], ["--allow-unnamed-tenant"]):
        result = reconciler(*options, *PRUNE)
        assert result.code == 1
        assert (
            f"identifies itself as {IDENTITY}, which is the domain of the tenant prod in reconciler.yaml"
            in result.stderr
        )
        assert "use --tenant prod" in result.stderr
    assert prod.holders == {"billing", "legacy", "portal"}


def test_a_local_proxy_to_an_auth0_tenant_is_not_treated_as_a_sandbox(
    here: Path, prod: ServedTenant, credentials: Callable[[str], None]
) -> None:
    declare(here, f"prod: {{domain: login.example.com, {PROTECT}}}")
    credentials(prod.addresses[0])

    refused = reconciler(*PRUNE)

    assert refused.code == 1
    assert f"identifies itself as {IDENTITY}, which reconciler.yaml does not declare" in refused.stderr
    assert "--allow-unnamed-tenant" in refused.stderr
    assert prod.holders == {"billing", "legacy", "portal"}
    assert reconciler("--allow-unnamed-tenant", "plan").code == 0


@pytest.mark.parametrize("command", [PRUNE, ("plan",), ("import",)], ids=" ".join)
def test_another_tenant_name_does_not_remove_the_guards(
    here: Path, prod: ServedTenant, credentials: Callable[[str], None], command: tuple[str, ...]
) -> None:
    first, second = prod.addresses
    declare(
        here,
        f"prod: {{domain: '{first}', canonical_domain: {IDENTITY}, {PROTECT}}}",
        f"staging: {{domain: '{second}'}}",
    )
    credentials(second)

    result = reconciler("--tenant", "staging", *command)

    assert (result.code, result.stdout) == (1, "")
    assert "tenant staging: " in result.stderr
    assert "which is the domain of the tenant prod in reconciler.yaml" in result.stderr
    assert prod.holders == {"billing", "legacy", "portal"}


@pytest.mark.parametrize("canonical", ["", f", canonical_domain: {IDENTITY}"], ids=["seen", "configured"])
def test_two_declared_tenants_with_one_identity_are_refused(
    here: Path, prod: ServedTenant, credentials: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, canonical: str
) -> None:
    first, second = prod.addresses
    declare(
        here,
        f"prod: {{domain: '{first}'{canonical}, {PROTECT}}}",
        f"staging: {{domain: '{second}', credentials: AUTH0_STAGING_}}",
    )
    credentials(first)
    for name, value in {"DOMAIN": second, "CLIENT_ID": "own", "CLIENT_SECRET": SECRET}.items():
        monkeypatch.setenv(f"AUTH0_STAGING_{name}", value)

    result = reconciler("--all-tenants", *PRUNE)

    assert result.code == 1
    lines = result.stderr.splitlines()
    assert [line.split(": ")[1] for line in lines if line.startswith("error: ")] in (
        ["prod", "staging"],
        ["staging", "prod"],
    )
    assert all(
        "prod" in line and "staging" in line and IDENTITY in line for line in lines if line.startswith("error: ")
    )
    assert prod.holders == {"billing", "legacy", "portal"}


@pytest.mark.parametrize("command", [PRUNE, ("plan",), ("import",), ("list",)], ids=" ".join)
def test_a_tenant_with_another_identity_is_not_changed(
    here: Path, prod: ServedTenant, credentials: Callable[[str], None], command: tuple[str, ...]
) -> None:
    address = prod.addresses[0]
    declare(here, f"dev: {{domain: '{address}', canonical_domain: dev.eu.auth0.com}}")
    credentials(address)

    result = reconciler(*command)

    assert (result.code, result.stdout) == (1, "")
    assert prod.holders == {"billing", "legacy", "portal"}


@pytest.mark.parametrize("command", [PRUNE, ("plan",), ("import",), ("list",)], ids=" ".join)
def test_a_token_of_another_tenant_is_never_sent(
    here: Path, prod: ServedTenant, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    address = prod.addresses[0]
    declare(here, f"dev: {{domain: '{address}', canonical_domain: dev.eu.auth0.com}}")
    tenant = prod.sandbox.store.tenant()
    token = issue(tenant, Permit(client_id="own", audience=tenant.management_audience, scope=["read:clients"]), 2e9)
    monkeypatch.setenv("AUTH0_DOMAIN", address)
    monkeypatch.setenv("AUTH0_ACCESS_TOKEN", token)

    result = reconciler(*command)

    assert (result.code, result.stdout) == (1, "")
    assert f"identifies itself as {IDENTITY}, but canonical_domain says dev.eu.auth0.com" in result.stderr
    assert prod.requests == []


def replace_identity(old: bytes, new: bytes) -> Callable[[ASGIApp], ASGIApp]:
    """Return a middleware that replaces `old` by `new` in the list of APIs. Both have the same length."""
    assert len(old) == len(new)

    def middleware(app: ASGIApp) -> ASGIApp:
        async def rewritten(scope: Scope, receive: Receive, send: Send) -> None:
            async def pass_on(message: Message) -> None:
                if "resource-servers" in scope["path"] and "body" in message:
                    message = {**message, "body": message["body"].replace(old, new)}
                await send(message)

            await app(scope, receive, pass_on)

        return rewritten

    return middleware


def test_an_api_list_of_another_tenant_ends_the_run_before_any_write(
    here: Path, credentials: Callable[[str], None]
) -> None:
    with serve_tenant(here, middleware=replace_identity(b"prod.eu.auth0.com", b"evil.eu.auth0.com")) as prod:
        address = prod.addresses[0]
        declare(here, f"prod: {{domain: '{address}', canonical_domain: {IDENTITY}}}")
        credentials(address)

        result = reconciler(*PRUNE)

        assert result.code == 1
        assert f"identifies itself as evil.eu.auth0.com, but canonical_domain says {IDENTITY}" in result.stderr
        assert prod.holders == {"billing", "legacy", "portal"}


def test_a_tenant_with_two_identities_is_refused(here: Path, credentials: Callable[[str], None]) -> None:
    with serve_tenant(here, middleware=replace_identity(b"prod.eu.auth0.com", b"evil.eu.auth0.com")) as prod:
        declare(here, f"prod: {{domain: '{prod.addresses[0]}'}}")
        credentials(prod.addresses[0])

        result = reconciler(*PRUNE)

        assert result.code == 1
        assert "identifies itself as evil.eu.auth0.com and as prod.eu.auth0.com" in result.stderr
        assert prod.holders == {"billing", "legacy", "portal"}


@pytest.mark.parametrize("audience", [IDENTITY, None], ids=["audience", "no-audience"])
def test_a_custom_domain_works_and_a_note_suggests_the_canonical_domain(
    here: Path,
    prod: ServedTenant,
    credentials: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    audience: str | None,
) -> None:
    address = prod.addresses[0]
    declare(here, f"prod: {{domain: '{address}', {PROTECT}}}")
    credentials(address)
    if audience:
        monkeypatch.setenv("AUTH0_AUDIENCE", f"https://{audience}/api/v2/")

    without = reconciler("plan", "--prune")
    declare(here, f"prod: {{domain: '{address}', canonical_domain: {IDENTITY}, {PROTECT}}}")
    with_it = reconciler("plan", "--prune")

    advice = f"write canonical_domain: {IDENTITY} under the tenant prod in reconciler.yaml"
    assert (without.code, with_it.code) == (0, 0)
    assert advice in without.stdout
    assert "identifies itself" not in with_it.stdout
    assert reconciler(*PRUNE).code == 0
    assert prod.holders == {"billing", "legacy"}


def test_an_audience_of_another_tenant_ends_the_run_before_any_request(
    here: Path, prod: ServedTenant, credentials: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = prod.addresses[0]
    declare(here, f"prod: {{domain: '{address}', canonical_domain: dev.eu.auth0.com, {PROTECT}}}")
    credentials(address)
    monkeypatch.setenv("AUTH0_AUDIENCE", f"https://{IDENTITY}/api/v2/")

    result = reconciler(*PRUNE)

    assert result.code == 1
    assert (
        f"AUTH0_AUDIENCE is https://{IDENTITY}/api/v2/, but the canonical domain is dev.eu.auth0.com" in result.stderr
    )
    assert prod.requests == []


def test_the_comparison_needs_no_request(here: Path, prod: ServedTenant, credentials: Callable[[str], None]) -> None:
    address = prod.addresses[0]
    (here / "grants" / "billing.yaml").write_text(GRANTS)
    credentials(address)
    counts = []
    for canonical in ("", f", canonical_domain: {IDENTITY}"):
        declare(here, f"prod: {{domain: '{address}'{canonical}}}")
        prod.requests.clear()
        assert reconciler("plan", "--detailed-exitcode").code == 0
        counts.append(len(prod.requests))

    assert counts[0] == counts[1]


@pytest.fixture
def recording_proxy(monkeypatch: pytest.MonkeyPatch, here: Path) -> Iterator[list[bytes]]:  # noqa: ARG001 - the fixture must run first
    """A proxy that records all received data."""
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        stopped = threading.Event()

        def listen() -> None:
            while not stopped.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    received.append(connection.recv(1000))

        thread = threading.Thread(target=listen)
        thread.start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.getsockname()[1]}")
        yield received
        stopped.set()
        thread.join()


@pytest.mark.parametrize("prefix", ["AUTH0_", "AUTH0_PROD_"])
@pytest.mark.parametrize("command", [("plan",), ("apply", "--yes"), ("import",), ("list",), ("doctor",)], ids=" ".join)
def test_a_changed_domain_gets_no_credentials(
    here: Path, recording_proxy: list[bytes], monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], prefix: str
) -> None:
    declare(here, f"prod: {{domain: evil.eu.auth0.com, credentials: {prefix}}}")
    for name, value in {"DOMAIN": IDENTITY, "CLIENT_ID": "own", "CLIENT_SECRET": SECRET}.items():
        monkeypatch.setenv(f"{prefix}{name}", value)

    result = reconciler("--tenant", "prod", *command)

    assert result.code == 1
    assert f"{prefix}DOMAIN is {IDENTITY}, but the tenant's domain is evil.eu.auth0.com" in " ".join(
        result.output.split()
    )
    assert recording_proxy == []


def test_only_the_tenant_with_the_domain_of_the_environment_gets_credentials(
    here: Path, prod: ServedTenant, recording_proxy: list[bytes], credentials: Callable[[str], None]
) -> None:
    declare(here, f"dev: {{domain: '{prod.addresses[0]}'}}", "prod: {domain: evil.eu.auth0.com}")
    credentials(prod.addresses[0])

    result = reconciler("--all-tenants", "apply", "--yes")

    assert result.code == 1
    assert "error: prod: tenant prod: AUTH0_DOMAIN is " in result.stderr
    assert "set a different prefix for each tenant, for example credentials: AUTH0_PROD_" in result.stderr
    assert "error: dev" not in result.stderr
    assert recording_proxy == []


def test_in_ci_credentials_without_a_domain_are_a_warning(
    here: Path, recording_proxy: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(here, f"prod: {{domain: {IDENTITY}}}")
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("AUTH0_CLIENT_ID", "own")
    monkeypatch.setenv("AUTH0_CLIENT_SECRET", SECRET)

    planned, doctor = reconciler("plan"), " ".join(reconciler("doctor").stdout.split())

    assert "reconciler.yaml: warning: AUTH0_DOMAIN is not set" in planned.stderr
    assert "warning credentials" in doctor
    assert f"set AUTH0_DOMAIN={IDENTITY} together with the credentials" in doctor
    assert recording_proxy != []
