from typing import Any

import jwt
import pytest
from sandbox.sandbox_client import DOMAIN, INVOICES, MANAGEMENT, START, SandboxClient

from auth0_sandbox.seed import TOOL_SCOPE


def token_request(caller: SandboxClient, **changes: str | None) -> dict[str, Any]:
    credentials = caller.sandbox.credentials
    valid = {
        "grant_type": "client_credentials",
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
        "audience": MANAGEMENT,
    }
    return {name: value for name, value in (valid | changes).items() if value is not None}


@pytest.mark.parametrize("encoding", ["data", "json"])
def test_a_token_carries_the_scopes_of_the_applications_own_grant(caller: SandboxClient, encoding: str) -> None:
    response = caller.raw("POST", "/oauth/token", **{encoding: token_request(caller)})
    body = response.json()
    assert response.status_code == 200
    assert list(body) == ["access_token", "scope", "expires_in", "token_type"]
    assert (body["expires_in"], body["token_type"], body["scope"]) == (86_400, "Bearer", " ".join(TOOL_SCOPE))
    assert jwt.decode(body["access_token"], options={"verify_signature": False}) == {
        "iss": f"https://{DOMAIN}/",
        "sub": f"{caller.sandbox.credentials.client_id}@clients",
        "aud": MANAGEMENT,
        "iat": START,
        "exp": START + 86_400,
        "scope": " ".join(TOOL_SCOPE),
        "gty": "client-credentials",
        "azp": caller.sandbox.credentials.client_id,
    }


def test_a_token_gives_access_to_the_api(caller: SandboxClient) -> None:
    token = caller.raw("POST", "/oauth/token", data=token_request(caller)).json()["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    assert caller.raw("GET", "/api/v2/client-grants", headers=headers).status_code == 200
    assert caller.raw("POST", "/api/v2/clients", headers=headers, json={"name": "x"}).status_code == 403


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_url_of_the_request_also_identifies_the_management_api(caller: SandboxClient, scheme: str) -> None:
    response = caller.raw(
        "POST", "/oauth/token", data=token_request(caller, audience=f"{scheme}://sandbox.test/api/v2/")
    )
    claims = jwt.decode(response.json()["access_token"], options={"verify_signature": False})
    assert claims["aud"] == MANAGEMENT


def test_a_token_keeps_its_scopes_after_a_change_of_the_grant(caller: SandboxClient) -> None:
    before = caller.raw("POST", "/oauth/token", data=token_request(caller)).json()["access_token"]
    [own] = caller.call("GET", f"/client-grants?client_id={caller.sandbox.credentials.client_id}").json()
    caller.call("PATCH", f"/client-grants/{own['id']}", json={"scope": ["read:clients"]})
    headers = {"authorization": f"Bearer {before}"}
    assert caller.raw("GET", "/api/v2/client-grants", headers=headers).status_code == 200
    assert caller.raw("POST", "/oauth/token", data=token_request(caller)).json()["scope"] == "read:clients"


def test_tokens_are_issued_for_other_apis_too(caller: SandboxClient) -> None:
    worker = token_request(caller, client_id="worker", client_secret="hush", audience=INVOICES)
    grant = caller.create(scope=[])
    assert "scope" not in caller.raw("POST", "/oauth/token", data=worker).json()
    caller.call("PATCH", f"/client-grants/{grant['id']}", json={"allow_all_scopes": True})
    assert caller.raw("POST", "/oauth/token", data=worker).json()["scope"] == "read:invoices write:invoices"


UNGRANTED = (
    f'Client is not authorized to access "{INVOICES}". You might probably want to create a "client-grant" associated to'
    " this API. See: https://auth0.com/docs/api/v2#!/Client_Grants/post_client_grants"
)


@pytest.mark.parametrize(
    ("changes", "status", "error_of", "description"),
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
def test_an_invalid_request_gets_an_error_in_the_format_of_oauth(
    caller: SandboxClient, changes: dict[str, str | None], status: int, error_of: str, description: str
) -> None:
    response = caller.raw("POST", "/oauth/token", data=token_request(caller, **changes))
    assert response.status_code == status
    assert response.json() == {"error": error_of, "error_description": description}


def test_an_application_without_the_grant_type_gets_no_token(caller: SandboxClient) -> None:
    portal = caller.call("GET", "/clients/portal").json()
    changes = {"client_id": "portal", "client_secret": portal["client_secret"]}
    response = caller.raw("POST", "/oauth/token", data=token_request(caller, **changes))
    assert response.status_code == 403
    assert list(response.json()) == ["error", "error_description", "error_uri"]
    assert response.json()["error_description"] == "Grant type 'client_credentials' not allowed for the client."


def test_the_global_client_gets_no_token(caller: SandboxClient) -> None:
    [global_client] = caller.call("GET", "/clients?is_global=true").json()
    empty = token_request(caller, client_id=global_client["client_id"], client_secret="")
    assert caller.raw("POST", "/oauth/token", data=empty).status_code == 401


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"{", 400), (b"[]", 400), (b'{"grant_type": 1}', 400)],
    ids=["invalid JSON", "list", "number"],
)
def test_invalid_json_is_refused(caller: SandboxClient, content: bytes, status: int) -> None:
    response = caller.raw("POST", "/oauth/token", content=content, headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["error"]) == (status, "invalid_request")


def test_a_token_has_the_lifetime_of_its_api(caller: SandboxClient) -> None:
    caller.call("PATCH", f"/resource-servers/{MANAGEMENT}", json={"token_lifetime": 60})
    body = caller.raw("POST", "/oauth/token", data=token_request(caller)).json()
    headers = {"authorization": f"Bearer {body['access_token']}"}
    caller.clock.now += 59
    assert caller.raw("GET", "/api/v2/client-grants", headers=headers).status_code == 200
    caller.clock.now += 1
    late = caller.raw("GET", "/api/v2/client-grants", headers=headers)
    message = "Expired token received for JSON Web Token validation"
    assert body["expires_in"] == 60
    assert (late.status_code, late.json()["message"], late.json()["attributes"]) == (401, message, {"error": message})
