"""Execute one change. The grant is read again and compared with the plan right before it is changed or deleted.

If the response to a write is lost, reading the key settles it: an effect counts as applied, no effect is tried again,
and anything else is a conflict. A change of several requests that stops half-way continues from its current state.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from reconciler.artifacts.journal import Journal, JournalError
from reconciler.auth0.client import ManagementClient, conflicts, missing
from reconciler.auth0.errors import Auth0Error, RefusedCallError, UnknownOutcomeError
from reconciler.auth0.management import RequestContext
from reconciler.concurrency import unless
from reconciler.core.grant import Key, ObservedGrant
from reconciler.core.outcome import Outcome, Result
from reconciler.core.plan import Change, Create, Delete, Update
from reconciler.core.steps import (
    Associate,
    ChangeState,
    Dissociate,
    Step,
    effect,
    speaks_of_organizations,
    steps,
    without_organizations,
)
from reconciler.http.retry import RetryPolicy

EDITED = "somebody changed the grant since the plan was made"
GONE = "somebody deleted the grant since the plan was made"
CHANGED_ALREADY = "already up to date"
GONE_ALREADY = "already deleted"
LATE_SECONDS = 2.0

Seen = Mapping[Key, ObservedGrant]


class StopSignal:
    """The signal to stop a run. `reason` says why no new change starts. `cut` also abandons changes in progress."""

    def __init__(self) -> None:
        self.reason = ""
        self.cut = asyncio.Event()

    def ask(self, reason: str) -> None:
        """Start no new change."""
        self.reason = self.reason or reason


def reraise(error: Exception) -> None:
    """Let a bug end the run."""
    raise error


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyContext:
    """The context of an apply: client, journal, limits and callbacks.

    `tell` receives each outcome. `concurrency` is the maximum number of changes at the same time. `observed` is the
    number of the tenant's grants, which determines the cost of a listing. `crashed` receives each exception that is a
    bug.
    """

    client: ManagementClient
    journal: Journal
    stop: StopSignal
    tell: Callable[[Outcome], None]
    concurrency: int
    observed: int
    crashed: Callable[[Exception], None] = reraise
    persistence: RetryPolicy = field(default_factory=RetryPolicy)


class ChangeExecutor:
    """Executes one change."""

    def __init__(self, number: int, change: Change, means: ApplyContext) -> None:
        self._number = number
        self._change = change
        self._means = means
        self._client = means.client
        self._intended = False
        self._sent = False
        self._in_doubt = False  # sent, with an unknown outcome
        self._taken = False  # one of several requests took effect
        self._before_leaving = (False, False)
        self._mark = RequestContext(f"{means.journal.run}-{number}", self._leave, self._return)

    async def do(self, seen: Seen | None) -> Outcome:
        """Execute the change. `seen` is the current grant, or None to read it."""
        outcome = await unless(self._means.stop.cut, self._guarded(seen)) or self._left()
        if self._intended:
            try:
                await self._means.journal.settle(self._number, outcome)
            except JournalError as error:
                self._means.stop.ask(str(error))
        return outcome

    async def _guarded(self, seen: Seen | None) -> Outcome:
        try:
            return await self._settled(seen)
        except JournalError as error:
            self._means.stop.ask(str(error))
            return self._outcome(Result.FAILED, f"nothing was sent: {error}")
        except Auth0Error as error:
            took = f"; it took {ChangeState.HALF} effect" if self._taken else ""
            return self._outcome(Result.FAILED, f"{error}{took}")
        except Exception as error:  # noqa: BLE001 - a bug must not hide what became of this change and of others
            self._means.crashed(error)
            unexpected = f"unexpected {type(error).__name__}: {error}"
            return self._outcome(Result.UNKNOWN if self._sent else Result.FAILED, unexpected)

    async def _settled(self, seen: Seen | None) -> Outcome:
        """Write.

        If the response does not show the outcome, read the grant, and repeat the write only if it had no effect.
        """
        waits = self._means.persistence.delays()
        while True:
            try:
                return await self._write(seen)
            except UnknownOutcomeError as error:
                if not self._in_doubt:  # the read before the write failed
                    raise
                outcome = await self._look_again(str(error))
                self._in_doubt = outcome.result is Result.UNKNOWN
                if outcome.result is not Result.FAILED or self._means.stop.reason or not (wait := next(waits, None)):
                    return outcome
                if asyncio.get_running_loop().time() + wait > self._means.persistence.deadline:
                    return outcome
                await asyncio.sleep(wait)
                seen = None

    async def _write(self, seen: Seen | None) -> Outcome:
        match self._change:
            case Create() if not self._taken:
                return await self._create(self._change)
            case Create() | Update():
                return await self._update(self._change, seen)
            case Delete():
                return await self._delete(self._change, seen)

    async def _create(self, change: Create) -> Outcome:
        try:
            grant_id = await self._client.create(change.after.grant, self._mark)
        except RefusedCallError as error:
            if not conflicts(error):
                raise
            outcome = await self._settle_refusal(error)
            if self._taken:  # only organizations are missing
                return await self._update(change, None)
            return outcome
        self._take_effect()
        await self._go_on(ObservedGrant(grant_id, without_organizations(change.after.grant)), change)
        return self._outcome(Result.APPLIED)

    async def _update(self, change: Create | Update, seen: Seen | None) -> Outcome:
        now = await self._now(seen)
        if now is None:
            return self._outcome(Result.CONFLICT, GONE)
        match effect(change, now.grant):
            case ChangeState.WHOLE:
                return self._outcome(Result.APPLIED, CHANGED_ALREADY)
            case ChangeState.HALF if not self._sent:  # another program made the other half of the change
                return self._outcome(Result.CONFLICT, EDITED)
            case ChangeState.FOREIGN:
                return self._outcome(Result.CONFLICT, EDITED)
            case ChangeState.NONE | ChangeState.HALF:
                pass
        try:
            await self._go_on(now, change)
        except RefusedCallError as error:
            if self._taken or not (missing(error) or conflicts(error)):
                raise
            return await self._settle_refusal(error)
        return self._outcome(Result.APPLIED)

    async def _delete(self, change: Delete, seen: Seen | None) -> Outcome:
        now = await self._now(seen)
        if now is None:
            return self._outcome(Result.APPLIED, GONE_ALREADY)
        if now.grant != change.before.grant:
            return self._outcome(Result.CONFLICT, EDITED)
        try:
            await self._client.delete(now.id, self._mark)
        except RefusedCallError as error:
            if not (missing(error) or conflicts(error)):
                raise
            return await self._settle_refusal(error)
        return self._outcome(Result.APPLIED)

    async def _go_on(self, now: ObservedGrant, change: Create | Update) -> None:
        """Send the requests that lead from `now` to the end of `change`."""
        for step in steps(now, change.after):
            await self._take(step, now.id)
            self._take_effect()

    def _take_effect(self) -> None:
        """Record that a request succeeded. Only the tenant shows whether another one follows."""
        self._taken, self._in_doubt = True, False

    async def _take(self, step: Step, grant_id: str) -> None:
        match step:
            case Update():
                await self._client.update(grant_id, step, self._mark)
            case Associate():
                await self._associate(step.organization, grant_id)
            case Dissociate():
                try:
                    await self._client.associations.remove(step.organization, grant_id, self._mark)
                except RefusedCallError as error:
                    if not missing(error):
                        raise

    async def _associate(self, organization: str, grant_id: str) -> None:
        """Let the organization use the grant. One status means either "already assigned" or "too many"."""
        try:
            await self._client.associations.add(organization, grant_id, self._mark)
        except RefusedCallError as error:
            if not conflicts(error) or organization not in await self._client.organizations_of(grant_id):
                raise

    async def _now(self, seen: Seen | None = None) -> ObservedGrant | None:
        """Return the current grant, with its organizations if the change concerns them."""
        now = await self._client.find(self._change.key) if seen is None else seen.get(self._change.key)
        if now is None or not speaks_of_organizations(self._change):
            return now
        organizations = frozenset(await self._client.organizations_of(now.id))
        return now._replace(grant=now.grant._replace(organizations=organizations))

    async def _settle_refusal(self, error: RefusedCallError) -> Outcome:
        """Settle a write with the response 404 or 409, which may also come after the effect.

        A tenant may show a write late, so a second read follows if the first one shows no effect.
        """
        outcome = await self._look_again(str(error))
        if outcome.result is Result.FAILED and not self._taken and not self._means.stop.reason:
            await asyncio.sleep(LATE_SECONDS)
            outcome = await self._look_again(str(error))
        is_conflict = outcome.result is Result.FAILED and conflicts(error) and not isinstance(self._change, Delete)
        return self._outcome(Result.CONFLICT, outcome.detail) if is_conflict and not self._taken else outcome

    async def _look_again(self, trouble: str) -> Outcome:
        """Settle a write by reading its key: applied with an effect, failed without, otherwise a conflict."""
        try:
            found = await self._now()
        except Auth0Error as error:
            return self._outcome(Result.UNKNOWN, f"{trouble}; reading the grant again failed: {error}")
        match took := effect(self._change, found.grant if found else None):
            case ChangeState.WHOLE:
                return self._outcome(Result.APPLIED, f"{trouble}; it took effect nevertheless")
            case ChangeState.FOREIGN:
                what = "the tenant has a different grant there now" if found else GONE
                return self._outcome(Result.CONFLICT, f"{trouble}; {what}")
            case ChangeState.NONE | ChangeState.HALF:
                self._taken = took is ChangeState.HALF
                return self._outcome(Result.FAILED, f"{trouble}; it took {took} effect")

    def _left(self) -> Outcome:
        if self._in_doubt:
            return self._outcome(Result.UNKNOWN, "interrupted while it was in progress")
        if self._taken:
            return self._outcome(
                Result.FAILED, f"interrupted before it was complete; it took {ChangeState.HALF} effect"
            )
        if self._sent:
            return self._outcome(
                Result.FAILED, f"interrupted before it was sent again; it took {ChangeState.NONE} effect"
            )
        if self._intended:
            return self._outcome(
                Result.SKIPPED, "interrupted before it was sent again; the first attempt had no effect"
            )
        return self._outcome(Result.SKIPPED, "interrupted before it was sent")

    async def _leave(self) -> None:
        """Record the intent. Once a change has started, a failing journal does not stop it."""
        self._intended = True
        try:
            await self._means.journal.intend(self._number, self._change)
        except JournalError as error:
            if not self._sent:
                raise
            self._means.stop.ask(str(error))
        self._before_leaving = (self._sent, self._in_doubt)
        self._sent = self._in_doubt = True

    def _return(self) -> None:
        """Record that the last request had no effect."""
        self._sent, self._in_doubt = self._before_leaving

    def _outcome(self, result: Result, detail: str = "") -> Outcome:
        return Outcome(self._change, result, detail)
