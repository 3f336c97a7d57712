"""Pure: the outcomes of changes, and the rollback of a run."""

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
    """The run to undo: its id, the name and domain of its tenant, and the grants of its creates."""

    run: str
    tenant: str
    domain: str
    created: tuple[ClientGrant, ...]

    def deletes(self, observed: ObservedGrant) -> bool:
        """Return whether the rollback deletes a grant. The grant must equal the one that the run was to create."""
        return any(_bare(each) == _bare(observed.grant) for each in self.created)

    def has_created(self, key: Key) -> bool:
        """Return whether the run was to create a grant with `key`."""
        return any(each.key == key for each in self.created)


def _bare(grant: ClientGrant) -> ClientGrant:
    """Return a grant without its organizations. A delete removes them too, and they may be unread."""
    return grant._replace(organizations=None)


class Result(StrEnum):
    """The result of a change."""

    APPLIED = "applied"
    FAILED = "failed"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A change, its result, and the reason."""

    change: Change
    result: Result
    detail: str = ""


def counts(outcomes: Iterable[Outcome]) -> dict[Result, int]:
    """Return the number of outcomes for every result, including 0."""
    counted = Counter(outcome.result for outcome in outcomes)
    return {result: counted[result] for result in Result}


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """The end of a run: one outcome per change, and a plan made from a second read of the tenant.

    `remaining` is None if the tenant could not be read again. `trouble` then has the reason.
    """

    outcomes: tuple[Outcome, ...]
    remaining: Plan | None
    trouble: str = ""

    @property
    def differences(self) -> tuple[Change, ...]:
        """The remaining differences, or nothing if the tenant was not read again."""
        return self.remaining.changes if self.remaining and self.outcomes else ()

    @property
    def not_kept(self) -> frozenset[Key]:
        """The keys of changes that Auth0 accepted but that the tenant does not show."""
        applied = {outcome.change.key for outcome in self.outcomes if outcome.result is Result.APPLIED}
        return frozenset(change.key for change in self.differences if change.key in applied)

    @property
    def converged(self) -> bool:
        """Whether the second read showed that the tenant equals the desired state."""
        return self.remaining is not None and self.remaining.converged
