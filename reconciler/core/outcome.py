"""Pure: the outcomes of a run, and the data of a rollback."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from reconciler.core.grant import ClientGrant, Key, ObservedGrant
from reconciler.core.plan import Change, Plan

CREATED_AND_CHANGED = "created by the run but changed afterwards, so it is not deleted"
CREATED_AND_KEPT = "created by the run"


@dataclass(frozen=True, slots=True)
class Rollback:
    """The run to undo: its id, the name and domain of its tenant, and the grants that it was planned to create."""

    run: str
    tenant: str
    domain: str
    created: tuple[ClientGrant, ...]

    def deletes(self, observed: ObservedGrant) -> bool:
        """Return whether the rollback deletes a grant. It deletes a grant that equals a planned create of the run."""
        return any(_without_organizations(each) == _without_organizations(observed.grant) for each in self.created)

    def planned_to_create(self, key: Key) -> bool:
        """Return whether the run was planned to create a grant with `key`."""
        return any(each.key == key for each in self.created)


def _without_organizations(grant: ClientGrant) -> ClientGrant:
    """Remove the organizations from a grant. They do not matter for a delete, and they may be unread."""
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
    """A change, its result, and the reason for this result."""

    change: Change
    result: Result
    detail: str = ""


def count_results(outcomes: Iterable[Outcome]) -> dict[Result, int]:
    """Count the outcomes by result. Every result has an entry, even if its count is 0."""
    counted = Counter(outcome.result for outcome in outcomes)
    return {result: counted[result] for result in Result}


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """The result of a run.

    Attributes:
        outcomes: One outcome per change.
        remaining: The plan after the tenant was read again, or None if that failed.
        trouble: The reason why the tenant could not be read again.
    """

    outcomes: tuple[Outcome, ...]
    remaining: Plan | None
    trouble: str = ""

    @property
    def differences(self) -> tuple[Change, ...]:
        """The remaining changes. It is empty if the tenant was not read again."""
        return self.remaining.changes if self.remaining and self.outcomes else ()

    @property
    def not_persisted(self) -> frozenset[Key]:
        """The keys of changes that Auth0 accepted, but that were missing when the tenant was read again."""
        applied = {outcome.change.key for outcome in self.outcomes if outcome.result is Result.APPLIED}
        return frozenset(change.key for change in self.differences if change.key in applied)

    @property
    def converged(self) -> bool:
        """Whether the tenant was read again and matches the files."""
        return self.remaining is not None and self.remaining.converged
