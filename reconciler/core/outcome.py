"""Determine the requests that apply a change, and describe the results of a run."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from reconciler.core.diff import changed_fields
from reconciler.core.fields import ORGANIZATIONS, admits_organizations
from reconciler.core.grant import ClientGrant, Key, ObservedGrant
from reconciler.core.plan import Change, Delete, Plan, Update, grant_after, grant_before
from reconciler.core.resolve import DesiredGrant

NO_ORGANIZATIONS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Associate:
    """The request that assigns an organization to a grant."""

    organization: str


@dataclass(frozen=True, slots=True)
class Dissociate:
    """The request that removes an assigned organization from a grant."""

    organization: str


Step = Update | Associate | Dissociate


class ChangeState(StrEnum):
    """How far a change has been made in the tenant: not started, partly done, done, or unclear."""

    BEFORE = "before"
    """The grant is unchanged, so none of the requests for the change has taken effect."""
    PARTIAL = "partial"
    """Only some requests of the change have taken effect."""
    AFTER = "after"
    """The grant is in the planned final state, so all requests of the change have taken effect."""
    OTHER = "other"
    """The grant is in an unexpected state, for example because somebody else changed the grant."""


def required_steps(now: ObservedGrant, after: DesiredGrant) -> tuple[Step, ...]:
    """Return the requests that make the tenant's grant `now` match the declared grant `after`.

    Requests that add access usually come before requests that remove access. If the grant currently denies
    organizations, requests that remove organizations come first. Removing organizations first prevents new settings
    from briefly giving access to a removed organization.
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
    """Remove the organizations from a grant, because Auth0 creates grants without organizations."""
    return grant if grant.organizations is None else grant._replace(organizations=NO_ORGANIZATIONS)


def knows_organizations(change: Change) -> bool:
    """Return whether reconciler knows the organizations of a grant, either before or after a change."""
    return any(grant and grant.organizations is not None for grant in (grant_before(change), grant_after(change)))


def change_state(change: Change, now: ClientGrant | None) -> ChangeState:
    """Compare the tenant's grant with the planned change, and return the state of the change.

    `now` is the current grant in the tenant, or None if the tenant does not have the grant.
    """
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
        settings.append(after._replace(scope=frozenset()))  # `ManagementClient.update` may send two requests
    old, current, new = (each.organizations or NO_ORGANIZATIONS for each in (before, now, after))
    return old & new <= current <= old | new and any(
        each._replace(organizations=now.organizations) == now for each in settings
    )


CREATED_AND_CHANGED = "the run created this grant, but the grant changed afterwards, so the grant is not deleted"
CREATED_AND_KEPT = "created by the run"


class Rollback(NamedTuple):
    """The run that a rollback undoes.

    The attributes are the run's id, the tenant's name and domain, and the grants that the run planned to create.
    """

    run: str
    tenant: str
    domain: str
    created: tuple[ClientGrant, ...]

    def deletes(self, observed: ObservedGrant) -> bool:
        """Return whether the rollback deletes a grant of the tenant.

        A rollback deletes a grant that the run planned to create, unless the grant's settings have changed.
        """
        return any(_without_organizations(each) == _without_organizations(observed.grant) for each in self.created)

    def planned_to_create(self, key: Key) -> bool:
        """Return whether the run planned to create the grant with the identity `key`."""
        return any(each.key == key for each in self.created)


def _without_organizations(grant: ClientGrant) -> ClientGrant:
    """Remove the organizations from a grant before a comparison.

    The comparison ignores organizations, because reconciler does not read the organizations of every grant.
    """
    return grant._replace(organizations=None)


class Result(StrEnum):
    """The result of a change, such as `applied` or `failed`."""

    APPLIED = "applied"
    FAILED = "failed"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


class Outcome(NamedTuple):
    """A change of a plan, with the result and an explanation."""

    change: Change
    result: Result
    detail: str = ""


def count_results(outcomes: Iterable[Outcome]) -> dict[Result, int]:
    """Count the changes by result.

    The returned dictionary contains every possible result, even if no change has the result.
    """
    counted = Counter(outcome.result for outcome in outcomes)
    return {result: counted[result] for result in Result}


class ApplyReport(NamedTuple):
    """The results of a run of `apply`."""

    outcomes: tuple[Outcome, ...]
    """The result of each change in the plan."""
    remaining: Plan | None
    """The plan that reconciler computed after the run, or None if reconciler could not read the tenant."""
    verification_error: str = ""
    """The reason why reconciler could not read the tenant after the run, or an empty string."""

    @property
    def differences(self) -> tuple[Change, ...]:
        """The changes that the tenant still needs after the run, or an empty tuple if `remaining` is None."""
        return self.remaining.changes if self.remaining and self.outcomes else ()

    @property
    def discarded(self) -> frozenset[Key]:
        """The grants that still differ from the plan after the run, although Auth0 accepted the change."""
        applied = {outcome.change.key for outcome in self.outcomes if outcome.result is Result.APPLIED}
        return frozenset(change.key for change in self.differences if change.key in applied)

    @property
    def converged(self) -> bool:
        """True if a check after the run showed that the tenant matches the files."""
        return self.remaining is not None and self.remaining.converged
