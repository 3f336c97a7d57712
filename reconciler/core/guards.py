"""Guards. A guard (a limit or protection) refuses dangerous changes. No option of `apply` disables a guard."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from reconciler.core.characters import pluralize
from reconciler.core.directory import Directory
from reconciler.core.expressible import reason_not_expressible
from reconciler.core.grant import Key, ObservedGrant
from reconciler.core.pattern import ManagedScope, Match, Protect
from reconciler.core.permissions import WRITE_PERMISSIONS
from reconciler.core.plan import Blocked, Change, Create, Reason, Update, removes_all_access
from reconciler.core.problems import Problem
from reconciler.core.resolve import DesiredGrant
from reconciler.core.settings import Limits

MIN_GRANTS_FOR_PERCENTAGES = 10
"""The percentage limits apply only to plans for at least this number of grants.

In a plan for few grants, a single change is already a large percentage.
"""


class ProtectionRules(NamedTuple):
    """The rules that decide which grants reconciler must not change."""

    own: Key
    """The application, API and subject type of the grant that gives reconciler access to the tenant."""
    protect: tuple[Protect, ...] = ()
    """The patterns of `protect` in reconciler.yaml, which match the grants that reconciler must not change."""
    managed_scope: ManagedScope = ManagedScope()
    """The items of `manage` in reconciler.yaml, which match the grants that reconciler may change."""
    own_applications: frozenset[str] = frozenset()
    """The client ids under `own` in reconciler.yaml, which belong to applications that may run reconciler."""
    writers_are_own: bool = True
    """True if every application that may change client grants is treated as one of reconciler's own applications.

    A rollback sets `writers_are_own` to False, so that the rollback can delete any grant that an earlier run created.
    """

    def reason_own(self, key: Key, observed: ObservedGrant | None) -> str | None:
        """Return the reason why a grant counts as one of reconciler's own grants on the Management API.

        Return None if a grant does not belong to an application that runs reconciler.

        Different pipelines may run reconciler as different applications. If an application may change client grants,
        reconciler treats the application as one of its own.
        """
        if key == self.own:
            return "reconciler uses this grant to access the tenant"
        if key.audience != self.own.audience:
            return None
        if key.client_id in self.own_applications:
            return "reconciler.yaml lists this application under `own`"
        if self.writers_are_own and observed is not None and not observed.grant.scope.isdisjoint(WRITE_PERMISSIONS):
            return "this application may change client grants, so reconciler may run as this application"
        return None

    def is_own(self, change: Change) -> bool:
        """Return whether a change concerns one of reconciler's own grants on the Management API."""
        return self.reason_own(change.key, None if isinstance(change, Create) else change.before) is not None

    def reason(self, key: Key, observed: ObservedGrant | None, directory: Directory) -> tuple[Reason, str] | None:
        """Return the reason why reconciler must not change a grant, and an explanation of the reason.

        Return None if reconciler is allowed to change the grant.
        """
        if observed is not None and observed.is_system:
            return Reason.SYSTEM, "Auth0 created this grant and does not allow changes"
        if own := self.reason_own(key, observed):
            return Reason.OWN, own
        for protect in self.protect:
            if protect.matches(key, directory) is not Match.NO:
                reason = protect.reason or "reconciler.yaml protects this grant"
                return Reason.PROTECTED, f"{reason} (protect: {protect.describe(key, directory)})"
        if outside := self.managed_scope.reason_not_included(key, directory):
            return Reason.OUTSIDE, outside
        return None

    def reason_to_keep(
        self, observed: ObservedGrant, directory: Directory, *, prunes: bool
    ) -> tuple[Reason, str] | None:
        """Return the `Reason` why reconciler keeps an undeclared grant, and a text with details.

        Return None if `--prune` deletes the grant.

        reconciler always keeps a grant that a grant file cannot express. A third-party application's grant is deleted
        only if `manage` contains the application's client id. An application name does not identify a third-party
        application, because a third party can choose any name. reconciler keeps all default grants (`default_for`) if
        `manage` contains no patterns.
        """
        if why := self.reason(observed.key, observed, directory):
            return why[0], why[1] if why[0] is Reason.PROTECTED else ""
        if detail := reason_not_expressible(observed.grant):
            return Reason.NOT_EXPRESSIBLE, detail
        if not prunes:
            return Reason.UNMANAGED, ""
        if observed.key.default_for is not None:
            return None if self.managed_scope.patterns else (Reason.THIRD_PARTY, "")
        third_party = directory.third_party(observed.key)
        if third_party is False or self.managed_scope.has_exact_id(observed.key, directory):
            return None
        return Reason.THIRD_PARTY, "" if third_party else "the application might belong to a third party"


AllowedAndBlocked = tuple[tuple[Change, ...], tuple[Blocked, ...]]
"""The allowed changes, and the changes that a guard blocks."""


def block_changes(changes: Iterable[Change], reason: Callable[[Change], str | None]) -> AllowedAndBlocked:
    """Split changes into allowed changes and blocked changes.

    A change is blocked if the function `reason` returns a reason for blocking the change.
    """
    allowed: list[Change] = []
    blocked: list[Blocked] = []
    for change in changes:
        if why := reason(change):
            blocked.append(Blocked(change, why))
        else:
            allowed.append(change)
    return tuple(allowed), tuple(blocked)


def forbid_protected(changes: Iterable[Change], protection: ProtectionRules, directory: Directory) -> AllowedAndBlocked:
    """Block each change that the protection rules forbid, such as a change to one of reconciler's own grants."""

    def reason(change: Change) -> str | None:
        why = protection.reason(change.key, None if isinstance(change, Create) else change.before, directory)
        advice = "; remove the grant from the files" if why and why[0] is Reason.OWN else ""
        return why and f"{why[0]}: {why[1]}{advice}"

    return block_changes(changes, reason)


def managed_problems(
    desired: Iterable[DesiredGrant],
    managed_scope: ManagedScope,
    directory: Directory,
) -> tuple[Problem, ...]:
    """Return a problem for each declared grant that the setting `manage` does not match."""
    if not managed_scope.patterns:
        return ()
    reasons = ((each, managed_scope.reason_not_included(each.key, directory)) for each in desired)
    fix = "add the grant to `manage`, or remove the declaration"
    return tuple(Problem(each.spec.source, reason, fix) for each, reason in reasons if reason)


def forbid_over_limit(changes: Sequence[Change], limits: Limits, total: int) -> AllowedAndBlocked:
    """If the plan has more deletes than the limit allows, block all deletes.

    If the plan has more updates than the limit allows, block all updates.

    An update that removes all scopes or all callers of a grant counts both as an update and as a delete. `total` is the
    number of declared grants that exist in the tenant, plus the number of undeclared and expired grants that the plan
    deletes. `total` excludes all other undeclared grants, so that many undeclared grants do not weaken the limits.
    """
    deletes = [change for change in changes if removes_all_access(change)]
    updates = [change for change in changes if isinstance(change, Update)]
    too_many_deletes = _limit_reason(len(deletes), "delete", limits.deletes_percent, limits.max_deletes, total)
    if limits.requires_max_deletes and limits.max_deletes is None and deletes:
        too_many_deletes = (
            "limit: the files declare no grant, so all managed grants would be deleted; "
            f"to allow this, use --max-deletes {len(deletes)}"
        )
    too_many_updates = _limit_reason(len(updates), "update", limits.updates_percent, limits.max_updates, total)

    def reason(change: Change) -> str | None:
        if removes_all_access(change) and too_many_deletes:
            return too_many_deletes
        return too_many_updates if isinstance(change, Update) else None

    return block_changes(changes, reason)


def _limit_reason(count: int, kind: str, percent: int, at_most: int | None, total: int) -> str | None:
    option = f"--max-{kind}s"
    if at_most is not None:
        return None if count <= at_most else f"limit: {count} {kind}s, {option} allows {at_most}"
    if total < MIN_GRANTS_FOR_PERCENTAGES or count * 100 <= percent * total:
        return None
    return (
        f"limit: {pluralize(count, kind)}, more than {percent} % of {total} declared or deleted grants; "
        f"to allow this, use {option} {count}"
    )
