"""Pure: what a transition of `organization_usage` gives to callers and takes from them."""

from collections.abc import Mapping

USAGE_DENY = "deny"
WITHOUT_ORGANIZATION = "callers without an organization"
WITH_ORGANIZATION = "callers with an organization"
EVERYBODY = frozenset({WITHOUT_ORGANIZATION, WITH_ORGANIZATION})

CALLERS: Mapping[str, frozenset[str]] = {
    USAGE_DENY: frozenset({WITHOUT_ORGANIZATION}),
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
