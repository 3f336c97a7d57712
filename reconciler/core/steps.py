"""Pure: the calls that one change takes, and how far it has come by what the tenant has now.

A grant and its organizations are written by a call each, so that a change can stop half-way.
"""

from dataclasses import dataclass
from enum import StrEnum

from reconciler.core.diff import changed_fields
from reconciler.core.fields import ORGANIZATIONS
from reconciler.core.grant import ClientGrant, ObservedGrant
from reconciler.core.organization_usage import lets_organizations_in
from reconciler.core.plan import Change, Delete, Update, grant_before, grants_after
from reconciler.core.resolve import DesiredGrant

NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Associate:
    """Let an organization use the grant."""

    organization: str


@dataclass(frozen=True, slots=True)
class Dissociate:
    """Keep an organization from using the grant."""

    organization: str


Step = Update | Associate | Dissociate


class ChangeState(StrEnum):
    """How far a change has come; FOREIGN: what the tenant has is neither its begin nor its end, nor in between."""

    NONE = "no"
    HALF = "half its"
    WHOLE = "its whole"
    FOREIGN = "another"


def steps(now: ObservedGrant, after: DesiredGrant) -> tuple[Step, ...]:
    """Return the calls that lead from what the tenant has `now` to `after`: access is given before it is taken.

    Where organizations are denied now, none has access that it could lose: those that are to go do so first, or the
    settings would let them in meanwhile.
    """
    fields = tuple(each for each in changed_fields(now.grant, after.grant) if each.field != ORGANIZATIONS)
    settings = (Update(now, after, fields),) if fields else ()
    had, wanted = now.grant.organizations or NOBODY, after.grant.organizations or NOBODY
    given = tuple(Associate(each) for each in sorted(wanted - had))
    taken = tuple(Dissociate(each) for each in sorted(had - wanted))
    let_in = lets_organizations_in(now.grant.organization_usage)
    return (*given, *settings, *taken) if let_in else (*taken, *settings, *given)


def without_organizations(grant: ClientGrant) -> ClientGrant:
    """Return the grant as it is right after its creation."""
    return grant if grant.organizations is None else grant._replace(organizations=NOBODY)


def speaks_of_organizations(change: Change) -> bool:
    """Return whether organizations are part of what `change` compares."""
    return any(grant and grant.organizations is not None for grant in (grant_before(change), grants_after(change)))


def effect(change: Change, now: ClientGrant | None) -> ChangeState:
    """Return how far `change` has come where the tenant has `now` under its key."""
    if now == grants_after(change):
        return ChangeState.WHOLE
    if now == grant_before(change):
        return ChangeState.NONE
    if now is None or isinstance(change, Delete):
        return ChangeState.FOREIGN
    after = change.after.grant
    before = grant_before(change) or without_organizations(after)
    return ChangeState.HALF if _is_between(before, now, after) else ChangeState.FOREIGN


def _is_between(before: ClientGrant, now: ClientGrant, after: ClientGrant) -> bool:
    settings = [before, after]
    if before.allow_all_scopes and not after.allow_all_scopes:  # it may take two steps, see ManagementClient.update
        settings.append(after._replace(scope=frozenset()))
    ours, theirs, wanted = (each.organizations or NOBODY for each in (before, now, after))
    return ours & wanted <= theirs <= ours | wanted and any(
        each._replace(organizations=now.organizations) == now for each in settings
    )
