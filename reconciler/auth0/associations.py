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

    async def add(self, organization: str, grant_id: str, context: RequestContext = NO_CONTEXT) -> None:
        """Let an organization use a grant.

        Raises:
            RefusedCallError: 409 if the organization already has the grant or the maximum number of grants. 404 if the
                organization or the grant does not exist.
            UnknownOutcomeError, NotSentError: as for every write.
        """
        call = ApiRequest("POST", _grants_of(organization), body={"grant_id": grant_id}, context=context)
        await self._management.call(call, TenantResponse.require_success)

    async def remove(self, organization: str, grant_id: str, context: RequestContext = NO_CONTEXT) -> None:
        """Remove an organization from a grant.

        Raises:
            RefusedCallError: 404 if the organization does not have the grant.
            UnknownOutcomeError, NotSentError: as for every write.
        """
        path = f"{_grants_of(organization)}/{quote(grant_id, safe='')}"
        await self._management.call(ApiRequest("DELETE", path, context=context), TenantResponse.require_success)


def _grants_of(organization: str) -> str:
    return f"{ORGANIZATIONS}/{quote(organization, safe='')}/client-grants"


def _total(response: TenantResponse) -> int:
    total = count(response.json(), "total")
    if total is None:
        raise UnreadableError(f"{response.call}: the response has no valid total")
    return total
