from dataclasses import replace

import pytest

from reconciler.auth0.credentials import credentials_from
from reconciler.config.tenants import Tenant, TenantKind
from reconciler.doctor.probe import ProbeFailed, describe_credentials

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
