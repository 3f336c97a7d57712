from typing import Any

import jwt
import pytest
from sandbox.sandbox_client import DOMAIN, INVOICES, MANAGEMENT, START, SandboxClient

from auth0_sandbox.seed import TOOL_SCOPE


def asked(talk: SandboxClient, **changes: str | None) -> dict[str, Any]:
    credentials = talk.sandbox.credentials
    whole = {
        "grant_type": "client_credentials",
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
        "audience": MANAGEMENT,
    }
    return {name: value for name, value in (whole | changes).items() if value is not None}


@pytest.mark.parametrize("encoding", ["data", "json"])
def test_a_token_carries_the_scopes_of_the_applications_own_grant(talk: SandboxClient, encoding: str) -> None:
    answer = talk.raw("POST", "/oauth/token", **{encoding: asked(talk)})
    body = answer.json()
    assert answer.status_code == 200
    assert list(body) == ["access_token", "scope", "expires_in", "token_type"]
    assert (body["expires_in"], body["token_type"], body["scope"]) == (86_400, "Bearer", " ".join(TOOL_SCOPE))
    assert jwt.decode(body["access_token"], options={"verify_signature": False}) == {
        "iss": f"https://{DOMAIN}/",
        "sub": f"{talk.sandbox.credentials.client_id}@clients",
        "aud": MANAGEMENT,
        "iat": START,
        "exp": START + 86_400,
        "scope": " ".join(TOOL_SCOPE),
        "gty": "client-credentials",
        "azp": talk.sandbox.credentials.client_id,
    }


def test_a_token_opens_the_api(talk: SandboxClient) -> None:
    token = talk.raw("POST", "/oauth/token", data=asked(talk)).json()["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    assert talk.raw("GET", "/api/v2/client-grants", headers=headers).status_code == 200
    assert talk.raw("POST", "/api/v2/clients", headers=headers, json={"name": "x"}).status_code == 403


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_address_in_use_names_the_management_api_too(talk: SandboxClient, scheme: str) -> None:
    answer = talk.raw("POST", "/oauth/token", data=asked(talk, audience=f"{scheme}://sandbox.test/api/v2/"))
    claims = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    assert claims["aud"] == MANAGEMENT


def test_a_token_keeps_the_scopes_of_its_time(talk: SandboxClient) -> None:
    before = talk.raw("POST", "/oauth/token", data=asked(talk)).json()["access_token"]
    [own] = talk.call("GET", f"/client-grants?client_id={talk.sandbox.credentials.client_id}").json()
    talk.call("PATCH", f"/client-grants/{own['id']}", json={"scope": ["read:clients"]})
    headers = {"authorization": f"Bearer {before}"}
    assert talk.raw("GET", "/api/v2/client-grants", headers=headers).status_code == 200
    assert talk.raw("POST", "/oauth/token", data=asked(talk)).json()["scope"] == "read:clients"


def test_tokens_are_issued_for_other_apis_too(talk: SandboxClient) -> None:
    worker = asked(talk, client_id="worker", client_secret="hush", audience=INVOICES)
    grant = talk.create(scope=[])
    assert "scope" not in talk.raw("POST", "/oauth/token", data=worker).json()
    talk.call("PATCH", f"/client-grants/{grant['id']}", json={"allow_all_scopes": True})
    assert talk.raw("POST", "/oauth/token", data=worker).json()["scope"] == "read:invoices write:invoices"


UNGRANTED = (
    f'Client is not authorized to access "{INVOICES}". You might probably want to create a "client-grant" associated to'
    " this API. See: https://auth0.com/docs/api/v2#!/Client_Grants/post_client_grants"
)


@pytest.mark.parametrize(
    ("changes", "status", "error", "description"),
    [
        pytest.param({"client_secret": "wrong"}, 401, "access_denied", "Unauthorized", id="wrong secret"),
        pytest.param({"client_secret": None}, 401, "access_denied", "Unauthorized", id="no secret"),
        pytest.param({"client_id": "nobody"}, 401, "access_denied", "Unauthorized", id="wrong id"),
        pytest.param({"client_id": None}, 401, "access_denied", "Unauthorized", id="no id"),
        pytest.param({"audience": "urn:x"}, 403, "access_denied", "Service not found: urn:x", id="unknown API"),
        pytest.param({"audience": INVOICES}, 403, "access_denied", UNGRANTED, id="no grant"),
        pytest.param(
            {"audience": None}, 403, "access_denied", "Non-global clients are not allowed access to APIv1", id="no API"
        ),
        pytest.param(
            {"grant_type": None}, 400, "invalid_request", "Missing required parameter: grant_type", id="no grant type"
        ),
        pytest.param(
            {"grant_type": "password"},
            403,
            "unsupported_grant_type",
            "Unsupported grant type: password",
            id="other grant type",
        ),
    ],
)
def test_a_wrong_request_gets_an_error_in_the_shape_of_oauth(
    talk: SandboxClient, changes: dict[str, str | None], status: int, error: str, description: str
) -> None:
    answer = talk.raw("POST", "/oauth/token", data=asked(talk, **changes))
    assert answer.status_code == status
    assert answer.json() == {"error": error, "error_description": description}


def test_an_application_without_the_grant_type_gets_no_token(talk: SandboxClient) -> None:
    portal = talk.call("GET", "/clients/portal").json()
    changes = {"client_id": "portal", "client_secret": portal["client_secret"]}
    answer = talk.raw("POST", "/oauth/token", data=asked(talk, **changes))
    assert answer.status_code == 403
    assert list(answer.json()) == ["error", "error_description", "error_uri"]
    assert answer.json()["error_description"] == "Grant type 'client_credentials' not allowed for the client."


def test_the_global_client_gets_no_token(talk: SandboxClient) -> None:
    [whole] = talk.call("GET", "/clients?is_global=true").json()
    empty = asked(talk, client_id=whole["client_id"], client_secret="")
    assert talk.raw("POST", "/oauth/token", data=empty).status_code == 401


@pytest.mark.parametrize(
    ("content", "status"), [(b"{", 400), (b"[]", 400), (b'{"grant_type": 1}', 400)], ids=["broken", "list", "number"]
)
def test_json_that_is_no_request_is_refused(talk: SandboxClient, content: bytes, status: int) -> None:
    answer = talk.raw("POST", "/oauth/token", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (status, "invalid_request")


def test_a_token_lives_as_long_as_its_api_says(talk: SandboxClient) -> None:
    talk.call("PATCH", f"/resource-servers/{MANAGEMENT}", json={"token_lifetime": 60})
    body = talk.raw("POST", "/oauth/token", data=asked(talk)).json()
    headers = {"authorization": f"Bearer {body['access_token']}"}
    talk.clock.now += 59
    assert talk.raw("GET", "/api/v2/client-grants", headers=headers).status_code == 200
    talk.clock.now += 1
    late = talk.raw("GET", "/api/v2/client-grants", headers=headers)
    message = "Expired token received for JSON Web Token validation"
    assert body["expires_in"] == 60
    assert (late.status_code, late.json()["message"], late.json()["attributes"]) == (401, message, {"error": message})
