"""Pure: client grants. Files and tenants are both converted to `ClientGrant`."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from reconciler.core.fields import CHANGEABLE, SUBJECT_CLIENT
from reconciler.core.organization_usage import USAGE_DENY

SUBJECT_USER = "user"
SUBJECT_ANONYMOUS = "anonymous_user"
"""Documented by Auth0 since July 2026."""
NOTHING: frozenset[str] = frozenset()

MOST_SETS = 4096
"""The size of the caches below."""


@lru_cache(MOST_SETS)
def set_of(texts: tuple[str, ...]) -> frozenset[str]:
    """Return the set of `texts`. Equal sets are one object, because most grants have one of few sets."""
    return _one_for_all(frozenset(texts))


@lru_cache(MOST_SETS)
def _one_for_all(texts: frozenset[str]) -> frozenset[str]:
    return texts


class Key(NamedTuple):
    """The identity of a grant: the fields that Auth0 cannot change in place. The `cgr_` id is not part of it.

    One of `client_id`, `default_for` and `other_holder` is set. `other_holder` describes a holder of an unknown kind,
    together with the id of the grant. Unknown values of `subject_type` are kept.

    The class is a tuple because tuples are hashed and compared fastest. A run looks up each key about a dozen times.
    """

    client_id: str | None
    audience: str
    subject_type: str = SUBJECT_CLIENT
    default_for: str | None = None
    other_holder: str = ""

    @property
    def holder(self) -> str:
        """The application's id, the group that the grant is the default for, or a description of an unknown holder."""
        return self.client_id or self.default_for or self.other_holder

    @property
    def order(self) -> tuple[str, str, str, str]:
        """The sort key of grants."""
        return (self.client_id or "", self.default_for or self.other_holder, self.audience, self.subject_type)


class ClientGrant(NamedTuple):
    """The permissions of a grant, with defaults filled in. Equal grants need no request.

    With `allow_all_scopes`, `scope` is empty, as in Auth0's responses. `organizations` contains organization ids. It is
    None if the files do not mention organizations, because reconciler does not read them in that case.

    The class is a tuple because a run creates and compares two of them for each grant.
    """

    key: Key
    scope: frozenset[str] = NOTHING
    organization_usage: str = USAGE_DENY
    allow_any_organization: bool = False
    authorization_details_types: frozenset[str] = NOTHING
    allow_all_scopes: bool = False
    organizations: frozenset[str] | None = None


class ObservedGrant(NamedTuple):
    """A client grant of the tenant, with its id.

    `unfamiliar` names the fields of the response that this version does not know and ignores.
    """

    id: str
    grant: ClientGrant
    is_system: bool = False
    unfamiliar: frozenset[str] = NOTHING

    @property
    def key(self) -> Key:
        """The key of the grant."""
        return self.grant.key


def by_key(grants: Iterable[ObservedGrant]) -> Mapping[Key, ObservedGrant]:
    """Index grants by key."""
    return {each.key: each for each in grants}


def as_far_as_told(observed: ClientGrant, desired: ClientGrant) -> ClientGrant:
    """Return `observed`, without its organizations if `desired` does not mention organizations.

    Then equality means converged.
    """
    if desired.organizations is not None or observed.organizations is None:
        return observed
    return observed._replace(organizations=None)


def widens(before: ClientGrant, after: ClientGrant) -> bool:
    """Return whether `after` allows something that `before` does not."""
    return any(
        each.gives(getattr(before, each.name), getattr(after, each.name))
        for each in CHANGEABLE
        if not (each.name == "scope" and before.allow_all_scopes)
    )


def narrows(before: ClientGrant, after: ClientGrant) -> bool:
    """Return whether `before` allows something that `after` does not."""
    return widens(after, before)
