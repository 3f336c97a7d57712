"""The endpoint /oauth/token: access tokens for a client secret or a signed assertion."""

from collections.abc import Mapping
from hmac import compare_digest
from http import HTTPStatus
from math import isfinite
from urllib.parse import parse_qsl

from auth0_sandbox.api.credentials import has_expired, linked_ids
from auth0_sandbox.api.keys import BadJwtError, Unverified, unverified, verified
from auth0_sandbox.api.log_events import record_exchange, record_refused_exchange
from auth0_sandbox.requests.calls import ApiCall
from auth0_sandbox.requests.responses import RefusalError, SandboxResponse, oauth_refusal, ok
from auth0_sandbox.requests.tokens import TOKEN_LIFETIME_SECONDS, Permit, issue
from auth0_sandbox.store.database import DocumentKind
from auth0_sandbox.store.documents import Document, MalformedJsonError, parse, parse_foreign

CLIENT_CREDENTIALS = "client_credentials"
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_ASSERTION_BYTES = 2048
LONGEST_CLAIM = 64
LONGEST_LIFETIME_SECONDS = 300
SKEW_SECONDS = 10


def asserted_client(call: ApiCall, asked: Mapping[str, str]) -> Document:
    """Return the application that `client_assertion` authenticates.

    Raises:
        RefusalError: 401 `invalid_client`. The descriptions are ours.
    """
    assertion = asked["client_assertion"]
    if asked.get("client_assertion_type") != TYPE:
        raise _refused(f"client_assertion_type must be {TYPE}")
    if len(assertion.encode()) > LONGEST_ASSERTION_BYTES:
        raise _refused(f"client_assertion is longer than {LONGEST_ASSERTION_BYTES} bytes")
    try:
        said = unverified(assertion)
    except BadJwtError as error:
        raise _refused("client_assertion is not a JWT") from error
    client = _claimed(call, asked, said)
    claims = _verified(call, client, said, assertion)
    _check(call, claims, client["client_id"])
    _use_up(call, claims)
    return client


def _claimed(call: ApiCall, asked: Mapping[str, str], said: Unverified) -> Document:
    """Return the application that the unverified assertion names."""
    identity = said.claims.get("sub")
    if not isinstance(identity, str) or asked.get("client_id", identity) != identity:
        raise _refused("sub must be the client_id")
    client = call.store.get(DocumentKind.CLIENTS, identity)
    if client is None or not linked_ids(client):
        raise _refused("the application has no key for assertions")
    return client


def _verified(call: ApiCall, client: Document, said: Unverified, assertion: str) -> Document:
    """Return the claims, after one of the application's keys has verified the signature."""
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
    """Return whether to try a credential: its algorithm and kid match, and it has not expired."""
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
    # a text with a final slash, not a list
    addresses: tuple[str, ...] = (f"https://{call.host}/", f"http://{call.host}/") if call.host else ()
    if claims.get("aud") not in (call.tenant.issuer, call.issuer, *addresses):
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
    """Refuse an assertion that was used before. It is remembered until it expires."""
    until = claims["exp"] + SKEW_SECONDS
    with call.store.transaction():
        if not call.store.use_once(f"{claims['sub']} {claims['jti']}", until=until, now=call.now):
            raise _refused("client_assertion was used before: jti must be unique")


def _refused(description: str) -> RefusalError:
    return oauth_refusal(HTTPStatus.UNAUTHORIZED, "invalid_client", description)


_UNGRANTED = (
    'Client is not authorized to access "{audience}". You might probably want to create a "client-grant" associated to'
    " this API. See: https://auth0.com/docs/api/v2#!/Client_Grants/post_client_grants"
)
_GRANT_TYPES_PAGE = "https://auth0.com/docs/clients/client-grant-types"


def parameters(raw: bytes, content_type: str) -> Mapping[str, str]:
    """Return the text parameters of a token request in a form or in JSON.

    Raises:
        RefusalError: 400 for invalid JSON.
    """
    if "json" not in content_type:
        return dict(parse_qsl(raw.decode("utf-8", errors="replace")))
    try:
        body = parse_foreign(raw)
    except MalformedJsonError as error:
        raise oauth_refusal(HTTPStatus.BAD_REQUEST, "invalid_request", "Invalid request body") from error
    pairs = body.items() if isinstance(body, dict) else ()
    return {name: value for name, value in pairs if isinstance(value, str)}


def token(call: ApiCall) -> SandboxResponse:
    """Return a token for the API in `audience`. Its scopes are those of the application's current grant.

    A log event records the exchange, or the reason why there is no token.
    """
    asked: Mapping[str, str] = call.body
    try:
        return _exchanged(call, asked)
    except RefusalError as error:
        if asked.get("grant_type") == CLIENT_CREDENTIALS:
            reason = parse(error.answer.text)["error_description"]
            record_refused_exchange(call, _claimed_id(asked), asked.get("audience", ""), reason)
        raise


def _claimed_id(asked: Mapping[str, str]) -> str:
    """Return the client id of a request, which may be wrong, or an empty text."""
    if "client_id" in asked:
        return asked["client_id"]
    try:
        identity = unverified(asked.get("client_assertion", "")).claims.get("sub")
    except BadJwtError:
        return ""
    return identity if isinstance(identity, str) else ""


def _exchanged(call: ApiCall, asked: Mapping[str, str]) -> SandboxResponse:
    client = _authenticated(call, asked)
    audience = _audience(call, asked)
    api = call.store.first(DocumentKind.RESOURCE_SERVERS, {"identifier": audience})
    if api is None:
        raise oauth_refusal(HTTPStatus.FORBIDDEN, "access_denied", f"Service not found: {audience}")
    key = {"client_id": client["client_id"], "audience": audience, "subject_type": "client"}
    grant = call.store.first(DocumentKind.CLIENT_GRANTS, key)
    if grant is None:
        raise oauth_refusal(HTTPStatus.FORBIDDEN, "access_denied", _UNGRANTED.format(audience=audience))
    scope = _granted_scopes(grant, api)
    lifetime: int = api.get("token_lifetime", TOKEN_LIFETIME_SECONDS)
    permit = Permit(client_id=client["client_id"], audience=audience, scope=scope, lifetime_seconds=lifetime)
    said = {"scope": " ".join(scope)} if scope else {}
    issued = {"access_token": issue(call.tenant, permit, call.now, call.issuer)}
    record_exchange(call, client, audience, scope)
    return ok(issued | said | {"expires_in": lifetime, "token_type": "Bearer"})


def _authenticated(call: ApiCall, asked: Mapping[str, str]) -> Document:
    """Return the application with these credentials, if it may use this grant type."""
    grant_type = asked.get("grant_type")
    if not grant_type:
        raise oauth_refusal(HTTPStatus.BAD_REQUEST, "invalid_request", "Missing required parameter: grant_type")
    if grant_type != CLIENT_CREDENTIALS:
        raise oauth_refusal(HTTPStatus.FORBIDDEN, "unsupported_grant_type", f"Unsupported grant type: {grant_type}")
    client = asserted_client(call, asked) if "client_assertion" in asked else _client_with_secret(call, asked)
    if grant_type not in client.get("grant_types", ()):
        description = f"Grant type '{grant_type}' not allowed for the client."
        raise oauth_refusal(HTTPStatus.FORBIDDEN, "unauthorized_client", description, error_uri=_GRANT_TYPES_PAGE)
    return client


def _client_with_secret(call: ApiCall, asked: Mapping[str, str]) -> Document:
    client = call.store.get(DocumentKind.CLIENTS, asked.get("client_id", ""))
    expected = client.get("client_secret", "") if client else ""
    right = compare_digest(expected.encode(), asked.get("client_secret", "").encode())
    if client is None or not expected or not right or not _may_use_secret(call, client):
        raise oauth_refusal(HTTPStatus.UNAUTHORIZED, "access_denied", "Unauthorized")
    return client


def _may_use_secret(call: ApiCall, client: Document) -> bool:
    """Return whether an application may use its secret. Without a key it may. The seed's tool always may."""
    is_tool = client["client_id"] == call.tenant.client_id
    return is_tool or call.settings.secret_beside_key or not linked_ids(client)


def _audience(call: ApiCall, asked: Mapping[str, str]) -> str:
    """Return the identifier of the requested API.

    An address of the sandbox means its own Management API. A custom domain does not, as at Auth0.
    """
    audience = asked.get("audience", "")
    if not audience:
        description = "Non-global clients are not allowed access to APIv1"
        raise oauth_refusal(HTTPStatus.FORBIDDEN, "access_denied", description)
    if call.is_at_custom_domain or not call.host:
        return audience
    reached_as = {f"{scheme}://{call.host}/api/v2/" for scheme in ("http", "https")}
    return call.tenant.management_audience if audience in reached_as else audience


def _granted_scopes(grant: Document, api: Document) -> list[str]:
    if grant.get("allow_all_scopes"):
        return [scope["value"] for scope in api.get("scopes", ())]
    scope: list[str] = grant.get("scope", [])
    return scope
