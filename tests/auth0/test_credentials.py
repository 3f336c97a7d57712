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
def test_a_ready_token_is_taken_as_it_is(name: str) -> None:
    assert credentials_from({name: "abc\n", "AUTH0_CLIENT_ID": "x"}, "t.auth0.com") == AccessToken("abc")


@pytest.mark.parametrize("token", [f"{CANARY} x", f"{CANARY}\nx", f"{CANARY}é", f"{CANARY}\udc80"], ids=ascii)
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(ReconcilerError, match="AUTH0_API_TOKEN is not a valid access token") as caught:
        credentials_from({"AUTH0_API_TOKEN": token}, "t.auth0.com")

    assert CANARY not in str(caught.value)


def test_id_and_secret_ask_for_the_tenants_management_api() -> None:
    environment = {"AUTH0_CLIENT_ID": "id", "AUTH0_CLIENT_SECRET": CANARY}

    assert credentials_from(environment, "t.auth0.com") == ClientSecret("id", CANARY, "https://t.auth0.com/api/v2/")


def test_behind_a_custom_domain_the_audience_is_named() -> None:
    environment = {"AUTH0_CLIENT_ID": "id", "AUTH0_CLIENT_SECRET": CANARY, "AUTH0_AUDIENCE": "https://t/api/v2/"}

    credentials = credentials_from(environment, "login.example.com")

    assert isinstance(credentials, ClientSecret)
    assert credentials.audience == "https://t/api/v2/"


def test_another_prefix_stands_for_other_variables_all_along() -> None:
    ours = {
        "AUTH0_CLIENT_ID": "dev",
        "AUTH0_CLIENT_SECRET": CANARY,
        "AUTH0_ACCESS_TOKEN": CANARY,
        "AUTH0_AUDIENCE": "x",
    }
    theirs = {
        "AUTH0_PROD_CLIENT_ID": "prod",
        "AUTH0_PROD_CLIENT_ASSERTION_PRIVATE_KEY": CANARY,
        "AUTH0_PROD_CLIENT_ASSERTION_SIGNING_ALG": "PS256",
        "AUTH0_PROD_AUDIENCE": "https://t/api/v2/",
    }

    credentials = credentials_from(ours | theirs, "t.auth0.com", "AUTH0_PROD_")

    assert credentials == PrivateKey(
        "prod", CANARY, "PS256", "https://t.auth0.com/", "https://t/api/v2/", "AUTH0_PROD_"
    )
    assert credentials_from(ours | theirs, "t.auth0.com") == AccessToken(CANARY)
    assert credentials_from(theirs | {"AUTH0_PROD_API_TOKEN": "t"}, "t", "AUTH0_PROD_") == AccessToken("t")


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
def test_errors_name_the_variables_of_that_prefix(name: str, value: str) -> None:
    with pytest.raises(ReconcilerError, match=name):
        credentials_from({name: value, "AUTH0_CLIENT_ID": "x", "AUTH0_CLIENT_SECRET": CANARY}, "t", "AUTH0_PROD_")


@pytest.mark.parametrize("environment", [{}, {"AUTH0_CLIENT_ID": "id"}, {"AUTH0_CLIENT_SECRET": CANARY}], ids=len)
def test_without_credentials_the_error_names_the_variables(environment: dict[str, str]) -> None:
    with pytest.raises(ReconcilerError, match="AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET, or AUTH0_ACCESS_TOKEN"):
        credentials_from(environment, "t.auth0.com")


def test_whitespace_around_a_value_is_not_a_part_of_it() -> None:
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
def test_a_variable_that_is_set_but_empty_is_named(environment: dict[str, str], said: str) -> None:
    with pytest.raises(ReconcilerError) as caught:
        credentials_from(environment, "t.auth0.com")

    assert f"no credentials for t.auth0.com{said}" in str(caught.value)


def test_an_empty_variable_that_is_not_needed_is_no_matter() -> None:
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
def test_a_token_shows_the_identity_of_its_tenant(audience: object, identities: set[str]) -> None:
    assert identities_of(a_token(aud=audience)) == identities
    assert identities_of("opaque") == set()


@pytest.mark.parametrize("credentials", [AccessToken(CANARY), ClientSecret("id", CANARY, "aud")], ids=repr)
def test_no_secret_shows_in_a_repr(credentials: object) -> None:
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
def test_the_token_tells_which_grant_is_our_own(claims: dict[str, object]) -> None:
    assert own_key(a_token(**claims)) == Key(OWN.client_id, OWN.audience)


@pytest.mark.parametrize(
    "token",
    ["opaque", "a.b.c", "", a_token(azp="x"), a_token(aud=OWN.audience), "e30.W10.x", "e30.bnVsbA.x"],
)
def test_a_token_that_does_not_tell_is_refused(token: str) -> None:
    with pytest.raises(ReconcilerError, match="access token") as caught:
        own_key(token)

    assert not token or token not in str(caught.value)
