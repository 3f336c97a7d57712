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
from sandbox.sandbox_client import DOMAIN, INVOICES, MANAGEMENT, SEED, START, SandboxClient, error, open_client

from auth0_sandbox.settings import Settings
from auth0_sandbox.store.database import DocumentKind

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True)
class Signer:
    """An application's private key, and who it is."""

    key: RSAPrivateKey
    client_id: str = "signer"

    @property
    def pem(self) -> str:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def assertion(self, *, alg: str = "RS256", headers: dict[str, Any] | None = None, **changes: object) -> str:
        whole: dict[str, object] = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": f"https://{DOMAIN}/",
            "jti": "once",
            "iat": START,
            "exp": START + 60,
        }
        claims = {name: value for name, value in (whole | changes).items() if value is not None}
        return jwt.encode(claims, self.key, alg, headers=headers)


@pytest.fixture(scope="module")
def keys() -> tuple[RSAPrivateKey, RSAPrivateKey]:
    return generate_private_key(65537, 2048), generate_private_key(65537, 2048)


@pytest.fixture
def signer(keys: tuple[RSAPrivateKey, RSAPrivateKey]) -> Signer:
    return Signer(keys[0])


@pytest.fixture
def talk(tmp_path: Path, signer: Signer) -> Iterator[SandboxClient]:
    opened = open_client(tmp_path, seed=a_seed(signer))
    with opened.sandbox:
        yield opened


def a_seed(signer: Signer) -> str:
    indented = signer.pem.replace("\n", "\n      ")
    signing = f"  - name: Signer\n    client_id: signer\n    public_key: |\n      {indented}\n"
    grant = f'  - {{client: Signer, audience: "{MANAGEMENT}", scope: ["read:clients"]}}\n'
    return SEED.replace("apis:\n", f"{signing}\napis:\n", 1) + grant


def ask(talk: SandboxClient, assertion: str, **changes: str | None) -> tuple[int, dict[str, Any]]:
    whole = {
        "grant_type": "client_credentials",
        "client_assertion_type": TYPE,
        "client_assertion": assertion,
        "audience": MANAGEMENT,
    }
    form = {name: value for name, value in (whole | changes).items() if value is not None}
    answer = talk.raw("POST", "/oauth/token", data=form)
    return answer.status_code, answer.json()


@pytest.mark.parametrize("client_id", [None, "signer"], ids=["alone", "with client_id"])
def test_a_signed_assertion_gets_a_token(talk: SandboxClient, signer: Signer, client_id: str | None) -> None:
    status, body = ask(talk, signer.assertion(), client_id=client_id)
    assert (status, body["scope"]) == (200, "read:clients")
    assert jwt.decode(body["access_token"], options={"verify_signature": False})["azp"] == "signer"


@pytest.mark.parametrize("audience", ["http://sandbox.test/", "https://sandbox.test/"])
def test_the_address_in_use_is_an_audience_too(talk: SandboxClient, signer: Signer, audience: str) -> None:
    assert ask(talk, signer.assertion(aud=audience))[0] == 200


def test_an_assertion_is_good_for_one_token(talk: SandboxClient, signer: Signer) -> None:
    assert ask(talk, signer.assertion())[0] == 200
    status, body = ask(talk, signer.assertion(exp=START + 61))
    assert (status, body["error"]) == (401, "invalid_client")
    assert "jti" in body["error_description"]
    assert ask(talk, signer.assertion(jti="twice"))[0] == 200


def test_a_used_assertion_is_forgotten_when_it_could_not_be_used_any_more(talk: SandboxClient, signer: Signer) -> None:
    assert ask(talk, signer.assertion())[0] == 200
    talk.clock.now += 100
    assert ask(talk, signer.assertion(iat=START + 100, exp=START + 160))[0] == 200


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
        pytest.param({"exp": "soon"}, "exp", id="expiry in words"),
        pytest.param({"exp": float("nan")}, "exp", id="expiry that is no number"),
        pytest.param({"exp": START - 10}, "expired", id="expired"),
        pytest.param({"exp": START + 301}, "5 minutes", id="long life"),
        pytest.param({"exp": START + 301, "iat": None}, "5 minutes", id="long life from now"),
        pytest.param({"iat": START + 11, "exp": START + 60}, "not valid yet", id="from the future"),
        pytest.param({"nbf": START + 11}, "not valid yet", id="not yet"),
        pytest.param({"pad": "x" * 2048}, "2048", id="long assertion"),
    ],
)
def test_a_wrong_assertion_is_refused(
    talk: SandboxClient, signer: Signer, changes: dict[str, Any], reason: str
) -> None:
    status, body = ask(talk, signer.assertion(**changes))
    assert (status, body["error"]) == (401, "invalid_client")
    assert reason in body["error_description"]


@pytest.mark.parametrize(
    "changes",
    [{"iat": START + 10, "exp": START + 310}, {"nbf": START + 10}, {"iat": START - 65, "exp": START - 9}],
    ids=["issued", "not before", "expired"],
)
def test_clocks_may_be_ten_seconds_apart(talk: SandboxClient, signer: Signer, changes: dict[str, Any]) -> None:
    assert ask(talk, signer.assertion(**changes))[0] == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"client_assertion": "no.jwt.at-all"},
        {"client_assertion_type": None},
        {"client_assertion_type": "urn:other"},
        {"client_id": "worker"},
    ],
    ids=["no JWT", "no type", "other type", "other client"],
)
def test_a_wrong_request_is_refused(talk: SandboxClient, signer: Signer, changes: dict[str, str | None]) -> None:
    status, body = ask(talk, signer.assertion(), **changes)
    assert (status, body["error"]) == (401, "invalid_client")


def test_only_the_applications_key_verifies(talk: SandboxClient, keys: tuple[RSAPrivateKey, RSAPrivateKey]) -> None:
    status, body = ask(talk, Signer(keys[1]).assertion())
    assert (status, body["error_description"]) == (401, "no key of the application verifies client_assertion")


def test_the_signature_is_of_the_keys_algorithm(talk: SandboxClient, signer: Signer) -> None:
    assert ask(talk, signer.assertion(alg="RS384"))[0] == 401
    forged = jwt.encode({"sub": "signer"}, "x" * 32, "HS256")
    assert ask(talk, forged)[0] == 401


@pytest.mark.parametrize("alg", ["RS256", "RS384", "PS256"])
def test_a_registered_key_counts_once_the_application_names_it(talk: SandboxClient, signer: Signer, alg: str) -> None:
    new = {"credential_type": "public_key", "pem": signer.pem, "alg": alg, "name": "key"}
    credential = talk.call("POST", "/clients/worker/credentials", json=new).json()
    talk.create(audience=INVOICES)
    worker = Signer(signer.key, "worker")
    headers = {"kid": credential["kid"]}
    assert ask(talk, worker.assertion(alg=alg, headers=headers), audience=INVOICES)[0] == 401
    methods = {"private_key_jwt": {"credentials": [{"id": credential["id"]}]}}
    client = talk.call("PATCH", "/clients/worker", json={"client_authentication_methods": methods}).json()
    assert client["client_authentication_methods"] == methods
    assert ask(talk, worker.assertion(alg=alg, headers={"kid": "other"}), audience=INVOICES)[0] == 401
    assert ask(talk, worker.assertion(alg=alg, headers=headers), audience=INVOICES)[0] == 200
    talk.call("DELETE", f"/clients/worker/credentials/{credential['id']}")
    assert ask(talk, worker.assertion(alg=alg, jti="next"), audience=INVOICES)[0] == 401


def test_an_expired_key_verifies_no_more(talk: SandboxClient, signer: Signer) -> None:
    [credential] = talk.call("GET", "/clients/signer/credentials").json()
    path = f"/clients/signer/credentials/{credential['id']}"
    soon = datetime.fromtimestamp(START, UTC) + timedelta(seconds=5)
    changed = talk.call("PATCH", path, json={"expires_at": soon.isoformat()}).json()
    assert changed["updated_at"] > credential["updated_at"]
    assert ask(talk, signer.assertion())[0] == 200
    talk.clock.now += 5
    assert ask(talk, signer.assertion(jti="later"))[0] == 401
    assert "expires_at" not in talk.call("PATCH", path, json={"expires_at": None}).json()
    assert ask(talk, signer.assertion(jti="later"))[0] == 200


def test_an_application_brings_its_keys_along_and_they_are_never_shown(talk: SandboxClient, signer: Signer) -> None:
    new = {"credential_type": "public_key", "name": "mine", "pem": signer.pem}
    body = {"name": "New", "client_authentication_methods": {"private_key_jwt": {"credentials": [new]}}}
    client = talk.call("POST", "/clients", json=body).json()
    [shown] = client["client_authentication_methods"]["private_key_jwt"]["credentials"]
    path = f"/clients/{client['client_id']}"
    assert list(shown) == ["id", "name", "credential_type", "kid", "alg", "created_at", "updated_at"]
    assert (len(shown["id"]), len(shown["kid"]), shown["created_at"]) == (27, 43, "2027-01-15T08:00:00.000Z")
    assert talk.call("GET", f"{path}/credentials").json() == [shown]
    assert talk.call("GET", f"{path}/credentials/{shown['id']}").json() == shown
    known = {"private_key_jwt": {"credentials": [{"id": shown["id"]}]}}
    assert talk.call("GET", path).json()["client_authentication_methods"] == known
    assert ask(talk, Signer(signer.key, client["client_id"]).assertion())[1]["error"] == "access_denied"  # no grant


def a_certificate(key: RSAPrivateKey) -> str:
    name = x509.Name([])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
    begin = datetime.fromtimestamp(START, UTC)
    dated = builder.not_valid_before(begin).not_valid_after(begin + timedelta(days=1))
    return dated.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def test_a_certificate_names_the_same_key(talk: SandboxClient, signer: Signer) -> None:
    kids = {
        talk.call("POST", "/clients/worker/credentials", json={"credential_type": "public_key", "pem": pem}).json()[
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
    ids=["no PEM", "no RSA", "none", "algorithm", "type", "expiry"],
)
def test_a_wrong_credential_is_refused(talk: SandboxClient, signer: Signer, changes: dict[str, str | None]) -> None:
    whole = {"credential_type": "public_key", "pem": signer.pem} | changes
    body = {name: value for name, value in whole.items() if value is not None}
    answer = talk.call("POST", "/clients/worker/credentials", json=body)
    assert error(answer)[0::2] == (400, "invalid_body")


def test_credentials_of_other_kinds_are_kept(talk: SandboxClient) -> None:
    body = {"credential_type": "cert_subject_dn", "name": "dn"}
    assert talk.call("POST", "/clients/worker/credentials", json=body).json()["kid"] == ""


def test_there_is_an_end_to_the_credentials_of_an_application(talk: SandboxClient) -> None:
    body = {"credential_type": "cert_subject_dn"}
    statuses = [talk.call("POST", "/clients/worker/credentials", json=body).status_code for _ in range(21)]
    assert statuses == [201] * 20 + [409]


def test_credentials_that_do_not_exist_are_not_found(talk: SandboxClient) -> None:
    [credential] = talk.call("GET", "/clients/signer/credentials").json()
    assert error(talk.call("GET", "/clients/nobody/credentials"))[2] == "inexistent_client"
    assert error(talk.call("GET", f"/clients/worker/credentials/{credential['id']}"))[2] == "inexistent_credential"
    assert talk.call("DELETE", f"/clients/worker/credentials/{credential['id']}").status_code == 204
    assert talk.call("GET", f"/clients/signer/credentials/{credential['id']}").status_code == 200


def test_an_application_cannot_name_the_credentials_of_another(talk: SandboxClient) -> None:
    [credential] = talk.call("GET", "/clients/signer/credentials").json()
    methods = {"private_key_jwt": {"credentials": [{"id": credential["id"]}]}}
    answer = talk.call("PATCH", "/clients/worker", json={"client_authentication_methods": methods})
    assert error(answer)[0::2] == (400, "invalid_body")
    assert "client_authentication_methods" not in talk.call("GET", "/clients/worker").json()


@pytest.mark.parametrize(("beside", "status"), [(True, 200), (False, 401)])
def test_whether_a_secret_counts_beside_a_key_is_a_setting(
    tmp_path: Path, signer: Signer, *, beside: bool, status: int
) -> None:
    talk = open_client(tmp_path, seed=a_seed(signer), settings=Settings(secret_beside_key=beside))
    with talk.sandbox:
        client = talk.sandbox.store.get(DocumentKind.CLIENTS, "signer") or {}
        assert ("client_secret" in talk.call("GET", "/clients/signer").json()) is beside
        secret = client["client_secret"]
        form = {"grant_type": "client_credentials", "client_id": "signer", "client_secret": secret}
        assert talk.raw("POST", "/oauth/token", data=form | {"audience": MANAGEMENT}).status_code == status
