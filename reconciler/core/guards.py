"""Pure: what a plan may not do. A guard turns changes into blocked ones; no option of `apply` lifts that."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from reconciler.core.declarable import obstacle
from reconciler.core.directory import Directory
from reconciler.core.grant import Key, ObservedGrant
from reconciler.core.limits import Limits
from reconciler.core.pattern import Border, Protect
from reconciler.core.plan import Blocked, Change, Create, Delete, Reason, Update

COUNTED_FROM = 10
"""Limits count from so many managed grants up: in a small set every change is a large share (octoDNS's rule)."""


@dataclass(frozen=True, slots=True)
class Untouchable:
    """What no change may touch: the tool's own access, what the configuration protects, what lies beyond the border."""

    own: Key
    protect: tuple[Protect, ...] = ()
    border: Border = field(default_factory=Border)

    def reason(self, key: Key, observed: ObservedGrant | None, directory: Directory) -> tuple[Reason, str] | None:
        """Return why the grant may not be touched, in a word and in a sentence; None if it may."""
        if observed is not None and observed.is_system:
            return Reason.SYSTEM, "Auth0 made this grant and lets nobody change it"
        if key == self.own:
            return Reason.OWN, "this is the grant by which reconciler itself reaches the tenant"
        for protect in self.protect:
            if protect.covers(key, directory):
                return Reason.PROTECTED, protect.reason or "reconciler.yaml protects this grant"
        if not self.border.surrounds(key, directory):
            return Reason.OUTSIDE, "manage in reconciler.yaml does not cover this grant"
        return None

    def reason_to_keep(self, observed: ObservedGrant, directory: Directory, *, prunes: bool) -> Reason | None:
        """Return why a grant that no file declares is left alone; None if the run that `prunes` deletes it.

        A grant that no file can declare is always left alone. A third party's grant is deleted only if `manage` names
        its application: others depend on it. A default grant is deleted only if `manage` says which grants are ours.
        """
        if why := self.reason(observed.key, observed, directory):
            return why[0]
        if obstacle(observed.grant):
            return Reason.NOT_EXPRESSIBLE
        if not prunes:
            return Reason.UNMANAGED
        if observed.key.default_for is not None:
            return None if self.border.patterns else Reason.THIRD_PARTY
        spared = directory.third_party(observed.key) is not False and not self.border.names(observed.key, directory)
        return Reason.THIRD_PARTY if spared else None


Guarded = tuple[tuple[Change, ...], tuple[Blocked, ...]]
"""The changes that a guard lets pass, and those that it forbids."""


def guarded(changes: Iterable[Change], reason: Callable[[Change], str | None]) -> Guarded:
    """Return what becomes of changes where `reason` says why one must not be made, or nothing if it may."""
    allowed: list[Change] = []
    blocked: list[Blocked] = []
    for change in changes:
        if why := reason(change):
            blocked.append(Blocked(change, why))
        else:
            allowed.append(change)
    return tuple(allowed), tuple(blocked)


def forbid_untouchable(changes: Iterable[Change], untouchable: Untouchable, directory: Directory) -> Guarded:
    """Forbid the changes that would touch what no change may touch."""

    def reason(change: Change) -> str | None:
        why = untouchable.reason(change.key, None if isinstance(change, Create) else change.before, directory)
        return why and f"{why[0]}: {why[1]}"

    return guarded(changes, reason)


def forbid_too_many(changes: Sequence[Change], limits: Limits, managed: int) -> Guarded:
    """Forbid all changes of a kind that passes its limit.

    `managed` counts the grants of the tenant that are declared or to be deleted.
    """
    reasons: dict[type, str | None] = {
        Update: _over(changes, Update, limits.updates_percent, limits.max_updates, managed),
        Delete: _over(changes, Delete, limits.deletes_percent, limits.max_deletes, managed),
    }
    return guarded(changes, lambda change: reasons.get(type(change)))


def _over(
    changes: Sequence[Change],
    kind: type[Update | Delete],
    percent: int,
    at_most: int | None,
    managed: int,
) -> str | None:
    count = sum(isinstance(change, kind) for change in changes)
    option = f"--max-{kind.__name__.lower()}s"
    if at_most is not None:
        return None if count <= at_most else f"limit: {count} {kind.__name__.lower()}s, {option} allows {at_most}"
    if managed < COUNTED_FROM or count * 100 <= percent * managed:
        return None
    return (
        f"limit: {count} of {managed} managed grants, more than {percent} %; "
        f"if that is meant, say so with {option} {count}"
    )
