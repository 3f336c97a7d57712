"""The endpoints of /clients: applications, so far as grants depend on them."""

from dataclasses import dataclass

from reconciler.sandbox import paging
from reconciler.sandbox.answers import NO_CONTENT, Answer, bad_request, created, not_found, ok
from reconciler.sandbox.documents import Document, Schema, on_text, project
from reconciler.sandbox.exchange import Call, Endpoint
from reconciler.sandbox.fields import FIELDS_QUERY, shown_fields
from reconciler.sandbox.identities import client_id, client_secret, randomly
from reconciler.sandbox.store import Kind, Tenant

GLOBAL_CLIENT_NAME = "All Applications"
DEFAULT_GRANT_TYPES = ("authorization_code", "implicit", "refresh_token", "client_credentials")
_SECRETS = frozenset({"client_secret", "signing_keys", "encryption_key"})
_READ = ("read:clients", "read:client_keys", "read:client_summary")
_IDENTITY: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "description": "Id of the application."}
_FILTERS: dict[str, Schema] = {
    "is_global": {"type": "boolean", "description": "True for the tenant's pseudo client only, false for all others."},
    "is_first_party": {"type": "boolean", "description": "Only applications that are, or are not, the tenant's own."},
    "app_type": {"type": "string", "description": "Only applications of these types, separated by commas."},
}


def create_body() -> Schema:
    """Return the schema of POST's body: what grants depend on is checked, everything else is kept."""
    return {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "minLength": 1, "description": "Name of the application."},
            "app_type": {"type": "string", "description": "Type of the application."},
            "grant_types": {
                "type": "array",
                "items": {"type": "string", "minLength": 1},
                "description": "Ways in which the application may ask for tokens.",
            },
            "is_first_party": {"type": "boolean", "description": "Whether the application is the tenant's own."},
        },
    }


@dataclass(frozen=True, slots=True)
class NewClient:
    """What an application is made of: what the caller says, and the id and secret it is given."""

    attributes: Document
    client_id: str
    client_secret: str

    def document(self, tenant: Tenant) -> Document:
        """Return the application with the API's defaults; what the caller says wins."""
        defaults: Document = {
            "tenant": tenant.domain.partition(".")[0],
            "global": False,
            "is_token_endpoint_ip_header_trusted": False,
            "name": "",
            "is_first_party": True,
            "oidc_conformant": False,
            "sso_disabled": False,
            "cross_origin_auth": False,
            "grant_types": list(DEFAULT_GRANT_TYPES),
            "custom_login_page_on": True,
        }
        own: Document = {"client_id": self.client_id, "client_secret": self.client_secret}
        return defaults | self.attributes | own


def global_client(identity: str, tenant: Tenant) -> Document:
    """Return the pseudo client that every tenant lists; no token can be had with it."""
    return {
        "tenant": tenant.domain.partition(".")[0],
        "global": True,
        "name": GLOBAL_CLIENT_NAME,
        "is_first_party": True,
        "callbacks": [],
        "grant_types": [],
        "client_id": identity,
    }


def list_clients(call: Call) -> Answer:
    """Answer a page of applications, the tenant's global pseudo client included unless filtered out."""
    filters: dict[str, bool | list[str]] = {}
    if "is_global" in call.query:
        filters["global"] = call.query["is_global"]
    if "is_first_party" in call.query:
        filters["is_first_party"] = call.query["is_first_party"]
    if "app_type" in call.query:
        filters["app_type"] = call.query["app_type"].split(",")
    show = on_text(lambda document: _visible(call, document))
    return paging.answer_list(call, paging.Listing(kind=Kind.CLIENTS, filters=filters, show=show))


def get_client(call: Call) -> Answer:
    """Answer one application."""
    client = call.store.get(Kind.CLIENTS, call.path["id"])
    if client is None:
        raise not_found("The client does not exist", "inexistent_client")
    return ok(_visible(call, client))


def create_client(call: Call) -> Answer:
    """Create an application; names need not be unique."""
    new = NewClient(call.body, client_id(randomly), client_secret(randomly)).document(call.tenant)
    call.store.add(Kind.CLIENTS, new["client_id"], new)
    return created(new)


def delete_client(call: Call) -> Answer:
    """Delete an application and its grants; one that does not exist is gone already."""
    identity = call.path["id"]
    with call.store.transaction():
        client = call.store.get(Kind.CLIENTS, identity)
        if client is not None and client["global"]:
            raise bad_request("The global client cannot be deleted", "operation_not_supported")
        call.store.remove(Kind.CLIENTS, {"id": identity})
        call.store.remove(Kind.CLIENT_GRANTS, {"client_id": identity})
    return NO_CONTENT


def _visible(call: Call, client: Document) -> Document:
    """Leave out what was not asked for, and secrets where the token may not read keys."""
    shown = shown_fields(call, client)
    return shown if "read:client_keys" in call.scopes else project(shown, _SECRETS, include=False)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/clients",
        any_of=_READ,
        handle=list_clients,
        query=paging.OFFSET_QUERY | paging.CHECKPOINT_QUERY | FIELDS_QUERY | _FILTERS,
    ),
    Endpoint(method="POST", path="/clients", any_of=("create:clients",), handle=create_client, body=create_body),
    Endpoint(
        method="GET",
        path="/clients/{id}",
        any_of=_READ,
        handle=get_client,
        identity=_IDENTITY,
        query=FIELDS_QUERY,
    ),
    Endpoint(
        method="DELETE", path="/clients/{id}", any_of=("delete:clients",), handle=delete_client, identity=_IDENTITY
    ),
)
