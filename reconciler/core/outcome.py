"""Pure: what became of a change."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from reconciler.core.grant import ClientGrant, Key, ObservedGrant
from reconciler.core.plan import Change, Plan

CREATED_AND_CHANGED = "created by the run and changed since, so it is not deleted"
CREATED_AND_KEPT = "created by the run"


@dataclass(frozen=True, slots=True)
class Rollback:
    """The run to undo: its id, the name and domain of its tenant, and the grants that it was to create."""

    run: str
    tenant: str
    domain: str
    created: tuple[ClientGrant, ...]

    def deletes(self, observed: ObservedGrant) -> bool:
        """Return whether undoing the run deletes a grant: the run was to create exactly this one."""
        return any(_bare(each) == _bare(observed.grant) for each in self.created)

    def has_created(self, key: Key) -> bool:
        """Return whether the run was to create a grant with `key`."""
        return any(each.key == key for each in self.created)


def _bare(grant: ClientGrant) -> ClientGrant:
    """Return a grant without its organizations, which go with the grant and may not have been read."""
    return grant._replace(organizations=None)


class Result(StrEnum):
    """What became of a change."""

    APPLIED = "applied"
    FAILED = "failed"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A change, what became of it, and why."""

    change: Change
    result: Result
    detail: str = ""


def counts(outcomes: Iterable[Outcome]) -> dict[Result, int]:
    """Return how many outcomes there are of each result, all results named."""
    counted = Counter(outcome.result for outcome in outcomes)
    return {result: counted[result] for result in Result}


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """The end of a run: an outcome per change, and the plan that a second look at the tenant gave.

    `remaining` is None where the tenant could not be read again; `trouble` then says why.
    """

    outcomes: tuple[Outcome, ...]
    remaining: Plan | None
    trouble: str = ""

    @property
    def differences(self) -> tuple[Change, ...]:
        """What still differs after the run; nothing if the tenant could not be read again or nothing was to be done."""
        return self.remaining.changes if self.remaining and self.outcomes else ()

    @property
    def not_kept(self) -> frozenset[Key]:
        """The keys of changes that Auth0 accepted, and that the tenant does not show all the same."""
        applied = {outcome.change.key for outcome in self.outcomes if outcome.result is Result.APPLIED}
        return frozenset(change.key for change in self.differences if change.key in applied)

    @property
    def converged(self) -> bool:
        """Whether the tenant was seen to equal the desired state."""
        return self.remaining is not None and self.remaining.converged
