"""The endpoints of /clients: applications, so far as grants depend on them."""

from reconciler.sandbox import paging
from reconciler.sandbox.answers import NO_CONTENT, SandboxResponse, bad_request, created, not_found, ok
from reconciler.sandbox.applications import NewClient, completed, with_credentials
from reconciler.sandbox.contract import endpoint
from reconciler.sandbox.credentials import Registrar, Registration, linked_ids, register
from reconciler.sandbox.documents import Document, on_text, project
from reconciler.sandbox.exchange import ApiCall
from reconciler.sandbox.fields import shown_fields
from reconciler.sandbox.identities import client_id, client_secret, randomly
from reconciler.sandbox.incoming import invalid_body
from reconciler.sandbox.patches import patched
from reconciler.sandbox.store import DocumentKind

_SECRETS = frozenset({"client_secret", "signing_keys", "encryption_key"})
_FIXED = frozenset({"client_id", "global", "tenant"})
_GIVEN = _FIXED | {"client_secret"}  # what a new application is given, whatever the caller says


def list_clients(call: ApiCall) -> SandboxResponse:
    """Answer a page of applications, the tenant's global pseudo client included unless filtered out."""
    filters: dict[str, bool | list[str]] = {}
    if "is_global" in call.query:
        filters["global"] = call.query["is_global"]
    if "is_first_party" in call.query:
        filters["is_first_party"] = call.query["is_first_party"]
    if "app_type" in call.query:
        filters["app_type"] = call.query["app_type"].split(",")
    show = on_text(lambda document: _visible(call, document))
    return paging.answer_list(call, paging.DocumentList(kind=DocumentKind.CLIENTS, filters=filters, show=show))


def get_client(call: ApiCall) -> SandboxResponse:
    """Answer one application."""
    return ok(_visible(call, _existing(call)))


def create_client(call: ApiCall) -> SandboxResponse:
    """Create an application; names need not be unique."""
    identity = client_id(randomly)
    registration = _register(call, identity, project(call.body, _GIVEN, include=False))
    new = NewClient(registration.attributes, identity, client_secret(randomly)).document(call.tenant)
    with call.store.transaction():
        call.store.add(DocumentKind.CLIENTS, identity, new)
        _keep(call, new, registration)
    return created(with_credentials(new, registration.credentials))


def update_client(call: ApiCall) -> SandboxResponse:
    """Replace the named attributes of an application."""
    with call.store.transaction():
        before = _existing(call)
        if before["global"]:
            raise bad_request("The global client cannot be changed", "operation_not_supported")
        registration = _register(call, before["client_id"], call.body)
        after = completed(patched(before, registration.attributes, fixed=_FIXED))
        call.store.replace(DocumentKind.CLIENTS, after["client_id"], after)
        _keep(call, after, registration)
    return ok(_visible(call, with_credentials(after, registration.credentials)))


def delete_client(call: ApiCall) -> SandboxResponse:
    """Delete an application and its grants; one that does not exist is gone already."""
    identity = call.path["id"]
    with call.store.transaction():
        client = call.store.get(DocumentKind.CLIENTS, identity)
        if client is not None and client["global"]:
            raise bad_request("The global client cannot be deleted", "operation_not_supported")
        call.store.remove(DocumentKind.CLIENTS, {"id": identity})
        call.store.remove(DocumentKind.CLIENT_GRANTS, {"client_id": identity})
    return NO_CONTENT


def _existing(call: ApiCall) -> Document:
    client = call.store.get(DocumentKind.CLIENTS, call.path["id"])
    if client is None:
        raise not_found("The client does not exist", "inexistent_client")
    return client


def _register(call: ApiCall, identity: str, attributes: Document) -> Registration:
    return register(attributes, Registrar(client_id=identity, now=call.now, pick=lambda _kid: randomly))


def _keep(call: ApiCall, client: Document, registration: Registration) -> None:
    """Store new credentials, and refuse an application that names any that it does not have."""
    for credential in registration.credentials:
        call.store.add(DocumentKind.CREDENTIALS, credential["id"], credential)
    for identity in linked_ids(client):
        if not call.store.count(DocumentKind.CREDENTIALS, {"client_id": client["client_id"], "id": identity}):
            raise invalid_body(f"'No such credential: {identity}' on property client_authentication_methods.")


def _visible(call: ApiCall, client: Document) -> Document:
    """Leave out what was not asked for, and secrets where the token may not read keys."""
    shown = shown_fields(call, client)
    return shown if "read:client_keys" in call.scopes else project(shown, _SECRETS, include=False)


ENDPOINTS = (
    endpoint("GET", "/clients", list_clients),
    endpoint("POST", "/clients", create_client),
    endpoint("GET", "/clients/{id}", get_client),
    endpoint("PATCH", "/clients/{id}", update_client),
    endpoint("DELETE", "/clients/{id}", delete_client),
)
