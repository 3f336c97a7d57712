"""Pure: the callers that gain or lose access when `organization_usage` changes."""

from collections.abc import Mapping

USAGE_DENY = "deny"
WITHOUT_ORGANIZATION = "callers without an organization"
WITH_ORGANIZATION = "callers with an organization"
ALL_CALLERS = frozenset({WITHOUT_ORGANIZATION, WITH_ORGANIZATION})

CALLERS: Mapping[str, frozenset[str]] = {
    USAGE_DENY: frozenset({WITHOUT_ORGANIZATION}),
    "require": frozenset({WITH_ORGANIZATION}),
    "allow": ALL_CALLERS,
}
"""The callers that may use a grant, for each value. Source: Auth0's documentation of `organization_usage`."""


def callers_gaining_access(before: str, after: str) -> frozenset[str]:
    """Return the callers that gain access. An unknown value of `after` counts as access for all callers."""
    if before == after:
        return frozenset()
    return CALLERS.get(after, ALL_CALLERS) - CALLERS.get(before, frozenset())


def callers_losing_access(before: str, after: str) -> frozenset[str]:
    """Return the callers that lose access. An unknown value of `before` counts as access for all callers."""
    return callers_gaining_access(after, before)


def admits_organizations(usage: str) -> bool:
    """Return whether callers with an organization may use a grant with this value."""
    return WITH_ORGANIZATION in CALLERS.get(usage, ALL_CALLERS)


def describe_effect(before: str, after: str) -> str:
    """Describe the effect of a change, without a full stop. If the value does not change, return an empty text."""
    gains, losses = sorted(callers_gaining_access(before, after)), sorted(callers_losing_access(before, after))
    parts = [f"{' and '.join(gains)} gain access"] if gains else []
    parts += [f"{' and '.join(losses)} lose access"] if losses else []
    return "; ".join(parts)
