"""Pure: the requests of one change, and how far a change has come.

A grant and its organizations are written by separate requests, so a change can stop half-way.
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
    """Remove an organization from the grant."""

    organization: str


Step = Update | Associate | Dissociate


class ChangeState(StrEnum):
    """The progress of a change.

    FOREIGN means that the grant is neither in the first, the last nor an intermediate state.
    """

    NONE = "no"
    HALF = "half its"
    WHOLE = "its whole"
    FOREIGN = "another"


def steps(now: ObservedGrant, after: DesiredGrant) -> tuple[Step, ...]:
    """Return the requests that change the grant from `now` to `after`. Access is given before it is taken.

    If the grant denies organizations now, organizations have no access to lose. Then they are removed first, because
    the new settings would give them access in between.
    """
    fields = tuple(each for each in changed_fields(now.grant, after.grant) if each.field != ORGANIZATIONS)
    settings = (Update(now, after, fields),) if fields else ()
    had, wanted = now.grant.organizations or NOBODY, after.grant.organizations or NOBODY
    given = tuple(Associate(each) for each in sorted(wanted - had))
    taken = tuple(Dissociate(each) for each in sorted(had - wanted))
    let_in = lets_organizations_in(now.grant.organization_usage)
    return (*given, *settings, *taken) if let_in else (*taken, *settings, *given)


def without_organizations(grant: ClientGrant) -> ClientGrant:
    """Return the grant right after its creation, without organizations."""
    return grant if grant.organizations is None else grant._replace(organizations=NOBODY)


def speaks_of_organizations(change: Change) -> bool:
    """Return whether a change compares organizations."""
    return any(grant and grant.organizations is not None for grant in (grant_before(change), grants_after(change)))


def effect(change: Change, now: ClientGrant | None) -> ChangeState:
    """Return the progress of a change. `now` is the current grant with its key, if any."""
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
    if (
        before.allow_all_scopes and not after.allow_all_scopes
    ):  # this may take two requests, see ManagementClient.update
        settings.append(after._replace(scope=frozenset()))
    ours, theirs, wanted = (each.organizations or NOBODY for each in (before, now, after))
    return ours & wanted <= theirs <= ours | wanted and any(
        each._replace(organizations=now.organizations) == now for each in settings
    )
