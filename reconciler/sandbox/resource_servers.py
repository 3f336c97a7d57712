"""The endpoints of /resource-servers: APIs and their scopes."""

import re
from collections.abc import Sequence

from reconciler.sandbox import paging
from reconciler.sandbox.answers import NO_CONTENT, Answer, bad_request, conflict, created, not_found, ok
from reconciler.sandbox.documents import Document, Schema, on_text
from reconciler.sandbox.exchange import Call, Endpoint
from reconciler.sandbox.fields import FIELDS_QUERY, shown_fields
from reconciler.sandbox.identities import randomly, resource_server_id
from reconciler.sandbox.store import Kind, TakenError, Tenant

MANAGEMENT_API_NAME = "Auth0 Management API"
_READ = ("read:resource_servers",)
_IDENTITY: Schema = {
    "type": "string",
    "minLength": 1,
    "description": "Id or identifier of the API.",
}
_FILTERS: dict[str, Schema] = {
    "identifiers": {
        "type": "array",
        "maxItems": 10,
        "items": {"type": "string"},
        "description": "Only APIs with these identifiers.",
    },
}
_DEFAULTS: Document = {
    "allow_offline_access": False,
    "skip_consent_for_verifiable_first_party_clients": True,
    "token_lifetime": 86_400,
    "token_lifetime_for_web": 7_200,
    "signing_alg": "RS256",
    "subject_type_authorization": {
        "client": {"policy": "require_client_grant"},
        "user": {"policy": "allow_all"},
    },
}


def create_body() -> Schema:
    """Return the schema of POST's body: what grants depend on is checked, everything else is kept."""
    scope = {
        "type": "object",
        "required": ["value"],
        "properties": {
            "value": {
                "type": "string",
                "minLength": 1,
                "maxLength": 280,
                "description": "The scope as tokens carry it.",
            },
            "description": {"type": "string", "description": "What the scope allows, for people."},
        },
    }
    return {
        "type": "object",
        "required": ["identifier"],
        "properties": {
            "name": {"type": "string", "description": "Name of the API."},
            "identifier": {
                "type": "string",
                "minLength": 1,
                "description": "What names the API in tokens; no other API has it.",
            },
            "scopes": {"type": "array", "items": scope, "description": "Scopes that the API knows."},
            "subject_type_authorization": {
                "type": "object",
                "description": "Who may get tokens for the API, in whose name.",
            },
        },
    }


def new_resource_server(identity: str, attributes: Document) -> Document:
    """Return the API with the defaults of the Management API; `scopes` is absent until it was set."""
    named: Document = {"id": identity, "name": attributes["identifier"], "identifier": attributes["identifier"]}
    return named | _DEFAULTS | attributes | {"id": identity}


def management_api(identity: str, tenant: Tenant, scopes: Sequence[str]) -> Document:
    """Return the API that every tenant has, with the permissions it knows."""
    attributes: Document = {
        "name": MANAGEMENT_API_NAME,
        "is_system": True,
        "identifier": tenant.management_audience,
        "scopes": [{"value": scope, "description": re.sub("[:_]", " ", scope).capitalize()} for scope in scopes],
    }
    return new_resource_server(identity, attributes)


def list_resource_servers(call: Call) -> Answer:
    """Answer a page of APIs; there are no checkpoints here."""
    wanted = call.query.get("identifiers")
    filters = {} if wanted is None else {"identifier": wanted}
    show = on_text(lambda document: shown_fields(call, document))
    return paging.answer_list(call, paging.Listing(kind=Kind.RESOURCE_SERVERS, filters=filters, show=show))


def get_resource_server(call: Call) -> Answer:
    """Answer one API."""
    api = _find(call)
    if api is None:
        raise not_found("The resource server does not exist", "inexistent_resource_server")
    return ok(shown_fields(call, api))


def create_resource_server(call: Call) -> Answer:
    """Create an API; its identifier must be new."""
    new = new_resource_server(resource_server_id(randomly), call.body)
    try:
        call.store.add(Kind.RESOURCE_SERVERS, new["id"], new)
    except TakenError as error:
        raise conflict(
            "A resource server with the same identifier already exists", call.settings.conflict_code
        ) from error
    return created(new)


def delete_resource_server(call: Call) -> Answer:
    """Delete an API; one that does not exist is gone already."""
    with call.store.transaction():
        api = _find(call)
        if api is None:
            return NO_CONTENT
        if api.get("is_system"):
            raise bad_request("System resource servers cannot be deleted", "operation_not_supported")
        call.store.remove(Kind.RESOURCE_SERVERS, {"id": api["id"]})
        if not call.settings.keep_grants_of_deleted_api:
            call.store.remove(Kind.CLIENT_GRANTS, {"audience": api["identifier"]})
    return NO_CONTENT


def _find(call: Call) -> Document | None:
    """Return the API that the path names by id or by identifier."""
    identity = call.path["id"]
    by_id = call.store.get(Kind.RESOURCE_SERVERS, identity)
    return by_id or call.store.first(Kind.RESOURCE_SERVERS, {"identifier": identity})


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/resource-servers",
        any_of=_READ,
        handle=list_resource_servers,
        query=paging.OFFSET_QUERY | FIELDS_QUERY | _FILTERS,
    ),
    Endpoint(
        method="POST",
        path="/resource-servers",
        any_of=("create:resource_servers",),
        handle=create_resource_server,
        body=create_body,
    ),
    # an identifier is a URL: its slashes arrive decoded
    Endpoint(
        method="GET",
        path="/resource-servers/{id:path}",
        any_of=_READ,
        handle=get_resource_server,
        identity=_IDENTITY,
        query=FIELDS_QUERY,
    ),
    Endpoint(
        method="DELETE",
        path="/resource-servers/{id:path}",
        any_of=("delete:resource_servers",),
        handle=delete_resource_server,
        identity=_IDENTITY,
    ),
)
