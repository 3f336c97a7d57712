"""The endpoint /oauth/token: access tokens for applications, by client secret or by a signed assertion."""

from collections.abc import Mapping
from hmac import compare_digest
from http import HTTPStatus
from urllib.parse import parse_qsl

from reconciler.sandbox.access import TOKEN_LIFETIME_SECONDS, Permit, issue
from reconciler.sandbox.answers import SandboxResponse, oauth_refusal, ok
from reconciler.sandbox.assertions import asserted_client
from reconciler.sandbox.credentials import linked_ids
from reconciler.sandbox.documents import Document, MalformedJsonError, parse_foreign
from reconciler.sandbox.exchange import ApiCall
from reconciler.sandbox.store import DocumentKind

_UNGRANTED = (
    'Client is not authorized to access "{audience}". You might probably want to create a "client-grant" associated to'
    " this API. See: https://auth0.com/docs/api/v2#!/Client_Grants/post_client_grants"
)
_GRANT_TYPES_PAGE = "https://auth0.com/docs/clients/client-grant-types"


def parameters(raw: bytes, content_type: str) -> Mapping[str, str]:
    """Return the parameters of a token request, sent as a form or as JSON; what is not a text is left out.

    Raises:
        RefusalError: 400 for JSON that is none.
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
    """Answer a token for the API that `audience` names; its scopes are those of the application's own grant now."""
    asked: Mapping[str, str] = call.body
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
    issued = {"access_token": issue(call.tenant, permit, call.now)}
    return ok(issued | said | {"expires_in": lifetime, "token_type": "Bearer"})


def _authenticated(call: ApiCall, asked: Mapping[str, str]) -> Document:
    """Return the application that the credentials belong to, provided it may use this grant type."""
    grant_type = asked.get("grant_type")
    if not grant_type:
        raise oauth_refusal(HTTPStatus.BAD_REQUEST, "invalid_request", "Missing required parameter: grant_type")
    if grant_type != "client_credentials":
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
    if client is None or not expected or not right or (linked_ids(client) and not call.settings.secret_beside_key):
        raise oauth_refusal(HTTPStatus.UNAUTHORIZED, "access_denied", "Unauthorized")
    return client


def _audience(call: ApiCall, asked: Mapping[str, str]) -> str:
    """Return the identifier of the API asked for; the address that the sandbox is reached under is its own."""
    audience = asked.get("audience", "")
    if not audience:
        description = "Non-global clients are not allowed access to APIv1"
        raise oauth_refusal(HTTPStatus.FORBIDDEN, "access_denied", description)
    reached_as = {f"{scheme}://{call.host}/api/v2/" for scheme in ("http", "https")} if call.host else set()
    return call.tenant.management_audience if audience in reached_as else audience


def _granted_scopes(grant: Document, api: Document) -> list[str]:
    if grant.get("allow_all_scopes"):
        return [scope["value"] for scope in api.get("scopes", ())]
    scope: list[str] = grant.get("scope", [])
    return scope
