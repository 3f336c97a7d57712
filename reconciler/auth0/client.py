"""The client of the Management API: read and write grants, read other data of the tenant, and read its logs."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar
from urllib.parse import quote

import httpx

from reconciler.auth0 import wire
from reconciler.auth0.credentials import Credentials, identities_of, own_key, scopes_of
from reconciler.auth0.errors import (
    DeadlinePassedError,
    NoTokenError,
    NotSentError,
    RateLimitedError,
    RefusedCallError,
    UnknownOutcomeError,
    UnreadableError,
)
from reconciler.auth0.exchange import TenantResponse, open_http
from reconciler.auth0.listings import (
    PAGE_SIZE,
    ListingSize,
    list_by_cursor,
    list_by_number,
    list_with_restart,
    without_duplicates,
)
from reconciler.auth0.management import (
    NO_CONTEXT,
    ApiRequest,
    ClientOptions,
    Management,
    RequestContext,
    accept_any_token,
)
from reconciler.auth0.wire import Json, count
from reconciler.core.directory import Api, Application, Organization
from reconciler.core.grant import ClientGrant, Key, ObservedGrant
from reconciler.core.log_events import LogEvent, LogEvents
from reconciler.core.plan import Update
from reconciler.redaction import Secrets

T = TypeVar("T")

GRANTS = "client-grants"
APPLICATIONS = "clients"
APIS = "resource-servers"
ORGANIZATIONS = "organizations"
LOGS = "logs"

MAX_LOG_EVENTS = 1_000
"""The maximum number of log events that Auth0 returns to requests with page numbers."""
DEFAULT_OPTIONS = ClientOptions()


class ManagementClient:
    """Reads and writes grants, and reads applications, APIs and organizations. Use `open_client` to create a client."""

    def __init__(self, management: Management) -> None:
        self._management = management
        self.associations = Associations(management)
        self.logs = TenantLogs(management)

    async def sign_in(self) -> None:
        """Get an access token if the client has no token yet. Raises Auth0Error."""
        await self._management.sign_in()

    def own_key(self) -> Key:
        """Return the fields that identify the access token's grant. Call `own_key` after a request has got a token."""
        return own_key(self._management.token)

    def permissions(self) -> frozenset[str] | None:
        """Return the permissions in the access token, or None. Call `permissions` after a request has got the token."""
        return scopes_of(self._management.token)

    def identities(self) -> frozenset[str]:
        """Return the canonical domain in the access token. Call `identities` after a request has got the token."""
        return identities_of(self._management.token)

    async def grants(self) -> tuple[ObservedGrant, ...]:
        """Return every client grant of the tenant.

        Raises:
            Auth0Error: if the list of grants cannot be read completely.
            UnreadableError: if the list contains contradictory entries.
        """

        async def listing() -> tuple[ObservedGrant, ...]:
            listed = await list_by_cursor(self._management, GRANTS, {}, wire.observed_grant)
            grants = without_duplicates(listed, GRANTS, lambda grant: grant.key)
            return without_duplicates(grants, GRANTS, lambda grant: grant.id)

        return await list_with_restart(listing)

    async def find(self, key: Key) -> ObservedGrant | None:
        """Return the current grant with `key`, or None if no grant with `key` exists.

        The search does not use the grant id, because deleting a grant and creating the grant again changes the id.
        """
        holder = {"client_id": key.client_id} if key.client_id else {"default_for": key.default_for or ""}
        query = {**holder, "audience": key.audience}
        grants = await list_by_cursor(self._management, GRANTS, query, wire.observed_grant)
        return next((each for each in grants if each.key == key), None)

    async def applications(self) -> tuple[Application, ...]:
        """Return every application of the tenant except the global client."""
        query = {"fields": "client_id,name,is_first_party,app_type", "include_fields": "true", "is_global": "false"}

        async def listing() -> tuple[Application, ...]:
            listed = await list_by_cursor(self._management, APPLICATIONS, query, wire.application)
            return without_duplicates(listed, APPLICATIONS, lambda application: application.client_id)

        return await list_with_restart(listing)

    async def apis(self) -> tuple[Api, ...]:
        """Return every API of the tenant with its scopes. Auth0's list of APIs has page numbers instead of cursors."""
        return await list_with_restart(
            lambda: list_by_number(self._management, APIS, wire.api, lambda api: api.identifier)
        )

    async def organizations(self) -> tuple[Organization, ...]:
        """Return every organization of the tenant."""

        async def listing() -> tuple[Organization, ...]:
            listed = await list_by_cursor(self._management, ORGANIZATIONS, {}, wire.organization)
            return without_duplicates(listed, ORGANIZATIONS, lambda organization: organization.id)

        return await list_with_restart(listing)

    async def organizations_of(self, grant_id: str) -> Mapping[str, Organization]:
        """Return the organizations of a grant by organization id, or an empty mapping if the grant does not exist."""

        async def listing() -> Mapping[str, Organization]:
            path = f"{_grant_path(grant_id)}/{ORGANIZATIONS}"
            listed = await list_by_cursor(self._management, path, {}, wire.organization)
            return {organization.id: organization for organization in listed}

        try:
            return await list_with_restart(listing)
        except RefusedCallError as error:
            if not is_not_found(error):
                raise
            return {}

    async def log_events(self) -> LogEvents:
        """Return the newest operations in the tenant's logs, the newest first, but at most MAX_LOG_EVENTS operations.

        Raises Auth0Error. An error with status 403 means that the token lacks the permission read:logs.
        """
        events: list[LogEvent] = []
        size = ListingSize(LOGS)

        def parse_events(response: TenantResponse) -> list[LogEvent]:
            page = log_page(response)
            size.add(response)
            return [wire.log_event(item) for item in page]

        for number in range(MAX_LOG_EVENTS // PAGE_SIZE):
            query = {"page": str(number), "per_page": str(PAGE_SIZE), "sort": "date:-1"}
            query["q"] = f"type:{wire.API_OPERATION}"
            page = await self._management.call(ApiRequest("GET", LOGS, query), parse_events)
            events += page
            if len(page) < PAGE_SIZE:
                return LogEvents(tuple(events), is_complete=True)
        return LogEvents(tuple(events), is_complete=False)

    async def create(self, grant: ClientGrant, context: RequestContext = NO_CONTEXT) -> str:
        """Create a grant without assigning organizations. Return the id of the new grant.

        Raises:
            RefusedCallError: with status 409 if a grant with the same application, API and subject type exists.
            UnknownOutcomeError, NotSentError: if the outcome of the request is unknown, or if the request was not sent.
        """
        call = ApiRequest("POST", GRANTS, body=wire.create_body(grant), context=context)
        return await self._management.call(call, lambda response: wire.created_id(response.json(), grant))

    async def update(self, grant_id: str, update: Update, context: RequestContext = NO_CONTEXT) -> None:
        """Send the changed fields of a grant in one request, or in two requests if the tenant refuses a single request.

        Raises RefusedCallError, UnknownOutcomeError, NotSentError. The status 404 means that the grant was deleted.
        """
        path, body = _grant_path(grant_id), wire.update_body(update)
        first, second = wire.split_update(body)
        try:
            await self._write("PATCH", path, body, context)
        except RefusedCallError as error:
            if error.status != httpx.codes.BAD_REQUEST or not second:
                raise
            await self._write("PATCH", path, first, context)
            await self._second_step(path, second, context)

    async def _second_step(self, path: str, body: Mapping[str, object], context: RequestContext) -> None:
        """Send the scopes of a grant. If the tenant refuses the scopes, set `allow_all_scopes` back to true.

        Raises:
            RefusedCallError: if the tenant refuses the scopes.
            UnknownOutcomeError: if the other fields were updated, but the scopes were not sent.
        """
        try:
            await self._write("PATCH", path, body, context)
        except (NotSentError, NoTokenError, RateLimitedError, DeadlinePassedError) as error:
            raise UnknownOutcomeError(f"{error}; only the first of two requests for this change was sent") from error
        except RefusedCallError:
            await self._write("PATCH", path, {"allow_all_scopes": True}, context)
            raise

    async def delete(self, grant_id: str, context: RequestContext = NO_CONTEXT) -> None:
        """Delete a grant.

        Raises:
            RefusedCallError: if the tenant refuses the request. Auth0 reports success for an already deleted grant.
            UnknownOutcomeError, NotSentError: if the outcome of the request is unknown, or if the request was not sent.
        """
        await self._write("DELETE", _grant_path(grant_id), None, context)

    async def _write(self, method: str, path: str, body: Mapping[str, object] | None, context: RequestContext) -> None:
        await self._management.call(
            ApiRequest(method, path, body=body, context=context), TenantResponse.require_success
        )


@asynccontextmanager
async def open_client(  # noqa: PLR0913 - the options are independent, and most have a default
    base_url: str,
    credentials: Credentials,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    client_options: ClientOptions = DEFAULT_OPTIONS,
    check_token: Callable[[str], None] = accept_any_token,
    secrets: Secrets | None = None,
) -> AsyncIterator[ManagementClient]:
    """Open a client for the tenant at `base_url`. `transport` connects the client to a sandbox inside this process.

    `check_token` receives each access token before the token is sent to the API. `check_token` may refuse the token
    with a ReconcilerError. Error messages never contain the strings in `secrets`. The client adds its tokens and
    credentials to `secrets`.

    Raises:
        ReconcilerError: if the environment contains a proxy or certificates that httpx cannot use.
    """
    connections = client_options.rate_options.concurrency + 1
    async with open_http(base_url, transport=transport, connections=connections) as http:
        known = Secrets() if secrets is None else secrets
        yield ManagementClient(Management(http, credentials, client_options, check_token, known))


def is_forbidden(error: RefusedCallError) -> bool:
    """Return whether the error has the status 403 (the token lacks a permission)."""
    return error.status == httpx.codes.FORBIDDEN


def is_conflict(error: RefusedCallError) -> bool:
    """Return whether the error has the status 409 (the object already exists)."""
    return error.status == httpx.codes.CONFLICT


def is_not_found(error: RefusedCallError) -> bool:
    """Return whether the error has the status 404 (the object does not exist)."""
    return error.status == httpx.codes.NOT_FOUND


def _grant_path(grant_id: str) -> str:
    return f"{GRANTS}/{quote(grant_id, safe='')}"


class Associations:
    """Counts and changes the organizations of grants."""

    def __init__(self, management: Management) -> None:
        self._management = management

    async def count(self, organization: str) -> int | None:
        """Return the number of grants that an organization may use, or None if the organization does not exist.

        Raises Auth0Error.
        """
        query = {"page": "0", "per_page": "1", "include_totals": "true"}
        try:
            return await self._management.call(ApiRequest("GET", _grants_of(organization), query), _total)
        except RefusedCallError as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise
            return None

    async def add(self, organization: str, grant_id: str, context: RequestContext = NO_CONTEXT) -> None:
        """Allow an organization to use a grant.

        Raises:
            RefusedCallError: with status 409 if the organization may already use the grant or has the maximum number of
                grants. The status is 404 if the organization or the grant does not exist.
            UnknownOutcomeError, NotSentError: if the outcome of the request is unknown, or if the request was not sent.
        """
        call = ApiRequest("POST", _grants_of(organization), body={"grant_id": grant_id}, context=context)
        await self._management.call(call, TenantResponse.require_success)

    async def remove(self, organization: str, grant_id: str, context: RequestContext = NO_CONTEXT) -> None:
        """Stop an organization from using a grant.

        Raises:
            RefusedCallError: with status 404 if the organization is not allowed to use the grant.
            UnknownOutcomeError, NotSentError: if the outcome of the request is unknown, or if the request was not sent.
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
        return await self._call(ApiRequest("GET", LOGS, query), log_page)

    async def after(self, log_id: str) -> list[Json]:
        """Return the events that follow the event `log_id` in the logs, in the order of the event ids.

        If no event follows, return an empty list.

        Raises:
            Auth0Error: if the log events cannot be read.
        """
        query = {"from": log_id, "take": str(PAGE_SIZE)}
        return await self._call(ApiRequest("GET", LOGS, query), log_page)

    async def _call(self, call: ApiRequest, parse_response: Callable[[TenantResponse], T]) -> T:
        try:
            return await self._management.call(call, parse_response)
        except RefusedCallError as error:
            if error.status == httpx.codes.FORBIDDEN:
                error.args = (f"{error}; give reconciler's application the permission read:logs",)
            raise


def log_page(response: TenantResponse) -> list[Json]:
    """Return the events in a page of the logs. Raises UnreadableError if the response is not a list of events."""
    page = response.json()
    if not isinstance(page, list) or not all(isinstance(item, dict) for item in page):
        raise UnreadableError(f"{response.call}: the response is not a list of events")
    return page
