"""The endpoints of /organizations."""

from collections.abc import Callable

from auth0_sandbox.api.search import Search, answer_search
from auth0_sandbox.requests import paging
from auth0_sandbox.requests.calls import ApiCall
from auth0_sandbox.requests.contract import endpoint
from auth0_sandbox.requests.incoming import patched
from auth0_sandbox.requests.responses import NO_CONTENT, RefusalError, SandboxResponse, conflict, created, not_found, ok
from auth0_sandbox.search.conditions import EXACT, TEXT, SearchField, SearchFields, time_field
from auth0_sandbox.store.database import DocumentKind, TakenError
from auth0_sandbox.store.documents import Document, without_nulls
from auth0_sandbox.store.identities import organization_id, randomly

_FIXED = frozenset({"id"})
_NO_CONNECTIONS: Document = {"enabled_connections": [], "start": 0, "limit": 0, "total": 0}
_ORDER = ("id", "name", "display_name", "branding", "third_party_client_access", "is_app_entitlement_active")


def new_organization(identity: str, attributes: Document) -> Document:
    """Return the organization in the form of the API.

    In recorded responses, only organizations with app entitlements have third-party access.
    """
    entitled: Document = {"third_party_client_access": "block"} if "is_app_entitlement_active" in attributes else {}
    return ordered(without_nulls(entitled | attributes) | {"id": identity})


def ordered(organization: Document) -> Document:
    """Return the organization with its attributes in the order of recorded responses to GET."""
    first = {name: organization[name] for name in _ORDER if name in organization}
    return first | organization


def as_created(organization: Document) -> Document:
    """Return the organization with its attributes in the order of recorded responses to POST."""
    first = {name: organization[name] for name in ("id", "display_name", "name") if name in organization}
    return first | ordered(organization)


def list_organizations(call: ApiCall) -> SandboxResponse:
    """Return a page of organizations. Offset paging reaches only the first 1000 organizations by default."""
    show = paging.on_document(call.shown_fields)
    listing = paging.DocumentList(
        kind=DocumentKind.ORGANIZATIONS, show=show, offset_cap=call.settings.organizations_offset_cap
    )
    return paging.answer_list(call, listing)


_SEARCH = Search(
    kind=DocumentKind.ORGANIZATIONS,
    fields=SearchFields(
        {
            "id": SearchField(expression="id", operators=EXACT),
            "name": SearchField(expression="name", operators=TEXT, ignores_case=True),
            "display_name": SearchField(expression="display_name", operators=TEXT, ignores_case=True),
            "created_at": time_field("created_at"),
        },
        metadata="metadata",
    ),
    sort={"name": "name", "display_name": "ifnull(lower(display_name), '')", "created_at": "created_at"},
)


def search_organizations(call: ApiCall) -> SandboxResponse:
    """Return a page of the organizations that match the search query."""
    return answer_search(call, _SEARCH)


def get_organization(call: ApiCall) -> SandboxResponse:
    """Return the organization with the id in the path."""
    return ok(existing_organization(call))


def get_organization_by_name(call: ApiCall) -> SandboxResponse:
    """Return the organization with the name in the path."""
    organization = call.store.first(DocumentKind.ORGANIZATIONS, {"name": call.path["name"]})
    if organization is None:
        raise _unknown()
    return ok(organization)


def create_organization(call: ApiCall) -> SandboxResponse:
    """Create an organization. The name must be unique."""
    new = new_organization(organization_id(randomly), call.body)
    try:
        call.store.add(DocumentKind.ORGANIZATIONS, new["id"], new)
    except TakenError as error:
        raise _name_taken(call) from error
    return created(as_created(new))


def update_organization(call: ApiCall) -> SandboxResponse:
    """Replace attributes of an organization, including its name, by the attributes in the request."""
    with call.store.transaction():
        after = ordered(patched(existing_organization(call), call.body, fixed=_FIXED))
        try:
            call.store.replace(DocumentKind.ORGANIZATIONS, after["id"], after)
        except TakenError as error:
            raise _name_taken(call) from error
    return ok(after)


def delete_organization(call: ApiCall) -> SandboxResponse:
    """Delete an organization. A missing organization is not an error."""
    call.store.remove(DocumentKind.ORGANIZATIONS, {"id": call.path["id"]})
    return NO_CONTENT


def list_tenant_connections(call: ApiCall) -> SandboxResponse:
    """Return an empty list, because auth0-deploy-cli reads the tenant's connections before changes of organizations."""
    if call.query.keys() & {"from", "take"}:
        return ok({"connections": []})
    return paging.answer_empty(call, "connections")


def list_connections(call: ApiCall) -> SandboxResponse:
    """Return an empty list. The sandbox has no connections, but SDKs and auth0-deploy-cli read the connections."""
    existing_organization(call)
    return paging.answer_empty(call, "connections")


def always_empty(answer: Document) -> Callable[[ApiCall], SandboxResponse]:
    """Return a handler that sends `answer`, an empty list, if the organization exists.

    The sandbox does not store the data of such a list, for example the members of an organization.
    """

    def handle(call: ApiCall) -> SandboxResponse:
        existing_organization(call)
        return ok(answer)

    return handle


def existing_organization(call: ApiCall) -> Document:
    """Return the organization with the id in the path.

    Raises:
        RefusalError: 404 if the organization does not exist.
    """
    organization = call.store.get(DocumentKind.ORGANIZATIONS, call.path["id"])
    if organization is None:
        raise _unknown()
    return organization


def _unknown() -> RefusalError:
    return not_found("No organization found by that id or name")  # the recorded response has no errorCode


def _name_taken(call: ApiCall) -> RefusalError:
    return conflict("An organization with this name already exists", call.settings.conflict_code)


ENDPOINTS = (
    endpoint("GET", "/organizations", list_organizations),
    endpoint("POST", "/organizations", create_organization),
    endpoint("GET", "/organizations/name/{name}", get_organization_by_name),
    endpoint("GET", "/organizations/search", search_organizations),
    endpoint("GET", "/organizations/{id}", get_organization),
    endpoint("PATCH", "/organizations/{id}", update_organization),
    endpoint("DELETE", "/organizations/{id}", delete_organization),
    endpoint("GET", "/connections", list_tenant_connections),
    endpoint("GET", "/organizations/{id}/connections", list_connections),
    # auth0-deploy-cli reads the discovery domains together with organizations
    endpoint("GET", "/organizations/{id}/discovery-domains", always_empty({"domains": []})),
    # Terraform reads the connections and the members together with grants
    endpoint("GET", "/organizations/{id}/enabled_connections", always_empty(_NO_CONNECTIONS)),
    endpoint("GET", "/organizations/{id}/members", always_empty({"members": []})),
    endpoint("GET", "/organizations/{id}/clients", always_empty({"clients": []})),
)
