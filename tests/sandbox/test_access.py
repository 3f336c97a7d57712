import jwt
import pytest
from sandbox.sandbox_client import MANAGEMENT, START, SandboxClient, error

from auth0_sandbox.requests.tokens import Permit, issue
from auth0_sandbox.store.database import SandboxTenant

PATH = "/api/v2/client-grants"


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Basic abc", "token", "Bearer a b"], ids=["bare", "empty", "basic", "word", "two"]
)
def test_a_malformed_header_is_told(talk: SandboxClient, header: str) -> None:
    answer = talk.raw("GET", PATH, headers={"authorization": header})
    assert error(answer) == (400, "Bad HTTP authentication header format", "Bearer")


def test_a_token_is_needed(talk: SandboxClient) -> None:
    answer = talk.raw("GET", PATH)
    assert error(answer) == (401, "Missing authentication", None)
    assert answer.json()["attributes"] == {"error": "Missing authentication"}


def tampered(tenant: SandboxTenant, claims: dict[str, object]) -> str:
    whole = {"iss": tenant.issuer, "aud": MANAGEMENT, "exp": START + 9, "scope": "read:client_grants"}
    kept = {name: value for name, value in (whole | claims).items() if value is not None}
    return jwt.encode(kept, tenant.signing_key, "HS256")


@pytest.mark.parametrize(
    "claims",
    [{"aud": "urn:x"}, {"iss": "https://evil.example/"}, {"exp": None}, {"exp": "soon"}, {"aud": None}],
    ids=["other API", "other tenant", "endless", "no time", "no API"],
)
def test_a_token_with_wrong_claims_is_invalid(talk: SandboxClient, claims: dict[str, object]) -> None:
    token = tampered(talk.sandbox.store.tenant(), claims)
    answer = talk.raw("GET", PATH, headers={"authorization": f"Bearer {token}"})
    assert error(answer) == (401, "Invalid token", None)
    assert answer.json()["attributes"] == {"error": "Invalid token"}


def test_no_token_at_all_is_invalid(talk: SandboxClient) -> None:
    answer = talk.raw("GET", PATH, headers={"authorization": "Bearer nonsense"})
    assert error(answer) == (401, "Invalid token", None)


def test_a_forged_token_is_told(talk: SandboxClient) -> None:
    token = jwt.encode({"aud": MANAGEMENT}, b"somebody else's key of enough length", "HS256")
    answer = talk.raw("GET", PATH, headers={"authorization": f"Bearer {token}"})
    assert error(answer) == (401, "Invalid signature received for JSON Web Token validation", None)


def test_a_token_expires_after_a_day(talk: SandboxClient) -> None:
    headers = {"authorization": f"bearer {talk.token()}"}
    talk.clock.now += 86_399
    assert talk.raw("GET", PATH, headers=headers).status_code == 200
    talk.clock.now += 1
    answer = talk.raw("GET", PATH, headers=headers)
    assert error(answer) == (401, "Expired token received for JSON Web Token validation", None)


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
def test_each_endpoint_asks_for_its_permission(talk: SandboxClient, method: str, path: str, expected: str) -> None:
    nobody = SandboxClient(talk.sandbox, talk.clock, scopes=("read:nothing",))
    message = f"Insufficient scope, expected any of: {expected}"
    assert error(nobody.call(method, path)) == (403, message, "insufficient_scope")


def test_a_token_shows_no_secret_of_the_tenant(talk: SandboxClient) -> None:
    tenant = talk.sandbox.store.tenant()
    assert tenant.client_secret not in repr(tenant)
    assert talk.sandbox.credentials.client_secret not in repr(talk.sandbox)
    assert issue(tenant, Permit(client_id="a", audience="b", scope=[]), 0).count(".") == 2
