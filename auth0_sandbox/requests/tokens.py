"""Issue and check the access tokens of the tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import jwt

from auth0_sandbox.requests.responses import bad_request, refusal, unauthorized
from auth0_sandbox.store.database import SandboxTenant

if TYPE_CHECKING:  # PyJWT before 2.11 lacks this type
    from jwt.types import Options

TOKEN_LIFETIME_SECONDS = 86_400
# Auth0 uses RS256. In the sandbox, one secret per database suffices, because only the tenant checks its tokens.
ALGORITHM = "HS256"
_EXPIRED = "Expired token received for JSON Web Token validation"
_FORGED = "Invalid signature received for JSON Web Token validation"
# PyJWT must not check times, because the caller passes the time
_UNCHECKED: "Options" = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """The content of a token: application, API, scopes and lifetime."""

    client_id: str
    audience: str
    scope: Sequence[str]
    lifetime_seconds: int = TOKEN_LIFETIME_SECONDS


def issue(tenant: SandboxTenant, permit: Permit, now: float, issuer: str = "") -> str:
    """Return a token that is valid from `now`. A later change of the grant does not change the token's scopes.

    The default issuer is the canonical domain of the tenant.
    """
    claims: dict[str, object] = {
        "iss": issuer or tenant.issuer,
        "sub": f"{permit.client_id}@clients",
        "aud": permit.audience,
        "iat": int(now),
        "exp": int(now) + permit.lifetime_seconds,
        "scope": " ".join(permit.scope),
        "gty": "client-credentials",
        "azp": permit.client_id,
    }
    return jwt.encode(claims, tenant.signing_key, ALGORITHM)


def verify(authorization: str | None, tenant: SandboxTenant, custom_domain: str | None, now: float) -> Permit:
    """Return the content of the bearer token in an `Authorization` header.

    Refuse a token that the tenant has not issued.

    Raises:
        RefusalError: 400 for a malformed header, 401 for a missing, wrong or expired token.
    """
    if authorization is None:
        raise unauthorized("Missing authentication")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip() or " " in token.strip():
        raise bad_request("Bad HTTP authentication header format", "Bearer")
    try:
        claims = jwt.decode(
            token.strip(),
            tenant.signing_key,
            [ALGORITHM],
            audience=tenant.management_audience,
            issuer=[tenant.issuer, f"https://{custom_domain or tenant.domain}/"],
            options=_UNCHECKED,
        )
        expires = int(claims["exp"])
    except jwt.InvalidSignatureError as error:
        raise unauthorized(_FORGED) from error
    except (jwt.InvalidTokenError, KeyError, TypeError, ValueError) as error:
        raise unauthorized("Invalid token") from error
    if expires <= now:
        raise unauthorized(_EXPIRED)
    scope = str(claims.get("scope", "")).split()
    return Permit(client_id=str(claims.get("azp", "")), audience=tenant.management_audience, scope=scope)


def require_any(scopes: frozenset[str], any_of: Sequence[str]) -> None:
    """Refuse a token without any scope in `any_of`.

    Raises:
        RefusalError: 403 `insufficient_scope`, with the scopes in the order of the endpoint.
    """
    if scopes.isdisjoint(any_of):
        message = f"Insufficient scope, expected any of: {','.join(any_of)}"
        raise refusal(HTTPStatus.FORBIDDEN, message, "insufficient_scope")
