"""Applications that prove themselves by a JWT they have signed (RFC 7523), within Auth0's limits."""

from collections.abc import Mapping
from http import HTTPStatus
from math import isfinite

from reconciler.sandbox.answers import RefusalError, oauth_refusal
from reconciler.sandbox.credentials import has_expired, linked_ids
from reconciler.sandbox.documents import Document
from reconciler.sandbox.exchange import ApiCall
from reconciler.sandbox.keys import BadJwtError, Unverified, unverified, verified
from reconciler.sandbox.store import DocumentKind

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_ASSERTION_BYTES = 2048
LONGEST_CLAIM = 64
LONGEST_LIFETIME_SECONDS = 300
SKEW_SECONDS = 10


def asserted_client(call: ApiCall, asked: Mapping[str, str]) -> Document:
    """Return the application that `client_assertion` proves to be asking.

    Raises:
        RefusalError: 401 `invalid_client`; the descriptions are ours.
    """
    assertion = asked["client_assertion"]
    if asked.get("client_assertion_type") != TYPE:
        raise _refused(f"client_assertion_type must be {TYPE}")
    if len(assertion.encode()) > LONGEST_ASSERTION_BYTES:
        raise _refused(f"client_assertion is longer than {LONGEST_ASSERTION_BYTES} bytes")
    try:
        said = unverified(assertion)
    except BadJwtError as error:
        raise _refused("client_assertion is no JWT") from error
    client = _claimed(call, asked, said)
    claims = _verified(call, client, said, assertion)
    _check(call, claims, client["client_id"])
    _use_up(call, claims)
    return client


def _claimed(call: ApiCall, asked: Mapping[str, str], said: Unverified) -> Document:
    """Return the application that the assertion speaks of, before anything is proven."""
    identity = said.claims.get("sub")
    if not isinstance(identity, str) or asked.get("client_id", identity) != identity:
        raise _refused("sub must be the client_id")
    client = call.store.get(DocumentKind.CLIENTS, identity)
    if client is None or not linked_ids(client):
        raise _refused("the application has no key for assertions")
    return client


def _verified(call: ApiCall, client: Document, said: Unverified, assertion: str) -> Document:
    """Return the claims, whose signature one of the application's keys has verified."""
    filters = {"client_id": client["client_id"], "id": linked_ids(client)}
    for row in call.store.find(DocumentKind.CREDENTIALS, filters, limit=len(linked_ids(client))):
        credential = row.document()
        if _fits(credential, said, call.now):
            try:
                return verified(assertion, credential["pem"], credential["alg"])
            except BadJwtError:
                continue
    raise _refused("no key of the application verifies client_assertion")


def _fits(credential: Document, said: Unverified, now: float) -> bool:
    """Return whether a credential may be tried: of the algorithm said, of the kid if one is said, and not expired."""
    return (
        not has_expired(credential, now)
        and said.algorithm == credential["alg"]
        and said.kid in (None, credential["kid"])
    )


def _check(call: ApiCall, claims: Document, client_id: str) -> None:
    for name in ("iss", "sub", "jti"):
        if not isinstance(claims.get(name), str) or not 0 < len(claims[name]) <= LONGEST_CLAIM:
            raise _refused(f"{name} must be a text of at most {LONGEST_CLAIM} characters")
    if claims["iss"] != client_id:
        raise _refused("iss must be the client_id")
    # a text, not a list, and with the slash at its end
    addresses = (f"https://{call.host}/", f"http://{call.host}/") if call.host else ()
    if claims.get("aud") not in (call.tenant.issuer, *addresses):
        raise _refused(f"aud must be the text {call.tenant.issuer}")
    _check_times(claims, call.now)


def _check_times(claims: Document, now: float) -> None:
    times = {name: claims[name] for name in ("exp", "iat", "nbf") if name in claims}
    if "exp" not in times or not all(type(time) in {int, float} and isfinite(time) for time in times.values()):
        raise _refused("exp must be there, and exp, iat and nbf numbers")
    if times["exp"] <= now - SKEW_SECONDS:
        raise _refused("client_assertion has expired")
    begin = max(times.get("iat", now), times.get("nbf", now))
    if begin > now + SKEW_SECONDS:
        raise _refused("client_assertion is not valid yet")
    if times["exp"] - times.get("iat", now) > LONGEST_LIFETIME_SECONDS:
        raise _refused("exp must be at most 5 minutes after iat")


def _use_up(call: ApiCall, claims: Document) -> None:
    """Refuse an assertion that was used before; it is remembered for as long as it would be taken."""
    until = claims["exp"] + SKEW_SECONDS
    with call.store.transaction():
        if not call.store.use_once(f"{claims['sub']} {claims['jti']}", until=until, now=call.now):
            raise _refused("client_assertion was used before: jti must be unique")


def _refused(description: str) -> RefusalError:
    return oauth_refusal(HTTPStatus.UNAUTHORIZED, "invalid_client", description)
