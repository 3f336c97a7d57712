"""Pure: tells of each change whether the files have moved since a base, the tenant has, or both."""

from collections.abc import Iterable, Mapping

from reconciler.core.desired import DesiredGrant
from reconciler.core.grant import ClientGrant, Key, as_far_as_told
from reconciler.core.origin import Origin
from reconciler.core.plan import Change, grant_before, grants_after


def all_origins(changes: Iterable[Change], base: Iterable[DesiredGrant]) -> Mapping[Key, Origin]:
    """Return where each change comes from, seen from `base`: what the files declared before this branch."""
    declared = {each.key: each.grant for each in base}
    return {change.key: _origin(change, declared.get(change.key)) for change in changes}


def _origin(change: Change, base: ClientGrant | None) -> Origin:
    if base == grants_after(change):
        return Origin.DRIFT  # the files say what they said: it is the tenant that has moved
    before = grant_before(change)
    return Origin.BRANCH if before == base or (before and base and _agree(before, base)) else Origin.BOTH


def _agree(before: ClientGrant, base: ClientGrant) -> bool:
    """Return whether both are equal in what both tell of: organizations may have been declared, and read, on a side."""
    return as_far_as_told(before, base) == as_far_as_told(base, before)
