"""The endpoint /oauth/token: access tokens for a client secret or a signed assertion."""

from collections.abc import Mapping
from hmac import compare_digest
from http import HTTPStatus
from math import isfinite
from urllib.parse import parse_qsl

from auth0_sandbox.api.credentials import has_expired, linked_ids
from auth0_sandbox.api.keys import BadJwtError, Unverified, unverified, verified
from auth0_sandbox.api.logs import record_exchange, record_refused_exchange
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


def asserted_client(call: ApiCall, form: Mapping[str, str]) -> Document:
    """Return the application that `client_assertion` authenticates.

    Raises:
        RefusalError: 401 `invalid_client` for an invalid assertion. This project wrote the error descriptions.
    """
    assertion = form["client_assertion"]
    if form.get("client_assertion_type") != TYPE:
        raise _refused(f"client_assertion_type must be {TYPE}")
    if len(assertion.encode()) > LONGEST_ASSERTION_BYTES:
        raise _refused(f"client_assertion is longer than {LONGEST_ASSERTION_BYTES} bytes")
    try:
        unverified_jwt = unverified(assertion)
    except BadJwtError as error:
        raise _refused("client_assertion is not a JWT") from error
    client = _claimed_client(call, form, unverified_jwt)
    claims = _verified(call, client, unverified_jwt, assertion)
    _check(call, claims, client["client_id"])
    _use_once(call, claims)
    return client


def _claimed_client(call: ApiCall, form: Mapping[str, str], unverified_jwt: Unverified) -> Document:
    """Return the application with the client id in the unverified assertion."""
    identity = unverified_jwt.claims.get("sub")
    if not isinstance(identity, str) or form.get("client_id", identity) != identity:
        raise _refused("sub must be the client_id")
    client = call.store.get(DocumentKind.CLIENTS, identity)
    if client is None or not linked_ids(client):
        raise _refused("the application has no key for assertions")
    return client


def _verified(call: ApiCall, client: Document, unverified_jwt: Unverified, assertion: str) -> Document:
    """Return the claims of the assertion, after a key of the application has verified the signature."""
    filters = {"client_id": client["client_id"], "id": linked_ids(client)}
    for row in call.store.find(DocumentKind.CREDENTIALS, filters, limit=len(linked_ids(client))):
        credential = row.document()
        if _matches(credential, unverified_jwt, call.now):
            try:
                return verified(assertion, credential["pem"], credential["alg"])
            except BadJwtError:
                continue
    raise _refused("no key of the application verifies client_assertion")


def _matches(credential: Document, unverified_jwt: Unverified, now: float) -> bool:
    """Return whether a credential may verify the JWT.

    The algorithm and kid must match, and the credential must not have expired.
    """
    return (
        not has_expired(credential, now)
        and unverified_jwt.algorithm == credential["alg"]
        and unverified_jwt.kid in (None, credential["kid"])
    )


def _check(call: ApiCall, claims: Document, client_id: str) -> None:
    for name in ("iss", "sub", "jti"):
        if not isinstance(claims.get(name), str) or not 0 < len(claims[name]) <= LONGEST_CLAIM:
            raise _refused(f"{name} must be a text of at most {LONGEST_CLAIM} characters")
    if claims["iss"] != client_id:
        raise _refused("iss must be the client_id")
    # `aud` must be a text with a final slash, not a list
    addresses: tuple[str, ...] = (f"https://{call.host}/", f"http://{call.host}/") if call.host else ()
    if claims.get("aud") not in (call.tenant.issuer, call.issuer, *addresses):
        raise _refused(f"aud must be the text {call.tenant.issuer}")
    _check_times(claims, call.now)


def _check_times(claims: Document, now: float) -> None:
    times = {name: claims[name] for name in ("exp", "iat", "nbf") if name in claims}
    if "exp" not in times or not all(type(time) in {int, float} and isfinite(time) for time in times.values()):
        raise _refused("exp must be present, and exp, iat and nbf must be numbers")
    if times["exp"] <= now - SKEW_SECONDS:
        raise _refused("client_assertion has expired")
    begin = max(times.get("iat", now), times.get("nbf", now))
    if begin > now + SKEW_SECONDS:
        raise _refused("client_assertion is not valid yet")
    if times["exp"] - times.get("iat", now) > LONGEST_LIFETIME_SECONDS:
        raise _refused("exp must be at most 5 minutes after iat")


def _use_once(call: ApiCall, claims: Document) -> None:
    """Refuse an assertion that was used before. The store remembers an assertion until the assertion expires."""
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
    """Return the text parameters of a token request. The body is a form or JSON.

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
    """Return a token for the API in `audience`.

    The scopes of the token are the scopes of the application's current grant.

    A log event records the exchange. For a refused exchange, the event contains the reason.
    """
    form: Mapping[str, str] = call.body
    try:
        return _exchanged(call, form)
    except RefusalError as error:
        if form.get("grant_type") == CLIENT_CREDENTIALS:
            reason = parse(error.answer.text)["error_description"]
            record_refused_exchange(call, _claimed_id(form), form.get("audience", ""), reason)
        raise


def _claimed_id(form: Mapping[str, str]) -> str:
    """Return the unverified client id of a request, or an empty text."""
    if "client_id" in form:
        return form["client_id"]
    try:
        identity = unverified(form.get("client_assertion", "")).claims.get("sub")
    except BadJwtError:
        return ""
    return identity if isinstance(identity, str) else ""


def _exchanged(call: ApiCall, form: Mapping[str, str]) -> SandboxResponse:
    client = _authenticated(call, form)
    audience = _audience(call, form)
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
    granted = {"scope": " ".join(scope)} if scope else {}
    issued = {"access_token": issue(call.tenant, permit, call.now, call.issuer)}
    record_exchange(call, client, audience, scope)
    return ok(issued | granted | {"expires_in": lifetime, "token_type": "Bearer"})


def _authenticated(call: ApiCall, form: Mapping[str, str]) -> Document:
    """Return the authenticated application of a request. Refuse a grant type that the application may not use."""
    grant_type = form.get("grant_type")
    if not grant_type:
        raise oauth_refusal(HTTPStatus.BAD_REQUEST, "invalid_request", "Missing required parameter: grant_type")
    if grant_type != CLIENT_CREDENTIALS:
        raise oauth_refusal(HTTPStatus.FORBIDDEN, "unsupported_grant_type", f"Unsupported grant type: {grant_type}")
    client = asserted_client(call, form) if "client_assertion" in form else _client_with_secret(call, form)
    if grant_type not in client.get("grant_types", ()):
        description = f"Grant type '{grant_type}' not allowed for the client."
        raise oauth_refusal(HTTPStatus.FORBIDDEN, "unauthorized_client", description, error_uri=_GRANT_TYPES_PAGE)
    return client


def _client_with_secret(call: ApiCall, form: Mapping[str, str]) -> Document:
    client = call.store.get(DocumentKind.CLIENTS, form.get("client_id", ""))
    expected = client.get("client_secret", "") if client else ""
    is_correct = compare_digest(expected.encode(), form.get("client_secret", "").encode())
    if client is None or not expected or not is_correct or not _may_use_secret(call, client):
        raise oauth_refusal(HTTPStatus.UNAUTHORIZED, "access_denied", "Unauthorized")
    return client


def _may_use_secret(call: ApiCall, client: Document) -> bool:
    """Return whether an application may use its secret.

    An application without a key may use its secret. The tool of the seed may always use its secret.
    """
    is_tool = client["client_id"] == call.tenant.client_id
    return is_tool or call.settings.secret_beside_key or not linked_ids(client)


def _audience(call: ApiCall, form: Mapping[str, str]) -> str:
    """Return the identifier of the requested API.

    A URL of the sandbox identifies the Management API of the sandbox. A URL with the custom domain does not identify an
    API, as in Auth0.
    """
    audience = form.get("audience", "")
    if not audience:
        description = "Non-global clients are not allowed access to APIv1"
        raise oauth_refusal(HTTPStatus.FORBIDDEN, "access_denied", description)
    if call.is_at_custom_domain or not call.host:
        return audience
    own_identifiers = {f"{scheme}://{call.host}/api/v2/" for scheme in ("http", "https")}
    return call.tenant.management_audience if audience in own_identifiers else audience


def _granted_scopes(grant: Document, api: Document) -> list[str]:
    if grant.get("allow_all_scopes"):
        return [scope["value"] for scope in api.get("scopes", ())]
    scope: list[str] = grant.get("scope", [])
    return scope
