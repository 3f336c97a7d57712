"""The format of client grants, and the rules of the API in addition to its schema."""

from collections.abc import Mapping

from auth0_sandbox.requests.incoming import invalid_body
from auth0_sandbox.requests.responses import RefusalError, bad_request
from auth0_sandbox.settings import Settings
from auth0_sandbox.store.documents import Document

# The order of attributes in every recorded response.
ATTRIBUTES = (
    "id",
    "client_id",
    "audience",
    "scope",
    "organization_usage",
    "allow_any_organization",
    "is_system",
    "subject_type",
    "authorization_details_types",
    "allow_all_scopes",
    "default_for",
)
_MY_ORGANIZATION = "/my-org/"
_ORGANIZATION = ("organization_usage", "allow_any_organization")
# The scopes of the Management API for users. The Management API does not list the scopes for users.
CURRENT_USER_SCOPES = frozenset(
    {
        "read:current_user",
        "update:current_user_metadata",
        "delete:current_user_metadata",
        "create:current_user_metadata",
        "create:current_user_device_credentials",
        "delete:current_user_device_credentials",
        "update:current_user_identities",
        "delete:current_user",
    }
)
# Scopes that the Management API does not list. Public exports show tenants with such grants.
UNLISTED_SCOPES = frozenset({"create:flows_vault", "update:flows_vault", "delete:flows_vault"})


def canonical(grant: Mapping[str, object]) -> Document:
    """Return the grant in the form of the API: with ordered attributes and without unset attributes.

    The default of `subject_type` is `client`. A grant with all scopes lists no scopes.
    """
    attributes = {"subject_type": "client"} | {name: value for name, value in grant.items() if value is not None}
    if attributes.get("allow_all_scopes") is True:
        attributes.pop("scope", None)
    return {name: attributes[name] for name in ATTRIBUTES if name in attributes}


def merged(grant: Document, patch: Document) -> Document:
    """Return the grant after a PATCH.

    The values in the PATCH replace attributes. null removes an attribute (an assumption).
    """
    return canonical(grant | patch)


def check_shape(body: Document) -> None:
    """Refuse a POST body with two holders, without a holder or without scopes.

    Raises:
        RefusalError: 400 `invalid_body` if the body is refused.
    """
    if "client_id" in body and "default_for" in body:
        raise invalid_body("'Data is valid against more than one schema from 'oneOf''.")
    if "client_id" not in body and "default_for" not in body:
        raise invalid_body("'Missing required property: client_id'.")
    if "scope" not in body and body.get("allow_all_scopes") is not True:
        raise invalid_body("'Missing required property: scope'.")


def check_rules(sent: Document, grant: Document, api: Document | None, settings: Settings) -> None:
    """Refuse a grant that the API's documentation excludes.

    `sent` is the body of the POST or PATCH, and `grant` is the resulting grant. `api` is the resource server, or None
    if the resource server was deleted.

    Raises:
        RefusalError: 400 for an excluded grant. This project wrote the messages that Auth0 has not published.
    """
    message = _broken_rule(sent, grant)
    if message:
        raise bad_request(f"Payload validation error: {message}", settings.rule_code)
    if api is not None and api.get("is_system"):
        _check_system_api(sent, grant, api, settings)


def check_holder(client: Document, api: Document) -> None:
    """Refuse applications that cannot have any grant, or cannot have a grant for this API.

    Raises:
        RefusalError: 400 if the application is refused.
    """
    if client.get("app_type") == "express_configuration":
        raise bad_request("Client of type express_configuration cannot be used", "validation_error")
    strict = client.get("third_party_security_mode") == "strict" and client.get("is_first_party") is False
    if strict and api.get("is_system"):
        raise bad_request("Client grants for this API cannot be created for third-party clients", "invalid_body")


def _broken_rule(sent: Document, grant: Document) -> str:
    names_organizations = any(sent.get(name) is not None for name in _ORGANIZATION)
    if grant.get("allow_all_scopes") is True and sent.get("scope"):
        return "scope cannot be provided when allow_all_scopes is true"
    if names_organizations and "default_for" in grant:
        return "organization settings cannot be provided with default_for"
    for_my_organization = grant["subject_type"] == "user" and grant["audience"].endswith(_MY_ORGANIZATION)
    if names_organizations and grant["subject_type"] != "client" and not for_my_organization:
        return f"organization settings cannot be provided when subject_type is {grant['subject_type']}"
    if grant.get("allow_any_organization") is True and grant.get("organization_usage", "deny") == "deny":
        return "allow_any_organization requires organization_usage to be allow or require"
    return ""


def _check_system_api(sent: Document, grant: Document, api: Document, settings: Settings) -> None:
    if "default_for" in grant:
        raise bad_request("default_for cannot be provided when audience is a system API", settings.rule_code)
    if "allow_all_scopes" in sent:  # refused even if the value is false
        raise bad_request("`allow_all_scopes` cannot be provided when `audience` is a system API", settings.rule_code)
    # live tenants have grants on the My Organization API with organization settings
    if any(name in sent for name in _ORGANIZATION) and not grant["audience"].endswith(_MY_ORGANIZATION):
        raise bad_request("Organization settings cannot be provided for a system API", "reserved_identifier")
    if not frozenset(sent.get("scope") or ()) <= _known_scopes(grant, api):
        raise _unknown_scope()


def _known_scopes(grant: Document, api: Document) -> frozenset[str]:
    listed = frozenset(scope["value"] for scope in api.get("scopes", ()))
    if not grant["audience"].endswith("/api/v2/"):
        return listed
    return CURRENT_USER_SCOPES if grant["subject_type"] == "user" else listed | UNLISTED_SCOPES


def _unknown_scope() -> RefusalError:
    return invalid_body("scope must be a subset of resource server scopes")
