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
from reconciler.core.tenant import Tenant, TenantKind
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
ACCESS_TOKEN = {"AUTH0_ACCESS_TOKEN": jwt.encode({}, "x" * 32)}
TOKEN_RESPONSE = {"access_token": ACCESS_TOKEN["AUTH0_ACCESS_TOKEN"]}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "all_proxy", "no_proxy", "ssl_cert_file"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def probe_at(domain: str, environment: Mapping[str, str] = SECRET) -> TenantProbe:
    return asyncio.run(probe_tenant(Tenant(name="t", domain=domain), environment))


def probe_server(respond: Callable[[ReceivedRequest], bytes], environment: Mapping[str, str] = SECRET) -> TenantProbe:
    async def probe() -> TenantProbe:
        async with scripted_server(respond) as server:
            domain = server.url.removeprefix("http://")
            return await probe_tenant(Tenant(name="t", domain=domain), environment)

    return asyncio.run(probe())


def probe_sandbox(sandbox: ServedSandbox, **environment: str) -> TenantProbe:
    return probe_at(sandbox.url, {**sandbox.environment, **environment})


def test_a_probe_of_a_served_tenant_is_complete(tmp_path: Path) -> None:
    with served(tmp_path / "db") as sandbox:
        probe = probe_sandbox(sandbox)

    assert (probe.addresses, probe.proxy) == (("127.0.0.1",), None)
    assert probe.credentials == "a client secret from AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET and AUTH0_AUDIENCE"
    assert isinstance(probe.first_response, FirstResponse)
    assert probe.first_response.certificate is None
    assert isinstance(probe.token, ProbedToken)
    assert isinstance(probe.listing, ProbedListing)
    assert (probe.listing.error, probe.listing.rate_limit.limit) == ("", 10_000)


def test_the_expiry_of_the_certificate_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(tmp_path / "db", tls=True) as sandbox:
        assert sandbox.certificates
        monkeypatch.setenv("SSL_CERT_FILE", str(sandbox.certificates.authority))
        probe = probe_sandbox(sandbox)

    assert isinstance(probe.first_response, FirstResponse)
    certificate = probe.first_response.certificate
    assert certificate
    assert certificate.version == "TLSv1.3"
    assert 395 < (certificate.expires - probe.first_response.received) / 86_400 < 397


def test_an_untrusted_certificate_is_a_failure(tmp_path: Path) -> None:
    with served(tmp_path / "db", tls=True) as sandbox:
        probe = probe_sandbox(sandbox)

    assert isinstance(probe.first_response, ProbeFailed)
    assert "CERTIFICATE_VERIFY_FAILED" in probe.first_response.text
    assert "SSL_CERT_FILE" in probe.first_response.advice
    assert (probe.token, probe.listing) == (NO_CONNECTION, NO_CONNECTION)


def test_a_sandbox_in_the_same_process_is_probed(tmp_path: Path) -> None:
    tenant = Tenant(name="t", domain="sandbox.localhost", kind=TenantKind.SANDBOX, database=tmp_path / "db")
    probe = asyncio.run(probe_tenant(tenant, {}))

    assert (probe.addresses, probe.credentials) == (IN_PROCESS, "the credentials of the sandbox")
    assert isinstance(probe.listing, ProbedListing)
    assert probe.listing.error == ""


def test_a_sandbox_that_cannot_be_opened_is_a_failed_connection(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("not a database, but longer than a header")
    probe = asyncio.run(
        probe_tenant(Tenant(name="t", domain="d", kind=TenantKind.SANDBOX, database=tmp_path / "db"), {})
    )

    assert isinstance(probe.first_response, ProbeFailed)
    assert (probe.credentials, probe.token, probe.listing) == (NO_CONNECTION,) * 3


@pytest.mark.parametrize(
    ("proxy", "text"),
    [
        ("", "unknown.invalid cannot be resolved: "),
        ("http://a..b:1", "a..b cannot be resolved: the name is not a valid host name"),
        (f"http://{'a' * 64}.com:1", "cannot be resolved: the name is not a valid host name"),
    ],
    ids=["unknown host", "empty label", "long label"],
)
def test_a_host_that_cannot_be_resolved_is_a_failure_and_the_token_is_still_checked(
    monkeypatch: pytest.MonkeyPatch, proxy: str, text: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    probe = probe_at("unknown.invalid", ACCESS_TOKEN)

    assert isinstance(probe.addresses, ProbeFailed)
    assert text in probe.addresses.text
    assert probe.first_response == ProbeSkipped("the host cannot be resolved")
    assert (probe.token, probe.listing) == (
        ProbedToken(ACCESS_TOKEN["AUTH0_ACCESS_TOKEN"], renewable=False),
        NO_CONNECTION,
    )


def test_a_refused_connection_is_a_failure() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        probe = probe_at(f"127.0.0.1:{unused.getsockname()[1]}")

    assert isinstance(probe.first_response, ProbeFailed)
    assert "All connection attempts failed" in probe.first_response.text
    assert probe.token == NO_CONNECTION


@pytest.mark.parametrize(
    ("address", "failed_field", "text"),
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
    ids=["scheme", "unknown host", "port", "refused connection"],
)
def test_an_invalid_or_unreachable_proxy_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, address: str, failed_field: str, text: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    probe = probe_at("x.auth0.com", ACCESS_TOKEN)

    failure = getattr(probe, failed_field)
    assert isinstance(failure, ProbeFailed)
    assert text in failure.text
    assert isinstance(probe.token, ProbedToken)
    assert "canary" not in repr(probe)


def test_a_closed_connection_is_a_failure() -> None:
    probe = probe_server(lambda _: b"")

    assert isinstance(probe.first_response, ProbeFailed)
    assert probe.token == NO_CONNECTION


def test_without_credentials_the_connection_is_still_checked() -> None:
    probe = probe_server(lambda _: http_response(401), {})

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
def test_a_refused_token_request_is_a_failure_with_advice(status: int, advice: str) -> None:
    probe = probe_server(lambda _: http_response(status, {"error": "access_denied", "error_description": "No"}))

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
    ids=["401", "403", "redirect", "HTML"],
)
def test_a_refused_listing_has_an_error_and_advice(status: int, body: object, error: str, advice: str) -> None:
    probe = probe_server(lambda _: http_response(status, body), ACCESS_TOKEN)

    assert isinstance(probe.listing, ProbedListing)
    assert probe.listing.error.endswith(error)
    assert probe.listing.advice.startswith(advice)
    assert probe.listing.rate_limit == RateLimitHeaders()


def test_a_closed_connection_during_the_listing_is_a_failure() -> None:
    probe = probe_server(
        lambda request: b"" if "authorization" in request.headers else http_response(401), ACCESS_TOKEN
    )

    assert isinstance(probe.first_response, FirstResponse)
    assert isinstance(probe.listing, ProbeFailed)


def test_a_probe_sends_three_requests_and_the_first_has_no_credentials() -> None:
    requests: list[ReceivedRequest] = []

    def respond(request: ReceivedRequest) -> bytes:
        requests.append(request)
        return http_response(200, TOKEN_RESPONSE)

    probe_server(respond)

    assert [(each.method, each.path, "authorization" in each.headers) for each in requests] == [
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
