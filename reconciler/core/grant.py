"""Client grants.

To compare declared grants with the tenant's grants, reconciler converts every grant to a `ClientGrant`.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from reconciler.core.fields import CHANGEABLE, SUBJECT_CLIENT, USAGE_DENY, admits_callers_without_organization

SUBJECT_USER = "user"
SUBJECT_ANONYMOUS = "anonymous_user"
"""The subject type `anonymous_user`, which Auth0 has documented since July 2026."""
EMPTY_SET: frozenset[str] = frozenset()

CACHE_SIZE = 4096
"""The maximum number of cached results per function of the module."""


@lru_cache(CACHE_SIZE)
def shared_set(texts: tuple[str, ...]) -> frozenset[str]:
    """Return a frozenset of the strings in `texts`.

    Return the same object for equal sets. Reusing set objects saves memory, because many grants have equal scopes.
    """
    return _shared(frozenset(texts))


@lru_cache(CACHE_SIZE)
def _shared(texts: frozenset[str]) -> frozenset[str]:
    return texts


class Key(NamedTuple):
    """The fields that identify a grant. Auth0 cannot change the identifying fields of an existing grant.

    The id that Auth0 gives to a grant (`cgr_…`) is not one of the identifying fields.

    Exactly one of `client_id`, `default_for` and `other_holder` is set. If neither `client_id` nor `default_for` is
    set, `other_holder` describes who may use the grant. `subject_type` may have a value that is unknown to the running
    version of reconciler.

    The class is a NamedTuple for speed, because a run looks up each grant about a dozen times.
    """

    client_id: str | None
    audience: str
    subject_type: str = SUBJECT_CLIENT
    default_for: str | None = None
    other_holder: str = ""

    @property
    def holder(self) -> str:
        """The client id, the value of `default_for`, or a description of a grant without an application."""
        return self.client_id or self.default_for or self.other_holder

    @property
    def order(self) -> tuple[str, str, str, str]:
        """The sort key that orders grants by ids, and not by names."""
        return (self.client_id or "", self.default_for or self.other_holder, self.audience, self.subject_type)


class ClientGrant(NamedTuple):
    """A client grant. If the grant file or Auth0 omits a field, the attribute contains the default value.

    reconciler sends no request for a declared grant that is equal to the tenant's grant.

    If `allow_all_scopes` is true, `scope` is empty, as in Auth0's responses. `organizations` contains organization ids.
    `organizations` is None if the grant file omits the field `organizations`, or if reconciler has not read the
    organizations.

    The class is a tuple for speed, because a run creates and compares two `ClientGrant` objects for each grant.
    """

    key: Key
    scope: frozenset[str] = EMPTY_SET
    organization_usage: str = USAGE_DENY
    allow_any_organization: bool = False
    authorization_details_types: frozenset[str] = EMPTY_SET
    allow_all_scopes: bool = False
    organizations: frozenset[str] | None = None


class ObservedGrant(NamedTuple):
    """A client grant of the tenant, with the id of the grant.

    `unknown_fields` contains the names of fields in Auth0's response that reconciler does not know and ignores.
    """

    id: str
    grant: ClientGrant
    is_system: bool = False
    unknown_fields: frozenset[str] = EMPTY_SET

    @property
    def key(self) -> Key:
        """The fields that identify the grant: application, API and subject type."""
        return self.grant.key


def index_by_key(grants: Iterable[ObservedGrant]) -> Mapping[Key, ObservedGrant]:
    """Index the tenant's grants by application, API and subject type."""
    return {each.key: each for each in grants}


def without_undeclared_organizations(observed: ClientGrant, desired: ClientGrant) -> ClientGrant:
    """Remove the organizations from the tenant's grant if the declared grant has no field `organizations`.

    The returned grant is equal to `desired` if the tenant's grant needs no change.
    """
    if desired.organizations is not None or observed.organizations is None:
        return observed
    return observed._replace(organizations=None)


def widens(before: ClientGrant, after: ClientGrant) -> bool:
    """Return whether `after` allows access that `before` does not allow."""
    return any(
        each.widens_access(getattr(before, each.name), getattr(after, each.name))
        for each in CHANGEABLE
        if not (each.name == "scope" and before.allow_all_scopes)
    )


def narrows(before: ClientGrant, after: ClientGrant) -> bool:
    """Return whether `before` allows access that `after` does not allow."""
    return widens(after, before)


def loses_all_access(before: ClientGrant, after: ClientGrant) -> bool:
    """Return whether a change of a grant removes all its scopes or excludes all its callers."""
    return any(has(before) and not has(after) for has in (has_scopes, has_callers))


def has_scopes(grant: ClientGrant) -> bool:
    """Return whether a grant has any scope."""
    return grant.allow_all_scopes or bool(grant.scope)


def has_callers(grant: ClientGrant) -> bool:
    """Return whether any caller may use a grant. A grant that requires an organization but has none has no callers."""
    return (
        admits_callers_without_organization(grant.organization_usage)
        or grant.allow_any_organization
        or grant.organizations != EMPTY_SET
    )
