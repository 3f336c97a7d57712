"""Pure: what an application looks like: what the caller says, and what the API adds to it."""

from dataclasses import dataclass, field

from reconciler.sandbox.credentials import METHODS, shown_credential
from reconciler.sandbox.documents import Document
from reconciler.sandbox.patches import without_nulls
from reconciler.sandbox.store import SandboxTenant

GLOBAL_CLIENT_NAME = "All Applications"
DEFAULT_GRANT_TYPES = ("authorization_code", "implicit", "refresh_token", "client_credentials")
# The defaults of recorded answers. Nothing is signed with a certificate here.
_DEFAULTS: Document = {
    "is_token_endpoint_ip_header_trusted": False,
    "name": "",
    "is_first_party": True,
    "oidc_conformant": False,
    "sso_disabled": False,
    "cross_origin_auth": False,
    "cross_origin_authentication": False,
    "signing_keys": [{"cert": "[REDACTED]"}],
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
_INITIATORS: Document = {"mode": "custom", "selected_initiators": ["rp-logout", "idp-logout"]}


@dataclass(frozen=True, slots=True)
class NewClient:
    """What an application is made of: what the caller says, and the id and secret it is given."""

    attributes: Document
    client_id: str
    client_secret: str = field(repr=False)

    def document(self, tenant: SandboxTenant) -> Document:
        """Return the application with the API's defaults; what the caller says wins."""
        own: Document = {"client_id": self.client_id, "client_secret": self.client_secret}
        return completed(_tenant(tenant, is_global=False) | _DEFAULTS | without_nulls(self.attributes) | own)


def global_client(identity: str, tenant: SandboxTenant) -> Document:
    """Return the pseudo client that every tenant lists; no token can be had with it."""
    own: Document = {"name": GLOBAL_CLIENT_NAME, "is_first_party": True, "callbacks": [], "grant_types": []}
    return _tenant(tenant, is_global=True) | own | {"client_id": identity}


def completed(client: Document) -> Document:
    """Return the application with what the API adds to settings that are said in part; all of it as recorded."""
    jwt_configuration = client.get("jwt_configuration")
    added: Document = {
        "jwt_configuration": {"secret_encoded": False} | jwt_configuration if jwt_configuration else _JWT_CONFIGURATION,
        "refresh_token": _REFRESH_TOKEN | client.get("refresh_token", {}),
    }
    return client | added | _logout(client)


def with_credentials(client: Document, credentials: list[Document]) -> Document:
    """Return the application as the answer to its creation: new credentials are shown whole there, but for the key."""
    if not credentials:
        return client
    shown = {credential["id"]: shown_credential(credential) for credential in credentials}
    method: Document = client[METHODS]["private_key_jwt"]
    links = [shown.get(link["id"], link) for link in method["credentials"]]
    return client | {METHODS: client[METHODS] | {"private_key_jwt": method | {"credentials": links}}}


def _tenant(tenant: SandboxTenant, *, is_global: bool) -> Document:
    return {"tenant": tenant.domain.partition(".")[0], "global": is_global}


def _logout(client: Document) -> Document:
    """Return both names under which the application's back-channel logout is answered; nothing where it has none."""
    logout: Document | None = client.get("oidc_logout")
    if logout is None:
        return {}
    urls = {name: value for name, value in logout.items() if name == "backchannel_logout_urls"}
    return {
        "oidc_backchannel_logout": urls,
        "oidc_logout": {"backchannel_logout_initiators": _INITIATORS} | logout,
    }
