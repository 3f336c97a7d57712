"""Fleet runs, which plan or apply many tenants in several pipeline jobs.

A fleet run may be split into shards. A shard is one of several equal parts of the tenants.

A file change affects a tenant if the tenant's settings or declared grants differ from the base revision. reconciler
treats a tenant as affected if reconciler cannot tell whether the tenant's settings and grants changed.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.core.characters import quote_text
from reconciler.core.config_changes import config_changes
from reconciler.core.fleet.rollout import TenantState
from reconciler.core.identity import TenantName
from reconciler.core.plan import Plan
from reconciler.core.spec import GrantSpec
from reconciler.core.tenant import Tenant
from reconciler.core.tenant_filter import Patterns, applies_to_tenant, patterns_of
from reconciler.errors import EXIT_CODES_BY_SEVERITY, Exit

SHARD = re.compile(r"(?P<index>[0-9]{1,6})/(?P<count>[0-9]{1,6})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard is one of `count` equal parts of the selected tenants. The first shard has the index 0.

    Shards start at 0, because the job indexes of GitHub Actions and Kubernetes start at 0. A job definition in GitHub
    Actions or Kubernetes cannot subtract 1 from a job index. In GitLab, where the job index starts at 1, a script can
    subtract 1.
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
            raise ValueError("the number of parts must be at least 1; write 0/4 for the first of 4 parts")
        if shard.index >= shard.count:
            raise ValueError(
                f"{text} does not exist: parts are counted from 0, so the parts of {shard.count} are "
                f"0/{shard.count} to {shard.count - 1}/{shard.count}; subtract 1 from an index that starts at 1, such "
                "as CI_NODE_INDEX of GitLab"
            )
        return shard

    def part(self, names: Iterable[str]) -> list[str]:
        """Return the names of the tenants in the shard: every `count`-th name in sorted order, starting at `index`."""
        return sorted(names)[self.index :: self.count]

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


BEGUN = "begun"
"""The status that a result file contains until the tenant's run ends."""


def files_digest(contents: Iterable[bytes]) -> str:
    """Return one SHA-256 digest of the contents of several files, in hexadecimal.

    The order and the names of the files do not change the digest.
    """
    each = sorted(hashlib.sha256(content).hexdigest() for content in contents)
    return hashlib.sha256("\n".join(each).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class RunInputs:
    """The inputs of a fleet run (a run for many tenants): the run's name, the commit, and digests of the files.

    All results of a fleet run must come from the same commit, configuration and grant files.
    """

    run: str
    """The name of the run for many tenants."""
    commit: str
    """The git commit of the configuration and the grant files, or an empty string if the commit is unknown."""
    configuration: str
    """The SHA-256 digest of reconciler.yaml."""
    grants: str
    """The SHA-256 digest of the grant files."""


@dataclass(frozen=True, slots=True)
class ExpectedTenant:
    """A tenant in a fleet run (a run for many tenants). `reasons` explains why the fleet run includes the tenant."""

    name: str
    domain: str
    wave: str | None = None
    shard: str | None = None
    reasons: tuple[str, ...] = ()
    is_sandbox: bool = False

    @property
    def title(self) -> TenantName:
        """The name and the domain of the tenant, as reports show the tenant."""
        return TenantName(self.name, self.domain, self.is_sandbox)


@dataclass(frozen=True, slots=True)
class Fleet:
    """A fleet run, which plans or applies many tenants in several CI jobs. Each tenant must have a result."""

    inputs: RunInputs
    """The inputs of the fleet run."""
    tenants: tuple[ExpectedTenant, ...]
    """The tenants of the fleet run, sorted by name."""
    waves: tuple[str, ...] = ()
    """The names of the rollout waves that contain a tenant of the fleet run, in the order of the rollout."""
    stop_after: int = 1
    """The number of unsuccessful tenants after which no further rollout wave starts.

    STOPPING_STATES lists the unsuccessful states.
    """
    base: str | None = None
    """The git revision for finding the affected tenants, or None if the fleet run includes all tenants."""
    shards: int | None = None
    """The number of shards, or None if the tenants are not split into shards."""
    notes: tuple[str, ...] = ()
    """Notes about how reconciler selected the tenants for the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetResult:
    """The result of one tenant's run in one pipeline job."""

    inputs: RunInputs
    """The inputs of the fleet run."""
    attempt: int
    """The number of the job attempt, which increases if the pipeline repeats the job."""
    wave: str | None
    """The name of the tenant's rollout wave, or None if the tenant belongs to no rollout wave."""
    shard: str | None
    """The shard that the job processed, such as `0/4`, or None for a job without shards."""
    tenant: str
    """The name of the tenant."""
    domain: str
    """The domain of the tenant."""
    is_sandbox: bool
    """True if the tenant is a sandbox (a local simulation of Auth0)."""
    command: str
    """The command of the job: `plan` or `apply`."""
    started_at: str
    """The start time of the tenant's run in UTC, as an ISO 8601 string."""
    ended_at: str | None
    """The end time of the tenant's run as an ISO 8601 string, or None before the run ends."""
    status: str
    """The status of the tenant's run: BEGUN until the run ends, and the state of the tenant after the run."""
    exit_code: int | None
    """The exit code of the tenant's run, or None before the run ends."""
    plan_id: str | None = None
    """The id of the plan, or None if the result has no plan."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """The number of planned changes for each action (create, update, delete).

    For the command `apply`, `counts` also contains the number of changes per result.
    """
    errors: tuple[str, ...] = ()
    """The error messages of the tenant's run."""
    omitted: int = 0
    """The number of grants that the output in the result file omits, because the whole output is too large."""
    plan: Plan | None = None
    """The tenant's plan, or None. Only result files of the command `plan` contain a plan.

    If `omitted` is not 0, `plan` contains only a part of the tenant's plan.
    """

    @property
    def title(self) -> TenantName:
        """The name and the domain of the tenant, as plans and reports show the tenant."""
        return TenantName(self.tenant, self.domain, self.is_sandbox)

    @property
    def state(self) -> TenantState:
        """The state of the tenant. The state is unknown until the tenant's run ends."""
        return TenantState.UNKNOWN if self.status == BEGUN else TenantState(self.status)

    @property
    def order(self) -> tuple[int, str, str, int]:
        """The sort key of a result: the job attempt, the start time, the end time, and the exit code.

        If two results have equal times, the more severe exit code comes last.
        """
        severity = EXIT_CODES_BY_SEVERITY.index(Exit(self.exit_code)) if self.exit_code is not None else -1
        return self.attempt, self.started_at, self.ended_at or "", severity


MAX_REASONS = 5
"""The maximum number of reasons that a fleet run stores for including a tenant."""
Content = tuple[object, ...]


def affected_tenants(
    current: Mapping[str, Tenant],
    base: Mapping[str, Tenant],
    specs: Iterable[GrantSpec],
    specs_at_base: Iterable[GrantSpec],
) -> dict[str, tuple[str, ...]]:
    """Return the names of the tenants affected by changed settings or grants, with the reasons for each tenant.

    `current` contains the current settings of each tenant, and `base` contains the settings at the base revision.
    `specs` contains the grants that the current files declare. `specs_at_base` contains the grants that the files at
    the base revision declare. The arguments `specs` and `specs_at_base` may omit grants of unchanged files.
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
    """Return the first MAX_REASONS of the reasons for including a tenant.

    If there are more than MAX_REASONS reasons, add the number of omitted reasons, such as `and 3 more`.
    """
    more = len(reasons) - MAX_REASONS
    return (*reasons[:MAX_REASONS], *([f"and {more} more"] if more > 0 else []))


def _changed_settings(current: Mapping[str, Tenant], base: Mapping[str, Tenant]) -> dict[str, list[str]]:
    """Return the tenants whose settings changed, with the reasons why each tenant is affected.

    The settings of a tenant include the settings that all tenants share.
    """
    changed = {name: tenant for name, tenant in current.items() if base.get(name) != tenant}
    found: dict[str, list[str]] = {name: [] for name in changed}
    for change in config_changes(base.values(), current.values()) if changed else ():
        for name in change.tenants:
            if name in found:
                found[name].append(change.risk.message)
    return {name: reasons or ["the settings of the tenant changed"] for name, reasons in found.items()}


def _changed_grants(specs: Iterable[GrantSpec], specs_at_base: Iterable[GrantSpec]) -> Iterator[tuple[Patterns, str]]:
    """For each added, changed or removed declaration, yield the patterns in its `tenants` lists and a description."""
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

The field `tenants` contains texts and positions. The function `_content` uses only the texts of the field `tenants`.
"""
_FIELDS = tuple(name for name in GrantSpec._fields if name not in POSITIONS)


def _content(spec: GrantSpec) -> Content:
    """Return the content of a grant declaration without positions in files.

    Two declarations whose lists differ only in order have equal content.
    """
    values = (getattr(spec, name) for name in _FIELDS)
    return (*(tuple(sorted(each)) if isinstance(each, tuple) else each for each in values), patterns_of(spec))
