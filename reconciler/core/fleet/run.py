"""Pure: fleet runs, which plan or apply many tenants in several jobs. A run has shards, tenants and results.

A change of the files affects a tenant if its settings or a grant that applies to it differ from the base. A tenant
counts as affected unless its settings and grants are certainly the same.
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
    """One of `count` parts of some tenants. The first part has the index 0.

    GitHub Actions (`strategy.job-index`) and Kubernetes (`JOB_COMPLETION_INDEX`) count from 0, and their job
    definitions cannot calculate. GitLab (`CI_NODE_INDEX`) counts from 1, and a script can subtract 1.
    """

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Return the shard in a text such as `0/4`. Raises ValueError with a message."""
        match = SHARD.fullmatch(text)
        if match is None:
            raise ValueError(f"{quote_text(text)} is not a shard; write it like 0/4, the first of 4 parts")
        shard = cls(int(match["index"]), int(match["count"]))
        if shard.count == 0:
            raise ValueError("there must be at least 1 part; write it like 0/4, the first of 4 parts")
        if shard.index >= shard.count:
            raise ValueError(
                f"{text} does not exist: parts are counted from 0, so the parts of {shard.count} are "
                f"0/{shard.count} to {shard.count - 1}/{shard.count}; subtract 1 from an index that starts at 1, such "
                "as CI_NODE_INDEX of GitLab"
            )
        return shard

    def part(self, names: Iterable[str]) -> list[str]:
        """Return the names in this part: every `count`-th name of the sorted names, from the position `index` on."""
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
    """The tenant has no grant that PATH, --client or --api selects, so nothing was done."""


BEGUN = "begun"
"""The status of a result before its run ends."""
COLLECTED_STATES = tuple(state for state in TenantState if state is not TenantState.NOT_SELECTED)
"""The states that `fleet collect` reports. The result of a saved plan for some of the grants is PARTIAL."""
STOPPING_STATES = frozenset({TenantState.REFUSED, TenantState.FAILED, TenantState.PARTIAL, TenantState.UNKNOWN})
"""The states that `stop_after` counts."""
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
    """Return the state of a tenant after `plan` or `apply` ended with an exit code."""
    states = _STATES_OF_PLAN if command == PLAN else _STATES_OF_APPLY
    return states.get(exit_code, TenantState.FAILED)


def files_digest(contents: Iterable[bytes]) -> str:
    """Return the SHA-256 of file contents, in hexadecimal. The order and the names of the files do not matter."""
    each = sorted(hashlib.sha256(content).hexdigest() for content in contents)
    return hashlib.sha256("\n".join(each).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class RunInputs:
    """The inputs of a run. All its results have the same inputs.

    Attributes:
        run: The name of the run.
        commit: The commit of the files, or "" if it is not known.
        configuration: The digest of reconciler.yaml.
        grants: The digest of the grant files.
    """

    run: str
    commit: str
    configuration: str
    grants: str


@dataclass(frozen=True, slots=True)
class ExpectedTenant:
    """A tenant of a fleet run. `reasons` says why the tenant belongs to the run."""

    name: str
    domain: str
    wave: str | None = None
    shard: str | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fleet:
    """A fleet run: its inputs and the tenants that must have a result.

    Attributes:
        inputs: The inputs of the run.
        tenants: The expected tenants, sorted by name.
        waves: The names of the waves in their order. Only waves with an expected tenant are listed.
        stop_after: No wave starts after this number of tenants in STOPPING_STATES.
        base: The revision that the files are compared with, or None if all tenants are expected.
        shards: The number of shards, or None.
        notes: Facts about the choice of the tenants.
    """

    inputs: RunInputs
    tenants: tuple[ExpectedTenant, ...]
    waves: tuple[str, ...] = ()
    stop_after: int = 1
    base: str | None = None
    shards: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetResult:
    """The result of one tenant in one job.

    Attributes:
        inputs: The inputs of the run.
        attempt: The number of the attempt.
        wave: The wave of the tenant, or None.
        shard: The shard of the job, or None.
        tenant: The name of the tenant.
        domain: The domain of the tenant.
        command: plan or apply.
        started_at: The start, in UTC and ISO 8601.
        ended_at: The end, or None.
        status: BEGUN, or the state of the tenant at the end.
        exit_code: The exit code for the tenant, or None before the end.
        plan_id: The id of the plan, or None if no plan was made.
        counts: The number of planned changes by action. For apply, also the number of changes by result.
        errors: The reasons for a failure.
        plan: The plan, if the command is plan and made one. Only a result that was read has it.
    """

    inputs: RunInputs
    attempt: int
    wave: str | None
    shard: str | None
    tenant: str
    domain: str
    command: str
    started_at: str
    ended_at: str | None
    status: str
    exit_code: int | None
    plan_id: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    plan: Plan | None = None

    @property
    def is_consistent(self) -> bool:
        """Whether status, exit code and end agree."""
        if self.status in {BEGUN, TenantState.NOT_STARTED}:
            return self.exit_code is None
        ended = self.exit_code is not None and self.ended_at is not None
        return ended and self.status == state_of(self.command, self.exit_code or 0)

    @property
    def state(self) -> TenantState:
        """The state of the tenant. A run that has not ended is unknown."""
        return TenantState.UNKNOWN if self.status == BEGUN else TenantState(self.status)

    @property
    def order(self) -> tuple[int, str, str, int]:
        """The key that sorts results by attempt, then by time. With equal times, the worse result comes last."""
        severity = EXIT_CODES_BY_SEVERITY.index(Exit(self.exit_code)) if self.exit_code is not None else -1
        return self.attempt, self.started_at, self.ended_at or "", severity


MAX_REASONS = 5
"""The maximum number of reasons per tenant."""
Content = tuple[object, ...]


def affected_tenants(
    current: Mapping[str, TenantSettings],
    base: Mapping[str, TenantSettings],
    specs: Iterable[GrantSpec],
    specs_at_base: Iterable[GrantSpec],
) -> dict[str, tuple[str, ...]]:
    """Return the affected tenants of `current` with the reasons.

    Args:
        current: The tenants by name.
        base: The tenants at the base by name.
        specs: The grants in the files. Grants in files that have the same content at the base may be missing.
        specs_at_base: The grants in the files at the base, with the same exception.
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
    """Return the first MAX_REASONS reasons, and the number of the others."""
    more = len(reasons) - MAX_REASONS
    return (*reasons[:MAX_REASONS], *([f"and {more} more"] if more > 0 else []))


def _changed_settings(
    current: Mapping[str, TenantSettings], base: Mapping[str, TenantSettings]
) -> dict[str, list[str]]:
    """Return the reasons for the tenants whose settings differ. Settings include the shared settings."""
    changed = {name: tenant for name, tenant in current.items() if base.get(name) != tenant}
    found: dict[str, list[str]] = {name: [] for name in changed}
    for change in config_changes(base.values(), current.values()) if changed else ():
        for name in change.tenants:
            if name in found:
                found[name].append(change.risk.message)
    return {name: reasons or ["its settings changed"] for name, reasons in found.items()}


def _changed_grants(specs: Iterable[GrantSpec], specs_at_base: Iterable[GrantSpec]) -> Iterator[tuple[Patterns, str]]:
    """Yield the tenants and the reason for each grant that only one of both has."""
    now = {_content(spec): spec for spec in specs}
    before = {_content(spec): spec for spec in specs_at_base}
    for content, spec in now.items():
        if content not in before:
            yield patterns_of(spec), f"{spec.source}: grant added or changed"
    for content, spec in before.items():
        if content not in now:
            yield patterns_of(spec), f"{spec.source}: grant removed or changed"


POSITIONS = frozenset({"file", "locations", "tenants"})
"""The fields of a spec that contain positions. The names of the tenants are compared separately."""
_FIELDS = tuple(name for name in GrantSpec._fields if name not in POSITIONS)


def _content(spec: GrantSpec) -> Content:
    """Return everything in a spec except its position. The order of a list does not count."""
    values = (getattr(spec, name) for name in _FIELDS)
    return (*(tuple(sorted(each)) if isinstance(each, tuple) else each for each in values), patterns_of(spec))
