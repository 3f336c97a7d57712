from dataclasses import replace

import pytest

from reconciler.auth0.credentials import credentials_from
from reconciler.config.tenants import Tenant, TenantKind
from reconciler.doctor.probe import ProbeFailed, describe_credentials

AUTH0 = Tenant(name="x", domain="x.auth0.com")
SANDBOX = Tenant(name="x", domain="x.auth0.com", kind=TenantKind.SANDBOX)
ID = {"AUTH0_CLIENT_ID": "id"}


@pytest.mark.parametrize(
    ("environment", "told"),
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
def test_credentials_are_told_by_their_kind_and_variables(environment: dict[str, str], told: str) -> None:
    credentials = credentials_from(environment, "x.auth0.com")

    assert describe_credentials(credentials, AUTH0, environment) == told


def test_variables_are_told_by_the_tenants_prefix() -> None:
    prod = replace(AUTH0, credentials="AUTH0_PROD_")
    environment = {"AUTH0_PROD_CLIENT_ID": "id", "AUTH0_PROD_CLIENT_SECRET": "canary"}
    credentials = credentials_from(environment, "x.auth0.com", prod.credentials)

    told = describe_credentials(credentials, prod, environment)

    assert told == "a client secret from AUTH0_PROD_CLIENT_ID and AUTH0_PROD_CLIENT_SECRET"


def test_a_sandbox_has_its_own() -> None:
    credentials = credentials_from({"AUTH0_ACCESS_TOKEN": "canary"}, "x.auth0.com")

    assert describe_credentials(credentials, SANDBOX, {}) == "the credentials of the sandbox"


def test_trouble_stays_trouble() -> None:
    assert describe_credentials(ProbeFailed("x", "y"), AUTH0, {}) == ProbeFailed("x", "y")
