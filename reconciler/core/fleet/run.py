"""Fleet runs, which plan or apply many tenants in several CI jobs.

A fleet run has tenants and results, and may have shards (equal parts of the tenants).

A file change affects a tenant if the tenant's settings or declared grants differ from the base revision. A tenant
counts as affected unless reconciler knows that the settings and grants are unchanged.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.core.characters import quote_text
from reconciler.core.config_changes import TenantSettings, config_changes
from reconciler.core.plan import Plan
from reconciler.core.spec import GrantSpec
from reconciler.core.tenant_filter import Patterns, applies_to_tenant, patterns_of
from reconciler.errors import EXIT_CODES_BY_SEVERITY, Exit

SHARD = re.compile(r"(?P<index>[0-9]{1,6})/(?P<count>[0-9]{1,6})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` equal parts of the selected tenants. The first part has the index 0.

    The job index of GitHub Actions (`strategy.job-index`) and Kubernetes (`JOB_COMPLETION_INDEX`) starts at 0. A job
    definition of these services cannot subtract 1 from the index. The job index of GitLab (`CI_NODE_INDEX`) starts at
    1, and a script can subtract 1.
    """

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Parse a shard such as `0/4`. Raises ValueError with a message for the user."""
        match = SHARD.fullmatch(text)
        if match is None:
            raise ValueError(f"{quote_text(text)} is not a valid shard; write 0/4 for the first of 4 parts")
        shard = cls(int(match["index"]), int(match["count"]))
        if shard.count == 0:
            raise ValueError("a shard needs at least 1 part; write 0/4 for the first of 4 parts")
        if shard.index >= shard.count:
            raise ValueError(
                f"{text} does not exist: parts are counted from 0, so the parts of {shard.count} are "
                f"0/{shard.count} to {shard.count - 1}/{shard.count}; subtract 1 from an index that starts at 1, such "
                "as CI_NODE_INDEX of GitLab"
            )
        return shard

    def part(self, names: Iterable[str]) -> list[str]:
        """Sort the names, and return every `count`-th name, starting at the index `index`."""
        return sorted(names)[self.index :: self.count]

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


class TenantState(StrEnum):
    """The state of a tenant in a fleet run."""

    PLANNED = "planned"
    APPLIED = "applied"
    REFUSED = "refused"
    FAILED = "failed"
    PARTIAL = "partial"
    UNKNOWN = "unknown"
    NOT_STARTED = "not started"
    NOT_SELECTED = "not selected"
    """The options PATH, --client and --api select no grant of the tenant, so `apply` did not change the tenant."""


BEGUN = "begun"
"""The status in a result file before the run of the tenant ends."""
COLLECTED_STATES = tuple(state for state in TenantState if state is not TenantState.NOT_SELECTED)
"""The tenant states that `fleet collect` reports.

A tenant has the state PARTIAL if the saved plan selects only some grants of the tenant.
"""
STOPPING_STATES = frozenset({TenantState.REFUSED, TenantState.FAILED, TenantState.PARTIAL, TenantState.UNKNOWN})
"""The tenant states that count as unsuccessful for the limit `stop_after`."""
PLAN, APPLY = "plan", "apply"

_STATES_OF_PLAN: Mapping[int, TenantState] = {
    Exit.DONE: TenantState.PLANNED,
    Exit.CHANGES: TenantState.PLANNED,
    Exit.INCOMPLETE: TenantState.PARTIAL,
    Exit.REFUSED: TenantState.REFUSED,
    Exit.STALE: TenantState.REFUSED,
}
_STATES_OF_APPLY: Mapping[int, TenantState] = {
    Exit.DONE: TenantState.APPLIED,
    Exit.INCOMPLETE: TenantState.PARTIAL,
    Exit.INTERRUPTED: TenantState.PARTIAL,
    Exit.TERMINATED: TenantState.PARTIAL,
    Exit.REFUSED: TenantState.REFUSED,
    Exit.STALE: TenantState.REFUSED,
}


def state_of(command: str, exit_code: int) -> TenantState:
    """Return the tenant state that belongs to an exit code of `plan` or `apply`."""
    states = _STATES_OF_PLAN if command == PLAN else _STATES_OF_APPLY
    return states.get(exit_code, TenantState.FAILED)


def files_digest(contents: Iterable[bytes]) -> str:
    """Return one SHA-256 digest of the contents of several files, in hexadecimal.

    The order and the names of the files do not change the digest.
    """
    each = sorted(hashlib.sha256(content).hexdigest() for content in contents)
    return hashlib.sha256("\n".join(each).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class RunInputs:
    """The inputs of a fleet run: the name of the run, the commit, and digests of the files.

    All results of a fleet run have the same inputs.
    """

    run: str
    """The name of the fleet run."""
    commit: str
    """The commit of the configuration and grant files, or "" if the commit is not known."""
    configuration: str
    """The SHA-256 digest of reconciler.yaml."""
    grants: str
    """The SHA-256 digest of the grant files."""


@dataclass(frozen=True, slots=True)
class ExpectedTenant:
    """A tenant of a fleet run. `reasons` explains why the fleet run includes the tenant."""

    name: str
    domain: str
    wave: str | None = None
    shard: str | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fleet:
    """A fleet run: the inputs, and the tenants that must have a result."""

    inputs: RunInputs
    """The inputs of the fleet run."""
    tenants: tuple[ExpectedTenant, ...]
    """The expected tenants, sorted by name."""
    waves: tuple[str, ...] = ()
    """The names of the waves that contain an expected tenant, in the order of the waves."""
    stop_after: int = 1
    """The number of unsuccessful tenants (with a state in STOPPING_STATES) after which no further wave starts."""
    base: str | None = None
    """The git revision with which reconciler compared the files, or None if the fleet run includes all tenants."""
    shards: int | None = None
    """The number of shards, or None for a fleet run without shards."""
    notes: tuple[str, ...] = ()
    """Notes about the selection of the tenants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetResult:
    """The result of one tenant in one job."""

    inputs: RunInputs
    """The inputs of the fleet run."""
    attempt: int
    """The number of the job attempt. The number increases if the CI service repeats the job."""
    wave: str | None
    """The name of the tenant's wave, or None."""
    shard: str | None
    """The shard of the job, such as `0/4`, or None."""
    tenant: str
    """The name of the tenant."""
    domain: str
    """The domain of the tenant."""
    command: str
    """The command of the job: `plan` or `apply`."""
    started_at: str
    """The start of the tenant's run as text, in UTC and ISO 8601."""
    ended_at: str | None
    """The end of the tenant's run as text, or None before the end."""
    status: str
    """The status of the run: BEGUN before the end, and the state of the tenant after the end."""
    exit_code: int | None
    """The exit code of the tenant's run, or None before the end."""
    plan_id: str | None = None
    """The id of the plan, or None if the result has no plan."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """The number of planned changes by action (create, update, delete).

    After `apply`, also the number of changes by result.
    """
    errors: tuple[str, ...] = ()
    """The error messages of the tenant."""
    plan: Plan | None = None
    """The plan, if the command is `plan` and the result comes from a file. Otherwise None."""

    @property
    def is_consistent(self) -> bool:
        """True if the status of the result agrees with the exit code and the end time."""
        if self.status in {BEGUN, TenantState.NOT_STARTED}:
            return self.exit_code is None
        ended = self.exit_code is not None and self.ended_at is not None
        return ended and self.status == state_of(self.command, self.exit_code or 0)

    @property
    def state(self) -> TenantState:
        """The state of the tenant. Before the end of the run, the state is unknown."""
        return TenantState.UNKNOWN if self.status == BEGUN else TenantState(self.status)

    @property
    def order(self) -> tuple[int, str, str, int]:
        """The sort key of a result: first the attempt, then the start and end times.

        Of two results with equal times, the result with the worse exit code comes last.
        """
        severity = EXIT_CODES_BY_SEVERITY.index(Exit(self.exit_code)) if self.exit_code is not None else -1
        return self.attempt, self.started_at, self.ended_at or "", severity


MAX_REASONS = 5
"""The maximum number of reasons that a fleet run stores for a tenant."""
Content = tuple[object, ...]


def affected_tenants(
    current: Mapping[str, TenantSettings],
    base: Mapping[str, TenantSettings],
    specs: Iterable[GrantSpec],
    specs_at_base: Iterable[GrantSpec],
) -> dict[str, tuple[str, ...]]:
    """Return the names of the affected tenants of `current`, with the reasons for each tenant.

    Args:
        current: The current settings of each tenant, by tenant name.
        base: The settings of each tenant at the base revision, by tenant name.
        specs: The grants that the current files declare. Only grants from changed files are necessary.
        specs_at_base: The grants that the files at the base revision declare. Only grants from changed files are
            necessary.
    """
    settings = _changed_settings(current, base)
    grants = list(_changed_grants(specs, specs_at_base))
    by_patterns: dict[Patterns, list[str]] = {}
    for patterns, reason in grants:
        by_patterns.setdefault(patterns, []).append(reason)
    found = {}
    for name in current:
        reasons = [*settings.get(name, ())]
        for patterns, texts in by_patterns.items():
            if applies_to_tenant(patterns, name):
                reasons += texts
        if reasons:
            found[name] = limit_reasons(reasons)
    return found


def limit_reasons(reasons: Sequence[str]) -> tuple[str, ...]:
    """Return the first MAX_REASONS reasons.

    If more reasons exist, add a text with their number, such as `and 3 more`.
    """
    more = len(reasons) - MAX_REASONS
    return (*reasons[:MAX_REASONS], *([f"and {more} more"] if more > 0 else []))


def _changed_settings(
    current: Mapping[str, TenantSettings], base: Mapping[str, TenantSettings]
) -> dict[str, list[str]]:
    """Return the reasons for each tenant with changed settings, by tenant name.

    The settings of a tenant include the shared settings.
    """
    changed = {name: tenant for name, tenant in current.items() if base.get(name) != tenant}
    found: dict[str, list[str]] = {name: [] for name in changed}
    for change in config_changes(base.values(), current.values()) if changed else ():
        for name in change.tenants:
            if name in found:
                found[name].append(change.risk.message)
    return {name: reasons or ["the settings of the tenant changed"] for name, reasons in found.items()}


def _changed_grants(specs: Iterable[GrantSpec], specs_at_base: Iterable[GrantSpec]) -> Iterator[tuple[Patterns, str]]:
    """Yield the tenant patterns and a reason for each grant that is only in `specs` or only in `specs_at_base`."""
    now = {_content(spec): spec for spec in specs}
    before = {_content(spec): spec for spec in specs_at_base}
    for content, spec in now.items():
        if content not in before:
            yield patterns_of(spec), f"{spec.source}: grant added or changed"
    for content, spec in before.items():
        if content not in now:
            yield patterns_of(spec), f"{spec.source}: grant removed or changed"


POSITIONS = frozenset({"file", "locations", "tenants"})
"""The fields of a grant declaration that contain positions in files.

The function `_content` uses the texts of the tenant patterns instead.
"""
_FIELDS = tuple(name for name in GrantSpec._fields if name not in POSITIONS)


def _content(spec: GrantSpec) -> Content:
    """Return the content of a grant declaration without positions in files.

    The order of list items does not change the content.
    """
    values = (getattr(spec, name) for name in _FIELDS)
    return (*(tuple(sorted(each)) if isinstance(each, tuple) else each for each in values), patterns_of(spec))
