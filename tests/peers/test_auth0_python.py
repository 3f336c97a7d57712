"""Auth0's Python SDK with a served sandbox."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from typing import Any

import httpx
import pytest
from auth0.management import ManagementClient
from auth0.management.errors import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    TooManyRequestsError,
)
from peers.responses import response_counts

from auth0_sandbox.faults.plan import AnswerFault, RateLimit, Rule
from auth0_sandbox.served import ServedSandbox

pytestmark = pytest.mark.auth0_sandbox(tls=True)  # it supports HTTPS only

CUSTOMERS, INVOICES = "https://customers.example.com/", "https://invoices.example.com/"
CLIENT = "application-one"
GRANTS = "/api/v2/client-grants"
NO_RETRIES: Mapping[str, Any] = {"max_retries": 0}


@pytest.fixture
def sandbox(auth0_sandbox: ServedSandbox, monkeypatch: pytest.MonkeyPatch) -> ServedSandbox:
    """The sandbox, with the environment variables that make programs trust its certificate."""
    for name, value in auth0_sandbox.environment.items():
        monkeypatch.setenv(name, value)
    return auth0_sandbox


@pytest.fixture
def sdk(sandbox: ServedSandbox) -> Iterator[ManagementClient]:
    with client(sandbox, client_id=sandbox.client_id, client_secret=sandbox.client_secret) as opened:
        yield opened


@contextmanager
def client(sandbox: ServedSandbox, **credentials: str) -> Iterator[ManagementClient]:
    """The SDK's client. Its connections are closed after the test."""
    with httpx.Client() as http:
        yield ManagementClient(domain=sandbox.domain, audience=sandbox.audience, httpx_client=http, **credentials)


def test_a_grant_is_created_updated_and_deleted(sdk: ManagementClient) -> None:
    created = sdk.client_grants.create(
        client_id=CLIENT, audience=CUSTOMERS, scope=["write:customers", "read:customers"], organization_usage="allow"
    )
    assert created.scope == ["write:customers", "read:customers"]
    assert created.subject_type == "client"

    updated = sdk.client_grants.update(created.id, scope=["read:customers"], organization_usage=None)
    assert (updated.id, updated.scope, updated.organization_usage) == (created.id, ["read:customers"], None)
    assert sdk.client_grants.get(created.id).dict() == updated.dict()

    sdk.client_grants.delete(created.id)
    sdk.client_grants.delete(created.id)
    with pytest.raises(NotFoundError) as missing:
        sdk.client_grants.get(created.id)
    assert missing.value.body == {
        "statusCode": 404,
        "error": "Not Found",
        "message": "The grant does not exist.",
        "errorCode": "inexistent_client_grant",
    }


def test_all_pages_together_have_each_grant_once(sdk: ManagementClient, sandbox: ServedSandbox) -> None:
    for number in range(90):
        audience = f"https://{number}.example.com/"
        sdk.resource_servers.create(identifier=audience, name=f"API {number}")
        for client_id in (CLIENT, "application-two", "tpc_application-three"):
            sdk.client_grants.create(client_id=client_id, audience=audience, scope=[])

    stored = [grant["id"] for grant in sandbox.grants()]
    assert len(stored) > 250
    assert [grant.id for grant in sdk.client_grants.list()] == stored
    pages = list(sdk.client_grants.list(take=100).iter_pages())
    assert [len(page.items) for page in pages] == [100, 100, len(stored) - 200]


def test_filters_select_grants(sdk: ManagementClient) -> None:
    of_api = list(sdk.client_grants.list(audience=CUSTOMERS))
    assert {grant.audience for grant in of_api} == {CUSTOMERS}
    assert len(of_api) == 3
    assert [grant.subject_type for grant in sdk.client_grants.list(audience=CUSTOMERS, subject_type="user")] == ["user"]
    (default,) = sdk.client_grants.list(default_for="third_party_clients")
    assert default.client_id is None
    (anyone,) = sdk.client_grants.list(allow_any_organization=True)
    assert anyone.organization_usage == "allow"


def test_a_grant_is_added_to_and_removed_from_an_organization(sdk: ManagementClient) -> None:
    organization = sdk.organizations.create(name="initech", display_name="Initech")
    grant = sdk.client_grants.create(client_id=CLIENT, audience=INVOICES, scope=[], organization_usage="require")

    tied = sdk.organizations.client_grants.create(organization.id, grant_id=grant.id)
    assert (tied.client_id, tied.organization_usage) == (CLIENT, "require")
    assert [each.id for each in sdk.organizations.client_grants.list(organization.id)] == [grant.id]
    assert [each.id for each in sdk.client_grants.organizations.list(grant.id)] == [organization.id]

    sdk.organizations.client_grants.delete(organization.id, grant.id)
    assert list(sdk.organizations.client_grants.list(organization.id)) == []


def test_a_second_grant_with_the_same_key_is_a_conflict_despite_retries(
    sdk: ManagementClient, sandbox: ServedSandbox
) -> None:
    sdk.client_grants.create(client_id=CLIENT, audience=INVOICES, scope=[])
    with pytest.raises(ConflictError, match=f"already exists between {CLIENT} and {INVOICES}"):
        sdk.client_grants.create(client_id=CLIENT, audience=INVOICES, scope=["read:invoices"])
    assert response_counts(sandbox)["POST", GRANTS] == {"201": 1, "409": 3}  # the SDK retries a 409


@pytest.mark.parametrize(
    ("body", "error_of", "message"),
    [
        ({"client_id": "nobody", "audience": INVOICES, "scope": []}, NotFoundError, "Client not found"),
        ({"client_id": CLIENT, "audience": "urn:none", "scope": []}, NotFoundError, "No resource with identifier"),
        ({"client_id": CLIENT, "audience": INVOICES, "scope": None}, BadRequestError, "but found type null"),
        ({"client_id": CLIENT, "audience": INVOICES, "scope": [""]}, BadRequestError, "String is too short"),
        ({"client_id": CLIENT, "audience": ""}, BadRequestError, "Payload validation error"),
    ],
    ids=["no such application", "no such API", "null for scopes", "an empty scope", "an empty audience"],
)
def test_an_invalid_grant_is_refused_with_the_message_of_the_api(
    sdk: ManagementClient, body: dict[str, Any], error_of: type[Exception], message: str
) -> None:
    with pytest.raises(error_of, match=message):
        sdk.client_grants.create(**body)


def test_an_empty_update_is_refused(sdk: ManagementClient) -> None:
    with pytest.raises(BadRequestError, match=r"Too few properties defined \(0\), minimum 1"):
        sdk.client_grants.update("cgr_0000000000000001")


def test_a_token_without_the_permission_is_refused(sandbox: ServedSandbox) -> None:
    with client(sandbox, token=sandbox.token("read:client_grants")) as reader:
        assert list(reader.client_grants.list(take=1))
        with pytest.raises(ForbiddenError, match="Insufficient scope, expected any of: create:client_grants"):
            reader.client_grants.create(client_id=CLIENT, audience=INVOICES, scope=[])


def test_a_wrong_secret_gets_no_token(sandbox: ServedSandbox) -> None:
    with (
        client(sandbox, client_id=sandbox.client_id, client_secret="guessed") as stranger,
        pytest.raises(httpx.HTTPStatusError, match="401"),
    ):
        stranger.client_grants.list()


def test_the_sdk_waits_for_the_reset_time_after_a_429(sdk: ManagementClient, sandbox: ServedSandbox) -> None:
    sandbox.set_faults(Rule(RateLimit(reset=1), method="POST", path=GRANTS, calls=(1,)))
    sdk.client_grants.create(client_id=CLIENT, audience=INVOICES, scope=[])
    assert response_counts(sandbox)["POST", GRANTS] == {"201": 1, "429": 1}


@pytest.mark.auth0_sandbox(rate_limit="free")
def test_a_low_rate_limit_loses_no_request(sdk: ManagementClient, sandbox: ServedSandbox) -> None:
    holders = (CLIENT, "application-two", "tpc_application-three")  # six grants, two per second
    for client_id, audience in product(holders, (CUSTOMERS, INVOICES)):
        sdk.client_grants.create(client_id=client_id, audience=audience, scope=[])
    assert response_counts(sandbox)["POST", GRANTS]["201"] == 6
    assert "429" in response_counts(sandbox)["POST", GRANTS]


def test_an_endless_429_is_reported(sdk: ManagementClient, sandbox: ServedSandbox) -> None:
    sandbox.set_faults(Rule(RateLimit(), path=GRANTS))
    with pytest.raises(TooManyRequestsError) as refused:
        sdk.client_grants.list(request_options=NO_RETRIES)
    assert refused.value.body["errorCode"] == "too_many_requests"


def test_a_create_with_a_lost_response_is_retried_and_gets_a_409(sdk: ManagementClient, sandbox: ServedSandbox) -> None:
    sandbox.set_faults(Rule(AnswerFault(status=502, when="after", body="html"), method="POST", path=GRANTS, calls=(1,)))
    with pytest.raises(ConflictError):
        sdk.client_grants.create(client_id=CLIENT, audience=INVOICES, scope=[], request_options={"max_retries": 1})
    assert [grant.get("client_id") for grant in sandbox.grants()].count(CLIENT) == 1
