"""Read the events in a tenant's logs, in the order in which Auth0 stored the events, starting at a checkpoint."""

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from reconciler.auth0.errors import RefusedCallError, UnreadableError
from reconciler.auth0.exchange import TenantResponse
from reconciler.auth0.management import ApiRequest, Management

LOGS = "logs"
PAGE_SIZE = 100
"""The maximum number of events that Auth0 returns per page."""

Json = dict[str, Any]
T = TypeVar("T")


class TenantLogs:
    """Reads log events. The access token needs the permission read:logs."""

    def __init__(self, management: Management) -> None:
        self._management = management

    async def exists(self, log_id: str) -> bool:
        """Return whether the tenant's logs still contain the event `log_id`.

        If the event `log_id` is missing in the logs, later events may be missing, too. Raises Auth0Error.
        """
        try:
            call = ApiRequest("GET", f"{LOGS}/{quote(log_id, safe='')}")
            await self._call(call, TenantResponse.require_success)
        except RefusedCallError as error:
            if error.status not in {httpx.codes.NOT_FOUND, httpx.codes.BAD_REQUEST}:
                raise
            return False
        return True

    async def oldest(self) -> list[Json]:
        """Return a list with the oldest event in the logs, or an empty list. Raises Auth0Error."""
        query = {"page": "0", "per_page": "1", "sort": "date:1"}
        return await self._call(ApiRequest("GET", LOGS, query), _events)

    async def after(self, log_id: str) -> list[Json]:
        """Return the events that follow the event `log_id` in the logs, in the order of the event ids.

        If no event follows, return an empty list.

        Raises:
            Auth0Error: if the log events cannot be read.
        """
        query = {"from": log_id, "take": str(PAGE_SIZE)}
        return await self._call(ApiRequest("GET", LOGS, query), _events)

    async def _call(self, call: ApiRequest, parse_response: Callable[[TenantResponse], T]) -> T:
        try:
            return await self._management.call(call, parse_response)
        except RefusedCallError as error:
            if error.status == httpx.codes.FORBIDDEN:
                error.args = (f"{error}; give reconciler's application the permission read:logs",)
            raise


def _events(response: TenantResponse) -> list[Json]:
    page = response.json()
    if not isinstance(page, list) or not all(isinstance(item, dict) for item in page):
        raise UnreadableError(f"{response.call}: the response is not a list of events")
    return page
