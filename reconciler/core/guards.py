"""Pure: guards turn changes into blocked changes. No option of `apply` removes a guard."""

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
    """The limits of a run: percentages of the managed grants, or numbers that replace them.

    With `needs_number`, a delete needs a number. `organization_grants` is Auth0's own limit of grants per organization,
    which is 100 in the public cloud.
    """

    deletes_percent: int = 30
    updates_percent: int = 50
    max_deletes: int | None = None
    max_updates: int | None = None
    needs_number: bool = False
    organization_grants: int = 100


COUNTED_FROM = 10
"""Limits apply from this number of managed grants.

In a small set, every change is a large share. octoDNS has this rule.
"""


@dataclass(frozen=True, slots=True)
class ProtectionRules:
    """Protection rules: own grants, protected grants, and grants that `manage` does not match.

    `own` is the key of the grant that the access token comes from. `own_applications` has the client ids under `own` in
    reconciler.yaml. `writers_are_own` is false for a rollback: it must be able to delete a grant that the run created
    for an application that may change client grants.
    """

    own: Key
    protect: tuple[Protect, ...] = ()
    border: ManagedScope = field(default_factory=ManagedScope)
    own_applications: frozenset[str] = frozenset()
    writers_are_own: bool = True

    def why_own(self, key: Key, observed: ObservedGrant | None) -> str | None:
        """Return the reason why a grant on the Management API counts as own, or None.

        Pipelines plan with one application and apply with another. The grant of every application that may change
        client grants therefore counts as own.
        """
        if key == self.own:
            return "reconciler itself uses this grant to reach the tenant"
        if key.audience != self.own.audience:
            return None
        if key.client_id in self.own_applications:
            return "reconciler.yaml lists this application under own"
        if self.writers_are_own and observed is not None and not observed.grant.scope.isdisjoint(WRITING):
            return "this application may change client grants, so reconciler may run as this application"
        return None

    def reason(self, key: Key, observed: ObservedGrant | None, directory: Directory) -> tuple[Reason, str] | None:
        """Return the reason why a grant may not be changed, as a word and a sentence, or None."""
        if observed is not None and observed.is_system:
            return Reason.SYSTEM, "Auth0 created this grant, and nobody can change it"
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
        """Return the reason to keep an undeclared grant, with a detail, or None if `prunes` deletes it.

        An inexpressible grant is always kept. The grant of a third party is deleted only if `manage` contains the id of
        its application, because others depend on the grant and third parties choose their names. A default grant is
        deleted only if there is a `manage` section.
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
"""The allowed changes and the blocked changes."""


def guarded(changes: Iterable[Change], reason: Callable[[Change], str | None]) -> Guarded:
    """Block each change for which `reason` returns a text."""
    allowed: list[Change] = []
    blocked: list[Blocked] = []
    for change in changes:
        if why := reason(change):
            blocked.append(Blocked(change, why))
        else:
            allowed.append(change)
    return tuple(allowed), tuple(blocked)


def forbid_untouchable(changes: Iterable[Change], untouchable: ProtectionRules, directory: Directory) -> Guarded:
    """Block changes of own, protected and unmanaged grants."""

    def reason(change: Change) -> str | None:
        why = untouchable.reason(change.key, None if isinstance(change, Create) else change.before, directory)
        advice = "; remove it from the files" if why and why[0] is Reason.OWN else ""
        return why and f"{why[0]}: {why[1]}{advice}"

    return guarded(changes, reason)


def forbid_too_many(changes: Sequence[Change], limits: Limits, managed: int) -> Guarded:
    """Block all changes of a kind that exceeds its limit. An update that takes all scopes also counts as a delete.

    `managed` is the number of declared grants and deletes.
    """
    deletes = [change for change in changes if takes_everything(change)]
    updates = [change for change in changes if isinstance(change, Update)]
    too_many_deletes = _over(len(deletes), "delete", limits.deletes_percent, limits.max_deletes, managed)
    if limits.needs_number and limits.max_deletes is None and deletes:
        too_many_deletes = (
            "limit: no grant is declared, so all managed grants would be deleted; "
            f"to allow this, use --max-deletes {len(deletes)}"
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
    return f"limit: {count} of {managed} managed grants, more than {percent} %; to allow this, use {option} {count}"
