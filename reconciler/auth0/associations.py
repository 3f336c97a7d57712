"""The requests that add an organization to a grant or remove it."""

from urllib.parse import quote

import httpx

from reconciler.auth0.errors import RefusedCallError, UnreadableError
from reconciler.auth0.exchange import TenantResponse
from reconciler.auth0.management import NO_CONTEXT, ApiRequest, Management, RequestContext
from reconciler.auth0.wire import count

ORGANIZATIONS = "organizations"


class Associations:
    """Counts and changes the organizations of grants."""

    def __init__(self, management: Management) -> None:
        self._management = management

    async def count(self, organization: str) -> int | None:
        """Return the number of grants of an organization, or None if it does not exist. Raises Auth0Error."""
        query = {"page": "0", "per_page": "1", "include_totals": "true"}
        try:
            return await self._management.call(ApiRequest("GET", _grants_of(organization), query), _total)
        except RefusedCallError as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise
            return None

    async def add(self, organization: str, grant_id: str, mark: RequestContext = NO_CONTEXT) -> None:
        """Let an organization use a grant.

        Raises:
            RefusedCallError: 409 if it is assigned already or has the maximum number of grants; 404 if either does
                not exist.
            UnknownOutcomeError, NotSentError: like other writes.
        """
        call = ApiRequest("POST", _grants_of(organization), body={"grant_id": grant_id}, mark=mark)
        await self._management.call(call, TenantResponse.acknowledge)

    async def remove(self, organization: str, grant_id: str, mark: RequestContext = NO_CONTEXT) -> None:
        """Remove an organization from a grant. Raises like `add`. 404 means that it was not assigned."""
        path = f"{_grants_of(organization)}/{quote(grant_id, safe='')}"
        await self._management.call(ApiRequest("DELETE", path, mark=mark), TenantResponse.acknowledge)


def _grants_of(organization: str) -> str:
    return f"{ORGANIZATIONS}/{quote(organization, safe='')}/client-grants"


def _total(answer: TenantResponse) -> int:
    total = count(answer.json(), "total")
    if total is None:
        raise UnreadableError(f"{answer.call}: the response has no valid total")
    return total
