import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from support.scripted_server import ReceivedRequest, Server, http_response, scripted_server
from support.virtual_time import run_virtually

from reconciler.auth0.client import ManagementClient, open_client
from reconciler.auth0.credentials import AccessToken, ClientSecret, Credentials, PrivateKey
from reconciler.auth0.errors import NoTokenError, NotSentError, RefusedCallError
from reconciler.auth0.management import ClientOptions
from reconciler.auth0.rate_limit import RateOptions
from reconciler.errors import ReconcilerError
from reconciler.http.retry import RetryPolicy

AUDIENCE = "https://t.auth0.com/api/v2/"
SECRET = ClientSecret("id", "canary-5ecret", AUDIENCE)
CLIENT_OPTIONS = ClientOptions(RateOptions(concurrency=20), RetryPolicy(jitter=lambda low, _: low))
NO_GRANTS: dict[str, list[object]] = {"client_grants": []}


class Issuer:
    """Issues the tokens t1, t2 and so on. Accepts the tokens for which `accepts` returns true."""

    def __init__(self, accepts: Callable[[str], bool], lifetime: object = 86_400) -> None:
        self.accepts, self.lifetime = accepts, lifetime
        self.forms: list[ReceivedRequest] = []

    def __call__(self, request: ReceivedRequest) -> bytes:
        if request.path == "/oauth/token":
            self.forms.append(request)
            return http_response(200, {"access_token": f"t{len(self.forms)}", "expires_in": self.lifetime})
        if self.accepts(request.headers["authorization"].removeprefix("Bearer ")):
            return http_response(200, NO_GRANTS)
        return http_response(401, {"message": "Expired token received for JSON Web Token validation"})


def run_client(
    issuer: Callable[[ReceivedRequest], bytes],
    work: Callable[[ManagementClient], Awaitable[object]],
    credentials: Credentials = SECRET,
) -> Server:
    async def run() -> Server:
        async with (
            scripted_server(issuer) as server,
            open_client(server.url, credentials, client_options=CLIENT_OPTIONS) as client,
        ):
            await work(client)
            return server

    return run_virtually(run())[0]


async def list_many_times(client: ManagementClient) -> None:
    await client.grants()
    await asyncio.gather(*(client.grants() for _ in range(10)))


def test_all_requests_use_one_token() -> None:
    issuer = Issuer(lambda _: True)

    run_client(issuer, list_many_times)

    assert len(issuer.forms) == 1


def test_a_token_refused_in_concurrent_requests_is_renewed_once() -> None:
    tokens: list[str] = []

    def accepts(token: str) -> bool:
        tokens.append(token)
        return token == "t2" or len(tokens) == 1  # t1 is accepted once and then expires

    issuer = Issuer(accepts)
    run_client(issuer, list_many_times)

    assert len(issuer.forms) == 2


def test_a_refused_renewed_token_is_an_error() -> None:
    issuer = Issuer(lambda _: False)

    with pytest.raises(RefusedCallError, match="401 Expired token"):
        run_client(issuer, ManagementClient.grants)

    assert len(issuer.forms) == 2


def test_a_refused_access_token_from_the_environment_is_an_error() -> None:
    issuer = Issuer(lambda _: False)

    with pytest.raises(RefusedCallError, match="401"):
        run_client(issuer, ManagementClient.grants, AccessToken("ready"))

    assert issuer.forms == []


@pytest.mark.parametrize(("lifetime", "tokens"), [(100, 2), (86_400, 1), ("soon", 1), (-1, 1)], ids=str)
def test_a_token_is_renewed_before_it_expires(lifetime: object, tokens: int) -> None:
    async def work(client: ManagementClient) -> None:
        await client.grants()
        await asyncio.sleep(70)
        await client.grants()

    issuer = Issuer(lambda _: True, lifetime)
    run_client(issuer, work)

    assert len(issuer.forms) == tokens


def test_a_temporarily_failing_token_request_is_retried() -> None:
    issuer = Issuer(lambda _: True)
    responses = [http_response(503, b""), http_response(429, b""), b""]

    run_client(lambda request: responses.pop() if responses else issuer(request), ManagementClient.grants)

    assert len(issuer.forms) == 1


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def pem(key: rsa.RSAPrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def assertions(forms: list[ReceivedRequest]) -> list[str]:
    fields = [dict(pair.split("=") for pair in form.body.decode().split("&")) for form in forms]
    assert all(
        field["client_assertion_type"] == "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
        for field in fields
    )
    assert all("client_secret" not in field for field in fields)
    return [field["client_assertion"] for field in fields]


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "PS256"])
def test_a_private_key_signs_an_assertion(key: rsa.RSAPrivateKey, algorithm: str) -> None:
    issuer = Issuer(lambda _: True)

    run_client(issuer, ManagementClient.grants, PrivateKey("id", pem(key), algorithm, "https://t.auth0.com/", AUDIENCE))

    (assertion,) = assertions(issuer.forms)
    claims: dict[str, Any] = jwt.decode(assertion, key.public_key(), [algorithm], audience="https://t.auth0.com/")
    assert claims["aud"] == "https://t.auth0.com/"
    assert (claims["iss"], claims["sub"]) == ("id", "id")
    assert 0 < claims["exp"] - claims["iat"] <= 60


def test_each_assertion_has_a_new_id(key: rsa.RSAPrivateKey) -> None:
    issuer = Issuer(lambda token: token == "t2")

    run_client(issuer, ManagementClient.grants, PrivateKey("id", pem(key), "RS256", "https://t.auth0.com/", AUDIENCE))

    first, second = (jwt.decode(each, options={"verify_signature": False}) for each in assertions(issuer.forms))
    assert first["jti"] != second["jti"]


def test_an_invalid_key_is_an_error_without_the_key() -> None:
    credentials = PrivateKey("id", "canary-5ecret", "RS256", "https://t.auth0.com/", AUDIENCE)

    with pytest.raises(ReconcilerError, match="cannot sign with RS256") as caught:
        run_client(Issuer(lambda _: True), ManagementClient.grants, credentials)

    assert "canary" not in f"{caught.value}{credentials!r}"


def test_requests_without_a_connection_are_attempted_five_times() -> None:
    async def run() -> None:
        async with scripted_server(lambda _: b"") as server:
            url = server.url
        async with open_client(
            url, AccessToken("x"), client_options=ClientOptions(retry_policy=RetryPolicy(jitter=lambda _, high: high))
        ) as client:
            with pytest.raises(NotSentError):
                await client.grants()

    _, seconds = run_virtually(run())

    # the four waits between five attempts
    assert seconds == pytest.approx(1 + 2 + 4 + 8, abs=1)


@pytest.mark.parametrize("status", [401, 403])
def test_the_error_for_a_refused_token_request_names_the_variables_without_values(status: int) -> None:
    credentials = replace(SECRET, prefix="AUTH0_PROD_")

    with pytest.raises(NoTokenError) as caught:
        run_client(
            lambda _: http_response(status, {"error_description": "canary-5ecret is wrong"}),
            list_many_times,
            credentials,
        )

    assert f"/oauth/token: {status} *** is wrong; " in str(caught.value)
    assert "AUTH0_PROD_CLIENT_ID" in caught.value.advice
    assert "canary" not in str(caught.value)


def test_the_error_for_a_refused_private_key_does_not_mention_a_secret() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()

    with pytest.raises(NoTokenError, match="check AUTH0_CLIENT_ID and the private key: "):
        run_client(
            lambda _: http_response(401, {}),
            list_many_times,
            PrivateKey("id", pem, "RS256", "https://t.auth0.com/", AUDIENCE),
        )


def list_until_token_is_refused(number: int, calls: int) -> tuple[Exception, list[str]]:
    """Read `calls` listings while `check_token` refuses one token. Return the error and the tokens that were sent.

    The tenant accepts each token once.
    """
    sent: list[str] = []

    def accepts(token: str) -> bool:
        sent.append(token)
        return sent.count(token) == 1

    def check(token: str) -> None:
        if token == f"t{number}":
            raise ReconcilerError("another tenant's")

    async def run() -> Exception:
        async with (
            scripted_server(Issuer(accepts)) as server,
            open_client(server.url, SECRET, client_options=CLIENT_OPTIONS, check_token=check) as client,
        ):
            for _ in range(calls - 1):
                await client.grants()
            with pytest.raises(ReconcilerError, match="another tenant's") as caught:
                await client.grants()
            return caught.value

    return run_virtually(run())[0], sent


def test_a_token_refused_by_the_check_is_not_sent() -> None:
    error, sent = list_until_token_is_refused(1, calls=1)

    assert (type(error), sent) == (ReconcilerError, [])


def test_a_renewed_token_refused_by_the_check_is_a_failed_token_request() -> None:
    error, sent = list_until_token_is_refused(2, calls=2)

    assert (type(error), sent) == (NoTokenError, ["t1", "t1"])
