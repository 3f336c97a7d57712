"""Read credentials from environment variables with the same names as in Auth0's own tools."""

import base64
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from reconciler.auth0.wire import MAX_ID_LENGTH, MAX_TEXT_LENGTH, parse, text_or_none
from reconciler.core.characters import join_words
from reconciler.core.directory import MANAGEMENT_API_SUFFIX
from reconciler.core.grant import Key
from reconciler.core.identity import CREDENTIALS_PREFIX, identity_of
from reconciler.errors import ReconcilerError

CLIENT_SUFFIX = "@clients"
TOKEN_VARIABLES = ("ACCESS_TOKEN", "API_TOKEN")
PRIVATE_KEY, PRIVATE_KEY_PATH = "CLIENT_ASSERTION_PRIVATE_KEY", "CLIENT_SIGNING_KEY_PATH"
ALGORITHMS = ("RS256", "RS384", "PS256")
TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")
"""Matches the characters of a bearer token (RFC 6750, 2.1)."""
MAX_TOKEN_LENGTH = 16_384
"""The maximum length of an access token, in characters. Servers refuse headers of more than 16,384 characters."""
END_OF_CALENDAR = 253_402_300_800.0
"""The start of the year 10000 in UNIX seconds. Python does not support dates after the year 9999."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token for the Management API."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A client id and a client secret, which reconciler exchanges for access tokens.

    `audience` is the identifier of the Management API.

    `prefix` is the prefix of the environment variables that contain the credentials.
    """

    client_id: str
    client_secret: str = field(repr=False)
    audience: str
    prefix: str = CREDENTIALS_PREFIX


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key, which reconciler uses instead of a client secret to get access tokens.

    `issuer` is the URL of the tenant, as `https://<domain>/`.
    """

    client_id: str
    private_key: str = field(repr=False)
    algorithm: str
    issuer: str
    audience: str
    prefix: str = CREDENTIALS_PREFIX


Credentials = AccessToken | ClientSecret | PrivateKey


@dataclass(frozen=True, slots=True)
class CredentialVariables:
    """The environment variables that contain the credentials of one tenant.

    The methods take the name of an environment variable without `prefix`, for example CLIENT_ID.
    """

    environment: Mapping[str, str] = field(repr=False)
    prefix: str = CREDENTIALS_PREFIX

    def name(self, *endings: str) -> str:
        """Return the name of the first environment variable that has a value.

        The name of each environment variable is the prefix followed by one of `endings`.

        If no variable has a value, return the name of the first variable.
        """
        names = [f"{self.prefix}{ending}" for ending in endings]
        return next((name for name in names if self.environment.get(name, "").strip()), names[0])

    def text(self, *endings: str) -> str:
        """Return the value of the environment variable `name(*endings)`, without surrounding whitespace.

        If the environment variable has no value, return an empty string.

        Raises:
            ReconcilerError: if the value of the variable is not text.
        """
        name = self.name(*endings)
        value = self.environment.get(name, "").strip()
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ReconcilerError(f"{name} contains bytes that are not text") from error
        return value

    def empty(self, *endings: str) -> list[str]:
        """Return the names of the environment variables that are set but empty.

        The name of each environment variable is the prefix followed by one of `endings`.
        """
        names = [f"{self.prefix}{ending}" for ending in endings]
        return [name for name in names if name in self.environment and not self.environment[name].strip()]


def credentials_from(
    environment: Mapping[str, str], domain: str, prefix: str = CREDENTIALS_PREFIX, audience: str = ""
) -> Credentials:
    """Return the credentials for the tenant at `domain`, a host with an optional port.

    The names of the environment variables start with `prefix`. An access token takes precedence over a private key, and
    a private key takes precedence over a client secret. `audience` is the default identifier of the Management API.

    Raises:
        ReconcilerError: if the environment has no credentials, or if the credentials are not valid.
    """
    variables = CredentialVariables(environment, prefix)
    if token := environment.get(name := variables.name(*TOKEN_VARIABLES), "").strip():
        return AccessToken(_valid_token(name, token))
    client_id, secret = variables.text("CLIENT_ID"), variables.text("CLIENT_SECRET")
    audience = variables.text("AUDIENCE") or audience or f"https://{domain}{MANAGEMENT_API_SUFFIX}"
    private_key = _private_key(variables)
    if client_id and private_key:
        return PrivateKey(client_id, private_key, _algorithm(variables), f"https://{domain}/", audience, prefix)
    if client_id and secret:
        return ClientSecret(client_id, secret, audience, prefix)
    empty = variables.empty("CLIENT_ID", "CLIENT_SECRET", PRIVATE_KEY, PRIVATE_KEY_PATH, *TOKEN_VARIABLES)
    empty_variables = f"{join_words(empty, 'and')} {'is' if len(empty) == 1 else 'are'} empty; " if empty else ""
    raise ReconcilerError(
        f"no credentials for {domain}: {empty_variables}set {prefix}CLIENT_ID and {prefix}CLIENT_SECRET, "
        f"or {prefix}{TOKEN_VARIABLES[0]}"
    )


def _private_key(variables: CredentialVariables) -> str:
    r"""Return the private key in PEM format from an environment variable.

    If the variable PRIVATE_KEY is not set, read the private key from the file whose path is in PRIVATE_KEY_PATH. In the
    value of PRIVATE_KEY, `\n` means a line feed.
    """
    if key := variables.environment.get(f"{variables.prefix}{PRIVATE_KEY}", "").strip():
        return key.replace("\\n", "\n")
    name = f"{variables.prefix}{PRIVATE_KEY_PATH}"
    path = variables.environment.get(name, "").strip()
    try:
        return Path(path).read_text(encoding="ascii") if path else ""
    except (OSError, ValueError) as error:
        raise ReconcilerError(f"{name}: {path} cannot be read as a PEM file") from error


def _algorithm(variables: CredentialVariables) -> str:
    algorithm = variables.text("CLIENT_ASSERTION_SIGNING_ALG", "CLIENT_SIGNING_ALGORITHM") or ALGORITHMS[0]
    if algorithm not in ALGORITHMS:
        raise ReconcilerError(f"Auth0 accepts assertions signed with {', '.join(ALGORITHMS)}, not {algorithm}")
    return algorithm


def own_key(token: str) -> Key:
    """Return the fields that identify reconciler's own grant, according to the claims of `token`.

    The tenant verifies the claims of each token, so `own_key` only reads the claims. The claims are
    used only to protect reconciler's own grant.

    Raises:
        ReconcilerError: if the claims lack the application or the identifier of the Management API.
    """
    claims = _claims(token)
    holder = text_or_none(claims, "azp", MAX_ID_LENGTH) or text_or_none(claims, "sub", MAX_ID_LENGTH) or ""
    client_id = holder.removesuffix(CLIENT_SUFFIX)
    audience = next(_management_audiences(claims), None)
    if not client_id or audience is None:
        raise ReconcilerError("the access token is not for the Management API: its claims lack azp or aud")
    return Key(client_id, audience)


def identities_of(token: str) -> frozenset[str]:
    """Return the canonical domain of the tenant that issued `token`, from the audience of the token.

    If the audience does not contain the domain, return an empty set.
    """
    try:
        claims = _claims(token)
    except ReconcilerError:
        return frozenset()
    return frozenset(filter(None, map(identity_of, _management_audiences(claims))))


def _management_audiences(claims: Mapping[str, Any]) -> Iterator[str]:
    audiences = claims.get("aud")
    candidates = audiences if isinstance(audiences, list) else [audiences]
    of_management = (each for each in candidates if isinstance(each, str) and each.endswith(MANAGEMENT_API_SUFFIX))
    return (each for each in of_management if len(each) <= MAX_TEXT_LENGTH and each.isascii())


def scopes_of(token: str) -> frozenset[str] | None:
    """Return the permissions in the claims of `token`, or None if the claims contain no permissions."""
    scope = _claims(token).get("scope")
    return frozenset(scope.split()) if isinstance(scope, str) else None


def expiry_of(token: str) -> float | None:
    """Return the expiry time in the claims of `token` as a UNIX timestamp.

    If the claims contain no valid expiry time, return None.

    Raises:
        ReconcilerError: if the token is not a JWT.
    """
    expiry = _claims(token).get("exp")
    return float(expiry) if isinstance(expiry, int | float) and 0 <= expiry < END_OF_CALENDAR else None


def is_token(value: object) -> TypeGuard[str]:
    """Return whether `value` is a string that can be sent as an access token in an HTTP header."""
    return isinstance(value, str) and len(value) <= MAX_TOKEN_LENGTH and TOKEN.fullmatch(value) is not None


def secrets_of(credentials: Credentials) -> tuple[str, ...]:
    """Return the secrets in `credentials`: the access token, the client secret or the private key."""
    match credentials:
        case AccessToken():
            return (credentials.token,)
        case ClientSecret():
            return (credentials.client_secret,)
        case PrivateKey():
            return (credentials.private_key, "".join(credentials.private_key.splitlines()[1:-1]))


def _valid_token(name: str, token: str) -> str:
    if not is_token(token):
        raise ReconcilerError(
            f"{name} is not a valid access token (too long, or contains whitespace or an illegal character); "
            "set it again"
        )
    return token


def _claims(token: str) -> dict[str, Any]:
    try:
        _, payload, _ = token.split(".")
        claims = parse(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError as error:
        raise ReconcilerError(
            "the access token is not a JWT, so reconciler cannot recognize its own grant; use a token of Auth0"
        ) from error
    return claims if isinstance(claims, dict) else {}


ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFETIME_SECONDS = 55
"""The lifetime of an assertion in seconds.

Auth0 accepts assertions with a lifetime of up to five minutes, and recommends at most one minute.
"""


def assertion(key: PrivateKey, now: float) -> str:
    """Return a signed assertion (a JWT) for one token request at the time `now` in UNIX seconds.

    The claim `aud` is the URL of the tenant with a trailing slash. Auth0 does not accept a list as `aud`.

    Raises:
        ReconcilerError: if PyJWT is not installed, or if the key is not valid.
    """
    try:
        import jwt
        from jwt.exceptions import PyJWTError
    except ModuleNotFoundError as error:
        raise ReconcilerError(
            'a package for private-key JWT is not installed; run: pip install "auth0-grants[jwt]"'
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
            f"the private key cannot sign with {key.algorithm}: check that it is the PEM of an RSA key"
        ) from error
