"""The endpoints of /resource-servers: APIs and their scopes."""

import re
from collections.abc import Sequence

from auth0_sandbox.api.search import Search, answer_search
from auth0_sandbox.requests import paging
from auth0_sandbox.requests.calls import ApiCall
from auth0_sandbox.requests.contract import endpoint
from auth0_sandbox.requests.incoming import patched
from auth0_sandbox.requests.responses import NO_CONTENT, SandboxResponse, bad_request, conflict, created, not_found, ok
from auth0_sandbox.search.conditions import EXACT, TEXT, SearchField, SearchFields, time_field
from auth0_sandbox.store.database import DocumentKind, SandboxTenant, TakenError
from auth0_sandbox.store.documents import Document, project, without_nulls
from auth0_sandbox.store.identities import randomly, resource_server_id, signing_secret

MANAGEMENT_API_NAME = "Auth0 Management API"
_DEFAULTS: Document = {
    "allow_offline_access": False,
    "skip_consent_for_verifiable_first_party_clients": False,
    "subject_type_authorization": {},
    "token_lifetime": 86_400,
    "token_lifetime_for_web": 7_200,
    "signing_alg": "RS256",
}
_POLICIES: Document = {"client": {"policy": "require_client_grant"}, "user": {"policy": "allow_all"}}
_FIRST = ("id", "name", "identifier", *_DEFAULTS)
_LAST = ("scopes", "authorization_details", "is_system")
_SCOPE = ("value", "description")
_FIXED = frozenset({"id", "identifier", "is_system"})
_FIXED_OF_SYSTEM = _FIXED | {"name", "scopes"}  # an assumption; requests can change token lifetimes


def new_resource_server(identity: str, attributes: Document) -> Document:
    """Return the API with the default attributes. The attribute `scopes` is absent until a request sets the scopes."""
    named: Document = {"id": identity, "name": attributes["identifier"], "identifier": attributes["identifier"]}
    return _completed(named | _DEFAULTS | without_nulls(attributes) | {"id": identity})


def management_scope(value: str) -> Document:
    """Return a scope of the Management API with a description, in the form of the API."""
    return {"value": value, "description": re.sub("[:_]", " ", value).title()}


def management_api(identity: str, tenant: SandboxTenant, scopes: Sequence[Document]) -> Document:
    """Return the Management API with its scopes. Every tenant has the Management API."""
    attributes: Document = {
        "name": MANAGEMENT_API_NAME,
        "is_system": True,
        "identifier": tenant.management_audience,
        "scopes": list(scopes),
    }
    return new_resource_server(identity, attributes)


def list_resource_servers(call: ApiCall) -> SandboxResponse:
    """Return a page of APIs. The endpoint /resource-servers has no paging by checkpoint."""
    identifiers = call.query.get("identifiers")
    filters = {} if identifiers is None else {"identifier": identifiers}
    show = paging.on_document(call.shown_fields)
    return paging.answer_list(call, paging.DocumentList(kind=DocumentKind.RESOURCE_SERVERS, filters=filters, show=show))


_HIDDEN_IN_SEARCH = frozenset({"signing_secret"})
_SEARCH = Search(
    kind=DocumentKind.RESOURCE_SERVERS,
    fields=SearchFields(
        {
            "id": SearchField(expression="id", operators=EXACT),
            "identifier": SearchField(expression="identifier", operators=TEXT),
            "name": SearchField(expression="name", operators=TEXT, ignores_case=True),
            "updated_at": time_field("updated_at"),
        }
    ),
    sort={"identifier": "identifier", "name": "lower(name)", "updated_at": "updated_at"},
    show=lambda row: project(row.document(), _HIDDEN_IN_SEARCH, include=False),
)


def search_resource_servers(call: ApiCall) -> SandboxResponse:
    """Return a page of the APIs that match the search query."""
    return answer_search(call, _SEARCH)


def get_resource_server(call: ApiCall) -> SandboxResponse:
    """Return the API with the id or identifier in the path."""
    return ok(call.shown_fields(_existing(call)))


def create_resource_server(call: ApiCall) -> SandboxResponse:
    """Create an API. The identifier must be unique."""
    new = new_resource_server(resource_server_id(randomly), call.body)
    if new["signing_alg"] == "HS256":
        new["signing_secret"] = signing_secret(randomly)
    try:
        call.store.add(DocumentKind.RESOURCE_SERVERS, new["id"], new)
    except TakenError as error:
        raise conflict(
            "A resource server with the same identifier already exists", call.settings.conflict_code
        ) from error
    return created(new)


def update_resource_server(call: ApiCall) -> SandboxResponse:
    """Replace attributes of an API by the attributes in the request."""
    with call.store.transaction():
        api = _existing(call)
        fixed = _FIXED_OF_SYSTEM if api.get("is_system") else _FIXED
        after = _completed(patched(api, call.body, fixed=fixed))
        call.store.replace(DocumentKind.RESOURCE_SERVERS, after["id"], after)
    return ok(after)


def delete_resource_server(call: ApiCall) -> SandboxResponse:
    """Delete an API. A missing API is not an error."""
    with call.store.transaction():
        api = _find(call)
        if api is None:
            return NO_CONTENT
        if api.get("is_system"):
            raise bad_request("System resource servers cannot be deleted", "operation_not_supported")
        call.store.remove(DocumentKind.RESOURCE_SERVERS, {"id": api["id"]})
        if not call.settings.keep_grants_of_deleted_api:
            call.store.remove(DocumentKind.CLIENT_GRANTS, {"audience": api["identifier"]})
    return NO_CONTENT


def _ordered(api: Document) -> Document:
    """Return the API with ordered attributes and ordered scope attributes, in the order of recorded responses."""
    between = [name for name in api if name not in {*_FIRST, *_LAST}]
    ordered = {name: api[name] for name in (*_FIRST, *between, *_LAST) if name in api}
    scopes = [{name: scope[name] for name in sorted(scope, key=_scope_order)} for scope in api.get("scopes") or ()]
    return ordered | ({"scopes": scopes} if "scopes" in api else {})


def _scope_order(name: str) -> int:
    return _SCOPE.index(name) if name in _SCOPE else len(_SCOPE)


def _completed(api: Document) -> Document:
    """Return the API in the order of responses, with a policy for both subject types. Requested policies come first."""
    policies = without_nulls(api.get("subject_type_authorization", {}))
    missing = {kind: policy for kind, policy in _POLICIES.items() if kind not in policies}
    defaults = {name: value for name, value in _DEFAULTS.items() if name not in api}
    return _ordered(api | defaults | {"subject_type_authorization": policies | missing})


def _existing(call: ApiCall) -> Document:
    api = _find(call)
    if api is None:
        raise not_found("The resource server does not exist", "inexistent_resource_server")
    return api


def _find(call: ApiCall) -> Document | None:
    """Return the API with the id or identifier in the path, or None."""
    identity = call.path["id"]
    by_id = call.store.get(DocumentKind.RESOURCE_SERVERS, identity)
    return by_id or call.store.first(DocumentKind.RESOURCE_SERVERS, {"identifier": identity})


ENDPOINTS = (
    endpoint("GET", "/resource-servers", list_resource_servers),
    endpoint("POST", "/resource-servers", create_resource_server),
    endpoint("GET", "/resource-servers/search", search_resource_servers),
    # an identifier can be a URL, and its slashes arrive decoded
    endpoint("GET", "/resource-servers/{id:path}", get_resource_server),
    endpoint("PATCH", "/resource-servers/{id:path}", update_resource_server),
    endpoint("DELETE", "/resource-servers/{id:path}", delete_resource_server),
)
