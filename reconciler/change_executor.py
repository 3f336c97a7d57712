"""Execute one change.

The executor reads the grant right before an update or delete, and compares the grant with the plan.

If the response to a write is lost, the executor reads the grant again. If the whole change took effect, the outcome is
APPLIED. If the grant is as before the write, the executor sends the write again. If the grant was changed in a way that
is not in the plan, the outcome is CONFLICT. If only some of the requests of a change succeeded, the executor continues
from the current state of the grant.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from reconciler.artifacts.journal import Journal, JournalError
from reconciler.auth0.client import ManagementClient, is_conflict, is_not_found
from reconciler.auth0.errors import Auth0Error, RefusedCallError, UnknownOutcomeError
from reconciler.auth0.management import RequestContext
from reconciler.concurrency import StopSignal, run_unless
from reconciler.core.grant import Key, ObservedGrant
from reconciler.core.outcome import (
    Associate,
    ChangeState,
    Dissociate,
    Outcome,
    Result,
    Step,
    change_state,
    knows_organizations,
    required_steps,
    without_organizations,
)
from reconciler.core.plan import Change, Create, Delete, Update
from reconciler.http.retry import RetryPolicy

EDITED_SINCE_PLAN = "somebody changed the grant since the plan was made"
DELETED_SINCE_PLAN = "somebody deleted the grant since the plan was made"
ALREADY_UP_TO_DATE = "already up to date"
ALREADY_DELETED = "already deleted"
NO_EFFECT = "the change had no effect"
PARTIAL_EFFECT = "only part of the change took effect"
SECOND_READ_DELAY_SECONDS = 2.0

GrantsByKey = Mapping[Key, ObservedGrant]


def reraise(error: Exception) -> None:
    """Raise `error`, so that the run ends with a traceback."""
    raise error


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyContext:
    """The objects and settings that all changes of a run share."""

    client: ManagementClient
    """The client of the Management API."""
    journal: Journal
    """The journal of the run."""
    stop: StopSignal
    """The object that tells the run to start no further change."""
    on_outcome: Callable[[Outcome], None]
    """The function that is called with the outcome of each change."""
    concurrency: int
    """The maximum number of changes in progress at the same time."""
    observed: int
    """The number of the tenant's grants, which determines how many requests are needed to read all grants."""
    on_crash: Callable[[Exception], None] = reraise
    """The function that is called with each exception that a bug causes."""
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    """The number of attempts for a write, and the delays between attempts."""


class ChangeExecutor:
    """Executes one change."""

    def __init__(self, number: int, change: Change, context: ApplyContext) -> None:
        self._number = number
        self._change = change
        self._context = context
        self._client = context.client
        self._is_in_journal = False
        self._was_sent = False
        self._is_uncertain = False  # True after sending a request whose effect is unknown
        self._has_effect = False  # True if at least one request took effect
        self._state_before_send = (False, False)
        self._request_context = RequestContext(
            f"{context.journal.run}-{number}", self._before_send, self._without_effect
        )

    async def execute(self, listing: GrantsByKey | None) -> Outcome:
        """Execute the change.

        `listing` contains all current grants of the tenant, or is None. If `listing` is None, the executor reads the
        grant from the tenant before the change.
        """
        outcome = (
            await run_unless(self._context.stop.abort, self._execute_safely(listing)) or self._outcome_of_interruption()
        )
        if self._is_in_journal:
            try:
                await self._context.journal.settle(self._number, outcome)
            except JournalError as error:
                self._context.stop.request_stop(str(error))
        return outcome

    async def _execute_safely(self, listing: GrantsByKey | None) -> Outcome:
        try:
            return await self._write_until_settled(listing)
        except JournalError as error:
            self._context.stop.request_stop(str(error))
            return self._outcome(Result.FAILED, f"nothing was sent: {error}")
        except Auth0Error as error:
            partial = f"; {PARTIAL_EFFECT}" if self._has_effect else ""
            return self._outcome(Result.FAILED, f"{error}{partial}")
        except Exception as error:  # noqa: BLE001 - a bug in one change must not hide the outcomes of other changes
            self._context.on_crash(error)
            unexpected = f"unexpected {type(error).__name__}: {error}"
            return self._outcome(Result.UNKNOWN if self._was_sent else Result.FAILED, unexpected)

    async def _write_until_settled(self, listing: GrantsByKey | None) -> Outcome:
        """Write the change.

        If the outcome of the write is unknown, read the grant. Repeat the write only if the grant is unchanged.
        """
        delays = self._context.retry_policy.delays()
        while True:
            try:
                return await self._write(listing)
            except UnknownOutcomeError as error:
                if not self._is_uncertain:  # the read before the write failed, so no write was sent
                    raise
                outcome = await self._settle_by_reading(str(error))
                self._is_uncertain = outcome.result is Result.UNKNOWN
                if (
                    outcome.result is not Result.FAILED
                    or self._context.stop.reason
                    or not (delay := next(delays, None))
                ):
                    return outcome
                if asyncio.get_running_loop().time() + delay > self._context.retry_policy.deadline:
                    return outcome
                await asyncio.sleep(delay)
                listing = None

    async def _write(self, listing: GrantsByKey | None) -> Outcome:
        match self._change:
            case Create() if not self._has_effect:
                return await self._create(self._change)
            case Create() | Update():
                return await self._update(self._change, listing)
            case Delete():
                return await self._delete(self._change, listing)

    async def _create(self, change: Create) -> Outcome:
        try:
            grant_id = await self._client.create(change.after.grant, self._request_context)
        except RefusedCallError as error:
            if not is_conflict(error):
                raise
            outcome = await self._settle_refused_write(error)
            if self._has_effect:  # the grant exists, but some of the organizations are still missing
                return await self._update(change, None)
            return outcome
        self._record_effect()
        await self._send_steps(ObservedGrant(grant_id, without_organizations(change.after.grant)), change)
        return self._outcome(Result.APPLIED)

    async def _update(self, change: Create | Update, listing: GrantsByKey | None) -> Outcome:
        now = await self._read_grant(listing)
        if now is None:
            return self._outcome(Result.CONFLICT, DELETED_SINCE_PLAN)
        match change_state(change, now.grant):
            case ChangeState.AFTER:
                return self._outcome(Result.APPLIED, ALREADY_UP_TO_DATE)
            case ChangeState.PARTIAL if not self._was_sent:  # a different program made a part of the planned change
                return self._outcome(Result.CONFLICT, EDITED_SINCE_PLAN)
            case ChangeState.OTHER:
                return self._outcome(Result.CONFLICT, EDITED_SINCE_PLAN)
            case ChangeState.BEFORE | ChangeState.PARTIAL:
                pass
        try:
            await self._send_steps(now, change)
        except RefusedCallError as error:
            if self._has_effect or not (is_not_found(error) or is_conflict(error)):
                raise
            return await self._settle_refused_write(error)
        return self._outcome(Result.APPLIED)

    async def _delete(self, change: Delete, listing: GrantsByKey | None) -> Outcome:
        now = await self._read_grant(listing)
        if now is None:
            return self._outcome(Result.APPLIED, ALREADY_DELETED)
        if now.grant != change.before.grant:
            return self._outcome(Result.CONFLICT, EDITED_SINCE_PLAN)
        try:
            await self._client.delete(now.id, self._request_context)
        except RefusedCallError as error:
            if not (is_not_found(error) or is_conflict(error)):
                raise
            return await self._settle_refused_write(error)
        return self._outcome(Result.APPLIED)

    async def _send_steps(self, now: ObservedGrant, change: Create | Update) -> None:
        """Send the requests that change the grant from the state `now` to the state after `change`."""
        for step in required_steps(now, change.after):
            await self._send_step(step, now.id)
            self._record_effect()

    def _record_effect(self) -> None:
        """Record that a request succeeded."""
        self._has_effect, self._is_uncertain = True, False

    async def _send_step(self, step: Step, grant_id: str) -> None:
        match step:
            case Update():
                await self._client.update(grant_id, step, self._request_context)
            case Associate():
                await self._associate(step.organization, grant_id)
            case Dissociate():
                try:
                    await self._client.associations.remove(step.organization, grant_id, self._request_context)
                except RefusedCallError as error:
                    if not is_not_found(error):
                        raise

    async def _associate(self, organization: str, grant_id: str) -> None:
        """Associate the organization with the grant.

        The response status 409 means that the organization already has the grant, or that the organization has too many
        grants. After a response with status 409, the executor checks whether the organization has the grant.
        """
        try:
            await self._client.associations.add(organization, grant_id, self._request_context)
        except RefusedCallError as error:
            if not is_conflict(error) or organization not in await self._client.organizations_of(grant_id):
                raise

    async def _read_grant(self, listing: GrantsByKey | None = None) -> ObservedGrant | None:
        """Return the current grant, or None if the grant does not exist.

        Read the organizations of the grant only if the change includes organizations.
        """
        now = await self._client.find(self._change.key) if listing is None else listing.get(self._change.key)
        if now is None or not knows_organizations(self._change):
            return now
        organizations = frozenset(await self._client.organizations_of(now.id))
        return now._replace(grant=now.grant._replace(organizations=organizations))

    async def _settle_refused_write(self, error: RefusedCallError) -> Outcome:
        """Determine the outcome of a write that failed with the status 404 or 409.

        The write may have taken effect despite the error status. A tenant may return the old state of a grant for a
        short time after a write. If the first read of the grant shows no effect, the executor reads the grant once
        more.
        """
        outcome = await self._settle_by_reading(str(error))
        if outcome.result is Result.FAILED and not self._has_effect and not self._context.stop.reason:
            await asyncio.sleep(SECOND_READ_DELAY_SECONDS)
            outcome = await self._settle_by_reading(str(error))
        should_report_conflict = (
            outcome.result is Result.FAILED and is_conflict(error) and not isinstance(self._change, Delete)
        )
        return (
            self._outcome(Result.CONFLICT, outcome.detail)
            if should_report_conflict and not self._has_effect
            else outcome
        )

    async def _settle_by_reading(self, problem: str) -> Outcome:
        """Determine the outcome of a write by reading the grant.

        The result of the write is APPLIED if the whole change took effect. The result of the write is FAILED if the
        change took effect only partly or not at all. The result of the write is CONFLICT if the grant contains changes
        that the plan does not contain. The result of the write is UNKNOWN if the grant cannot be read.
        """
        try:
            found = await self._read_grant()
        except Auth0Error as error:
            return self._outcome(Result.UNKNOWN, f"{problem}; reading the grant again failed: {error}")
        match state := change_state(self._change, found.grant if found else None):
            case ChangeState.AFTER:
                return self._outcome(Result.APPLIED, f"{problem}; but the change took effect")
            case ChangeState.OTHER:
                what = (
                    "the tenant now has a different grant of this application for this API"
                    if found
                    else DELETED_SINCE_PLAN
                )
                return self._outcome(Result.CONFLICT, f"{problem}; {what}")
            case ChangeState.BEFORE | ChangeState.PARTIAL:
                self._has_effect = state is ChangeState.PARTIAL
                return self._outcome(Result.FAILED, f"{problem}; {PARTIAL_EFFECT if self._has_effect else NO_EFFECT}")

    def _outcome_of_interruption(self) -> Outcome:
        if self._is_uncertain:
            return self._outcome(Result.UNKNOWN, "interrupted while the change was in progress")
        if self._has_effect:
            return self._outcome(Result.FAILED, f"interrupted before the change was complete; {PARTIAL_EFFECT}")
        if self._was_sent:
            return self._outcome(Result.FAILED, f"interrupted before the change was sent again; {NO_EFFECT}")
        if self._is_in_journal:
            return self._outcome(
                Result.SKIPPED, "interrupted before the change was sent again; the first attempt had no effect"
            )
        return self._outcome(Result.SKIPPED, "interrupted before the change was sent")

    async def _before_send(self) -> None:
        """Record the intended change in the journal.

        If the journal cannot be written before the first request of the change, raise JournalError. If the journal
        cannot be written after the first request of the change, complete the change and stop the run.
        """
        self._is_in_journal = True
        try:
            await self._context.journal.intend(self._number, self._change)
        except JournalError as error:
            if not self._was_sent:
                raise
            self._context.stop.request_stop(str(error))
        self._state_before_send = (self._was_sent, self._is_uncertain)
        self._was_sent = self._is_uncertain = True

    def _without_effect(self) -> None:
        """Record that the latest request did not change the grant."""
        self._was_sent, self._is_uncertain = self._state_before_send

    def _outcome(self, result: Result, detail: str = "") -> Outcome:
        return Outcome(self._change, result, detail)
