import asyncio
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import jwt
import pytest
from support.scripted_server import ReceivedRequest, http_response, scripted_server

from auth0_sandbox.served import ServedSandbox, served
from reconciler.auth0.credentials import credentials_from
from reconciler.auth0.probe import FirstResponse
from reconciler.config.tenants import Tenant, TenantKind
from reconciler.doctor.probe import (
    IN_PROCESS,
    NO_CONNECTION,
    NO_CREDENTIALS,
    NO_TOKEN,
    ProbedListing,
    ProbedToken,
    ProbeFailed,
    ProbeSkipped,
    TenantProbe,
    describe_credentials,
    probe_tenant,
)
from reconciler.http.retry_hints import RateLimitHeaders

SECRET = {"AUTH0_CLIENT_ID": "id", "AUTH0_CLIENT_SECRET": "canary"}
READY = {"AUTH0_ACCESS_TOKEN": jwt.encode({}, "x" * 32)}
A_TOKEN = {"access_token": READY["AUTH0_ACCESS_TOKEN"]}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "all_proxy", "no_proxy", "ssl_cert_file"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def seen(domain: str, environment: Mapping[str, str] = SECRET) -> TenantProbe:
    return asyncio.run(probe_tenant(Tenant(name="t", domain=domain), environment))


def seen_at(answer: Callable[[ReceivedRequest], bytes], environment: Mapping[str, str] = SECRET) -> TenantProbe:
    async def looking() -> TenantProbe:
        async with scripted_server(answer) as server:
            domain = server.url.removeprefix("http://")
            return await probe_tenant(Tenant(name="t", domain=domain), environment)

    return asyncio.run(looking())


def seen_served(sandbox: ServedSandbox, **environment: str) -> TenantProbe:
    return seen(sandbox.url, {**sandbox.environment, **environment})


def test_a_tenant_that_is_well_is_seen_whole(tmp_path: Path) -> None:
    with served(tmp_path / "db") as sandbox:
        probe = seen_served(sandbox)

    assert (probe.addresses, probe.proxy) == (("127.0.0.1",), None)
    assert probe.credentials == "a client secret from AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET and AUTH0_AUDIENCE"
    assert isinstance(probe.first_response, FirstResponse)
    assert probe.first_response.certificate is None
    assert isinstance(probe.token, ProbedToken)
    assert isinstance(probe.listing, ProbedListing)
    assert (probe.listing.error, probe.listing.rate_limit.limit) == ("", 10_000)


def test_a_handshake_shows_until_when_the_certificate_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(tmp_path / "db", tls=True) as sandbox:
        assert sandbox.certificates
        monkeypatch.setenv("SSL_CERT_FILE", str(sandbox.certificates.authority))
        probe = seen_served(sandbox)

    assert isinstance(probe.first_response, FirstResponse)
    proven = probe.first_response.certificate
    assert proven
    assert proven.version == "TLSv1.3"
    assert 395 < (proven.until - probe.first_response.received) / 86_400 < 397


def test_a_certificate_that_nobody_trusts_is_trouble(tmp_path: Path) -> None:
    with served(tmp_path / "db", tls=True) as sandbox:
        probe = seen_served(sandbox)

    assert isinstance(probe.first_response, ProbeFailed)
    assert "CERTIFICATE_VERIFY_FAILED" in probe.first_response.text
    assert "SSL_CERT_FILE" in probe.first_response.advice
    assert (probe.token, probe.listing) == (NO_CONNECTION, NO_CONNECTION)


def test_a_tenant_in_this_process_is_seen_too(tmp_path: Path) -> None:
    tenant = Tenant(name="t", domain="sandbox.localhost", kind=TenantKind.SANDBOX, database=tmp_path / "db")
    probe = asyncio.run(probe_tenant(tenant, {}))

    assert (probe.addresses, probe.credentials) == (IN_PROCESS, "the credentials of the sandbox")
    assert isinstance(probe.listing, ProbedListing)
    assert probe.listing.error == ""


def test_a_sandbox_that_cannot_be_opened_is_no_connection(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("no database, but something longer than a header")
    probe = asyncio.run(
        probe_tenant(Tenant(name="t", domain="d", kind=TenantKind.SANDBOX, database=tmp_path / "db"), {})
    )

    assert isinstance(probe.first_response, ProbeFailed)
    assert (probe.credentials, probe.token, probe.listing) == (NO_CONNECTION,) * 3


@pytest.mark.parametrize(
    ("proxy", "text"),
    [
        ("", "unknown.invalid cannot be resolved: "),
        ("http://a..b:1", "a..b cannot be resolved: it is not a host name"),
        (f"http://{'a' * 64}.com:1", "cannot be resolved: it is not a host name"),
    ],
    ids=["unknown", "empty-label", "long-label"],
)
def test_a_host_without_an_address_is_trouble_and_the_token_is_still_looked_at(
    monkeypatch: pytest.MonkeyPatch, proxy: str, text: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    probe = seen("unknown.invalid", READY)

    assert isinstance(probe.addresses, ProbeFailed)
    assert text in probe.addresses.text
    assert probe.first_response == ProbeSkipped("its host cannot be resolved")
    assert (probe.token, probe.listing) == (ProbedToken(READY["AUTH0_ACCESS_TOKEN"], renewable=False), NO_CONNECTION)


def test_a_host_where_nobody_listens_is_trouble() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        probe = seen(f"127.0.0.1:{unused.getsockname()[1]}")

    assert isinstance(probe.first_response, ProbeFailed)
    assert "All connection attempts failed" in probe.first_response.text
    assert probe.token == NO_CONNECTION


@pytest.mark.parametrize(
    ("address", "seen_as", "text"),
    [
        (
            "foo://user:canary@127.0.0.1:1",
            "first_response",
            "HTTPS_PROXY is not a valid proxy address: write it like http://proxy.example.com:3128",
        ),
        ("http://user:canary@unknown.invalid:1", "addresses", "the proxy's host unknown.invalid cannot be resolved"),
        ("http://user:canary@127.0.0.1:port", "addresses", "HTTPS_PROXY has no valid address"),
        ("http://user:canary@127.0.0.1:1", "first_response", "All connection attempts failed"),
    ],
    ids=["scheme", "unknown", "port", "nobody-there"],
)
def test_a_proxy_that_does_not_work_is_trouble(
    monkeypatch: pytest.MonkeyPatch, address: str, seen_as: str, text: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    probe = seen("x.auth0.com", READY)

    trouble = getattr(probe, seen_as)
    assert isinstance(trouble, ProbeFailed)
    assert text in trouble.text
    assert isinstance(probe.token, ProbedToken)
    assert "canary" not in repr(probe)


def test_an_answer_that_breaks_off_is_trouble() -> None:
    probe = seen_at(lambda _: b"")

    assert isinstance(probe.first_response, ProbeFailed)
    assert probe.token == NO_CONNECTION


def test_without_credentials_the_tenant_is_greeted_all_the_same() -> None:
    probe = seen_at(lambda _: http_response(401), {})

    assert isinstance(probe.credentials, ProbeFailed)
    assert isinstance(probe.first_response, FirstResponse)
    assert (probe.token, probe.listing) == (NO_CREDENTIALS, NO_TOKEN)


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "check AUTH0_CLIENT_ID"),
        (403, "let the application of AUTH0_CLIENT_ID"),
        (429, "the tenant issues"),
        (500, "try again;"),
    ],
)
def test_a_token_that_is_not_given_is_trouble_with_advice(status: int, advice: str) -> None:
    probe = seen_at(lambda _: http_response(status, {"error": "access_denied", "error_description": "No"}))

    assert isinstance(probe.token, ProbeFailed)
    assert probe.token.text.endswith(f"/oauth/token: {status} No")
    assert probe.token.advice.startswith(advice)
    assert probe.listing == NO_TOKEN


@pytest.mark.parametrize(
    ("status", "body", "error", "advice"),
    [
        (401, {"message": "Invalid token"}, "401 Invalid token", "check that the token belongs to this tenant"),
        (403, {"message": "Insufficient scope"}, "403 Insufficient scope", "add read:client_grants"),
        (302, {}, "302 Because", "try again"),
        (200, b"<html>", "the response is not valid JSON", "try again"),
    ],
    ids=["401", "403", "redirect", "html"],
)
def test_a_listing_that_is_refused_is_noted_with_advice(status: int, body: object, error: str, advice: str) -> None:
    probe = seen_at(lambda _: http_response(status, body), READY)

    assert isinstance(probe.listing, ProbedListing)
    assert probe.listing.error.endswith(error)
    assert probe.listing.advice.startswith(advice)
    assert probe.listing.rate_limit == RateLimitHeaders()


def test_a_connection_that_breaks_at_the_listing_is_trouble() -> None:
    probe = seen_at(lambda asked: b"" if "authorization" in asked.headers else http_response(401), READY)

    assert isinstance(probe.first_response, FirstResponse)
    assert isinstance(probe.listing, ProbeFailed)


def test_the_greeting_carries_no_credentials_and_a_look_is_three_calls() -> None:
    asked: list[ReceivedRequest] = []

    def answer(each: ReceivedRequest) -> bytes:
        asked.append(each)
        return http_response(200, A_TOKEN)

    seen_at(answer)

    assert [(each.method, each.path, "authorization" in each.headers) for each in asked] == [
        ("GET", "/api/v2/client-grants", False),
        ("POST", "/oauth/token", False),
        ("GET", "/api/v2/client-grants", True),
    ]


AUTH0 = Tenant(name="x", domain="x.auth0.com")
SANDBOX = Tenant(name="x", domain="x.auth0.com", kind=TenantKind.SANDBOX)
ID = {"AUTH0_CLIENT_ID": "id"}


@pytest.mark.parametrize(
    ("environment", "description"),
    [
        ({"AUTH0_ACCESS_TOKEN": "canary"}, "an access token from AUTH0_ACCESS_TOKEN"),
        ({"AUTH0_ACCESS_TOKEN": " ", "AUTH0_API_TOKEN": "canary"}, "an access token from AUTH0_API_TOKEN"),
        (ID | {"AUTH0_CLIENT_SECRET": "canary"}, "a client secret from AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET"),
        (
            ID | {"AUTH0_CLIENT_ASSERTION_PRIVATE_KEY": "canary", "AUTH0_AUDIENCE": "https://x/api/v2/"},
            "a private key (RS256) from AUTH0_CLIENT_ID, AUTH0_CLIENT_ASSERTION_PRIVATE_KEY and AUTH0_AUDIENCE",
        ),
    ],
    ids=["token", "api-token", "secret", "key"],
)
def test_the_description_contains_kind_and_variables(environment: dict[str, str], description: str) -> None:
    credentials = credentials_from(environment, "x.auth0.com")

    assert describe_credentials(credentials, AUTH0, environment) == description


def test_the_description_uses_the_prefix_of_the_tenant() -> None:
    prod = replace(AUTH0, credentials="AUTH0_PROD_")
    environment = {"AUTH0_PROD_CLIENT_ID": "id", "AUTH0_PROD_CLIENT_SECRET": "canary"}
    credentials = credentials_from(environment, "x.auth0.com", prod.credentials)

    description = describe_credentials(credentials, prod, environment)

    assert description == "a client secret from AUTH0_PROD_CLIENT_ID and AUTH0_PROD_CLIENT_SECRET"


def test_a_sandbox_uses_its_own_credentials() -> None:
    credentials = credentials_from({"AUTH0_ACCESS_TOKEN": "canary"}, "x.auth0.com")

    assert describe_credentials(credentials, SANDBOX, {}) == "the credentials of the sandbox"


def test_a_failure_is_returned_unchanged() -> None:
    assert describe_credentials(ProbeFailed("x", "y"), AUTH0, {}) == ProbeFailed("x", "y")
