"""Pure: what a plan may not do. A guard turns changes into blocked ones; no option of `apply` lifts that."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from reconciler.core.directory import Directory
from reconciler.core.expressible import obstacle
from reconciler.core.grant import Key, ObservedGrant
from reconciler.core.pattern import ManagedScope, Match, Protect
from reconciler.core.permissions import WRITING
from reconciler.core.plan import Blocked, Change, Create, Reason, Update, takes_everything


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may change in one run: shares in percent of the managed grants, or numbers that lift them.

    With `needs_number`, no delete is allowed without a number.

    `organization_grants` is Auth0's own limit: how many grants an organization may have, 100 in the public cloud.
    """

    deletes_percent: int = 30
    updates_percent: int = 50
    max_deletes: int | None = None
    max_updates: int | None = None
    needs_number: bool = False
    organization_grants: int = 100


COUNTED_FROM = 10
"""Limits count from so many managed grants up: in a small set every change is a large share (octoDNS's rule)."""


@dataclass(frozen=True, slots=True)
class ProtectionRules:
    """What no change may touch: reconciler's own access, protected grants, and grants that `manage` does not cover.

    `own` is the key of the grant that the access token comes from. `own_applications` has the client ids that
    reconciler.yaml names under `own`. `writers_are_own` is False where a run is undone: what it created for another
    application that may change client grants has to go.
    """

    own: Key
    protect: tuple[Protect, ...] = ()
    border: ManagedScope = field(default_factory=ManagedScope)
    own_applications: frozenset[str] = frozenset()
    writers_are_own: bool = True

    def why_own(self, key: Key, observed: ObservedGrant | None) -> str | None:
        """Return why a grant on the Management API counts as reconciler's own; None if it does not.

        Pipelines plan with one application and apply with another. So the grant of each application that may change
        client grants counts as our own, whichever application runs.
        """
        if key == self.own:
            return "this is the grant by which reconciler itself reaches the tenant"
        if key.audience != self.own.audience:
            return None
        if key.client_id in self.own_applications:
            return "reconciler.yaml names this application under own"
        if self.writers_are_own and observed is not None and not observed.grant.scope.isdisjoint(WRITING):
            return "this application may change client grants, so reconciler may work as it"
        return None

    def reason(self, key: Key, observed: ObservedGrant | None, directory: Directory) -> tuple[Reason, str] | None:
        """Return why the grant may not be touched, in a word and in a sentence; None if it may."""
        if observed is not None and observed.is_system:
            return Reason.SYSTEM, "Auth0 made this grant and lets nobody change it"
        if own := self.why_own(key, observed):
            return Reason.OWN, own
        for protect in self.protect:
            if protect.matches(key, directory) is not Match.NO:
                reason = protect.reason or "reconciler.yaml protects this grant"
                return Reason.PROTECTED, f"{reason} (protect: {protect.why(key, directory)})"
        if outside := self.border.reason_outside(key, directory):
            return Reason.OUTSIDE, outside
        return None

    def reason_to_keep(
        self, observed: ObservedGrant, directory: Directory, *, prunes: bool
    ) -> tuple[Reason, str] | None:
        """Return why a grant that no file declares is left alone, with details if there are some.

        Returns None if the run that `prunes` deletes it.

        A grant that no file can declare is always left alone. A third party's grant is deleted only if `manage` gives
        the id of its application: others depend on it, and third parties choose their names. A default grant is deleted
        only if `manage` says which grants are ours.
        """
        if why := self.reason(observed.key, observed, directory):
            return why[0], why[1] if why[0] is Reason.PROTECTED else ""
        if detail := obstacle(observed.grant):
            return Reason.NOT_EXPRESSIBLE, detail
        if not prunes:
            return Reason.UNMANAGED, ""
        if observed.key.default_for is not None:
            return None if self.border.patterns else (Reason.THIRD_PARTY, "")
        third_party = directory.third_party(observed.key)
        if third_party is False or self.border.spells_out(observed.key, directory):
            return None
        return Reason.THIRD_PARTY, "" if third_party else "not known to be first-party"


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


def forbid_untouchable(changes: Iterable[Change], untouchable: ProtectionRules, directory: Directory) -> Guarded:
    """Forbid the changes that would touch what no change may touch."""

    def reason(change: Change) -> str | None:
        why = untouchable.reason(change.key, None if isinstance(change, Create) else change.before, directory)
        advice = "; remove it from the files" if why and why[0] is Reason.OWN else ""
        return why and f"{why[0]}: {why[1]}{advice}"

    return guarded(changes, reason)


def forbid_too_many(changes: Sequence[Change], limits: Limits, managed: int) -> Guarded:
    """Forbid all changes of a kind that passes its limit. An update that takes all scopes also counts as a delete.

    `managed` counts the grants of the tenant that are declared or to be deleted.
    """
    deletes = [change for change in changes if takes_everything(change)]
    updates = [change for change in changes if isinstance(change, Update)]
    too_many_deletes = _over(len(deletes), "delete", limits.deletes_percent, limits.max_deletes, managed)
    if limits.needs_number and limits.max_deletes is None and deletes:
        too_many_deletes = (
            "limit: no grant is declared, so everything managed would be deleted; "
            f"if that is meant, say so with --max-deletes {len(deletes)}"
        )
    too_many_updates = _over(len(updates), "update", limits.updates_percent, limits.max_updates, managed)

    def reason(change: Change) -> str | None:
        if takes_everything(change) and too_many_deletes:
            return too_many_deletes
        return too_many_updates if isinstance(change, Update) else None

    return guarded(changes, reason)


def _over(count: int, kind: str, percent: int, at_most: int | None, managed: int) -> str | None:
    option = f"--max-{kind}s"
    if at_most is not None:
        return None if count <= at_most else f"limit: {count} {kind}s, {option} allows {at_most}"
    if managed < COUNTED_FROM or count * 100 <= percent * managed:
        return None
    return (
        f"limit: {count} of {managed} managed grants, more than {percent} %; "
        f"if that is meant, say so with {option} {count}"
    )
