"""Pure: the requests of a change, the outcomes of a run, and the data of a rollback."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from reconciler.core.diff import changed_fields
from reconciler.core.fields import ORGANIZATIONS, admits_organizations
from reconciler.core.grant import ClientGrant, Key, ObservedGrant
from reconciler.core.plan import Change, Delete, Plan, Update, grant_after, grant_before
from reconciler.core.resolve import DesiredGrant

NO_ORGANIZATIONS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Associate:
    """The request that adds an organization to the grant."""

    organization: str


@dataclass(frozen=True, slots=True)
class Dissociate:
    """The request that removes an organization from the grant."""

    organization: str


Step = Update | Associate | Dissociate


class ChangeState(StrEnum):
    """The state of a change in the tenant.

    Attributes:
        BEFORE: The grant is in the state before the change.
        PARTIAL: The grant is in a state between the requests of the change.
        AFTER: The grant is in the state after the change.
        OTHER: The change does not explain the state of the grant.
    """

    BEFORE = "before"
    PARTIAL = "partial"
    AFTER = "after"
    OTHER = "other"


def required_steps(now: ObservedGrant, after: DesiredGrant) -> tuple[Step, ...]:
    """Return the requests that change the grant from `now` to `after`.

    Requests that add access usually come before requests that remove access. If the grant denies organizations now,
    requests remove organizations first. New settings could otherwise briefly give access to the removed organizations.
    """
    fields = tuple(each for each in changed_fields(now.grant, after.grant) if each.field != ORGANIZATIONS)
    settings = (Update(now, after, fields),) if fields else ()
    current = now.grant.organizations or NO_ORGANIZATIONS
    desired = after.grant.organizations or NO_ORGANIZATIONS
    additions = tuple(Associate(each) for each in sorted(desired - current))
    removals = tuple(Dissociate(each) for each in sorted(current - desired))
    if admits_organizations(now.grant.organization_usage):
        return (*additions, *settings, *removals)
    return (*removals, *settings, *additions)


def without_organizations(grant: ClientGrant) -> ClientGrant:
    """Return the grant as the create request leaves the grant, before organizations are added."""
    return grant if grant.organizations is None else grant._replace(organizations=NO_ORGANIZATIONS)


def knows_organizations(change: Change) -> bool:
    """Return whether the organizations of the grant are known before or after the change."""
    return any(grant and grant.organizations is not None for grant in (grant_before(change), grant_after(change)))


def change_state(change: Change, now: ClientGrant | None) -> ChangeState:
    """Return the state of a change. `now` is the tenant's current grant with the same key, or None."""
    if now == grant_after(change):
        return ChangeState.AFTER
    if now == grant_before(change):
        return ChangeState.BEFORE
    if now is None or isinstance(change, Delete):
        return ChangeState.OTHER
    after = change.after.grant
    before = grant_before(change) or without_organizations(after)
    return ChangeState.PARTIAL if _is_between(before, now, after) else ChangeState.OTHER


def _is_between(before: ClientGrant, now: ClientGrant, after: ClientGrant) -> bool:
    settings = [before, after]
    if before.allow_all_scopes and not after.allow_all_scopes:
        settings.append(after._replace(scope=frozenset()))  # `ManagementClient.update` may need two requests
    old, current, new = (each.organizations or NO_ORGANIZATIONS for each in (before, now, after))
    return old & new <= current <= old | new and any(
        each._replace(organizations=now.organizations) == now for each in settings
    )


CREATED_AND_CHANGED = "created by the run but changed afterwards, so the grant is not deleted"
CREATED_AND_KEPT = "created by the run"


@dataclass(frozen=True, slots=True)
class Rollback:
    """The run to undo. The fields are the id of the run, the name and domain of the tenant, and the planned creates."""

    run: str
    tenant: str
    domain: str
    created: tuple[ClientGrant, ...]

    def deletes(self, observed: ObservedGrant) -> bool:
        """Return whether the rollback deletes the grant.

        A rollback deletes a grant that equals a planned create of the run.
        """
        return any(_without_organizations(each) == _without_organizations(observed.grant) for each in self.created)

    def planned_to_create(self, key: Key) -> bool:
        """Return whether the run was planned to create a grant with `key`."""
        return any(each.key == key for each in self.created)


def _without_organizations(grant: ClientGrant) -> ClientGrant:
    """Remove the organizations from a grant.

    A delete does not depend on organizations, and organizations may be unread.
    """
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
    """A change, its result, and the reason for the result."""

    change: Change
    result: Result
    detail: str = ""


def count_results(outcomes: Iterable[Outcome]) -> dict[Result, int]:
    """Count the outcomes by result. Every result has an entry, even if the count is 0."""
    counted = Counter(outcome.result for outcome in outcomes)
    return {result: counted[result] for result in Result}


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """The result of a run."""

    outcomes: tuple[Outcome, ...]
    """The outcome of each change."""
    remaining: Plan | None
    """The plan after reconciler read the tenant again, or None if that failed."""
    verification_error: str = ""
    """The reason why reconciler could not read the tenant again, or an empty string."""

    @property
    def differences(self) -> tuple[Change, ...]:
        """The remaining changes, or an empty tuple if reconciler did not read the tenant again."""
        return self.remaining.changes if self.remaining and self.outcomes else ()

    @property
    def discarded(self) -> frozenset[Key]:
        """The keys of accepted changes that the tenant lacked when reconciler read the tenant again."""
        applied = {outcome.change.key for outcome in self.outcomes if outcome.result is Result.APPLIED}
        return frozenset(change.key for change in self.differences if change.key in applied)

    @property
    def converged(self) -> bool:
        """Whether reconciler read the tenant again and the tenant matches the files."""
        return self.remaining is not None and self.remaining.converged
