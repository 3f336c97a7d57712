"""Execute a plan and report the outcome of each change."""

import asyncio
from collections.abc import Sequence
from itertools import groupby

from reconciler.auth0.errors import Auth0Error
from reconciler.auth0.listings import PAGE_SIZE
from reconciler.change_executor import ApplyContext, ChangeExecutor, GrantsByKey, reraise
from reconciler.concurrency import StopSignal
from reconciler.core.grant import index_by_key
from reconciler.core.outcome import Outcome, Result
from reconciler.core.plan import Change, Create, Plan, apply_phase, removes_access

__all__ = ["ApplyContext", "StopSignal", "execute_plan", "reraise"]

EARLIER_CHANGE_FAILED = "an earlier change for this application failed, so the application keeps its access"
CHANGES_PER_LISTING_PAGE = 10
"""The batch size is CHANGES_PER_LISTING_PAGE times the number of pages in the tenant's list of grants.

Reading all grants before each batch adds at most 10 % to the requests.
"""

Numbered = tuple[int, Change]


async def execute_plan(plan: Plan, context: ApplyContext) -> tuple[Outcome, ...]:
    """Execute the changes of `plan` in four phases: creates, updates that remove no access, other updates, and deletes.

    Up to `context.concurrency` changes of the same phase run at the same time.

    The changes of a phase are split into batches. Before each batch, reconciler reads the tenant's grants, so that each
    write is based on recent data.

    If a change to an application's grant fails, later phases do not remove access from the application. Return one
    outcome per change, in the order of the plan. Signals, journal errors, tenant errors and network errors do not raise
    an exception, but appear in the outcomes.
    """
    outcomes: list[Outcome] = []
    size = CHANGES_PER_LISTING_PAGE * _pages(context.observed)
    for _, group in groupby(enumerate(plan.changes, start=1), key=lambda numbered: apply_phase(numbered[1])):
        failed = frozenset(each.change.key.holder for each in outcomes if each.result is not Result.APPLIED)
        changes = list(group)
        for start in range(0, len(changes), size):
            batch = changes[start : start + size]
            outcomes += await _execute_batch(batch, failed, await _read_listing(batch, context), context)
    return tuple(outcomes)


def _pages(observed: int) -> int:
    return max(1, -(-observed // PAGE_SIZE))


async def _execute_batch(
    batch: Sequence[Numbered], failed: frozenset[str], listing: GrantsByKey | None, context: ApplyContext
) -> list[Outcome]:
    semaphore = asyncio.Semaphore(context.concurrency)

    async def execute_one(number: int, change: Change) -> Outcome:
        async with semaphore:
            keeps_access = removes_access(change) and change.key.holder in failed
            reason = context.stop.reason or (EARLIER_CHANGE_FAILED if keeps_access else "")
            outcome = (
                Outcome(change, Result.SKIPPED, reason)
                if reason
                else await ChangeExecutor(number, change, context).execute(listing)
            )
        context.on_outcome(outcome)
        return outcome

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(execute_one(number, change)) for number, change in batch]
    return [task.result() for task in tasks]


async def _read_listing(batch: Sequence[Numbered], context: ApplyContext) -> GrantsByKey | None:
    """Return all grants of the tenant, or None if reading only the changed grants takes fewer requests.

    The grants are read again, because a change based on the grants in the plan would overwrite later edits.
    """
    count = sum(not isinstance(change, Create) for _, change in batch)
    if count <= _pages(context.observed) or context.stop.reason:
        return None
    try:
        return index_by_key(await context.client.grants())
    except Auth0Error:
        return None  # if the list cannot be read, the executor reads the grant of each change and reports the error
