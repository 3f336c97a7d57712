"""Pure: which lists of the tenant a change needs, from the declarations of the checks and the risk rules."""

from collections.abc import Iterable

from reconciler.core.checks import lists_that_matter
from reconciler.core.desired import resolve
from reconciler.core.directory import Directory, TenantList
from reconciler.core.grant import ObservedGrant, by_key, widens
from reconciler.core.risks import LISTS_OF_RULES
from reconciler.core.spec import GrantSpec


def lists_for_changes(
    specs: Iterable[GrantSpec], grants: Iterable[ObservedGrant], directory: Directory
) -> frozenset[TenantList]:
    """Return the lists that are neither read nor refused, and that are needed to judge what `specs` create or widen.

    Returns nothing if nothing is created or widened.
    """
    missing = frozenset(TenantList) - directory.settled
    if not missing:
        return frozenset()
    observed, needed = by_key(grants), set[TenantList]()
    for each in resolve(specs, directory)[0]:
        before = observed.get(each.key)
        if before is not None and (before.grant == each.grant or not widens(before.grant, each.grant)):
            continue
        needed |= LISTS_OF_RULES | lists_that_matter(each, before, directory)
        if missing <= needed:
            break
    return missing & needed
