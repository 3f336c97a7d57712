"""Execute a plan and report the outcome of each change. The plan is a value, so apply makes no further decisions."""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import groupby

from reconciler.auth0.client import PAGE_SIZE
from reconciler.auth0.errors import Auth0Error
from reconciler.change_executor import ApplyContext, ChangeExecutor, Seen, StopSignal, reraise
from reconciler.core.grant import by_key
from reconciler.core.outcome import Outcome, Result
from reconciler.core.plan import Change, Create, Plan, phase, takes_access

__all__ = ["ApplyContext", "StopSignal", "carry_out", "reraise"]

HOLDER_FAILED = "it takes access from an application for which an earlier change failed"
CHANGES_A_PAGE = 10
"""The number of changes per page of a listing. Reading the listing again adds at most a tenth to the requests."""

Numbered = tuple[int, Change]


async def carry_out(plan: Plan, means: ApplyContext) -> tuple[Outcome, ...]:
    """Execute the changes of `plan` phase by phase. Within a phase, a few changes run at the same time.

    A failed change does not stop the others, with one exception: access is not taken from an application for which an
    earlier change failed. Return one outcome per change, in the order of the plan. Errors of the tenant, the network,
    signals and the journal's disk become outcomes.
    """
    outcomes: list[Outcome] = []
    for _, changes in groupby(enumerate(plan.changes, start=1), key=lambda numbered: phase(numbered[1])):
        failed = frozenset(each.change.key.holder for each in outcomes if each.result is not Result.APPLIED)
        for batch in _batches(list(changes), means.observed):
            outcomes += await _carry_out_together(batch, failed, await _listing_before(batch, means), means)
    return tuple(outcomes)


def _batches(changes: Sequence[Numbered], observed: int) -> Iterator[Sequence[Numbered]]:
    """Split changes into batches.

    One listing before each batch shows the tenant right before the writes of the batch.
    """
    size = CHANGES_A_PAGE * _pages(observed)
    for start in range(0, len(changes), size):
        yield changes[start : start + size]


def _pages(observed: int) -> int:
    return max(1, -(-observed // PAGE_SIZE))


async def _carry_out_together(
    batch: Sequence[Numbered], failed: frozenset[str], seen: Seen | None, means: ApplyContext
) -> list[Outcome]:
    free = asyncio.Semaphore(means.concurrency)

    async def one(number: int, change: Change) -> Outcome:
        async with free:
            reason = _reason_to_skip(change, failed, means.stop)
            outcome = (
                Outcome(change, Result.SKIPPED, reason)
                if reason
                else await ChangeExecutor(number, change, means).do(seen)
            )
        means.tell(outcome)
        return outcome

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number, change)) for number, change in batch]
    return [task.result() for task in tasks]


async def _listing_before(batch: Sequence[Numbered], means: ApplyContext) -> Seen | None:
    """Return all grants of the tenant if one listing is cheaper than reading each grant. Otherwise return None.

    The listing of the plan must not be reused, because an edit since then would be overwritten.
    """
    count = sum(not isinstance(change, Create) for _, change in batch)
    if count <= _pages(means.observed) or means.stop.reason:
        return None
    try:
        return by_key(await means.client.grants())
    except Auth0Error:
        return None  # each change reads its grant and reports its own errors


def _reason_to_skip(change: Change, failed: frozenset[str], stop: StopSignal) -> str:
    return stop.reason or (HOLDER_FAILED if takes_access(change) and change.key.holder in failed else "")
