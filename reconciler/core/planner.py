"""Pure: the whole way from grant specs and an observation of the tenant to a guarded plan."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.core.checks import NotChecked, check
from reconciler.core.directory import Directory
from reconciler.core.expressible import obstacle
from reconciler.core.grant import Key, ObservedGrant, by_key
from reconciler.core.guards import Limits, ProtectionRules, forbid_too_many, forbid_untouchable
from reconciler.core.organization_usage import WITH_ORGANIZATION, gaining
from reconciler.core.organizations import check_organizations
from reconciler.core.outcome import CREATED_AND_CHANGED, CREATED_AND_KEPT, Rollback
from reconciler.core.pattern import ManagedScope, Match
from reconciler.core.plan import (
    Change,
    Comparison,
    Create,
    Delete,
    LeftAlone,
    Origin,
    Plan,
    Reason,
    TenantName,
    Update,
    all_origins,
    compare,
    in_order_of_apply,
)
from reconciler.core.policy import Policy, broken_already, forbid_broken, forbid_denied, shown
from reconciler.core.problems import Problem, Severity, Source, errors
from reconciler.core.quoting import counted
from reconciler.core.resolve import DesiredGrant, resolve
from reconciler.core.risks import all_risks
from reconciler.core.spec import GrantSpec
from reconciler.core.unmatched import items_of, unmatched
from reconciler.errors import ProblemsError, RefusedError

MOST_NAMED = 5
IDENTITIES = ("client_id", "audience")
"""The fields that may name an application or an API by what only one tenant knows; organizations stand in a list."""


@dataclass(frozen=True, slots=True)
class Observation:
    """All that a plan needs to know of a tenant, read in one go; `notes` says what could not be read.

    `organization_grants` counts the grants of the organizations that get more; None for one that does not exist.
    """

    grants: tuple[ObservedGrant, ...]
    directory: Directory
    notes: tuple[str, ...] = ()
    organization_grants: Mapping[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRules:
    """What shapes a plan: what it covers, and what it may not do. With `rollback`, the plan undoes a run.

    `base` has the specs as they were before this branch, None where nobody asks what comes from it; with `only_branch`
    the plan leaves out what comes from the tenant alone.
    """

    untouchable: ProtectionRules
    limits: Limits = field(default_factory=Limits)
    policy: Policy = field(default_factory=Policy)
    prune: bool = False
    create_only: bool = False
    skip_missing: bool = False
    base: tuple[GrantSpec, ...] | None = None
    only_branch: bool = False
    rollback: Rollback | None = None


@dataclass(frozen=True, slots=True)
class CandidateChanges:
    """What the rules want done, before any guard has looked at it, and where it comes from.

    `differing` counts the declared grants that differ and are left as they are.
    """

    changes: tuple[Change, ...]
    left_alone: tuple[LeftAlone, ...]
    origins: Mapping[Key, Origin]
    differing: int


def make_plan(specs: Iterable[GrantSpec], observation: Observation, rules: PlanRules, tenant: TenantName) -> Plan:
    """Return the plan that brings the tenant to what `specs` declare.

    Raises:
        ProblemsError: if a name is unknown or ambiguous, or the tenant would refuse something.
    """
    specs = tuple(specs)
    desired, problems = resolve(specs, observation.directory)
    if rules.rollback:
        _refuse_other_tenant(rules.rollback, tenant)
    observed = by_key(observation.grants)
    found, not_checked = check(desired, observed, observation.directory)
    problems += found
    problems += _beyond_the_border(desired, rules.untouchable.border, observation.directory)
    problems += check_organizations(
        desired, observed, observation.organization_grants, observation.directory, rules.limits.organization_grants
    )
    if rules.skip_missing or rules.rollback:
        desired, problems = _without_missing(desired, problems)
    if errors(problems):
        raise ProblemsError(tuple(sorted(problems)))
    warnings = sorted((*problems, *broken_already(desired, rules.policy, observation.directory)))
    if not desired:  # far more often a mistake than a wish
        rules = replace(rules, limits=replace(rules.limits, needs_number=True))
    plan = _guarded(compare(desired, observed), observation, rules, tenant, tuple(warnings))
    notes = (*plan.notes, *_unchecked(not_checked))
    return replace(plan, skipped=len(specs) - len(desired), not_checked=not_checked, notes=notes)


def _beyond_the_border(
    desired: Iterable[DesiredGrant],
    border: ManagedScope,
    directory: Directory,
) -> tuple[Problem, ...]:
    """Return a problem for each declared grant that is not ours to change."""
    if not border.patterns:
        return ()
    reasons = ((each, border.reason_outside(each.key, directory)) for each in desired)
    fix = "add it to manage, or remove it here"
    return tuple(Problem(each.spec.source, reason, fix) for each, reason in reasons if reason)


def _without_missing(
    desired: tuple[DesiredGrant, ...],
    problems: tuple[Problem, ...],
) -> tuple[tuple[DesiredGrant, ...], tuple[Problem, ...]]:
    """Leave out the grants for which the tenant lacks something; what it lacks becomes a warning."""
    missing = {problem.source for problem in problems if problem.is_missing}
    there = tuple(each for each in desired if missing.isdisjoint(_places(each.spec)))
    return there, tuple(
        replace(problem, severity=Severity.WARNING) if problem.is_missing else problem for problem in problems
    )


def _places(spec: GrantSpec) -> set[Source]:
    """Return where the spec names what the tenant may lack."""
    return {*map(spec.source_of, IDENTITIES), *(place for _, place in spec.placed_organizations())}


def _guarded(
    comparison: Comparison,
    observation: Observation,
    rules: PlanRules,
    tenant: TenantName,
    warnings: tuple[Problem, ...],
) -> Plan:
    directory = observation.directory
    wanted = _wanted(comparison, rules, directory)
    allowed, untouchable = forbid_untouchable(wanted.changes, rules.untouchable, directory)
    managed = comparison.unchanged + len(comparison.updates) + sum(isinstance(each, Delete) for each in wanted.changes)
    risks = all_risks(wanted.changes, _is_own(rules.untouchable), directory)
    allowed, denied = forbid_denied(allowed, risks, rules.policy, directory)
    allowed, broken = forbid_broken(allowed, rules.policy, directory)
    allowed, too_many = (allowed, ()) if rules.rollback else forbid_too_many(allowed, rules.limits, managed)
    return Plan(
        tenant=tenant,
        changes=in_order_of_apply(allowed),
        blocked=(*untouchable, *denied, *broken, *too_many),
        left_alone=wanted.left_alone,
        unchanged=comparison.unchanged,
        differing=wanted.differing,
        directory=directory,
        warnings=warnings,
        risks=shown(risks, rules.policy, directory),
        origins=wanted.origins,
        notes=(*observation.notes, *_notes(comparison, wanted, observation, rules)),
    )


def _is_own(untouchable: ProtectionRules) -> Callable[[Change], bool]:
    def is_own(change: Change) -> bool:
        return untouchable.why_own(change.key, None if isinstance(change, Create) else change.before) is not None

    return is_own


def _wanted(comparison: Comparison, rules: PlanRules, directory: Directory) -> CandidateChanges:
    deletes, left_alone = _undeclared(comparison.undeclared, rules, directory)
    updates = () if rules.create_only else comparison.updates
    changes: tuple[Change, ...] = (*comparison.creates, *updates, *deletes)
    differing = len(comparison.updates) - len(updates)
    if rules.base is None:
        return CandidateChanges(changes, left_alone, {}, differing)
    origins = all_origins(changes, resolve(rules.base, directory)[0])
    whole = CandidateChanges(changes, left_alone, origins, differing)
    return _of_the_branch(whole) if rules.only_branch else whole


def _of_the_branch(wanted: CandidateChanges) -> CandidateChanges:
    """Leave out what comes from the tenant alone."""
    drift = [change for change in wanted.changes if wanted.origins[change.key] is Origin.DRIFT]
    strays = tuple(LeftAlone(each.before, Reason.UNMANAGED) for each in drift if isinstance(each, Delete))
    left_alone = (*wanted.left_alone, *strays)
    return CandidateChanges(
        changes=tuple(change for change in wanted.changes if wanted.origins[change.key] is not Origin.DRIFT),
        left_alone=tuple(sorted(left_alone, key=lambda each: each.observed.key.order)),
        origins={key: origin for key, origin in wanted.origins.items() if origin is not Origin.DRIFT},
        differing=wanted.differing + len(drift) - len(strays),
    )


def _notes(
    comparison: Comparison, wanted: CandidateChanges, observation: Observation, rules: PlanRules
) -> Iterator[str]:
    """Yield what could deceive: a protection that covers nothing, and new grants that nobody could look up."""
    keys = [*(each.key for each in observation.grants), *(each.key for each in comparison.creates)]
    guards = rules.untouchable
    yield from unmatched(items_of(guards.protect, guards.border, rules.policy), keys, observation.directory)
    yield from _managed_by_pattern(wanted, rules.untouchable.border, observation.directory)
    yield from _kept(comparison.kept, observation.directory)
    opened = sum(_opens_to_unknown(each) for each in comparison.updates)
    if opened:
        yield (
            f"{counted(opened, 'grant')} will deny organizations no longer: those that are assigned already may use it "
            "then; declare organizations to see them"
        )


def _unchecked(not_checked: Iterable[NotChecked]) -> Iterator[str]:
    """Yield a note for each cause for which checks were not made."""
    causes: dict[str, list[NotChecked]] = {}
    for each in not_checked:
        causes.setdefault(each.why, []).append(each)
    for why, checks in causes.items():
        listed = "; ".join(f"{each.what} ({counted(each.grants, 'grant')})" for each in checks)
        yield f"not checked, because {why}: {listed}"


def _managed_by_pattern(wanted: CandidateChanges, border: ManagedScope, directory: Directory) -> Iterator[str]:
    """Yield a note for each item of `manage` that decides about changes: names can be taken by anybody."""
    names: dict[tuple[str, str], list[str]] = {}
    for change in wanted.changes:
        patterns = (each for each in border.patterns if each.matches(change.key, directory) is Match.YES)
        pattern = next(patterns, None)
        if pattern is not None and not pattern.spells_out(change.key):
            verb = "delete" if isinstance(change, Delete) else "create" if isinstance(change, Create) else "update"
            names.setdefault((verb, str(pattern)), []).append(directory.client_label(change.key))
    for (verb, pattern_text), labels in names.items():
        more = f" and {len(labels) - MOST_NAMED} more" if len(labels) > MOST_NAMED else ""
        listed = ", ".join(sorted(labels)[:MOST_NAMED])
        yield f"{counted(len(labels), verb)} because manage matches: {pattern_text} ({listed}{more})"


def _kept(grants: Iterable[ObservedGrant], directory: Directory) -> Iterator[str]:
    """Yield a note for each kind of value that no file can declare, and that declared grants keep."""
    counts = Counter(obstacle(each.grant) for each in grants)
    examples = {obstacle(each.grant): each.key for each in grants}
    for why, count in counts.items():
        key = examples[why]
        label = f"{directory.client_label(key)} -> {directory.api_label(key)}"
        more = f" and {counted(count - 1, 'other grant')}" if count > 1 else ""
        yield f"{label}{more}: {why}; no grant file can declare this, so it stays as it is"


def _opens_to_unknown(update: Update) -> bool:
    """Return whether organizations of which nobody has said or read anything get access."""
    before, after = update.before.grant, update.after.grant
    lets_in = WITH_ORGANIZATION in gaining(before.organization_usage, after.organization_usage)
    return lets_in and after.organizations is None


def _refuse_other_tenant(rollback: Rollback, tenant: TenantName) -> None:
    if (rollback.tenant, rollback.domain) != (tenant.name, tenant.domain):
        taken = TenantName(rollback.tenant, rollback.domain)
        raise RefusedError(f"the snapshot was taken from {taken}, not from {tenant}")


def _reason_to_keep(
    observed: ObservedGrant, rules: PlanRules, directory: Directory, *, prunes: bool
) -> tuple[Reason, str] | None:
    """Return why a grant that no file declares is left alone; None if it is deleted.

    A plan that undoes a run deletes just what the run created, third parties' grants included.
    """
    if rules.rollback is None:
        return rules.untouchable.reason_to_keep(observed, directory, prunes=prunes)
    if rules.rollback.deletes(observed) and rules.untouchable.reason(observed.key, observed, directory) is None:
        return None
    reason, detail = rules.untouchable.reason_to_keep(observed, directory, prunes=False) or (Reason.UNMANAGED, "")
    if rules.rollback.has_created(observed.key):
        detail = CREATED_AND_CHANGED if reason is Reason.UNMANAGED else CREATED_AND_KEPT
    return reason, detail


def _undeclared(
    grants: Iterable[ObservedGrant],
    rules: PlanRules,
    directory: Directory,
) -> tuple[tuple[Delete, ...], tuple[LeftAlone, ...]]:
    """Split what no file declares into what is pruned and what is left alone; prune never reaches the untouchable."""
    deletes: list[Delete] = []
    left_alone: list[LeftAlone] = []
    prunes = rules.prune and not rules.create_only
    for each in grants:
        why = _reason_to_keep(each, rules, directory, prunes=prunes)
        if why is None:
            deletes.append(Delete(each))
        else:
            left_alone.append(LeftAlone(each, *why))
    return tuple(deletes), tuple(left_alone)
