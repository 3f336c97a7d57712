import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import jwt
import pytest
from sandbox.sandbox_client import DOMAIN, MANAGEMENT, SandboxClient, open_client

from auth0_sandbox.errors import SandboxError
from auth0_sandbox.server.serve import serving
from auth0_sandbox.server.tls import certificates
from auth0_sandbox.settings import Settings

CUSTOM = "login.example.test"
SETTINGS = Settings(custom_domain=CUSTOM)


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[SandboxClient]:
    opened = open_client(tmp_path, settings=SETTINGS)
    with opened.sandbox:
        yield opened


def get_token(talk: SandboxClient, audience: str) -> httpx.Response:
    credentials = talk.sandbox.credentials
    form = {
        "grant_type": "client_credentials",
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
        "audience": audience,
    }
    return talk.raw("POST", "/oauth/token", data=form)


@pytest.mark.parametrize(
    ("host", "issuer"), [(CUSTOM, CUSTOM), (f"{CUSTOM.upper()}:8321", CUSTOM), ("localhost", DOMAIN)]
)
def test_a_token_has_the_canonical_audience_and_the_issuer_of_the_domain_in_use(
    talk: SandboxClient, host: str, issuer: str
) -> None:
    there = replace(talk, base_url=f"https://{host}")
    token = get_token(there, MANAGEMENT).json()["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["aud"], claims["iss"]) == (MANAGEMENT, f"https://{issuer}/")
    for each in (there, talk):
        answer = each.raw("GET", "/api/v2/client-grants", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 200


def test_the_custom_domain_is_not_part_of_an_identifier(talk: SandboxClient) -> None:
    there = replace(talk, base_url=f"https://{CUSTOM}")
    answer = get_token(there, f"https://{CUSTOM}/api/v2/")
    assert answer.status_code == 403
    assert answer.json()["error_description"] == f"Service not found: https://{CUSTOM}/api/v2/"
    [api] = [each for each in there.call("GET", "/resource-servers").json() if each["name"] == "Auth0 Management API"]
    assert api["identifier"] == MANAGEMENT


@pytest.mark.parametrize(("settings", "status"), [(SETTINGS, 401), (Settings(), 403)], ids=["set", "not set"])
def test_a_server_answers_at_the_custom_domain_only_if_it_is_set(
    tmp_path: Path, settings: Settings, status: int
) -> None:
    sandbox = open_client(tmp_path, settings=settings).sandbox
    with sandbox, serving(sandbox) as address:
        answer = httpx.get(f"http://{address}/api/v2/client-grants", headers={"host": CUSTOM})
        assert answer.status_code == status


def test_the_administration_does_not_answer_at_the_custom_domain(talk: SandboxClient) -> None:
    assert replace(talk, base_url=f"https://{CUSTOM}").raw("POST", "/sandbox/reset").status_code == 404


def test_the_certificate_is_valid_for_the_custom_domain(talk: SandboxClient, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    without = certificates(tmp_path / "tenant.db", now).server.read_bytes()
    files = certificates(tmp_path / "tenant.db", now, "login.localhost")
    assert files.server.read_bytes() != without
    assert certificates(tmp_path / "tenant.db", now, "login.localhost") == files
    with serving(talk.sandbox, certificate=files.server) as address:
        port = address.rpartition(":")[2]
        context = ssl.create_default_context(cafile=str(files.authority))
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        with httpx.Client(verify=context, headers={"host": "login.localhost"}) as client:
            answer = client.get(f"https://127.0.0.1:{port}/", extensions={"sni_hostname": "login.localhost"})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("https://login.example.test", "is not a valid custom domain; write a host like"),
        ("login.example.test:8321", "is not a valid custom domain"),
        ("a..b", "is not a valid custom domain"),
        ("", "is not a valid custom domain"),
        (DOMAIN, "is the canonical domain of the tenant; choose another custom domain"),
    ],
)
def test_an_invalid_custom_domain_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(SandboxError, match=message):
        open_client(tmp_path, settings=Settings(custom_domain=name))
