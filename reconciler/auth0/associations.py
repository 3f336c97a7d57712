"""The calls by which organizations may use a grant, or may not any more."""

from urllib.parse import quote

import httpx

from reconciler.auth0.errors import RefusedCallError, UnreadableError
from reconciler.auth0.exchange import TenantResponse
from reconciler.auth0.management import NO_CONTEXT, ApiRequest, Management, RequestContext
from reconciler.auth0.wire import count

ORGANIZATIONS = "organizations"


class Associations:
    """Which organizations may use which grants of a tenant, as far as it is counted and written."""

    def __init__(self, management: Management) -> None:
        self._management = management

    async def count(self, organization: str) -> int | None:
        """Return how many grants an organization may use, None if there is no such organization. Raises Auth0Error."""
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
            RefusedCallError: 409 if it may already, or has as many grants as it can; 404 if one of them is gone.
            UnclearError, NotSentError: as other writes do.
        """
        call = ApiRequest("POST", _grants_of(organization), body={"grant_id": grant_id}, mark=mark)
        await self._management.call(call, TenantResponse.acknowledge)

    async def remove(self, organization: str, grant_id: str, mark: RequestContext = NO_CONTEXT) -> None:
        """Keep an organization from using a grant. Raises as `add` does; 404: it could not any more."""
        path = f"{_grants_of(organization)}/{quote(grant_id, safe='')}"
        await self._management.call(ApiRequest("DELETE", path, mark=mark), TenantResponse.acknowledge)


def _grants_of(organization: str) -> str:
    return f"{ORGANIZATIONS}/{quote(organization, safe='')}/client-grants"


def _total(answer: TenantResponse) -> int:
    total = count(answer.json(), "total")
    if total is None:
        raise UnreadableError(f"{answer.call}: the answer has no valid total")
    return total
