"""The endpoints of /organizations."""

from reconciler.sandbox import paging
from reconciler.sandbox.answers import NO_CONTENT, Answer, conflict, created, not_found, ok
from reconciler.sandbox.documents import Document, Schema, on_text
from reconciler.sandbox.exchange import Call, Endpoint
from reconciler.sandbox.fields import FIELDS_QUERY, shown_fields
from reconciler.sandbox.identities import organization_id, randomly
from reconciler.sandbox.store import Kind, TakenError

_READ = ("read:organizations", "read:organizations_summary")
_IDENTITY: Schema = {"type": "string", "minLength": 1, "maxLength": 50, "description": "Id of the organization."}


def create_body() -> Schema:
    """Return the schema of POST's body; attributes that mean nothing here are kept."""
    return {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {
                "type": "string",
                "minLength": 1,
                "maxLength": 50,
                "description": "Name that no other organization has.",
            },
            "display_name": {
                "type": "string",
                "minLength": 1,
                "maxLength": 255,
                "description": "Name for people.",
            },
        },
    }


def new_organization(identity: str, attributes: Document) -> Document:
    """Return the organization as it is answered."""
    return {"id": identity} | attributes | {"id": identity}


def list_organizations(call: Call) -> Answer:
    """Answer a page of organizations; offsets reach the first thousand only."""
    show = on_text(lambda document: shown_fields(call, document))
    listing = paging.Listing(kind=Kind.ORGANIZATIONS, show=show, offset_cap=call.settings.organizations_offset_cap)
    return paging.answer_list(call, listing)


def get_organization(call: Call) -> Answer:
    """Answer one organization."""
    organization = call.store.get(Kind.ORGANIZATIONS, call.path["id"])
    if organization is None:
        raise not_found("No organization found by that id or name")  # recorded without an errorCode
    return ok(organization)


def create_organization(call: Call) -> Answer:
    """Create an organization; its name must be new."""
    new = new_organization(organization_id(randomly), call.body)
    try:
        call.store.add(Kind.ORGANIZATIONS, new["id"], new)
    except TakenError as error:
        raise conflict("An organization with this name already exists", call.settings.conflict_code) from error
    return created(new)


def delete_organization(call: Call) -> Answer:
    """Delete an organization; one that does not exist is gone already."""
    call.store.remove(Kind.ORGANIZATIONS, {"id": call.path["id"]})
    return NO_CONTENT


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/organizations",
        any_of=_READ,
        handle=list_organizations,
        query=paging.OFFSET_QUERY | paging.CHECKPOINT_QUERY | FIELDS_QUERY,
    ),
    Endpoint(
        method="POST",
        path="/organizations",
        any_of=("create:organizations",),
        handle=create_organization,
        body=create_body,
    ),
    Endpoint(
        method="GET",
        path="/organizations/{id}",
        any_of=_READ,
        handle=get_organization,
        identity=_IDENTITY,
    ),
    Endpoint(
        method="DELETE",
        path="/organizations/{id}",
        any_of=("delete:organizations",),
        handle=delete_organization,
        identity=_IDENTITY,
    ),
)
