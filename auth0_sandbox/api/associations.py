"""The endpoints for the associations of client grants and organizations."""

from auth0_sandbox.api.client_grants import existing_grant
from auth0_sandbox.api.organizations import existing_organization
from auth0_sandbox.requests import paging
from auth0_sandbox.requests.calls import ApiCall
from auth0_sandbox.requests.contract import endpoint
from auth0_sandbox.requests.responses import NO_CONTENT, RefusalError, SandboxResponse, bad_request, conflict, created
from auth0_sandbox.store.database import DocumentKind
from auth0_sandbox.store.documents import Document
from auth0_sandbox.store.queries import TIED_TO

_FILTERS = {
    "audience": "audience",
    "client_id": "client_id",
    "grant_ids": "id",
}  # query parameters and database columns
# The attributes of the grant in the response to a new association, in order, except for id and subject_type.
_REPEATED = ("client_id", "audience", "scope", "organization_usage", "allow_any_organization")


def list_grants_of_organization(call: ApiCall) -> SandboxResponse:
    """Return a page of the grants of an organization."""
    existing_organization(call)
    filters = {column: call.query[name] for name, column in _FILTERS.items() if name in call.query}
    listing = paging.DocumentList(kind=DocumentKind.CLIENT_GRANTS, filters=filters | {TIED_TO: call.path["id"]})
    return paging.answer_list(call, listing)


def list_organizations_of_grant(call: ApiCall) -> SandboxResponse:
    """Return a page of the organizations of a grant."""
    existing_grant(call, call.path["id"])
    return paging.answer_list(
        call, paging.DocumentList(kind=DocumentKind.ORGANIZATIONS, filters={TIED_TO: call.path["id"]})
    )


def associate(call: ApiCall) -> SandboxResponse:
    """Associate a grant with an organization. The order of the checks is an assumption."""
    organization_id, grant_id = call.path["id"], call.body["grant_id"]
    with call.store.transaction():
        existing_organization(call)
        grant = existing_grant(call, grant_id)
        _check_usage(call, grant)
        identity = _identity(organization_id, grant_id)
        if call.store.get(DocumentKind.ASSOCIATIONS, identity):
            raise _refused(call, "The client grant has already been added to this organization.")
        _check_quota(call, call.store.count(DocumentKind.ASSOCIATIONS, {"organization_id": organization_id}))
        call.store.add(DocumentKind.ASSOCIATIONS, identity, {"organization_id": organization_id, "grant_id": grant_id})
    return created({"grant_id": grant_id} | {name: grant[name] for name in _REPEATED if name in grant})


def dissociate(call: ApiCall) -> SandboxResponse:
    """Remove a grant from an organization. A missing association is not an error."""
    call.store.remove(DocumentKind.ASSOCIATIONS, {"id": _identity(call.path["id"], call.path["grant_id"])})
    return NO_CONTENT


def _identity(organization_id: str, grant_id: str) -> str:
    return f"{organization_id}:{grant_id}"


def _check_usage(call: ApiCall, grant: Document) -> None:
    if call.settings.refuse_unusable_association and grant.get("organization_usage", "deny") == "deny":
        raise bad_request("The client grant does not allow organizations", call.settings.rule_code)


def _check_quota(call: ApiCall, associations: int) -> None:
    quota = call.settings.organization_grant_quota
    if associations >= quota:
        raise _refused(call, f"Quota exceeded; cannot add more than {quota} client grants to a single organization")


def _refused(call: ApiCall, message: str) -> RefusalError:
    return conflict(message, call.settings.conflict_code)


ENDPOINTS = (
    endpoint("GET", "/client-grants/{id}/organizations", list_organizations_of_grant),
    endpoint("GET", "/organizations/{id}/client-grants", list_grants_of_organization),
    endpoint("POST", "/organizations/{id}/client-grants", associate),
    endpoint("DELETE", "/organizations/{id}/client-grants/{grant_id}", dissociate),
)
