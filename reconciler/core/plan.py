"""Compare declared grants with the tenant's grants, and define the classes for plans and changes."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from reconciler.core.checks import NotChecked
from reconciler.core.config_rules import ConfigChange
from reconciler.core.diff import FieldChange, changed_fields, granted_fields, revoked_fields
from reconciler.core.directory import Directory
from reconciler.core.expiry import ExpiryChange
from reconciler.core.expressible import keep_inexpressible_values, reason_not_expressible
from reconciler.core.grant import (
    ClientGrant,
    Key,
    ObservedGrant,
    loses_all_access,
    narrows,
    without_undeclared_organizations,
)
from reconciler.core.identity import TenantName
from reconciler.core.problems import Problem, Risk
from reconciler.core.removals import NoLongerDeclared, Removal
from reconciler.core.resolve import DesiredGrant
from reconciler.core.selection import SelectionResult
from reconciler.core.spec import GrantSpec


class Origin(StrEnum):
    """The cause of a change: a change in the files since the base revision, a change in the tenant, or both.

    EXPIRED means that the grant has expired, although neither the files nor the tenant changed.
    """

    BRANCH = "branch"
    DRIFT = "drift"
    BOTH = "both"
    EXPIRED = "expired"


TITLES: Mapping[Origin, str] = {
    Origin.BRANCH: "From this branch",
    Origin.DRIFT: "Drift: the tenant changed, but the files did not",
    Origin.BOTH: "Both: this branch changed the files, and the tenant changed too",
    Origin.EXPIRED: "Expired: the expiry date has passed",
}


class Create(NamedTuple):
    """A planned change that creates a grant."""

    after: DesiredGrant

    @property
    def key(self) -> Key:
        """The fields that identify the new grant: application, API and subject type."""
        return self.after.key

    @property
    def fields(self) -> tuple[FieldChange, ...]:
        """The settings of the new grant that differ from the default values."""
        return granted_fields(self.after.grant)


class Update(NamedTuple):
    """A planned change that updates a grant."""

    before: ObservedGrant
    after: DesiredGrant
    fields: tuple[FieldChange, ...]

    @property
    def key(self) -> Key:
        """The fields that identify the grant: application, API and subject type."""
        return self.after.key

    @property
    def narrows(self) -> bool:
        """True if the update removes access."""
        return narrows(self.before.grant, self.after.grant)


class Delete(NamedTuple):
    """A change in a plan that deletes an undeclared or expired grant.

    `removal` is the earlier declaration of the grant, or None if reconciler does not know an earlier declaration.
    `expired` is the declaration of an expired grant.
    """

    before: ObservedGrant
    removal: Removal | None = None
    expired: GrantSpec | None = None

    @property
    def key(self) -> Key:
        """The fields that identify the grant: application, API and subject type."""
        return self.before.key

    @property
    def fields(self) -> tuple[FieldChange, ...]:
        """The settings of the deleted grant that differ from the default values."""
        return revoked_fields(self.before.grant)


Change = Create | Update | Delete


class Blocked(NamedTuple):
    """A change that a guard, such as a limit, forbids. `apply` changes nothing if a plan contains a blocked change."""

    change: Change
    reason: str


class Reason(StrEnum):
    """The reason why reconciler does not change or delete a grant."""

    UNMANAGED = "unmanaged"
    REMOVED = "removed"
    EXPIRED = "expired"
    OUTSIDE = "outside"
    THIRD_PARTY = "third-party"
    SYSTEM = "system"
    OWN = "own"
    PROTECTED = "protected"
    NOT_EXPRESSIBLE = "not-expressible"


class LeftAlone(NamedTuple):
    """An undeclared or expired grant that the plan leaves in the tenant. `detail` contains an explanation."""

    observed: ObservedGrant
    reason: Reason
    detail: str = ""

    @property
    def why(self) -> str:
        """The reason why the plan does not delete the grant, with details if `detail` is not empty."""
        return f"{self.reason}: {self.detail}" if self.detail else str(self.reason)


class GrantFacts(NamedTuple):
    """The properties of an application and an API that a reviewer needs.

    An attribute is None if reconciler does not know the property of the application or API.

    If the change allows all scopes, `api_scopes` contains the scopes that the API defines.
    """

    third_party: bool | None = None
    app_type: str | None = None
    api_scopes: frozenset[str] | None = None


NO_FACTS = GrantFacts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The changes that `apply` would make in a tenant, and the information that a reviewer needs."""

    tenant: TenantName
    changes: tuple[Change, ...] = ()
    """The changes of the plan, in the order in which `apply` makes changes."""
    blocked: tuple[Blocked, ...] = ()
    """The changes that a limit, a protection or the policy blocks."""
    left_alone: tuple[LeftAlone, ...] = ()
    """The undeclared or expired grants that the plan leaves in the tenant."""
    no_longer_declared: tuple[NoLongerDeclared, ...] = ()
    """The grants that only the base revision (`--base`) declares, and that the plan leaves in the tenant."""
    unchanged: int = 0
    """The number of declared grants that need no change."""
    differing: int = 0
    """The number of declared grants that need a change, but are excluded by an option such as `--create-only`."""
    narrowed_by: tuple[str, ...] = ()
    """The options that exclude needed changes from the plan: `--create-only`, `--only-branch` or `--only-expired`."""
    skipped: int = 0
    """The number of declared grants that the plan skips, because an application, API or organization does not exist."""
    expired_unknown: int = 0
    """The number of expired declarations whose grant may still exist under a new application or API name."""
    directory: Directory = field(default_factory=Directory)
    warnings: tuple[Problem, ...] = ()
    """The warnings about the grant files, which do not prevent a plan."""
    notes: tuple[str, ...] = ()
    """Notes for the reviewer of the plan."""
    risks: Mapping[Key, tuple[Risk, ...]] = field(default_factory=dict)
    """The risks of each change, including blocked changes. The most dangerous risk comes first."""
    origins: Mapping[Key, Origin] = field(default_factory=dict)
    """With `--base`, the cause of each change: the files, the tenant, or both."""
    facts: Mapping[Key, GrantFacts] = field(default_factory=dict)
    """For each create and update, facts about the grant's application and API."""
    attributions: Mapping[Key, str] = field(default_factory=dict)
    """With `--attribute`, the person or program that last changed each grant.

    The strings in `attributions` are not escaped for output.
    """
    not_checked: tuple[NotChecked, ...] = ()
    """The checks that reconciler skipped."""
    config_changes: tuple[ConfigChange, ...] = ()
    """The changes in reconciler.yaml since the base revision."""
    selection: SelectionResult | None = None
    """The grants that the user selected with options, or None if the plan covers all grants."""
    expiry_changes: tuple[ExpiryChange, ...] = ()
    """The grants whose declared expiry date changed since the base revision (only with `--base`)."""

    @property
    def converged(self) -> bool:
        """True if the tenant matches the files and the plan has no changes."""
        return not self.changes and not self.blocked and self.is_complete

    @property
    def is_complete(self) -> bool:
        """True if the plan covers every declaration.

        This is the case if no grant was skipped, and reconciler knows for every expired declaration whether the grant
        still exists.
        """
        return not self.skipped and not self.expired_unknown

    @property
    def has_differences(self) -> bool:
        """True if the plan contains changes, blocked changes, or removed grants that stay in the tenant."""
        return bool(self.changes or self.blocked or self.no_longer_declared)


class Comparison(NamedTuple):
    """The differences between the declared grants and the tenant's grants.

    `kept` contains the tenant's grants with values that a grant file cannot express. A plan does not change values
    that a grant file cannot express. `others` is the number of declared grants that exist in the tenant, but that
    the user did not select or that the plan skips. The percentage limits count these grants, too. `expired`
    contains the expired declarations, whose grants count as undeclared.
    """

    desired: tuple[DesiredGrant, ...]
    creates: tuple[Create, ...]
    updates: tuple[Update, ...]
    undeclared: tuple[ObservedGrant, ...]
    unchanged: int
    kept: tuple[ObservedGrant, ...] = ()
    others: int = 0
    expired: Mapping[Key, GrantSpec] = MappingProxyType({})


def compare(desired: Iterable[DesiredGrant], observed: Mapping[Key, ObservedGrant]) -> Comparison:
    """Compare the declared grants with the tenant's grants. Sort the differences by client id and API."""
    ours = {each.key: each for each in desired}
    pairs = [(observed[key], each) for key, each in ours.items() if key in observed]
    unequal = [_make_comparable(*pair) for pair in pairs if pair[0].grant != pair[1].grant]
    differing = [(before, after) for before, after in unequal if before.grant != after.grant]
    return Comparison(
        desired=tuple(ours.values()),
        creates=tuple(Create(ours[key]) for key in sorted(ours.keys() - observed.keys(), key=_order)),
        updates=tuple(
            Update(before, after, changed_fields(before.grant, after.grant))
            for before, after in sorted(differing, key=lambda pair: pair[0].key.order)
        ),
        undeclared=tuple(observed[key] for key in sorted(observed.keys() - ours.keys(), key=_order)),
        unchanged=len(pairs) - len(differing),
        kept=tuple(
            sorted(
                (before for before, _ in unequal if reason_not_expressible(before.grant)),
                key=lambda before: before.key.order,
            )
        ),
    )


def _make_comparable(observed: ObservedGrant, desired: DesiredGrant) -> tuple[ObservedGrant, DesiredGrant]:
    """Return copies of both grants. Values that an update must not change are equal in the copies.

    Remove the organizations from the tenant's grant if the declaration has no field `organizations`. Copy values from
    the tenant's grant to the declared grant if a grant file cannot express the values.
    """
    grant = without_undeclared_organizations(observed.grant, desired.grant)
    wanted = keep_inexpressible_values(desired.grant, grant)
    return (
        observed if grant is observed.grant else observed._replace(grant=grant),
        desired if wanted is desired.grant else desired._replace(grant=wanted),
    )


def sort_for_apply(changes: Iterable[Change], directory: Directory) -> tuple[Change, ...]:
    """Sort changes for `apply`: creates, updates that only add access, updates that remove access, deletes.

    Changes in the same group are sorted by name. The order ensures that applications gain access before any application
    loses access.
    """
    return tuple(sorted(changes, key=lambda change: (apply_phase(change), *name_order(change.key, directory))))


def name_order(key: Key, directory: Directory) -> tuple[str, ...]:
    """Return the sort key of a grant in the output: application name, API name, and ids.

    Sorting ignores the difference between upper and lower case.
    """
    return directory.client_label(key).casefold(), directory.api_label(key).casefold(), *key.order


def facts_of(change: Change, directory: Directory) -> GrantFacts:
    """Return the properties of the application and the API that a reviewer needs to judge a create or an update."""
    after = grant_after(change)
    if after is None:
        return NO_FACTS
    application = directory.applications_by_id.get(change.key.client_id or "")
    api = directory.apis_by_identifier.get(change.key.audience) if after.allow_all_scopes else None
    return GrantFacts(
        application.is_third_party if application else None,
        (application.app_type or None) if application else None,
        api.scopes_for(change.key) if api else None,
    )


def removes_access(change: Change) -> bool:
    """Return whether a change removes any access."""
    match change:
        case Create():
            return False
        case Update():
            return change.narrows
        case Delete():
            return True


def removes_all_access(change: Change) -> bool:
    """Return whether a change deletes a grant, removes all its scopes, or excludes all its callers.

    A grant without scopes still allows the application to get tokens.
    """
    if isinstance(change, Update):
        return loses_all_access(change.before.grant, change.after.grant)
    return isinstance(change, Delete)


def apply_phase(change: Change) -> int:
    """Return the phase (0 to 3) in which `apply` makes a change. `apply` finishes each phase before the next phase."""
    match change:
        case Create():
            return 0
        case Update(narrows=False):
            return 1
        case Update():
            return 2
        case Delete():
            return 3


def grant_before(change: Change) -> ClientGrant | None:
    """Return the grant before the change, or None for a create."""
    return None if isinstance(change, Create) else change.before.grant


def grant_after(change: Change) -> ClientGrant | None:
    """Return the grant after the change, or None for a delete."""
    return None if isinstance(change, Delete) else change.after.grant


def _order(key: Key) -> tuple[str, str, str, str]:
    return key.order


def find_origins(
    changes: Iterable[Change], base: Iterable[DesiredGrant], expired_at_base: Container[Key] = ()
) -> Mapping[Key, Origin]:
    """Return the cause of each change: a change in the files, a change in the tenant, or both.

    `base` contains the grants that the files at the base revision declare. `expired_at_base` contains the grants whose
    declaration at the base revision had already expired.
    """
    declared = {each.key: each.grant for each in base}
    return {
        change.key: Origin.EXPIRED
        if isinstance(change, Delete) and change.expired and change.key in expired_at_base
        else _origin(change, declared.get(change.key))
        for change in changes
    }


def _origin(change: Change, base: ClientGrant | None) -> Origin:
    if base and isinstance(change, Update):  # `change.after` contains the values that a file cannot express, too
        base = keep_inexpressible_values(base, change.before.grant)
    is_new = isinstance(change, Delete) and (change.expired or (change.removal and change.removal.is_from_branch))
    if base == grant_after(change) and not is_new:
        return Origin.DRIFT  # the files did not change, so the tenant must have changed
    before = grant_before(change)
    return Origin.BRANCH if before == base or (before and base and _agree(before, base)) else Origin.BOTH


def _agree(before: ClientGrant, base: ClientGrant) -> bool:
    """Return whether two grants are equal. Compare organizations only if both grants have a list of organizations."""
    return without_undeclared_organizations(before, base) == without_undeclared_organizations(base, before)
