"""The endpoints of /client-grants."""

from auth0_sandbox.api.grant_rules import canonical, check_holder, check_rules, check_shape, merged
from auth0_sandbox.api.search import Search, answer_search
from auth0_sandbox.requests import paging
from auth0_sandbox.requests.calls import ApiCall
from auth0_sandbox.requests.contract import endpoint
from auth0_sandbox.requests.incoming import invalid_query
from auth0_sandbox.requests.responses import (
    NO_CONTENT,
    RefusalError,
    SandboxResponse,
    conflict,
    created,
    not_found,
    ok,
    refusal,
)
from auth0_sandbox.search.conditions import EXACT, PREFIX, TEXT, SearchField, SearchFields, time_field
from auth0_sandbox.store.database import DocumentKind, TakenError
from auth0_sandbox.store.documents import Document
from auth0_sandbox.store.identities import grant_id, randomly

_FILTERS = ("audience", "client_id", "allow_any_organization", "subject_type", "default_for")


def list_grants(call: ApiCall) -> SandboxResponse:
    """Return a page of grants in ascending order of ids."""
    filters = {name: call.query[name] for name in _FILTERS if name in call.query}
    if "client_id" in filters and "default_for" in filters:
        raise invalid_query("client_id and default_for cannot be combined")
    if "subject_type" in filters and not filters.keys() & {"client_id", "audience", "default_for"}:
        raise invalid_query("subject_type must be combined with client_id, audience or default_for")
    return paging.answer_list(call, paging.DocumentList(kind=DocumentKind.CLIENT_GRANTS, filters=filters))


_SEARCH = Search(
    kind=DocumentKind.CLIENT_GRANTS,
    fields=SearchFields(
        {
            "audience": SearchField(expression="audience", operators=TEXT),
            "client_id": SearchField(expression="client_id", operators=PREFIX),
            "subject_type": SearchField(expression="subject_type", operators=PREFIX),
            "allow_any_organization": SearchField(
                expression="json_extract(body, '$.allow_any_organization')", operators=EXACT, kind="flag"
            ),
            "organization_id": SearchField(
                expression="tie.organization_id",
                operators=PREFIX,
                related="organization_client_grants AS tie WHERE tie.grant_id = client_grants.id",
            ),
            "updated_at": time_field("updated_at"),
            "default_for": SearchField(expression="default_for", operators=PREFIX),
        }
    ),
    sort={"audience": "audience", "updated_at": "updated_at"},
)


def search_grants(call: ApiCall) -> SandboxResponse:
    """Return a page of the grants that match the search query."""
    return answer_search(call, _SEARCH)


def get_grant(call: ApiCall) -> SandboxResponse:
    """Return the grant with the id in the path."""
    return ok(existing_grant(call, call.path["id"]))


def create_grant(call: ApiCall) -> SandboxResponse:
    """Create a grant. The order of the checks is an assumption: format, existence, rules, conflict."""
    check_shape(call.body)
    grant = canonical(call.body | {"id": grant_id(randomly)})
    with call.store.transaction():
        client = _client(call, grant.get("client_id"))
        api = call.store.first(DocumentKind.RESOURCE_SERVERS, {"identifier": grant["audience"]})
        if api is None:
            raise not_found(f"No resource with identifier {grant['audience']}", call.settings.missing_api_code)
        if client is not None:
            check_holder(client, api)
        check_rules(call.body, grant, api, call.settings)
        try:
            call.store.add(DocumentKind.CLIENT_GRANTS, grant["id"], grant)
        except TakenError as error:
            raise _exists(call, grant) from error
    return created(grant)


def update_grant(call: ApiCall) -> SandboxResponse:
    """Replace attributes of a grant by the attributes in the request."""
    with call.store.transaction():
        before = existing_grant(call, call.path["id"])
        _refuse_system(call, before)
        after = merged(before, call.body)
        api = call.store.first(DocumentKind.RESOURCE_SERVERS, {"identifier": before["audience"]})
        check_rules(call.body, after, api, call.settings)
        call.store.replace(DocumentKind.CLIENT_GRANTS, after["id"], after)
    return ok(after)


def delete_grant(call: ApiCall) -> SandboxResponse:
    """Delete a grant. A missing grant is not an error."""
    with call.store.transaction():
        grant = call.store.get(DocumentKind.CLIENT_GRANTS, call.path["id"])
        if grant is not None:
            _refuse_system(call, grant)
            call.store.remove(DocumentKind.CLIENT_GRANTS, {"id": grant["id"]})
    return NO_CONTENT


def existing_grant(call: ApiCall, identity: str) -> Document:
    """Return the grant with the id `identity`.

    Raises:
        RefusalError: 404 if the grant does not exist.
    """
    grant = call.store.get(DocumentKind.CLIENT_GRANTS, identity)
    if grant is None:
        raise not_found("The grant does not exist.", "inexistent_client_grant")
    return grant


def _client(call: ApiCall, client_id: str | None) -> Document | None:
    """Return the application of a new grant, or None for a default grant."""
    if client_id is None:
        return None
    client = call.store.get(DocumentKind.CLIENTS, client_id)
    if client is None:
        raise not_found("Client not found", call.settings.missing_client_code)
    return client


def _refuse_system(call: ApiCall, grant: Document) -> None:
    if grant.get("is_system"):
        message = "System client grants cannot be modified or deleted"
        raise refusal(call.settings.system_grant_status, message, "operation_not_supported")


def _exists(call: ApiCall, grant: Document) -> RefusalError:
    holder = grant.get("client_id") or grant["default_for"]
    message = f"A client grant already exists between {holder} and {grant['audience']}"
    return conflict(message, call.settings.conflict_code)


ENDPOINTS = (
    endpoint("GET", "/client-grants", list_grants),
    endpoint("POST", "/client-grants", create_grant),
    endpoint("GET", "/client-grants/search", search_grants),
    endpoint("GET", "/client-grants/{id}", get_grant),
    endpoint("PATCH", "/client-grants/{id}", update_grant),
    endpoint("DELETE", "/client-grants/{id}", delete_grant),
)
