"""Auth0's own Python SDK, as it is, against a served sandbox."""

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
from peers.answered import answered

from auth0_sandbox.faults.plan import AnswerFault, RateLimit, Rule
from auth0_sandbox.served import ServedSandbox

pytestmark = pytest.mark.auth0_sandbox(tls=True)  # it speaks nothing else

CUSTOMERS, INVOICES = "https://customers.example.com/", "https://invoices.example.com/"
CLIENT = "application-one"
GRANTS = "/api/v2/client-grants"
AT_ONCE: Mapping[str, Any] = {"max_retries": 0}


@pytest.fixture
def sandbox(auth0_sandbox: ServedSandbox, monkeypatch: pytest.MonkeyPatch) -> ServedSandbox:
    """The sandbox, in an environment in which it is trusted."""
    for name, value in auth0_sandbox.environment.items():
        monkeypatch.setenv(name, value)
    return auth0_sandbox


@pytest.fixture
def sdk(sandbox: ServedSandbox) -> Iterator[ManagementClient]:
    with client(sandbox, client_id=sandbox.client_id, client_secret=sandbox.client_secret) as opened:
        yield opened


@contextmanager
def client(sandbox: ServedSandbox, **credentials: str) -> Iterator[ManagementClient]:
    """The SDK's client, on connections that are closed behind the test."""
    with httpx.Client() as http:
        yield ManagementClient(domain=sandbox.domain, audience=sandbox.audience, httpx_client=http, **credentials)


def test_a_grant_lives_from_creation_to_deletion(sdk: ManagementClient) -> None:
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


def test_all_pages_together_hold_every_one_of_many_grants_once(sdk: ManagementClient, sandbox: ServedSandbox) -> None:
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


def test_an_organization_takes_a_grant_and_gives_it_up(sdk: ManagementClient) -> None:
    organization = sdk.organizations.create(name="initech", display_name="Initech")
    grant = sdk.client_grants.create(client_id=CLIENT, audience=INVOICES, scope=[], organization_usage="require")

    tied = sdk.organizations.client_grants.create(organization.id, grant_id=grant.id)
    assert (tied.client_id, tied.organization_usage) == (CLIENT, "require")
    assert [each.id for each in sdk.organizations.client_grants.list(organization.id)] == [grant.id]
    assert [each.id for each in sdk.client_grants.organizations.list(grant.id)] == [organization.id]

    sdk.organizations.client_grants.delete(organization.id, grant.id)
    assert list(sdk.organizations.client_grants.list(organization.id)) == []


def test_a_second_grant_of_one_key_is_a_conflict_even_when_tried_again(
    sdk: ManagementClient, sandbox: ServedSandbox
) -> None:
    sdk.client_grants.create(client_id=CLIENT, audience=INVOICES, scope=[])
    with pytest.raises(ConflictError, match=f"already exists between {CLIENT} and {INVOICES}"):
        sdk.client_grants.create(client_id=CLIENT, audience=INVOICES, scope=["read:invoices"])
    assert answered(sandbox)["POST", GRANTS] == {"201": 1, "409": 3}  # it repeats a 409, too


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ({"client_id": "nobody", "audience": INVOICES, "scope": []}, NotFoundError, "Client not found"),
        ({"client_id": CLIENT, "audience": "urn:none", "scope": []}, NotFoundError, "No resource with identifier"),
        ({"client_id": CLIENT, "audience": INVOICES, "scope": None}, BadRequestError, "but found type null"),
        ({"client_id": CLIENT, "audience": INVOICES, "scope": [""]}, BadRequestError, "String is too short"),
        ({"client_id": CLIENT, "audience": ""}, BadRequestError, "Payload validation error"),
    ],
    ids=["no such application", "no such API", "null for scopes", "an empty scope", "an empty audience"],
)
def test_a_grant_that_cannot_be_is_refused_in_the_words_of_the_api(
    sdk: ManagementClient, body: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        sdk.client_grants.create(**body)


def test_an_update_of_nothing_is_refused(sdk: ManagementClient) -> None:
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


def test_a_single_429_is_waited_out_until_the_promised_time(sdk: ManagementClient, sandbox: ServedSandbox) -> None:
    sandbox.misbehave(Rule(RateLimit(reset=1), method="POST", path=GRANTS, calls=(1,)))
    sdk.client_grants.create(client_id=CLIENT, audience=INVOICES, scope=[])
    assert answered(sandbox)["POST", GRANTS] == {"201": 1, "429": 1}


@pytest.mark.auth0_sandbox(rate_limit="free")
def test_a_small_plan_slows_down_and_loses_nothing(sdk: ManagementClient, sandbox: ServedSandbox) -> None:
    holders = (CLIENT, "application-two", "tpc_application-three")  # six grants, two a second
    for client_id, audience in product(holders, (CUSTOMERS, INVOICES)):
        sdk.client_grants.create(client_id=client_id, audience=audience, scope=[])
    assert answered(sandbox)["POST", GRANTS]["201"] == 6
    assert "429" in answered(sandbox)["POST", GRANTS]


def test_a_429_that_does_not_end_is_told_as_one(sdk: ManagementClient, sandbox: ServedSandbox) -> None:
    sandbox.misbehave(Rule(RateLimit(), path=GRANTS))
    with pytest.raises(TooManyRequestsError) as refused:
        sdk.client_grants.list(request_options=AT_ONCE)
    assert refused.value.body["errorCode"] == "too_many_requests"


def test_a_write_whose_answer_got_lost_is_sent_again_and_meets_itself(
    sdk: ManagementClient, sandbox: ServedSandbox
) -> None:
    sandbox.misbehave(Rule(AnswerFault(status=502, when="after", body="html"), method="POST", path=GRANTS, calls=(1,)))
    with pytest.raises(ConflictError):
        sdk.client_grants.create(client_id=CLIENT, audience=INVOICES, scope=[], request_options={"max_retries": 1})
    assert [grant.get("client_id") for grant in sandbox.grants()].count(CLIENT) == 1
