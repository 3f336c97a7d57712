"""Pure: client grants.

Grants from files and grants from tenants both become `ClientGrant` values, which reconciler compares.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from reconciler.core.fields import CHANGEABLE, SUBJECT_CLIENT, USAGE_DENY

SUBJECT_USER = "user"
SUBJECT_ANONYMOUS = "anonymous_user"
"""A subject type that Auth0 has documented since July 2026."""
EMPTY_SET: frozenset[str] = frozenset()

CACHE_SIZE = 4096
"""The maximum number of cached results per function of this module."""


@lru_cache(CACHE_SIZE)
def shared_set(texts: tuple[str, ...]) -> frozenset[str]:
    """Return the set of `texts`.

    Equal sets are the same object, which saves memory, because most grants have the same few sets.
    """
    return _shared(frozenset(texts))


@lru_cache(CACHE_SIZE)
def _shared(texts: frozenset[str]) -> frozenset[str]:
    return texts


class Key(NamedTuple):
    """The identity of a grant: the fields that Auth0 cannot change in place. The key does not contain the `cgr_` id.

    Exactly one of `client_id`, `default_for` and `other_holder` is set. `other_holder` is set if Auth0 returned a grant
    for neither an application nor `default_for`, and contains the id of the grant. `subject_type` may have an unknown
    value.

    The class is a tuple for speed, because a run looks up each key about a dozen times.
    """

    client_id: str | None
    audience: str
    subject_type: str = SUBJECT_CLIENT
    default_for: str | None = None
    other_holder: str = ""

    @property
    def holder(self) -> str:
        """The client id, the value of `default_for`, or the description of an unknown holder."""
        return self.client_id or self.default_for or self.other_holder

    @property
    def order(self) -> tuple[str, str, str, str]:
        """The sort key of a grant in plans and reports."""
        return (self.client_id or "", self.default_for or self.other_holder, self.audience, self.subject_type)


class ClientGrant(NamedTuple):
    """A grant with defaults filled in. If the desired and the observed grant are equal, no request is needed.

    If `allow_all_scopes` is true, `scope` is empty, as in Auth0's responses. `organizations` contains organization ids.
    `organizations` is None if the file lacks the field. reconciler reads the organizations only if the file has the
    field.

    The class is a tuple for speed, because a run creates and compares two `ClientGrant` values for each grant.
    """

    key: Key
    scope: frozenset[str] = EMPTY_SET
    organization_usage: str = USAGE_DENY
    allow_any_organization: bool = False
    authorization_details_types: frozenset[str] = EMPTY_SET
    allow_all_scopes: bool = False
    organizations: frozenset[str] | None = None


class ObservedGrant(NamedTuple):
    """A client grant of the tenant, with its id.

    `unknown_fields` contains the names of response fields that this version of reconciler does not know and ignores.
    """

    id: str
    grant: ClientGrant
    is_system: bool = False
    unknown_fields: frozenset[str] = EMPTY_SET

    @property
    def key(self) -> Key:
        """The key of the grant."""
        return self.grant.key


def index_by_key(grants: Iterable[ObservedGrant]) -> Mapping[Key, ObservedGrant]:
    """Return the observed grants by key."""
    return {each.key: each for each in grants}


def without_undeclared_organizations(observed: ClientGrant, desired: ClientGrant) -> ClientGrant:
    """Remove the organizations from `observed` if `desired` does not declare organizations.

    The result equals `desired` if the tenant has converged.
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
