"""Carry out a plan, change by change, and tell what became of each. The plan is a value: nothing is decided anew."""

import asyncio
from collections.abc import Callable
from itertools import groupby

from reconciler.auth0.client import MOST_CONNECTIONS, ManagementClient, conflicts
from reconciler.auth0.errors import Auth0Error, RefusedCallError, UnclearError
from reconciler.core.grant import ClientGrant
from reconciler.core.outcome import Outcome, Result
from reconciler.core.plan import Change, Create, Delete, Plan, Update, grants_after, phase, takes_access


async def carry_out(
    plan: Plan,
    client: ManagementClient,
    *,
    stopped: Callable[[], bool],
    tell: Callable[[Outcome], None],
) -> tuple[Outcome, ...]:
    """Carry out the changes of `plan`, a phase at a time, a few at once within a phase.

    A change that fails stops no other, but for one kind: access is not taken from an application for which an earlier
    change failed. When `stopped` says so, what is in flight is finished and the rest is skipped. `tell` hears each
    outcome as it comes. Returns one outcome per change, in the plan's order; raises nothing that the tenant or the
    network did.
    """
    outcomes: list[Outcome] = []
    free = asyncio.Semaphore(MOST_CONNECTIONS)

    async def one(change: Change, failed: frozenset[str]) -> Outcome:
        async with free:
            reason = _reason_to_skip(change, failed, stopped=stopped())
            outcome = Outcome(change, Result.SKIPPED, reason) if reason else await _carry_out(change, client)
        tell(outcome)
        return outcome

    for _, changes in groupby(plan.changes, key=phase):
        failed = frozenset(each.change.key.holder for each in outcomes if each.result is not Result.APPLIED)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(change, failed)) for change in changes]
        outcomes += [task.result() for task in tasks]
    return tuple(outcomes)


def _reason_to_skip(change: Change, failed: frozenset[str], *, stopped: bool) -> str:
    if stopped:
        return "interrupted"
    if takes_access(change) and change.key.holder in failed:
        return "it takes access from an application for which an earlier change failed"
    return ""


async def _carry_out(change: Change, client: ManagementClient) -> Outcome:
    try:
        return await _write(change, client)
    except UnclearError as error:
        return await _look_again(change, client, str(error))
    except Auth0Error as error:
        return Outcome(change, Result.FAILED, str(error))


async def _write(change: Change, client: ManagementClient) -> Outcome:
    match change:
        case Create():
            return await _create(change, client)
        case Update():
            return await _update(change, client)
        case Delete():
            return await _delete(change, client)


async def _create(change: Create, client: ManagementClient) -> Outcome:
    try:
        await client.create(change.after.grant)
    except RefusedCallError as error:
        if not conflicts(error):
            raise
        return await _look_again(change, client, str(error))
    return Outcome(change, Result.APPLIED)


async def _update(change: Update, client: ManagementClient) -> Outcome:
    now = await client.find(change.key)
    if now is None:
        return Outcome(change, Result.CONFLICT, "the grant is gone since the plan was made")
    if now.grant != change.before.grant:
        return Outcome(change, Result.CONFLICT, "somebody changed the grant since the plan was made")
    await client.update(now.id, change)
    return Outcome(change, Result.APPLIED)


async def _delete(change: Delete, client: ManagementClient) -> Outcome:
    now = await client.find(change.key)
    if now is None:
        return Outcome(change, Result.APPLIED, "the grant was gone already")
    if now.grant != change.before.grant:
        return Outcome(change, Result.CONFLICT, "somebody changed the grant since the plan was made")
    await client.delete(now.id)
    return Outcome(change, Result.APPLIED)


async def _look_again(change: Change, client: ManagementClient, trouble: str) -> Outcome:
    """Settle a write whose answer does not tell what became of it by reading its key again."""
    try:
        found = await client.find(change.key)
    except Auth0Error as error:
        return Outcome(change, Result.UNKNOWN, f"{trouble}; looking again failed: {error}")
    now = found.grant if found else None
    if now == grants_after(change):
        return Outcome(change, Result.APPLIED, f"{trouble}; it took effect all the same")
    if now == _before(change):
        return Outcome(change, Result.FAILED, f"{trouble}; it took no effect")
    return Outcome(change, Result.CONFLICT, f"{trouble}; the tenant has another grant there now")


def _before(change: Change) -> ClientGrant | None:
    return None if isinstance(change, Create) else change.before.grant
