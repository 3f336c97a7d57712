from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sandbox.sandbox_client import DOMAIN, INVOICES, MANAGEMENT, SEED, START, SandboxClient, error_of, open_client

from auth0_sandbox.settings import Settings
from auth0_sandbox.store.database import DocumentKind

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True)
class Signer:
    """An application that signs assertions with a private key."""

    key: RSAPrivateKey
    client_id: str = "signer"

    @property
    def pem(self) -> str:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def assertion(self, *, alg: str = "RS256", headers: dict[str, Any] | None = None, **changes: object) -> str:
        valid: dict[str, object] = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": f"https://{DOMAIN}/",
            "jti": "once",
            "iat": START,
            "exp": START + 60,
        }
        claims = {name: value for name, value in (valid | changes).items() if value is not None}
        return jwt.encode(claims, self.key, alg, headers=headers)


@pytest.fixture(scope="module")
def keys() -> tuple[RSAPrivateKey, RSAPrivateKey]:
    return generate_private_key(65537, 2048), generate_private_key(65537, 2048)


@pytest.fixture
def signer(keys: tuple[RSAPrivateKey, RSAPrivateKey]) -> Signer:
    return Signer(keys[0])


@pytest.fixture
def caller(tmp_path: Path, signer: Signer) -> Iterator[SandboxClient]:
    opened = open_client(tmp_path, seed=a_seed(signer))
    with opened.sandbox:
        yield opened


def a_seed(signer: Signer) -> str:
    indented = signer.pem.replace("\n", "\n      ")
    signing = f"  - name: Signer\n    client_id: signer\n    public_key: |\n      {indented}\n"
    grant = f'  - {{client: Signer, audience: "{MANAGEMENT}", scope: ["read:clients"]}}\n'
    return SEED.replace("apis:\n", f"{signing}\napis:\n", 1) + grant


def ask(caller: SandboxClient, assertion: str, **changes: str | None) -> tuple[int, dict[str, Any]]:
    valid = {
        "grant_type": "client_credentials",
        "client_assertion_type": TYPE,
        "client_assertion": assertion,
        "audience": MANAGEMENT,
    }
    form = {name: value for name, value in (valid | changes).items() if value is not None}
    response = caller.raw("POST", "/oauth/token", data=form)
    return response.status_code, response.json()


@pytest.mark.parametrize("client_id", [None, "signer"], ids=["alone", "with client_id"])
def test_a_signed_assertion_gets_a_token(caller: SandboxClient, signer: Signer, client_id: str | None) -> None:
    status, body = ask(caller, signer.assertion(), client_id=client_id)
    assert (status, body["scope"]) == (200, "read:clients")
    assert jwt.decode(body["access_token"], options={"verify_signature": False})["azp"] == "signer"


@pytest.mark.parametrize("audience", ["http://sandbox.test/", "https://sandbox.test/"])
def test_the_url_of_the_request_is_also_an_audience(caller: SandboxClient, signer: Signer, audience: str) -> None:
    assert ask(caller, signer.assertion(aud=audience))[0] == 200


def test_an_assertion_is_valid_for_one_token(caller: SandboxClient, signer: Signer) -> None:
    assert ask(caller, signer.assertion())[0] == 200
    status, body = ask(caller, signer.assertion(exp=START + 61))
    assert (status, body["error"]) == (401, "invalid_client")
    assert "jti" in body["error_description"]
    assert ask(caller, signer.assertion(jti="twice"))[0] == 200


def test_a_used_assertion_is_forgotten_after_its_expiry(caller: SandboxClient, signer: Signer) -> None:
    assert ask(caller, signer.assertion())[0] == 200
    caller.clock.now += 100
    assert ask(caller, signer.assertion(iat=START + 100, exp=START + 160))[0] == 200


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"aud": f"https://{DOMAIN}"}, "aud", id="audience without slash"),
        pytest.param({"aud": [f"https://{DOMAIN}/"]}, "aud", id="list of audiences"),
        pytest.param({"aud": None}, "aud", id="no audience"),
        pytest.param({"iss": "worker"}, "iss", id="other issuer"),
        pytest.param({"iss": None}, "iss", id="no issuer"),
        pytest.param({"sub": "worker"}, "no key", id="subject without a key"),
        pytest.param({"sub": "nobody"}, "no key", id="unknown subject"),
        pytest.param({"sub": None}, "sub", id="no subject"),
        pytest.param({"jti": None}, "jti", id="no jti"),
        pytest.param({"jti": "x" * 65}, "jti", id="long jti"),
        pytest.param({"jti": ""}, "jti", id="empty jti"),
        pytest.param({"exp": None}, "exp", id="no expiry"),
        pytest.param({"exp": "soon"}, "exp", id="expiry is text"),
        pytest.param({"exp": float("nan")}, "exp", id="expiry is NaN"),
        pytest.param({"exp": START - 10}, "expired", id="expired"),
        pytest.param({"exp": START + 301}, "5 minutes", id="long lifetime"),
        pytest.param({"exp": START + 301, "iat": None}, "5 minutes", id="long lifetime without iat"),
        pytest.param({"iat": START + 11, "exp": START + 60}, "not valid yet", id="iat in the future"),
        pytest.param({"nbf": START + 11}, "not valid yet", id="nbf in the future"),
        pytest.param({"pad": "x" * 2048}, "2048", id="long assertion"),
    ],
)
def test_a_wrong_assertion_is_refused(
    caller: SandboxClient, signer: Signer, changes: dict[str, Any], reason: str
) -> None:
    status, body = ask(caller, signer.assertion(**changes))
    assert (status, body["error"]) == (401, "invalid_client")
    assert reason in body["error_description"]


@pytest.mark.parametrize(
    "changes",
    [{"iat": START + 10, "exp": START + 310}, {"nbf": START + 10}, {"iat": START - 65, "exp": START - 9}],
    ids=["issued", "not before", "expired"],
)
def test_clocks_may_be_ten_seconds_apart(caller: SandboxClient, signer: Signer, changes: dict[str, Any]) -> None:
    assert ask(caller, signer.assertion(**changes))[0] == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"client_assertion": "no.jwt.at-all"},
        {"client_assertion_type": None},
        {"client_assertion_type": "urn:other"},
        {"client_id": "worker"},
    ],
    ids=["not a JWT", "no type", "unknown type", "other client"],
)
def test_a_wrong_request_is_refused(caller: SandboxClient, signer: Signer, changes: dict[str, str | None]) -> None:
    status, body = ask(caller, signer.assertion(), **changes)
    assert (status, body["error"]) == (401, "invalid_client")


def test_the_signature_must_be_by_a_key_of_the_application(
    caller: SandboxClient, keys: tuple[RSAPrivateKey, RSAPrivateKey]
) -> None:
    status, body = ask(caller, Signer(keys[1]).assertion())
    assert (status, body["error_description"]) == (401, "no key of the application verifies client_assertion")


def test_the_signature_must_use_the_algorithm_of_the_key(caller: SandboxClient, signer: Signer) -> None:
    assert ask(caller, signer.assertion(alg="RS384"))[0] == 401
    forged = jwt.encode({"sub": "signer"}, "x" * 32, "HS256")
    assert ask(caller, forged)[0] == 401


@pytest.mark.parametrize("alg", ["RS256", "RS384", "PS256"])
def test_a_credential_can_be_used_after_the_application_names_it(
    caller: SandboxClient, signer: Signer, alg: str
) -> None:
    new = {"credential_type": "public_key", "pem": signer.pem, "alg": alg, "name": "key"}
    credential = caller.call("POST", "/clients/worker/credentials", json=new).json()
    caller.create(audience=INVOICES)
    worker = Signer(signer.key, "worker")
    headers = {"kid": credential["kid"]}
    assert ask(caller, worker.assertion(alg=alg, headers=headers), audience=INVOICES)[0] == 401
    methods = {"private_key_jwt": {"credentials": [{"id": credential["id"]}]}}
    client = caller.call("PATCH", "/clients/worker", json={"client_authentication_methods": methods}).json()
    assert client["client_authentication_methods"] == methods
    assert ask(caller, worker.assertion(alg=alg, headers={"kid": "other"}), audience=INVOICES)[0] == 401
    assert ask(caller, worker.assertion(alg=alg, headers=headers), audience=INVOICES)[0] == 200
    caller.call("DELETE", f"/clients/worker/credentials/{credential['id']}")
    assert ask(caller, worker.assertion(alg=alg, jti="next"), audience=INVOICES)[0] == 401


def test_an_expired_key_is_refused(caller: SandboxClient, signer: Signer) -> None:
    [credential] = caller.call("GET", "/clients/signer/credentials").json()
    path = f"/clients/signer/credentials/{credential['id']}"
    soon = datetime.fromtimestamp(START, UTC) + timedelta(seconds=5)
    changed = caller.call("PATCH", path, json={"expires_at": soon.isoformat()}).json()
    assert changed["updated_at"] > credential["updated_at"]
    assert ask(caller, signer.assertion())[0] == 200
    caller.clock.now += 5
    assert ask(caller, signer.assertion(jti="later"))[0] == 401
    assert "expires_at" not in caller.call("PATCH", path, json={"expires_at": None}).json()
    assert ask(caller, signer.assertion(jti="later"))[0] == 200


def test_an_application_can_be_created_with_keys_which_are_never_shown(caller: SandboxClient, signer: Signer) -> None:
    new = {"credential_type": "public_key", "name": "mine", "pem": signer.pem}
    body = {"name": "New", "client_authentication_methods": {"private_key_jwt": {"credentials": [new]}}}
    client = caller.call("POST", "/clients", json=body).json()
    [shown] = client["client_authentication_methods"]["private_key_jwt"]["credentials"]
    path = f"/clients/{client['client_id']}"
    assert list(shown) == ["id", "name", "credential_type", "kid", "alg", "created_at", "updated_at"]
    assert (len(shown["id"]), len(shown["kid"]), shown["created_at"]) == (27, 43, "2027-01-15T08:00:00.000Z")
    assert caller.call("GET", f"{path}/credentials").json() == [shown]
    assert caller.call("GET", f"{path}/credentials/{shown['id']}").json() == shown
    known = {"private_key_jwt": {"credentials": [{"id": shown["id"]}]}}
    assert caller.call("GET", path).json()["client_authentication_methods"] == known
    assert (
        ask(caller, Signer(signer.key, client["client_id"]).assertion())[1]["error"] == "access_denied"
    )  # has no grant


def a_certificate(key: RSAPrivateKey) -> str:
    name = x509.Name([])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
    begin = datetime.fromtimestamp(START, UTC)
    dated = builder.not_valid_before(begin).not_valid_after(begin + timedelta(days=1))
    return dated.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def test_a_certificate_registers_its_key(caller: SandboxClient, signer: Signer) -> None:
    kids = {
        caller.call("POST", "/clients/worker/credentials", json={"credential_type": "public_key", "pem": pem}).json()[
            "kid"
        ]
        for pem in (signer.pem, a_certificate(signer.key))
    }
    assert len(kids) == 1


def small_pem() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    "changes",
    [
        {"pem": "no key"},
        {"pem": small_pem()},
        {"pem": None},
        {"alg": "HS256"},
        {"credential_type": "password"},
        {"expires_at": "tomorrow"},
    ],
    ids=["not a PEM", "not an RSA key", "missing key", "algorithm", "type", "expiry"],
)
def test_a_wrong_credential_is_refused(caller: SandboxClient, signer: Signer, changes: dict[str, str | None]) -> None:
    valid = {"credential_type": "public_key", "pem": signer.pem} | changes
    body = {name: value for name, value in valid.items() if value is not None}
    response = caller.call("POST", "/clients/worker/credentials", json=body)
    assert error_of(response)[0::2] == (400, "invalid_body")


def test_credentials_of_other_kinds_are_kept(caller: SandboxClient) -> None:
    body = {"credential_type": "cert_subject_dn", "name": "dn"}
    assert caller.call("POST", "/clients/worker/credentials", json=body).json()["kid"] == ""


def test_an_application_has_a_maximum_number_of_credentials(caller: SandboxClient) -> None:
    body = {"credential_type": "cert_subject_dn"}
    statuses = [caller.call("POST", "/clients/worker/credentials", json=body).status_code for _ in range(21)]
    assert statuses == [201] * 20 + [409]


def test_credentials_that_do_not_exist_are_not_found(caller: SandboxClient) -> None:
    [credential] = caller.call("GET", "/clients/signer/credentials").json()
    assert error_of(caller.call("GET", "/clients/nobody/credentials"))[2] == "inexistent_client"
    assert error_of(caller.call("GET", f"/clients/worker/credentials/{credential['id']}"))[2] == "inexistent_credential"
    assert caller.call("DELETE", f"/clients/worker/credentials/{credential['id']}").status_code == 204
    assert caller.call("GET", f"/clients/signer/credentials/{credential['id']}").status_code == 200


def test_an_application_cannot_name_the_credentials_of_another(caller: SandboxClient) -> None:
    [credential] = caller.call("GET", "/clients/signer/credentials").json()
    methods = {"private_key_jwt": {"credentials": [{"id": credential["id"]}]}}
    response = caller.call("PATCH", "/clients/worker", json={"client_authentication_methods": methods})
    assert error_of(response)[0::2] == (400, "invalid_body")
    assert "client_authentication_methods" not in caller.call("GET", "/clients/worker").json()


@pytest.mark.parametrize(("beside", "status"), [(True, 200), (False, 401)])
def test_a_setting_decides_whether_a_secret_is_accepted_next_to_a_key(
    tmp_path: Path, signer: Signer, *, beside: bool, status: int
) -> None:
    caller = open_client(tmp_path, seed=a_seed(signer), settings=Settings(secret_beside_key=beside))
    with caller.sandbox:
        client = caller.sandbox.store.get(DocumentKind.CLIENTS, "signer") or {}
        assert ("client_secret" in caller.call("GET", "/clients/signer").json()) is beside
        secret = client["client_secret"]
        form = {"grant_type": "client_credentials", "client_id": "signer", "client_secret": secret}
        assert caller.raw("POST", "/oauth/token", data=form | {"audience": MANAGEMENT}).status_code == status
