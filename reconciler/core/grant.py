"""Pure: the client grant, the one type that both the files and the tenant are turned into."""

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
"""How many are remembered."""


@lru_cache(MOST_SETS)
def set_of(texts: tuple[str, ...]) -> frozenset[str]:
    """Return `texts` without their order, and one set for all that are equal: grants have few different ones."""
    return _one_for_all(frozenset(texts))


@lru_cache(MOST_SETS)
def _one_for_all(texts: frozenset[str]) -> frozenset[str]:
    return texts


class Key(NamedTuple):
    """A grant's identity: exactly what Auth0 cannot change in place. Never the `cgr_` id.

    One of `client_id`, `default_for` and `other_holder` is set. `other_holder` describes a holder of a kind that this
    version does not know, with the grant's id. Unknown values of `subject_type` are kept as they are.
    A tuple, because it is looked up a dozen times for each grant, and nothing is compared and hashed as fast.
    """

    client_id: str | None
    audience: str
    subject_type: str = SUBJECT_CLIENT
    default_for: str | None = None
    other_holder: str = ""

    @property
    def holder(self) -> str:
        """Who holds the grant: the application's id, the group it is the default for, or a description."""
        return self.client_id or self.default_for or self.other_holder

    @property
    def order(self) -> tuple[str, str, str, str]:
        """What grants are sorted by."""
        return (self.client_id or "", self.default_for or self.other_holder, self.audience, self.subject_type)


class ClientGrant(NamedTuple):
    """What a grant allows. Defaults are filled in, sets have no order: two equal grants need no call.

    With `allow_all_scopes` the scope set is empty, as in Auth0's answers. `organizations` are the ids of those that may
    use the grant; None says nothing about them: the files do not, so that they were not read either.
    A tuple, as its key is: two are made for each grant, and compared.
    """

    key: Key
    scope: frozenset[str] = NOTHING
    organization_usage: str = USAGE_DENY
    allow_any_organization: bool = False
    authorization_details_types: frozenset[str] = NOTHING
    allow_all_scopes: bool = False
    organizations: frozenset[str] | None = None


class ObservedGrant(NamedTuple):
    """A client grant as the tenant has it, with the id under which it is addressed.

    `unfamiliar` names the fields in the tenant's answer that this version does not know and ignores.
    A tuple, as what it holds is.
    """

    id: str
    grant: ClientGrant
    is_system: bool = False
    unfamiliar: frozenset[str] = NOTHING

    @property
    def key(self) -> Key:
        """The grant's key."""
        return self.grant.key


def by_key(grants: Iterable[ObservedGrant]) -> Mapping[Key, ObservedGrant]:
    """Return grants as they are looked for."""
    return {each.key: each for each in grants}


def as_far_as_told(observed: ClientGrant, desired: ClientGrant) -> ClientGrant:
    """Return `observed` without organizations where `desired` says nothing about them: then equal means converged."""
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
