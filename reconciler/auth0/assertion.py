"""Private-key JWT: the signed assertion that stands in for a secret. PyJWT (extra `jwt`) is loaded only here."""

import uuid

from reconciler.auth0.credentials import PrivateKey
from reconciler.errors import ReconcilerError

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFETIME_SECONDS = 55
"""Auth0 takes up to five minutes and advises a minute at most."""


def assertion(key: PrivateKey, now: float) -> str:
    """Return the assertion for a request for a token at `now` (UNIX seconds); each is good for one request.

    `aud` is the tenant with a trailing slash, as a text and not a list, which Auth0 insists on.

    Raises:
        ReconcilerError: if PyJWT is not installed or the key is none.
    """
    try:
        import jwt
        from jwt.exceptions import PyJWTError
    except ModuleNotFoundError as error:
        raise ReconcilerError(
            'private-key JWT needs the extra jwt; where reconciler lies: pip install ".[jwt]"'
        ) from error
    claims = {
        "iss": key.client_id,
        "sub": key.client_id,
        "aud": key.issuer,
        "iat": int(now),
        "exp": int(now) + LIFETIME_SECONDS,
        "jti": uuid.uuid4().hex,
    }
    try:
        return jwt.encode(claims, key.private_key, algorithm=key.algorithm)
    except (PyJWTError, ValueError, TypeError) as error:
        raise ReconcilerError(
            f"the private key cannot sign with {key.algorithm}: is it a PEM of an RSA key?"
        ) from error
