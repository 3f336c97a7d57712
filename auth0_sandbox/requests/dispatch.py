"""Check a request and call the handler of its endpoint. The store is the only side effect."""

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus

from auth0_sandbox.api import logs, oauth
from auth0_sandbox.requests.calls import ApiCall, Endpoint
from auth0_sandbox.requests.incoming import body_value, check_identity, query_values
from auth0_sandbox.requests.responses import SandboxResponse, refusal
from auth0_sandbox.requests.tokens import require_any, verify
from auth0_sandbox.requests.traffic import Handle, UncheckedRequest

LARGEST_BODY_BYTES = 1_048_576
READS = frozenset({"GET", "HEAD"})
TakeTokens = Callable[[UncheckedRequest], None]  # takes tokens from the buckets, or raises RefusalError


def management(endpoint: Endpoint, take_tokens: TakeTokens) -> Handle:
    """Return the function that handles requests to an endpoint of the Management API.

    The function raises RefusalError.

    The order of the checks is an assumption: token, scope, rate limit, path, query, body.
    """

    def handle(request: UncheckedRequest) -> SandboxResponse:
        early = request.settings.limit_before_token
        if early:
            take_tokens(request)
        call = _call(request)
        permit = verify(request.authorization, call.tenant, call.settings.custom_domain, request.token_time)
        scopes = frozenset(permit.scope)
        require_any(scopes, endpoint.any_of)
        if not early:
            take_tokens(request)
        call = _checked(endpoint, request, replace(call, scopes=scopes, client_id=permit.client_id))
        response = endpoint.handle(call)
        if endpoint.method not in READS:
            logged_request = {"method": request.method.lower(), "path": request.path, "query": dict(request.query)}
            logs.record_write(call, logged_request, endpoint.summary, response)
        return response

    return handle


def token(take_tokens: TakeTokens) -> Handle:
    """Return the function that handles requests to /oauth/token. The function raises RefusalError."""

    def handle(request: UncheckedRequest) -> SandboxResponse:
        take_tokens(request)
        asked = oauth.parameters(_body(request), request.content_type)
        return oauth.token(replace(_call(request), body=asked))

    return handle


def _call(request: UncheckedRequest) -> ApiCall:
    return ApiCall(
        store=request.store,
        settings=request.settings,
        tenant=request.store.tenant(),
        now=request.now,
        host=request.host,
        sender=request.sender,
        path=request.parameters,
    )


def _checked(endpoint: Endpoint, request: UncheckedRequest, call: ApiCall) -> ApiCall:
    """Return the request with a query and a body that are parsed according to the endpoint's schemas."""
    check_identity(call.path.get("id", ""), endpoint.identity)
    refuse_unknown = call.settings.refuse_unknown_query
    query = query_values(request.query, endpoint.query, refuse_unknown=refuse_unknown)
    body = body_value(_body(request), endpoint.body(), request.content_type) if endpoint.body else None
    return replace(call, query=query, body=body)


def _body(request: UncheckedRequest) -> bytes:
    if len(request.body) > LARGEST_BODY_BYTES:
        message = f"Payload content length greater than maximum allowed: {LARGEST_BODY_BYTES}"
        raise refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
    return request.body
