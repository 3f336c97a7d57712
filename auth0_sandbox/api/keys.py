"""RSA public keys of applications, and the verification of JWTs."""

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate
from jwt.algorithms import RSAAlgorithm

from auth0_sandbox.store.documents import Document, dump

if TYPE_CHECKING:  # PyJWT before 2.11 lacks this type
    from jwt.types import Options

ALGORITHMS = ("RS256", "RS384", "PS256")
FEWEST_BITS, MOST_BITS = 2048, 4096  # the key lengths in Auth0's documentation
# PyJWT must not check claims, because callers compare the claims with their own time
_UNCHECKED: "Options" = {
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


class BadKeyError(ValueError):
    """The text is not an RSA key with a length that Auth0 accepts."""


class BadJwtError(ValueError):
    """The text is not a JWT, or the key does not verify the signature of the JWT."""


@dataclass(frozen=True, slots=True)
class Unverified:
    """The unverified content of a JWT."""

    algorithm: object
    kid: object
    claims: Document


def thumbprint(pem: str) -> str:
    """Return the thumbprint of a public key (RFC 7638).

    Raises:
        BadKeyError: if `pem` is not an acceptable key.
    """
    decoded = RSAAlgorithm.to_jwk(_public_key(pem), as_dict=True)
    required_members = {name: decoded[name] for name in ("e", "kty", "n")}
    return urlsafe_b64encode(sha256(dump(required_members).encode()).digest()).decode().rstrip("=")


def unverified(token: str) -> Unverified:
    """Return the unverified content of a JWT.

    Raises:
        BadJwtError: if `token` is not a JWT.
    """
    try:
        decoded = jwt.decode_complete(token, options={**_UNCHECKED, "verify_signature": False})
    except jwt.InvalidTokenError as error:
        raise BadJwtError(str(error)) from error
    header = decoded["header"]
    return Unverified(header.get("alg"), header.get("kid"), decoded["payload"])


def verified(token: str, pem: str, algorithm: str) -> Document:
    """Return the claims of a JWT after verifying the signature with the key. `algorithm` is one of `ALGORITHMS`.

    Raises:
        BadJwtError: if the signature is not valid.
    """
    try:
        claims: Document = jwt.decode(token, _public_key(pem), [algorithm], options=_UNCHECKED)
    except jwt.InvalidTokenError as error:
        raise BadJwtError(str(error)) from error
    return claims


def _public_key(pem: str) -> RSAPublicKey:
    raw = pem.encode()
    try:
        key = load_pem_x509_certificate(raw).public_key() if b"BEGIN CERTIFICATE" in raw else load_pem_public_key(raw)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadKeyError("the key is not valid PEM") from error
    if not isinstance(key, RSAPublicKey) or not FEWEST_BITS <= key.key_size <= MOST_BITS:
        raise BadKeyError(f"the key is not RSA of {FEWEST_BITS} to {MOST_BITS} bits")
    return key
