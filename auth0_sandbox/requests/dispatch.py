"""Check a request and call the handler of its endpoint. Pure except for the store."""

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus

from auth0_sandbox.api import log_events, oauth
from auth0_sandbox.requests.calls import ApiCall, Endpoint
from auth0_sandbox.requests.incoming import body_value, check_identity, query_values
from auth0_sandbox.requests.responses import SandboxResponse, refusal
from auth0_sandbox.requests.tokens import require_any, verify
from auth0_sandbox.requests.traffic import Arrival, Handle

LARGEST_BODY_BYTES = 1_048_576
READS = frozenset({"GET", "HEAD"})
Spend = Callable[[Arrival], None]  # takes a token from the buckets of the rate limits, or raises


def management(endpoint: Endpoint, spend: Spend) -> Handle:
    """Return the handler of an endpoint of the Management API. It raises RefusalError.

    The order of the checks is an assumption: token, permission, rate limit, path, query, body.
    """

    def handle(arrival: Arrival) -> SandboxResponse:
        early = arrival.settings.limit_before_token
        if early:
            spend(arrival)
        call = _call(arrival)
        permit = verify(arrival.authorization, call.tenant, call.settings.custom_domain, arrival.token_time)
        scopes = frozenset(permit.scope)
        require_any(scopes, endpoint.any_of)
        if not early:
            spend(arrival)
        call = _checked(endpoint, arrival, replace(call, scopes=scopes, client_id=permit.client_id))
        response = endpoint.handle(call)
        if endpoint.method not in READS:
            request = {"method": arrival.method.lower(), "path": arrival.path, "query": dict(arrival.query)}
            log_events.record_write(call, request, endpoint.summary, response)
        return response

    return handle


def token(spend: Spend) -> Handle:
    """Return the handler of /oauth/token. It raises RefusalError."""

    def handle(arrival: Arrival) -> SandboxResponse:
        spend(arrival)
        asked = oauth.parameters(_body(arrival), arrival.content_type)
        return oauth.token(replace(_call(arrival), body=asked))

    return handle


def _call(arrival: Arrival) -> ApiCall:
    return ApiCall(
        store=arrival.store,
        settings=arrival.settings,
        tenant=arrival.store.tenant(),
        now=arrival.now,
        host=arrival.host,
        sender=arrival.sender,
        path=arrival.parameters,
    )


def _checked(endpoint: Endpoint, arrival: Arrival, call: ApiCall) -> ApiCall:
    """Return the request with query and body parsed according to the endpoint's schemas."""
    check_identity(call.path.get("id", ""), endpoint.identity)
    refuse_unknown = call.settings.refuse_unknown_query
    query = query_values(arrival.query, endpoint.query, refuse_unknown=refuse_unknown)
    body = body_value(_body(arrival), endpoint.body(), arrival.content_type) if endpoint.body else None
    return replace(call, query=query, body=body)


def _body(arrival: Arrival) -> bytes:
    if len(arrival.body) > LARGEST_BODY_BYTES:
        message = f"Payload content length greater than maximum allowed: {LARGEST_BODY_BYTES}"
        raise refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
    return arrival.body
