"""Pure: the client grant, the one type that both the files and the tenant are turned into."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

WITHOUT_ORGANIZATION = "callers without an organization"
WITH_ORGANIZATION = "callers with an organization"
EVERYBODY = frozenset({WITHOUT_ORGANIZATION, WITH_ORGANIZATION})

CALLERS: Mapping[str, frozenset[str]] = {
    "deny": frozenset({WITHOUT_ORGANIZATION}),
    "require": frozenset({WITH_ORGANIZATION}),
    "allow": EVERYBODY,
}
"""Who may use a grant, for each value. Source: Auth0's documentation of `organization_usage`."""


def gaining(before: str, after: str) -> frozenset[str]:
    """Return the callers that a transition gives access. A value that this version does not know may give it to all."""
    if before == after:
        return frozenset()
    return CALLERS.get(after, EVERYBODY) - CALLERS.get(before, frozenset())


def losing(before: str, after: str) -> frozenset[str]:
    """Return the callers from which a transition takes access. A value that is not known may take it from all."""
    return gaining(after, before)


def lets_organizations_in(usage: str) -> bool:
    """Return whether callers with an organization may use a grant with this value."""
    return WITH_ORGANIZATION in CALLERS.get(usage, EVERYBODY)


def effect_of(before: str, after: str) -> str:
    """Return what a transition does, as a sentence without a full stop; empty if it does nothing."""
    gains, losses = sorted(gaining(before, after)), sorted(losing(before, after))
    parts = [f"{' and '.join(gains)} gain access"] if gains else []
    parts += [f"{' and '.join(losses)} lose access"] if losses else []
    return "; ".join(parts)


SUBJECT_CLIENT = "client"
SUBJECT_USER = "user"
SUBJECT_ANONYMOUS = "anonymous_user"
"""Documented by Auth0 since July 2026."""
USAGE_DENY = "deny"
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
    return bool(
        (after.scope - before.scope and not before.allow_all_scopes)
        or (after.allow_all_scopes and not before.allow_all_scopes)
        or after.authorization_details_types - before.authorization_details_types
        or gaining(before.organization_usage, after.organization_usage)
        or (after.allow_any_organization and not before.allow_any_organization)
        or (after.organizations or frozenset()) - (before.organizations or frozenset())
    )


def narrows(before: ClientGrant, after: ClientGrant) -> bool:
    """Return whether something that `before` allows is not allowed by `after` any more."""
    loses_scopes = before.allow_all_scopes or not before.scope <= after.scope
    return bool(
        (loses_scopes and not after.allow_all_scopes)
        or not before.authorization_details_types <= after.authorization_details_types
        or losing(before.organization_usage, after.organization_usage)
        or (before.allow_any_organization and not after.allow_any_organization)
        or not (before.organizations or frozenset()) <= (after.organizations or frozenset())
    )
