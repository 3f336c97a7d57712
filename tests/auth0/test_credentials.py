import base64
import json

import pytest
from support.builders import OWN

from reconciler.auth0.credentials import AccessToken, ClientSecret, PrivateKey, credentials_from, identities_of, own_key
from reconciler.core.grant import Key
from reconciler.errors import ReconcilerError

CANARY = "canary-5ecret"


def a_token(**claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.signature"


@pytest.mark.parametrize("name", ["AUTH0_ACCESS_TOKEN", "AUTH0_API_TOKEN"])
def test_an_access_token_is_used_unchanged(name: str) -> None:
    assert credentials_from({name: "abc\n", "AUTH0_CLIENT_ID": "x"}, "t.auth0.com") == AccessToken("abc")


@pytest.mark.parametrize("token", [f"{CANARY} x", f"{CANARY}\nx", f"{CANARY}é", f"{CANARY}\udc80"], ids=ascii)
def test_a_token_with_invalid_characters_for_a_header_is_refused(token: str) -> None:
    with pytest.raises(ReconcilerError, match="AUTH0_API_TOKEN is not a valid access token") as caught:
        credentials_from({"AUTH0_API_TOKEN": token}, "t.auth0.com")

    assert CANARY not in str(caught.value)


def test_the_default_audience_is_the_management_api_of_the_domain() -> None:
    environment = {"AUTH0_CLIENT_ID": "id", "AUTH0_CLIENT_SECRET": CANARY}

    assert credentials_from(environment, "t.auth0.com") == ClientSecret("id", CANARY, "https://t.auth0.com/api/v2/")


def test_the_audience_variable_is_used_for_a_custom_domain() -> None:
    environment = {"AUTH0_CLIENT_ID": "id", "AUTH0_CLIENT_SECRET": CANARY, "AUTH0_AUDIENCE": "https://t/api/v2/"}

    credentials = credentials_from(environment, "login.example.com")

    assert isinstance(credentials, ClientSecret)
    assert credentials.audience == "https://t/api/v2/"


def test_the_prefix_applies_to_all_variables() -> None:
    unprefixed = {
        "AUTH0_CLIENT_ID": "dev",
        "AUTH0_CLIENT_SECRET": CANARY,
        "AUTH0_ACCESS_TOKEN": CANARY,
        "AUTH0_AUDIENCE": "x",
    }
    prefixed = {
        "AUTH0_PROD_CLIENT_ID": "prod",
        "AUTH0_PROD_CLIENT_ASSERTION_PRIVATE_KEY": CANARY,
        "AUTH0_PROD_CLIENT_ASSERTION_SIGNING_ALG": "PS256",
        "AUTH0_PROD_AUDIENCE": "https://t/api/v2/",
    }

    credentials = credentials_from(unprefixed | prefixed, "t.auth0.com", "AUTH0_PROD_")

    assert credentials == PrivateKey(
        "prod", CANARY, "PS256", "https://t.auth0.com/", "https://t/api/v2/", "AUTH0_PROD_"
    )
    assert credentials_from(unprefixed | prefixed, "t.auth0.com") == AccessToken(CANARY)
    assert credentials_from(prefixed | {"AUTH0_PROD_API_TOKEN": "t"}, "t", "AUTH0_PROD_") == AccessToken("t")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTH0_PROD_API_TOKEN", "no token"),
        ("AUTH0_PROD_CLIENT_ID", "\udc80"),
        ("AUTH0_PROD_CLIENT_SIGNING_KEY_PATH", "/nowhere/to/be/found"),
        ("AUTH0_PROD_ACCESS_TOKEN", ""),
    ],
    ids=["token", "bytes", "path", "none"],
)
def test_errors_contain_the_prefixed_variable(name: str, value: str) -> None:
    with pytest.raises(ReconcilerError, match=name):
        credentials_from({name: value, "AUTH0_CLIENT_ID": "x", "AUTH0_CLIENT_SECRET": CANARY}, "t", "AUTH0_PROD_")


@pytest.mark.parametrize("environment", [{}, {"AUTH0_CLIENT_ID": "id"}, {"AUTH0_CLIENT_SECRET": CANARY}], ids=len)
def test_missing_credentials_are_an_error_with_the_variables_to_set(environment: dict[str, str]) -> None:
    with pytest.raises(ReconcilerError, match="AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET, or AUTH0_ACCESS_TOKEN"):
        credentials_from(environment, "t.auth0.com")


def test_surrounding_whitespace_is_removed_from_values() -> None:
    padded = {
        "AUTH0_CLIENT_ID": " id\n",
        "AUTH0_CLIENT_SECRET": f"\t{CANARY}\r\n",
        "AUTH0_AUDIENCE": " https://t/api/v2/\n",
    }
    key = {"AUTH0_CLIENT_ASSERTION_PRIVATE_KEY": f" {CANARY}\n", "AUTH0_CLIENT_ASSERTION_SIGNING_ALG": " PS256\n"}

    assert credentials_from(padded, "t") == ClientSecret("id", CANARY, "https://t/api/v2/")
    assert credentials_from(padded | key, "t") == PrivateKey(
        "id", CANARY, "PS256", "https://t/", "https://t/api/v2/", "AUTH0_"
    )


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"AUTH0_CLIENT_ID": "id", "AUTH0_CLIENT_SECRET": ""}, ": AUTH0_CLIENT_SECRET is empty; set "),
        ({"AUTH0_CLIENT_ID": " ", "AUTH0_CLIENT_SECRET": CANARY}, ": AUTH0_CLIENT_ID is empty; set "),
        (
            {"AUTH0_CLIENT_ID": "\n", "AUTH0_CLIENT_SECRET": "", "AUTH0_ACCESS_TOKEN": " "},
            ": AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET and AUTH0_ACCESS_TOKEN are empty; set ",
        ),
        (
            {"AUTH0_CLIENT_ID": "id", "AUTH0_CLIENT_ASSERTION_PRIVATE_KEY": "\n"},
            ": AUTH0_CLIENT_ASSERTION_PRIVATE_KEY is empty; set ",
        ),
        ({"AUTH0_CLIENT_ID": "id", "AUTH0_CLIENT_SIGNING_KEY_PATH": ""}, ": AUTH0_CLIENT_SIGNING_KEY_PATH is empty; "),
    ],
)
def test_an_error_lists_variables_that_are_set_but_empty(environment: dict[str, str], said: str) -> None:
    with pytest.raises(ReconcilerError) as caught:
        credentials_from(environment, "t.auth0.com")

    assert f"no credentials for t.auth0.com{said}" in str(caught.value)


def test_an_empty_variable_that_is_not_needed_is_ignored() -> None:
    environment = {
        "AUTH0_CLIENT_ID": "id",
        "AUTH0_CLIENT_SECRET": CANARY,
        "AUTH0_ACCESS_TOKEN": "",
        "AUTH0_AUDIENCE": "",
    }

    assert credentials_from(environment, "t", audience="https://canonical/api/v2/") == ClientSecret(
        "id", CANARY, "https://canonical/api/v2/"
    )


@pytest.mark.parametrize(
    ("audience", "identities"),
    [
        (OWN.audience, {"sandbox.localhost"}),
        (["https://a.auth0.com/userinfo", "https://a.auth0.com/api/v2/"], {"a.auth0.com"}),
        (["https://a.auth0.com/api/v2/", "https://b.auth0.com/api/v2/"], {"a.auth0.com", "b.auth0.com"}),
        ("x/api/v2/", set()),
        (None, set()),
        ([1, {}], set()),
    ],
)
def test_the_identity_of_the_tenant_comes_from_the_audience_of_the_token(
    audience: object, identities: set[str]
) -> None:
    assert identities_of(a_token(aud=audience)) == identities
    assert identities_of("opaque") == set()


@pytest.mark.parametrize("credentials", [AccessToken(CANARY), ClientSecret("id", CANARY, "aud")], ids=repr)
def test_the_repr_of_credentials_contains_no_secret(credentials: object) -> None:
    assert CANARY not in repr(credentials)


@pytest.mark.parametrize(
    "claims",
    [
        {"azp": "own-client", "aud": OWN.audience},
        {"sub": "own-client@clients", "aud": OWN.audience},
        {"azp": "own-client", "aud": ["https://sandbox.localhost/userinfo", OWN.audience]},
    ],
    ids=["azp", "sub", "several audiences"],
)
def test_the_key_of_the_own_grant_comes_from_the_token(claims: dict[str, object]) -> None:
    assert own_key(a_token(**claims)) == Key(OWN.client_id, OWN.audience)


@pytest.mark.parametrize(
    "token",
    ["opaque", "a.b.c", "", a_token(azp="x"), a_token(aud=OWN.audience), "e30.W10.x", "e30.bnVsbA.x"],
)
def test_a_token_without_the_needed_claims_is_refused(token: str) -> None:
    with pytest.raises(ReconcilerError, match="access token") as caught:
        own_key(token)

    assert not token or token not in str(caught.value)
