"""The endpoints of /clients, with the attributes of applications that affect grants."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from auth0_sandbox.api.credentials import METHODS, Registrar, Registration, linked_ids, register, shown_credential
from auth0_sandbox.api.grant_rules import canonical
from auth0_sandbox.api.search import DEFAULT_PARSER, Search, answer_search, search_filters, unsupported
from auth0_sandbox.requests import paging
from auth0_sandbox.requests.calls import ApiCall
from auth0_sandbox.requests.contract import endpoint
from auth0_sandbox.requests.incoming import invalid_body, patched
from auth0_sandbox.requests.responses import NO_CONTENT, SandboxResponse, bad_request, created, not_found, ok
from auth0_sandbox.search.conditions import EXACT, TEXT, SearchField, SearchFields, time_field
from auth0_sandbox.store.database import DocumentKind, Row, SandboxTenant
from auth0_sandbox.store.documents import Document, project, timestamp, without_nulls
from auth0_sandbox.store.identities import client_id, client_secret, grant_id, randomly

GLOBAL_CLIENT_NAME = "All Applications"
DEFAULT_GRANT_TYPES = ("authorization_code", "implicit", "refresh_token", "client_credentials")
# The default attributes in recorded responses. The sandbox signs nothing with certificates.
_DEFAULTS: Document = {
    "is_token_endpoint_ip_header_trusted": False,
    "name": "",
    "is_first_party": True,
    "oidc_conformant": False,
    "sso_disabled": False,
    "cross_origin_auth": False,
    "cross_origin_authentication": False,
    "encrypted": True,
    "signing_keys": [{"cert": "[REDACTED]"}],
    "callback_url_template": False,
    "grant_types": list(DEFAULT_GRANT_TYPES),
    "custom_login_page_on": True,
}
_JWT_CONFIGURATION: Document = {"secret_encoded": False, "lifetime_in_seconds": 36_000}
_REFRESH_TOKEN: Document = {
    "rotation_type": "non-rotating",
    "expiration_type": "non-expiring",
    "leeway": 0,
    "token_lifetime": 2_592_000,
    "infinite_token_lifetime": True,
    "infinite_idle_token_lifetime": True,
    "idle_token_lifetime": 1_296_000,
}
EXPRESS = "express_configuration"
# The defaults are an assumption. Applications for Express Configuration are known to have special defaults and to sign
# assertions.
_EXPRESS_DEFAULTS: Document = {
    "oidc_conformant": True,
    "grant_types": ["client_credentials"],
    "jwt_configuration": {"alg": "RS256"},
    METHODS: {"private_key_jwt": {"credentials": []}},
}
# Auth0 creates a grant with 16 scopes. The list of the scopes is an assumption.
EXPRESS_SCOPES = (
    *(f"{verb}:connections" for verb in ("read", "create", "update", "delete")),
    *(f"{verb}:organization_connections" for verb in ("read", "create", "update", "delete")),
    *(f"{verb}:scim_config" for verb in ("read", "create", "update", "delete")),
    "create:scim_token",
    "delete:scim_token",
    "read:organizations",
    "update:clients",
)
_INITIATORS: Document = {"mode": "custom", "selected_initiators": ["rp-logout", "idp-logout"]}


@dataclass(frozen=True, slots=True)
class NewClient:
    """A new application: the attributes in the request, and the id and secret."""

    attributes: Document
    client_id: str
    client_secret: str = field(repr=False)

    def document(self, tenant: SandboxTenant) -> Document:
        """Return the application with the API's defaults. The attributes in the request take precedence."""
        own: Document = {"client_id": self.client_id, "client_secret": self.client_secret}
        return completed(_tenant(tenant, is_global=False) | _DEFAULTS | without_nulls(self.attributes) | own)


def global_client(identity: str, secret: str, tenant: SandboxTenant) -> Document:
    """Return the global client of a tenant, with the attributes of recorded global clients.

    The global client cannot get tokens.
    """
    own: Document = {
        "callbacks": [],
        "is_first_party": True,
        "name": GLOBAL_CLIENT_NAME,
        "refresh_token": _REFRESH_TOKEN,
        "owners": [],
        "custom_login_page": "",
        "cross_origin_authentication": False,
        "signing_keys": _DEFAULTS["signing_keys"],
        "client_id": identity,
        "client_secret": secret,
        "custom_login_page_on": True,
    }
    return _tenant(tenant, is_global=True) | own


def completed(client: Document) -> Document:
    """Return the application with the attributes that the API adds in recorded responses."""
    jwt_configuration = client.get("jwt_configuration")
    added: Document = {
        "jwt_configuration": {"secret_encoded": False} | jwt_configuration if jwt_configuration else _JWT_CONFIGURATION,
        "refresh_token": _REFRESH_TOKEN | client.get("refresh_token", {}),
    }
    return client | added | _logout(client)


def with_credentials(client: Document, credentials: list[Document]) -> Document:
    """Return the application as the response to its creation.

    New credentials have all attributes except for the key.
    """
    if not credentials:
        return client
    shown = {credential["id"]: shown_credential(credential) for credential in credentials}
    method: Document = client[METHODS]["private_key_jwt"]
    links = [shown.get(link["id"], link) for link in method["credentials"]]
    return client | {METHODS: client[METHODS] | {"private_key_jwt": method | {"credentials": links}}}


def _tenant(tenant: SandboxTenant, *, is_global: bool) -> Document:
    return {"tenant": tenant.name, "global": is_global}


def _logout(client: Document) -> Document:
    """Return the settings for back-channel logout under both of their names, or an empty document without settings."""
    logout: Document | None = client.get("oidc_logout")
    if logout is None:
        return {}
    urls = {name: value for name, value in logout.items() if name == "backchannel_logout_urls"}
    return {
        "oidc_backchannel_logout": urls,
        "oidc_logout": {"backchannel_logout_initiators": _INITIATORS} | logout,
    }


_SECRETS = frozenset({"client_secret", "signing_keys", "encryption_key"})
_CLIENT_SECRET = frozenset({"client_secret"})
_FIXED = frozenset({"client_id", "global", "tenant"})
_ASSIGNED = _FIXED | {"client_secret"}  # attributes that every new application gets


_SUMMARY = frozenset({"client_id", "app_type", "name", "description"})
_FULL_READERS = frozenset({"read:clients", "read:client_keys"})
# The attributes that search results never contain, according to the documentation.
_HIDDEN_IN_SEARCH = _SECRETS | {"owners", "addons"}
_BY_GRANT: Mapping[str, SearchField] = {
    "client_grant.organization_id": SearchField(
        expression="tie.organization_id",
        operators=EXACT,
        related=(
            "organization_client_grants AS tie JOIN client_grants AS held ON tie.grant_id = held.id"
            " WHERE held.client_id = clients.id"
        ),
    ),
    "client_grant.allow_any_organization": SearchField(
        expression="held.allow_any_organization",
        operators=EXACT,
        kind="flag",
        related="client_grants AS held WHERE held.client_id = clients.id",
    ),
}
_SEARCH = Search(
    kind=DocumentKind.CLIENTS,
    fields=SearchFields(
        {
            "client_id": SearchField(expression="id", operators=EXACT),
            "external_client_id": SearchField(expression="json_extract(body, '$.external_client_id')", operators=EXACT),
            "name": SearchField(expression="name", operators=TEXT, ignores_case=True),
            "app_type": SearchField(expression="app_type", operators=EXACT),
            "is_first_party": SearchField(expression="is_first_party", operators=EXACT, kind="flag"),
            "updated_at": time_field("updated_at"),
            **_BY_GRANT,
        },
        metadata="client_metadata",
    ),
    sort={"name": "lower(name)", "updated_at": "updated_at"},
)


def list_clients(call: ApiCall) -> SandboxResponse:
    """Return a page of applications.

    The listing includes the global client unless a filter excludes the global client.
    """
    if "q" in call.query:
        return _list_by_grant(call)
    filters: dict[str, bool | list[str]] = {}
    if "is_global" in call.query:
        filters["global"] = call.query["is_global"]
    if "is_first_party" in call.query:
        filters["is_first_party"] = call.query["is_first_party"]
    if "app_type" in call.query:
        filters["app_type"] = call.query["app_type"].split(",")
    show = paging.on_document(lambda document: _read(call, document))
    return paging.answer_list(call, paging.DocumentList(kind=DocumentKind.CLIENTS, filters=filters, show=show))


def _list_by_grant(call: ApiCall) -> SandboxResponse:
    """Return a page of the applications with grants that match the query `q`.

    According to the documentation, additional filters are refused.
    """
    if others := call.query.keys() & {"is_global", "is_first_party", "app_type"}:
        raise unsupported(f"q cannot be combined with {', '.join(sorted(others))}")
    if not call.query.keys() & {"from", "take"}:
        raise unsupported("q needs from or take")
    filters = search_filters(call, SearchFields(_BY_GRANT), DEFAULT_PARSER)
    show = paging.on_document(lambda document: _read(call, document))
    return paging.answer_list(call, paging.DocumentList(kind=DocumentKind.CLIENTS, filters=filters, show=show))


def search_clients(call: ApiCall) -> SandboxResponse:
    """Return a page of the applications that match the search query. Results contain times, but no secrets."""

    def show(row: Row) -> Document:
        times = {"created_at": timestamp(row.created_at), "updated_at": timestamp(row.updated_at)}
        return _summarized(call, project(row.document(), _HIDDEN_IN_SEARCH, include=False) | times)

    return answer_search(call, replace(_SEARCH, show=show))


def get_client(call: ApiCall) -> SandboxResponse:
    """Return the application with the id in the path."""
    return ok(_read(call, _existing(call)))


def create_client(call: ApiCall) -> SandboxResponse:
    """Create an application. Several applications may have the same name."""
    identity = client_id(randomly)
    is_express = call.body.get("app_type") == EXPRESS
    body = (_EXPRESS_DEFAULTS if is_express else {}) | without_nulls(call.body)
    registration = _register(call, identity, project(body, _ASSIGNED, include=False))
    new = NewClient(registration.attributes, identity, client_secret(randomly)).document(call.tenant)
    with call.store.transaction():
        call.store.add(DocumentKind.CLIENTS, identity, new)
        _store_credentials(call, new, registration)
        if is_express:
            grant = _express_grant(call, identity)
            call.store.add(DocumentKind.CLIENT_GRANTS, grant["id"], grant)
    return created(_visible(call, with_credentials(new, registration.credentials)))


def update_client(call: ApiCall) -> SandboxResponse:
    """Replace attributes of an application by the attributes in the request."""
    with call.store.transaction():
        before = _existing(call)
        registration = _register(call, before["client_id"], call.body)
        after = patched(before, registration.attributes, fixed=_FIXED)
        after = after if before["global"] else completed(after)
        call.store.replace(DocumentKind.CLIENTS, after["client_id"], after)
        _store_credentials(call, after, registration)
    return ok(_visible(call, with_credentials(after, registration.credentials)))


def rotate_secret(call: ApiCall) -> SandboxResponse:
    """Give an application a new secret. Existing tokens stay valid."""
    with call.store.transaction():
        client = _existing(call) | {"client_secret": client_secret(randomly)}
        call.store.replace(DocumentKind.CLIENTS, client["client_id"], client)
    return ok(_visible(call, client))


def delete_client(call: ApiCall) -> SandboxResponse:
    """Delete an application and its grants. A missing application is not an error."""
    identity = call.path["id"]
    with call.store.transaction():
        client = call.store.get(DocumentKind.CLIENTS, identity)
        if client is not None and client["global"]:
            raise bad_request("The global client cannot be deleted", "operation_not_supported")
        call.store.remove(DocumentKind.CLIENTS, {"id": identity})
        call.store.remove(DocumentKind.CLIENT_GRANTS, {"client_id": identity})
    return NO_CONTENT


def _express_grant(call: ApiCall, identity: str) -> Document:
    """Return the system grant of a new application for Express Configuration."""
    grant = {"id": grant_id(randomly), "client_id": identity, "audience": call.tenant.management_audience}
    return canonical(grant | {"scope": list(EXPRESS_SCOPES), "is_system": True})


def _existing(call: ApiCall) -> Document:
    client = call.store.get(DocumentKind.CLIENTS, call.path["id"])
    if client is None:
        raise not_found("The client does not exist", "inexistent_client")
    return client


def _register(call: ApiCall, identity: str, attributes: Document) -> Registration:
    return register(attributes, Registrar(client_id=identity, now=call.now, pick=lambda _kid: randomly))


def _store_credentials(call: ApiCall, client: Document, registration: Registration) -> None:
    """Store new credentials. Refuse an application that refers to unknown credentials."""
    for credential in registration.credentials:
        call.store.add(DocumentKind.CREDENTIALS, credential["id"], credential)
    for identity in linked_ids(client):
        if not call.store.count(DocumentKind.CREDENTIALS, {"client_id": client["client_id"], "id": identity}):
            raise invalid_body(f"'No such credential: {identity}' on property client_authentication_methods.")


def _read(call: ApiCall, client: Document) -> Document:
    return _visible(call, _summarized(call, client))


def _summarized(call: ApiCall, client: Document) -> Document:
    """Return the attributes that the token may read.

    According to the documentation, the scope `read:client_summary` allows four attributes.
    """
    return client if call.scopes & _FULL_READERS else project(client, _SUMMARY, include=True)


def _visible(call: ApiCall, client: Document) -> Document:
    """Remove attributes that were not requested. Remove secrets unless the token may read keys.

    In recorded responses, an application that authenticates with a key shows no secret.
    """
    hides_secret = client.get(METHODS) and not call.settings.secret_beside_key
    shown = call.shown_fields(project(client, _CLIENT_SECRET, include=False) if hides_secret else client)
    return shown if "read:client_keys" in call.scopes else project(shown, _SECRETS, include=False)


ENDPOINTS = (
    endpoint("GET", "/clients", list_clients),
    endpoint("POST", "/clients", create_client),
    endpoint("GET", "/clients/search", search_clients),
    endpoint("GET", "/clients/{id}", get_client),
    endpoint("PATCH", "/clients/{id}", update_client),
    endpoint("DELETE", "/clients/{id}", delete_client),
    endpoint("POST", "/clients/{id}/rotate-secret", rotate_secret),
)
