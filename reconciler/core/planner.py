"""Pure: make a plan from grant specs and the observed state of the tenant, and apply the guards."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from reconciler.core.characters import pluralize
from reconciler.core.checks import NotChecked, run_checks
from reconciler.core.directory import Directory
from reconciler.core.expressible import reason_not_expressible
from reconciler.core.fields import WITH_ORGANIZATION, callers_gaining_access
from reconciler.core.grant import Key, ObservedGrant, index_by_key
from reconciler.core.guards import Limits, ProtectionRules, forbid_over_limit, forbid_protected
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
    compare,
    facts_of,
    find_origins,
    name_order,
    sort_for_apply,
)
from reconciler.core.policy import (
    Policy,
    find_unmatched,
    forbid_denied,
    forbid_schema_violations,
    items_of,
    schema_warnings,
    without_allowed,
)
from reconciler.core.problems import Problem, errors
from reconciler.core.removals import NoLongerDeclared, Removal, find_moves, resolve_removals, unresolved_note
from reconciler.core.resolve import DesiredGrant, resolve, skip_missing
from reconciler.core.risks import REMOVAL_RISK, find_all_risks
from reconciler.core.selection import EVERYTHING, GrantSelection, select_grants, split_specs
from reconciler.core.spec import GrantSpec
from reconciler.core.token_lifetime import lifetime_notes
from reconciler.errors import ProblemsError, RefusedError

T = TypeVar("T")

MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class Observation:
    """The state of a tenant that a plan needs.

    Attributes:
        grants: All client grants of the tenant.
        directory: The names and ids of the tenant.
        notes: Facts for the reviewer about what was read, such as ignored fields.
        organization_grants: The number of grants of each organization that gains a grant, or None if the organization
            does not exist.
    """

    grants: tuple[ObservedGrant, ...]
    directory: Directory
    notes: tuple[str, ...] = ()
    organization_grants: Mapping[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRules:
    """The options, guards and policy of a plan.

    Attributes:
        protection: The rules that decide which grants must not be changed.
        limits: The maximum number of deletes and updates.
        policy: The accepted and denied risks.
        prune: Whether undeclared grants are deleted.
        create_only: Whether the plan only creates grants.
        skip_missing: Whether grants that refer to something missing are skipped.
        base, base_commit: The specs of the files at the base, and its commit id. None and empty without --base.
        only_branch: Whether the plan leaves out drift.
        removals: The grants that earlier commits declare, with --prune-removed. The plan deletes those that the files
            do not declare.
        rollback: The run that the plan undoes, or None.
        selection: The grants that the plan is about.
    """

    protection: ProtectionRules
    limits: Limits = field(default_factory=Limits)
    policy: Policy = field(default_factory=Policy)
    prune: bool = False
    create_only: bool = False
    skip_missing: bool = False
    base: tuple[GrantSpec, ...] | None = None
    base_commit: str = ""
    only_branch: bool = False
    removals: tuple[Removal, ...] = ()
    rollback: Rollback | None = None
    selection: GrantSelection = EVERYTHING


@dataclass(frozen=True, slots=True)
class CandidateChanges:
    """The changes before guards, with their origins.

    Attributes:
        changes: The changes.
        left_alone: The undeclared grants that are not deleted.
        origins: The origin of each change. It is empty without --base.
        differing: The number of declared grants that --create-only or --only-branch leaves different.
        base: The grants that the files at the base declare, by key.
        unresolved: The removed grants whose names the tenant does not have.
    """

    changes: tuple[Change, ...]
    left_alone: tuple[LeftAlone, ...]
    origins: Mapping[Key, Origin]
    differing: int
    base: Mapping[Key, DesiredGrant] = field(default_factory=dict)
    unresolved: tuple[Removal, ...] = ()


def make_plan(specs: Iterable[GrantSpec], observation: Observation, rules: PlanRules, tenant: TenantName) -> Plan:
    """Return the plan that brings the tenant to the state that `specs` declare.

    Raises:
        ProblemsError: if a name is unknown or ambiguous, or if Auth0 would refuse a grant.
        RefusedError: if the rollback belongs to another tenant.
    """
    directory = observation.directory
    split = split_specs(specs, rules.selection, directory)
    desired, problems = resolve(split.selected, directory)
    if rules.rollback:
        _refuse_other_tenant(rules.rollback, tenant)
    chosen = select_grants(observation.grants, desired, split, _earlier_files(rules, directory), directory)
    observed = index_by_key(chosen.grants)
    found, not_checked = run_checks(desired, observed, directory)
    problems += (*split.problems, *found)
    problems += _unmanaged_problems(desired, rules.protection.managed_scope, directory)
    problems += check_organizations(
        desired, observed, observation.organization_grants, directory, rules.limits.organization_grants
    )
    if rules.skip_missing or rules.rollback:
        desired, problems = skip_missing(desired, problems)
    if errors(problems):
        raise ProblemsError(tuple(sorted(problems)))
    warnings = sorted((*problems, *schema_warnings(desired, rules.policy, directory)))
    if not desired and not split.others:  # an empty grant folder is probably a mistake
        rules = replace(rules, limits=replace(rules.limits, requires_max_deletes=True))
    comparison = replace(compare(desired, observed), others=chosen.others)
    plan = _apply_guards(comparison, observation, rules, tenant, tuple(warnings))
    return replace(
        plan,
        selection=chosen.result,
        skipped=len(split.selected) - len(desired),
        not_checked=not_checked,
        notes=(*plan.notes, *_notes_on_skipped_checks(not_checked), *chosen.notes),
    )


def _earlier_files(rules: PlanRules, directory: Directory) -> Mapping[Key, str]:
    """Return the files that declared grants earlier, by key, if the selection contains files."""
    if not rules.selection.files:
        return {}
    base = {each.key: Removal(each.spec).path for each in resolve(rules.base or (), directory)[0]}
    return base | {key: each.path for key, each in resolve_removals(rules.removals, directory).by_key.items()}


def _unmanaged_problems(
    desired: Iterable[DesiredGrant],
    managed_scope: ManagedScope,
    directory: Directory,
) -> tuple[Problem, ...]:
    """Return a problem for each declared grant that `manage` does not match."""
    if not managed_scope.patterns:
        return ()
    reasons = ((each, managed_scope.reason_not_included(each.key, directory)) for each in desired)
    fix = "add it to manage, or remove it here"
    return tuple(Problem(each.spec.source, reason, fix) for each, reason in reasons if reason)


def _apply_guards(
    comparison: Comparison,
    observation: Observation,
    rules: PlanRules,
    tenant: TenantName,
    warnings: tuple[Problem, ...],
) -> Plan:
    directory = observation.directory
    candidates = _candidate_changes(comparison, rules, directory)
    allowed, protected = forbid_protected(candidates.changes, rules.protection, directory)
    managed = comparison.unchanged + len(comparison.updates) + comparison.others
    managed += sum(isinstance(each, Delete) for each in candidates.changes)
    stays = () if rules.rollback else tuple(_no_longer_declared(candidates, comparison.desired, rules.base_commit))
    risks = {
        **find_all_risks(candidates.changes, _is_own(rules.protection), directory),
        **{each.key: (REMOVAL_RISK,) for each in stays},
    }
    _, without_effect = forbid_denied([Delete(each.observed) for each in stays], risks, rules.policy, directory)
    blocked_keys = {each.change.key for each in without_effect}
    allowed, denied = forbid_denied(allowed, risks, rules.policy, directory)
    allowed, broken = forbid_schema_violations(allowed, rules.policy, directory)
    allowed, too_many = (allowed, ()) if rules.rollback else forbid_over_limit(allowed, rules.limits, managed)
    return Plan(
        tenant=tenant,
        changes=sort_for_apply(allowed, directory),
        blocked=_by_name(
            (*protected, *denied, *broken, *too_many, *without_effect), lambda each: each.change.key, directory
        ),
        left_alone=_by_name(candidates.left_alone, lambda each: each.observed.key, directory),
        no_longer_declared=_by_name(
            (each for each in stays if each.key not in blocked_keys), lambda each: each.key, directory
        ),
        unchanged=comparison.unchanged,
        differing=candidates.differing,
        directory=directory,
        warnings=warnings,
        risks=without_allowed(risks, rules.policy, directory),
        origins=candidates.origins,
        facts={each.key: facts_of(each, directory) for each in candidates.changes if not isinstance(each, Delete)},
        notes=(*observation.notes, *_notes(comparison, candidates, observation, rules)),
    )


def _by_name(items: Iterable[T], key: Callable[[T], Key], directory: Directory) -> tuple[T, ...]:
    return tuple(sorted(items, key=lambda each: name_order(key(each), directory)))


def _no_longer_declared(
    candidates: CandidateChanges, desired: Iterable[DesiredGrant], base_commit: str
) -> Iterator[NoLongerDeclared]:
    """Yield the grants that only the files at the base declare and that the plan does not delete."""
    stays = [each for each in candidates.left_alone if each.observed.key in candidates.base]
    if not stays:
        return
    added = [each for each in desired if each.key not in candidates.base]
    moves = find_moves([candidates.base[each.observed.key] for each in stays], added)
    for each in stays:
        key = each.observed.key
        why = "" if each.reason is Reason.REMOVED else each.why
        yield NoLongerDeclared(each.observed, candidates.base[key].spec.source, why, moves.get(key), base_commit)


def _is_own(protection: ProtectionRules) -> Callable[[Change], bool]:
    def is_own(change: Change) -> bool:
        return protection.reason_own(change.key, None if isinstance(change, Create) else change.before) is not None

    return is_own


def _candidate_changes(comparison: Comparison, rules: PlanRules, directory: Directory) -> CandidateChanges:
    removed = resolve_removals(rules.removals, directory)
    base = {each.key: each for each in resolve(rules.base or (), directory)[0]}
    at_base = {key: Removal(each.spec, commit=rules.base_commit) for key, each in base.items()}
    removals = {} if rules.rollback else at_base | dict(removed.by_key)
    deletes, left_alone = _split_undeclared(comparison.undeclared, rules, directory, removals)
    updates = () if rules.create_only else comparison.updates
    changes: tuple[Change, ...] = (*comparison.creates, *updates, *deletes)
    differing = len(comparison.updates) - len(updates)
    origins = {} if rules.base is None else find_origins(changes, base.values())
    whole = CandidateChanges(changes, left_alone, origins, differing, base, removed.unresolved)
    return _without_drift(whole) if rules.only_branch else whole


def _without_drift(candidates: CandidateChanges) -> CandidateChanges:
    """Remove the changes that are drift. Drift that would be deleted becomes `left_alone`."""
    drift = [change for change in candidates.changes if candidates.origins[change.key] is Origin.DRIFT]
    undeclared = tuple(
        LeftAlone(each.before, Reason.REMOVED if each.removal else Reason.UNMANAGED)
        for each in drift
        if isinstance(each, Delete)
    )
    left_alone = (*candidates.left_alone, *undeclared)
    return replace(
        candidates,
        changes=tuple(change for change in candidates.changes if candidates.origins[change.key] is not Origin.DRIFT),
        left_alone=tuple(sorted(left_alone, key=lambda each: each.observed.key.order)),
        origins={key: origin for key, origin in candidates.origins.items() if origin is not Origin.DRIFT},
        differing=candidates.differing + len(drift) - len(undeclared),
    )


def _notes(
    comparison: Comparison, candidates: CandidateChanges, observation: Observation, rules: PlanRules
) -> Iterator[str]:
    """Yield notes about facts that a reviewer could miss."""
    keys = [*(each.key for each in observation.grants), *(each.key for each in comparison.creates)]
    guards = rules.protection
    yield from find_unmatched(items_of(guards.protect, guards.managed_scope, rules.policy), keys, observation.directory)
    yield from _notes_on_matches_by_name(candidates, rules.protection.managed_scope, observation.directory)
    yield from _notes_on_kept_values(comparison.kept, observation.directory)
    yield from unresolved_note(candidates.unresolved)
    yield from lifetime_notes(candidates.changes, observation.directory)
    opened = sum(_admits_undeclared_organizations(each) for each in comparison.updates)
    if opened:
        yield (
            f"{pluralize(opened, 'grant')} will no longer deny organizations, so organizations that are already "
            "assigned gain access; declare organizations to see them"
        )


def _notes_on_skipped_checks(not_checked: Iterable[NotChecked]) -> Iterator[str]:
    """Yield a note for each reason why checks were skipped."""
    causes: dict[str, list[NotChecked]] = {}
    for each in not_checked:
        causes.setdefault(each.why, []).append(each)
    for why, checks in causes.items():
        listed = "; ".join(f"{each.what} ({pluralize(each.grants, 'grant')})" for each in checks)
        yield f"not checked, because {why}: {listed}"


def _notes_on_matches_by_name(
    candidates: CandidateChanges, managed_scope: ManagedScope, directory: Directory
) -> Iterator[str]:
    """Yield a note for each item of `manage` that permits changes without an exact client id.

    Anybody can choose the name of an application, so a reviewer should look at these changes.
    """
    names: dict[tuple[str, str], list[str]] = {}
    for change in candidates.changes:
        patterns = (each for each in managed_scope.patterns if each.matches(change.key, directory) is Match.YES)
        pattern = next(patterns, None)
        if pattern is not None and not pattern.has_exact_id(change.key):
            verb = "delete" if isinstance(change, Delete) else "create" if isinstance(change, Create) else "update"
            names.setdefault((verb, str(pattern)), []).append(directory.client_label(change.key))
    for (verb, pattern_text), labels in names.items():
        more = f" and {len(labels) - MAX_NAMED} more" if len(labels) > MAX_NAMED else ""
        listed = ", ".join(sorted(labels)[:MAX_NAMED])
        yield f"{pluralize(len(labels), verb)} because manage matches: {pattern_text} ({listed}{more})"


def _notes_on_kept_values(grants: Iterable[ObservedGrant], directory: Directory) -> Iterator[str]:
    """Yield a note for each kind of value that no file can express and that declared grants keep."""
    counts = Counter(reason_not_expressible(each.grant) for each in grants)
    examples = {reason_not_expressible(each.grant): each.key for each in grants}
    for why, count in counts.items():
        key = examples[why]
        label = f"{directory.client_label(key)} -> {directory.api_label(key)}"
        more = f" and {pluralize(count - 1, 'other grant')}" if count > 1 else ""
        yield f"{label}{more}: {why}; a grant file cannot express this, so reconciler does not change it"


def _admits_undeclared_organizations(update: Update) -> bool:
    """Return whether an update gives access to organizations that the files do not declare."""
    before, after = update.before.grant, update.after.grant
    lets_in = WITH_ORGANIZATION in callers_gaining_access(before.organization_usage, after.organization_usage)
    return lets_in and after.organizations is None


def _refuse_other_tenant(rollback: Rollback, tenant: TenantName) -> None:
    if (rollback.tenant, rollback.domain) != (tenant.name, tenant.domain):
        taken = TenantName(rollback.tenant, rollback.domain)
        raise RefusedError(f"the snapshot was taken from {taken}, not from {tenant}")


def _reason_to_keep(
    observed: ObservedGrant, rules: PlanRules, directory: Directory, *, prunes: bool
) -> tuple[Reason, str] | None:
    """Return the reason to keep an undeclared grant, with a detail. Return None if the plan deletes the grant.

    A rollback deletes exactly the grants that the run created, including grants of third parties.
    """
    if rules.rollback is None:
        return rules.protection.reason_to_keep(observed, directory, prunes=prunes)
    if rules.rollback.deletes(observed) and rules.protection.reason(observed.key, observed, directory) is None:
        return None
    reason, detail = rules.protection.reason_to_keep(observed, directory, prunes=False) or (Reason.UNMANAGED, "")
    if rules.rollback.planned_to_create(observed.key):
        detail = CREATED_AND_CHANGED if reason is Reason.UNMANAGED else CREATED_AND_KEPT
    return reason, detail


def _split_undeclared(
    grants: Iterable[ObservedGrant],
    rules: PlanRules,
    directory: Directory,
    removals: Mapping[Key, Removal],
) -> tuple[tuple[Delete, ...], tuple[LeftAlone, ...]]:
    """Split undeclared grants into deletes and kept grants. `removals` has the known earlier declarations."""
    deletes: list[Delete] = []
    left_alone: list[LeftAlone] = []
    for each in grants:
        removal = removals.get(each.key)
        is_removed = removal is not None and removal.is_from_history
        prunes = (rules.prune or is_removed) and not rules.create_only
        why = _reason_to_keep(each, rules, directory, prunes=prunes)
        if why is None:
            deletes.append(Delete(each, removal))
        elif why[0] is Reason.UNMANAGED and removal is not None:
            left_alone.append(LeftAlone(each, Reason.REMOVED, why[1]))
        else:
            left_alone.append(LeftAlone(each, *why))
    return tuple(deletes), tuple(left_alone)
