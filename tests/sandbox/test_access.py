import jwt
import pytest
from sandbox.sandbox_client import MANAGEMENT, START, SandboxClient, error_of

from auth0_sandbox.requests.tokens import Permit, issue
from auth0_sandbox.store.database import SandboxTenant

PATH = "/api/v2/client-grants"


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Basic abc", "token", "Bearer a b"],
    ids=["no token", "empty token", "basic authentication", "no scheme", "two tokens"],
)
def test_a_malformed_authorization_header_is_refused(caller: SandboxClient, header: str) -> None:
    response = caller.raw("GET", PATH, headers={"authorization": header})
    assert error_of(response) == (400, "Bad HTTP authentication header format", "Bearer")


def test_a_token_is_needed(caller: SandboxClient) -> None:
    response = caller.raw("GET", PATH)
    assert error_of(response) == (401, "Missing authentication", None)
    assert response.json()["attributes"] == {"error": "Missing authentication"}


def tampered(tenant: SandboxTenant, claims: dict[str, object]) -> str:
    valid_claims = {"iss": tenant.issuer, "aud": MANAGEMENT, "exp": START + 9, "scope": "read:client_grants"}
    present_claims = {name: value for name, value in (valid_claims | claims).items() if value is not None}
    return jwt.encode(present_claims, tenant.signing_key, "HS256")


@pytest.mark.parametrize(
    "claims",
    [{"aud": "urn:x"}, {"iss": "https://evil.example/"}, {"exp": None}, {"exp": "soon"}, {"aud": None}],
    ids=["other API", "other tenant", "no expiry", "expiry is not a number", "no audience"],
)
def test_a_token_with_wrong_claims_is_invalid(caller: SandboxClient, claims: dict[str, object]) -> None:
    token = tampered(caller.sandbox.store.tenant(), claims)
    response = caller.raw("GET", PATH, headers={"authorization": f"Bearer {token}"})
    assert error_of(response) == (401, "Invalid token", None)
    assert response.json()["attributes"] == {"error": "Invalid token"}


def test_a_text_that_is_not_a_token_is_invalid(caller: SandboxClient) -> None:
    response = caller.raw("GET", PATH, headers={"authorization": "Bearer nonsense"})
    assert error_of(response) == (401, "Invalid token", None)


def test_a_token_with_a_wrong_signature_is_refused(caller: SandboxClient) -> None:
    token = jwt.encode({"aud": MANAGEMENT}, b"somebody else's key of enough length", "HS256")
    response = caller.raw("GET", PATH, headers={"authorization": f"Bearer {token}"})
    assert error_of(response) == (401, "Invalid signature received for JSON Web Token validation", None)


def test_a_token_expires_after_a_day(caller: SandboxClient) -> None:
    headers = {"authorization": f"bearer {caller.token()}"}
    caller.clock.now += 86_399
    assert caller.raw("GET", PATH, headers=headers).status_code == 200
    caller.clock.now += 1
    response = caller.raw("GET", PATH, headers=headers)
    assert error_of(response) == (401, "Expired token received for JSON Web Token validation", None)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/client-grants", "read:client_grants"),
        ("POST", "/client-grants", "create:client_grants"),
        ("GET", "/client-grants/x", "read:client_grants"),
        ("PATCH", "/client-grants/x", "update:client_grants"),
        ("DELETE", "/client-grants/x", "delete:client_grants"),
        ("GET", "/clients", "read:clients,read:client_keys,read:client_summary"),
        ("POST", "/clients", "create:clients"),
        ("GET", "/clients/x", "read:clients,read:client_keys,read:client_summary"),
        ("DELETE", "/clients/x", "delete:clients"),
        ("GET", "/resource-servers", "read:resource_servers"),
        ("POST", "/resource-servers", "create:resource_servers"),
        ("GET", "/resource-servers/x", "read:resource_servers"),
        ("DELETE", "/resource-servers/x", "delete:resource_servers"),
        ("GET", "/organizations", "read:organizations,read:organizations_summary"),
        ("POST", "/organizations", "create:organizations"),
        ("GET", "/organizations/x", "read:organizations,read:organizations_summary"),
        ("DELETE", "/organizations/x", "delete:organizations"),
    ],
)
def test_each_endpoint_needs_its_permission(caller: SandboxClient, method: str, path: str, expected: str) -> None:
    caller_without_permissions = SandboxClient(caller.sandbox, caller.clock, scopes=("read:nothing",))
    message = f"Insufficient scope, expected any of: {expected}"
    assert error_of(caller_without_permissions.call(method, path)) == (403, message, "insufficient_scope")


def test_a_token_contains_no_secret_of_the_tenant(caller: SandboxClient) -> None:
    tenant = caller.sandbox.store.tenant()
    assert tenant.client_secret not in repr(tenant)
    assert caller.sandbox.credentials.client_secret not in repr(caller.sandbox)
    assert issue(tenant, Permit(client_id="a", audience="b", scope=[]), 0).count(".") == 2
