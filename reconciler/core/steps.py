"""Pure: the requests of a change, and the state of a change that may be incomplete.

Separate requests write a grant and its organizations. A change is incomplete if only some of its requests succeeded.
"""

from dataclasses import dataclass
from enum import StrEnum

from reconciler.core.diff import changed_fields
from reconciler.core.fields import ORGANIZATIONS
from reconciler.core.grant import ClientGrant, ObservedGrant
from reconciler.core.organization_usage import admits_organizations
from reconciler.core.plan import Change, Delete, Update, grant_after, grant_before
from reconciler.core.resolve import DesiredGrant

NO_ORGANIZATIONS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Associate:
    """Add an organization to the grant."""

    organization: str


@dataclass(frozen=True, slots=True)
class Dissociate:
    """Remove an organization from the grant."""

    organization: str


Step = Update | Associate | Dissociate


class ChangeState(StrEnum):
    """The state of a change in the tenant.

    Attributes:
        NONE: The grant is in the state before the change.
        HALF: The grant is in a state between the requests of the change.
        WHOLE: The grant is in the state after the change.
        FOREIGN: The grant is in another state, which the change does not explain.
    """

    NONE = "no"
    HALF = "half its"
    WHOLE = "its whole"
    FOREIGN = "another"


def required_steps(now: ObservedGrant, after: DesiredGrant) -> tuple[Step, ...]:
    """Return the requests that change the grant from `now` to `after`.

    Requests that add access come before requests that remove access. There is one exception. If the grant denies
    organizations now, organizations are removed first. Otherwise, new settings could briefly give them access.
    """
    fields = tuple(each for each in changed_fields(now.grant, after.grant) if each.field != ORGANIZATIONS)
    settings = (Update(now, after, fields),) if fields else ()
    had, wanted = now.grant.organizations or NO_ORGANIZATIONS, after.grant.organizations or NO_ORGANIZATIONS
    given = tuple(Associate(each) for each in sorted(wanted - had))
    taken = tuple(Dissociate(each) for each in sorted(had - wanted))
    let_in = admits_organizations(now.grant.organization_usage)
    return (*given, *settings, *taken) if let_in else (*taken, *settings, *given)


def without_organizations(grant: ClientGrant) -> ClientGrant:
    """Return the grant as the create request leaves it, before organizations are added."""
    return grant if grant.organizations is None else grant._replace(organizations=NO_ORGANIZATIONS)


def knows_organizations(change: Change) -> bool:
    """Return whether the organizations of the grant are known before or after the change."""
    return any(grant and grant.organizations is not None for grant in (grant_before(change), grant_after(change)))


def change_state(change: Change, now: ClientGrant | None) -> ChangeState:
    """Return the state of a change. `now` is the tenant's current grant with this key, or None."""
    if now == grant_after(change):
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
    if before.allow_all_scopes and not after.allow_all_scopes:
        settings.append(after._replace(scope=frozenset()))  # ManagementClient.update may need two requests
    ours, theirs, wanted = (each.organizations or NO_ORGANIZATIONS for each in (before, now, after))
    return ours & wanted <= theirs <= ours | wanted and any(
        each._replace(organizations=now.organizations) == now for each in settings
    )
