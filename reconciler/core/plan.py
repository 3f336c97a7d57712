"""Pure: compare the desired with the observed state; the plan is a value that is shown and then carried out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.core.checks import NotChecked
from reconciler.core.config_rules import ConfigChange
from reconciler.core.diff import FieldChange, changed_fields, granted_fields, revoked_fields
from reconciler.core.directory import Directory
from reconciler.core.expressible import obstacle, with_kept_values
from reconciler.core.grant import ClientGrant, Key, ObservedGrant, as_far_as_told, narrows
from reconciler.core.problems import Problem, Risk
from reconciler.core.resolve import DesiredGrant


class Origin(StrEnum):
    """What moved since the base: the files, the tenant, or both."""

    BRANCH = "branch"
    DRIFT = "drift"
    BOTH = "both"


TITLES: Mapping[Origin, str] = {
    Origin.BRANCH: "From this branch",
    Origin.DRIFT: "Drift: the tenant has moved, this branch has not",
    Origin.BOTH: "From this branch, where the tenant has moved as well",
}


@dataclass(frozen=True, slots=True)
class Create:
    """A grant that the tenant lacks."""

    after: DesiredGrant

    @property
    def key(self) -> Key:
        """The key of the grant to create."""
        return self.after.key

    @property
    def fields(self) -> tuple[FieldChange, ...]:
        """What the grant will say beyond its defaults."""
        return granted_fields(self.after.grant)


@dataclass(frozen=True, slots=True)
class Update:
    """A grant that the tenant has, with other contents."""

    before: ObservedGrant
    after: DesiredGrant
    fields: tuple[FieldChange, ...]

    @property
    def key(self) -> Key:
        """The key of both sides."""
        return self.after.key

    @property
    def narrows(self) -> bool:
        """Whether something that is allowed now will not be any more."""
        return narrows(self.before.grant, self.after.grant)


@dataclass(frozen=True, slots=True)
class Delete:
    """A grant that no file declares, and that is to go."""

    before: ObservedGrant

    @property
    def key(self) -> Key:
        """The key of the grant to delete."""
        return self.before.key

    @property
    def fields(self) -> tuple[FieldChange, ...]:
        """What the grant said beyond its defaults."""
        return revoked_fields(self.before.grant)


Change = Create | Update | Delete


@dataclass(frozen=True, slots=True)
class Blocked:
    """A change that a guard forbids; while a plan has one, nothing of it is carried out."""

    change: Change
    reason: str


class Reason(StrEnum):
    """Why a grant that no file declares is left alone."""

    UNMANAGED = "unmanaged"
    OUTSIDE = "outside"
    THIRD_PARTY = "third-party"
    SYSTEM = "system"
    OWN = "own"
    PROTECTED = "protected"
    NOT_EXPRESSIBLE = "not-expressible"


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A grant of the tenant that no file declares and no change touches; `detail` says more of the reason."""

    observed: ObservedGrant
    reason: Reason
    detail: str = ""

    @property
    def why(self) -> str:
        """The reason with its detail."""
        return f"{self.reason}: {self.detail}" if self.detail else str(self.reason)


SANDBOX = "SANDBOX"
"""What follows the name of a sandbox wherever people read it."""


@dataclass(frozen=True, slots=True)
class TenantName:
    """How a tenant is called in the configuration, where it is, and whether it is a sandbox."""

    name: str
    domain: str
    is_sandbox: bool = False

    @property
    def label(self) -> str:
        """The name for a person. It says SANDBOX if nothing that is done to the tenant reaches Auth0."""
        return f"{self.name} {SANDBOX}" if self.is_sandbox else self.name

    def __str__(self) -> str:
        """Return `name (domain)` or `name SANDBOX (domain)`."""
        return f"{self.label} ({self.domain})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would be done to a tenant. `changes` stand in the order in which they are carried out.

    `differing` counts the declared grants that differ but are left as they are: only creates, or only what comes from
    this branch, was asked for.
    `skipped` counts those left out because the tenant lacks what they name; the warnings tell what that is.
    `risks` tells of changes, blocked ones too, what is dangerous in them, the worst first; `origins` tells of all of
    them or, without a base, of none where they come from. `config_changes` are those of reconciler.yaml since the base.
    """

    tenant: TenantName
    changes: tuple[Change, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    left_alone: tuple[LeftAlone, ...] = ()
    unchanged: int = 0
    differing: int = 0
    skipped: int = 0
    directory: Directory = field(default_factory=Directory)
    warnings: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    risks: Mapping[Key, tuple[Risk, ...]] = field(default_factory=dict)
    origins: Mapping[Key, Origin] = field(default_factory=dict)
    not_checked: tuple[NotChecked, ...] = ()
    config_changes: tuple[ConfigChange, ...] = ()

    @property
    def converged(self) -> bool:
        """Whether the tenant has all that the files declare."""
        return not self.changes and not self.blocked and not self.skipped


@dataclass(frozen=True, slots=True)
class Comparison:
    """The bare difference between both sides, before any guard has looked at it.

    `kept` has the declared grants of the tenant with values that no file can declare, which are left as they are.
    """

    creates: tuple[Create, ...]
    updates: tuple[Update, ...]
    undeclared: tuple[ObservedGrant, ...]
    unchanged: int
    kept: tuple[ObservedGrant, ...] = ()


def compare(desired: Iterable[DesiredGrant], observed: Mapping[Key, ObservedGrant]) -> Comparison:
    """Return what differs, each part sorted by key; time grows with the number of grants, not faster."""
    ours = {each.key: each for each in desired}
    pairs = [(observed[key], each) for key, each in ours.items() if key in observed]
    unequal = [_comparable(*pair) for pair in pairs if pair[0].grant != pair[1].grant]
    differing = [(before, after) for before, after in unequal if before.grant != after.grant]
    return Comparison(
        creates=tuple(Create(ours[key]) for key in sorted(ours.keys() - observed.keys(), key=_order)),
        updates=tuple(
            Update(before, after, changed_fields(before.grant, after.grant))
            for before, after in sorted(differing, key=lambda pair: pair[0].key.order)
        ),
        undeclared=tuple(observed[key] for key in sorted(observed.keys() - ours.keys(), key=_order)),
        unchanged=len(pairs) - len(differing),
        kept=tuple(
            sorted((before for before, _ in unequal if obstacle(before.grant)), key=lambda before: before.key.order)
        ),
    )


def _comparable(observed: ObservedGrant, desired: DesiredGrant) -> tuple[ObservedGrant, DesiredGrant]:
    """Return both sides without what the files leave open: undeclared organizations, values no file can declare."""
    grant = as_far_as_told(observed.grant, desired.grant)
    wanted = with_kept_values(desired.grant, grant)
    return (
        observed if grant is observed.grant else observed._replace(grant=grant),
        desired if wanted is desired.grant else desired._replace(grant=wanted),
    )


def in_order_of_apply(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return creates, updates that only widen, those that narrow, deletes: access is given before it is taken."""
    return tuple(sorted(changes, key=lambda change: (phase(change), change.key.order)))


def takes_access(change: Change) -> bool:
    """Return whether something that is allowed now will not be any more."""
    match change:
        case Create():
            return False
        case Update():
            return change.narrows
        case Delete():
            return True


def takes_everything(change: Change) -> bool:
    """Return whether a change deletes a grant or takes all its scopes. Without scopes an application can get tokens."""
    if isinstance(change, Delete):
        return True
    before, after = grant_before(change), grants_after(change)
    had = before is not None and (before.allow_all_scopes or bool(before.scope))
    return had and after is not None and not after.allow_all_scopes and not after.scope


def phase(change: Change) -> int:
    """Return when a change is carried out; changes of one phase do not depend on each other."""
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
    """Return what the tenant has under the change's key before it is carried out."""
    return None if isinstance(change, Create) else change.before.grant


def grants_after(change: Change) -> ClientGrant | None:
    """Return what the tenant has under the change's key once it is carried out."""
    return None if isinstance(change, Delete) else change.after.grant


def _order(key: Key) -> tuple[str, str, str, str]:
    return key.order


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
