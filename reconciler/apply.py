"""Carry out a plan and tell what became of each change. The plan is a value: nothing is decided anew.

Right before a grant is changed or deleted it is read again and compared with the plan. A write whose answer is lost is
settled by reading its key: what took effect is applied, what did not is tried again, anything else is a conflict.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from reconciler.auth0.backoff import Persistence
from reconciler.auth0.client import PAGE_SIZE, ManagementClient, conflicts, missing
from reconciler.auth0.errors import Auth0Error, RefusedCallError, UnclearError
from reconciler.auth0.management import Mark
from reconciler.auth0.wire import on_the_way
from reconciler.core.diff import changed_fields
from reconciler.core.grant import Key, ObservedGrant
from reconciler.core.outcome import Outcome, Result
from reconciler.core.plan import Change, Create, Delete, Plan, Update, grants_after, phase, takes_access
from reconciler.journal import Journal, JournalError
from reconciler.tasks import unless

EDITED = "somebody changed the grant since the plan was made"
GONE = "the grant is gone since the plan was made"
CHANGED_ALREADY = "the grant was as wanted already"
GONE_ALREADY = "the grant was gone already"
HOLDER_FAILED = "it takes access from an application for which an earlier change failed"
CHANGES_A_PAGE = 10
"""A listing serves so many changes per page that it takes: a look at each grant adds a tenth to the calls at most."""


class Stop:
    """How a run is told to stop. `reason` says why nothing new is begun; `cut` leaves even what is under way."""

    def __init__(self) -> None:
        self.reason = ""
        self.cut = asyncio.Event()

    def ask(self, reason: str) -> None:
        """Begin nothing new from now on."""
        self.reason = self.reason or reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What carrying out a plan takes.

    `tell` hears each outcome as it comes; `concurrency` changes are under way at once; `observed` counts the tenant's
    grants, which tells what a listing costs.
    """

    client: ManagementClient
    journal: Journal
    stop: Stop
    tell: Callable[[Outcome], None]
    concurrency: int
    observed: int
    persistence: Persistence = field(default_factory=Persistence)


Seen = Mapping[Key, ObservedGrant]
Numbered = tuple[int, Change]


async def carry_out(plan: Plan, means: Means) -> tuple[Outcome, ...]:
    """Carry out the changes of `plan`, a phase at a time, a few at once within a phase.

    A change that fails stops no other, but for one kind: access is not taken from an application for which an earlier
    change failed. Returns one outcome per change, in the plan's order; raises nothing that the tenant, the network, a
    signal or the journal's disk did.
    """
    outcomes: list[Outcome] = []
    for _, changes in groupby(enumerate(plan.changes, start=1), key=lambda numbered: phase(numbered[1])):
        failed = frozenset(each.change.key.holder for each in outcomes if each.result is not Result.APPLIED)
        for batch in _batches(list(changes), means.observed):
            outcomes += await _carry_out_together(batch, failed, means)
    return tuple(outcomes)


def _batches(changes: Sequence[Numbered], observed: int) -> Iterator[Sequence[Numbered]]:
    """Split changes so that one listing before each batch shows what the tenant has right before its writes."""
    size = CHANGES_A_PAGE * _pages(observed)
    for start in range(0, len(changes), size):
        yield changes[start : start + size]


def _pages(observed: int) -> int:
    return max(1, -(-observed // PAGE_SIZE))


async def _carry_out_together(batch: Sequence[Numbered], failed: frozenset[str], means: Means) -> list[Outcome]:
    free = asyncio.Semaphore(means.concurrency)
    seen = await _listing(batch, means)

    async def one(number: int, change: Change) -> Outcome:
        async with free:
            reason = _reason_to_skip(change, failed, means.stop)
            outcome = Outcome(change, Result.SKIPPED, reason) if reason else await _Work(number, change, means).do(seen)
        means.tell(outcome)
        return outcome

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number, change)) for number, change in batch]
    return [task.result() for task in tasks]


async def _listing(batch: Sequence[Numbered], means: Means) -> Seen | None:
    """Read all grants where that is cheaper than reading each that will change; None: read each."""
    looks = sum(not isinstance(change, Create) for _, change in batch)
    if looks <= _pages(means.observed) or means.stop.reason:
        return None
    try:
        return {each.key: each for each in await means.client.grants()}
    except Auth0Error:
        return None  # each change looks for itself, and tells what goes wrong then


def _reason_to_skip(change: Change, failed: frozenset[str], stop: Stop) -> str:
    return stop.reason or (HOLDER_FAILED if takes_access(change) and change.key.holder in failed else "")


class _Work:
    """One change under way."""

    def __init__(self, number: int, change: Change, means: Means) -> None:
        self._number = number
        self._change = change
        self._means = means
        self._client = means.client
        self._sent = False
        self._in_doubt = False  # sent, and not known what became of it
        self._mark = Mark(f"{means.journal.run}-{number}", self._leave)

    async def do(self, seen: Seen | None) -> Outcome:
        """Carry the change out; `seen` is what the tenant has right now, None to look for oneself."""
        outcome = await unless(self._means.stop.cut, self._guarded(seen)) or self._left()
        if self._sent:
            try:
                self._means.journal.settle(self._number, outcome)
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
            return self._outcome(Result.FAILED, str(error))

    async def _settled(self, seen: Seen | None) -> Outcome:
        """Write, and where the answer does not tell what became of it, look; write again only what took no effect."""
        waits = self._means.persistence.delays()
        while True:
            try:
                return await self._write(seen)
            except UnclearError as error:
                if not self._in_doubt:  # it was the look before the write that failed
                    raise
                outcome = await self._look_again(str(error))
                self._in_doubt = outcome.result is Result.UNKNOWN
                if outcome.result is not Result.FAILED or self._means.stop.reason or not (wait := next(waits, None)):
                    return outcome
                await asyncio.sleep(wait)
                seen = None

    async def _write(self, seen: Seen | None) -> Outcome:
        match self._change:
            case Create():
                return await self._create(self._change)
            case Update():
                return await self._update(self._change, seen)
            case Delete():
                return await self._delete(self._change, seen)

    async def _create(self, change: Create) -> Outcome:
        try:
            await self._client.create(change.after.grant, self._mark)
        except RefusedCallError as error:
            if not conflicts(error):
                raise
            outcome = await self._look_again(str(error))
            return outcome if outcome.result is not Result.FAILED else self._outcome(Result.CONFLICT, str(error))
        return self._outcome(Result.APPLIED)

    async def _update(self, change: Update, seen: Seen | None) -> Outcome:
        now = await self._now(seen)
        if now is None:
            return self._outcome(Result.CONFLICT, GONE)
        if now.grant == change.after.grant:
            return self._outcome(Result.APPLIED, CHANGED_ALREADY)
        if now.grant not in on_the_way(change)[: 1 + self._sent]:  # half of it is done by us or by nobody
            return self._outcome(Result.CONFLICT, EDITED)
        rest = Update(now, change.after, changed_fields(now.grant, change.after.grant))
        try:
            await self._client.update(now.id, rest, self._mark)
        except RefusedCallError as error:
            if not (missing(error) or conflicts(error)):
                raise
            return self._outcome(Result.CONFLICT, str(error))
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
            if not missing(error):
                raise
            return self._outcome(Result.APPLIED, GONE_ALREADY)
        return self._outcome(Result.APPLIED)

    async def _now(self, seen: Seen | None) -> ObservedGrant | None:
        return await self._client.find(self._change.key) if seen is None else seen.get(self._change.key)

    async def _look_again(self, trouble: str) -> Outcome:
        """Settle a write by reading its key: applied if it took effect, failed if not, else a conflict."""
        try:
            found = await self._client.find(self._change.key)
        except Auth0Error as error:
            return self._outcome(Result.UNKNOWN, f"{trouble}; looking again failed: {error}")
        now = found.grant if found else None
        if now == grants_after(self._change):
            return self._outcome(Result.APPLIED, f"{trouble}; it took effect all the same")
        if now in (states := on_the_way(self._change)):
            return self._outcome(Result.FAILED, f"{trouble}; it took {'no' if now == states[0] else 'half its'} effect")
        return self._outcome(Result.CONFLICT, f"{trouble}; the tenant has another grant there now")

    def _left(self) -> Outcome:
        if self._in_doubt:
            return self._outcome(Result.UNKNOWN, "interrupted while it was under way")
        if self._sent:
            return self._outcome(Result.FAILED, "interrupted before it was sent again; it took no effect")
        return self._outcome(Result.SKIPPED, "interrupted before it was sent")

    def _leave(self) -> None:
        """Note the intent. Once a change has begun, a journal that fails does not keep it from its end."""
        try:
            self._means.journal.intend(self._number, self._change)
        except JournalError as error:
            if not self._sent:
                raise
            self._means.stop.ask(str(error))
        self._sent = self._in_doubt = True

    def _outcome(self, result: Result, detail: str = "") -> Outcome:
        return Outcome(self._change, result, detail)
