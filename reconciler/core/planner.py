"""Make a plan from the declared grants and the tenant's grants, and block dangerous changes."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from reconciler.core.base_declarations import (
    POSSIBLE_REMOVAL_RISK,
    BaseDeclarations,
    removed_without_effect,
    resolve_base,
    unidentified_removals,
)
from reconciler.core.checks import NotChecked, run_checks
from reconciler.core.directory import Directory
from reconciler.core.expired_grants import (
    expired_grant_warnings,
    find_candidates,
    find_expiry_changes,
    find_long_access,
    reason_to_keep_expired,
    resolve_expired,
    unresolved_warnings,
)
from reconciler.core.expiry import DEFAULT_WARN_BEFORE, expiry_warnings, split_expired
from reconciler.core.grant import ClientGrant, Key, ObservedGrant, index_by_key
from reconciler.core.guards import ProtectionRules, forbid_over_limit, forbid_protected, managed_problems
from reconciler.core.identity import TenantName
from reconciler.core.organizations import check_organizations
from reconciler.core.outcome import CREATED_AND_CHANGED, CREATED_AND_KEPT, Rollback
from reconciler.core.plan import (
    Change,
    Comparison,
    Delete,
    LeftAlone,
    Origin,
    Plan,
    Reason,
    compare,
    facts_of,
    find_origins,
    name_order,
    sort_for_apply,
)
from reconciler.core.plan_notes import (
    notes_on_kept_values,
    notes_on_matches_by_name,
    notes_on_opened_grants,
    notes_on_skipped_checks,
)
from reconciler.core.policy import (
    Risks,
    find_unmatched,
    forbid_denied,
    forbid_schema_violations,
    items_of,
    schema_warnings,
    without_allowed,
)
from reconciler.core.problems import Problem, errors, one_per_cause
from reconciler.core.removals import Removal, resolve_removals, unresolved_notes
from reconciler.core.resolve import DesiredGrant, resolve, resolve_incomplete, skip_missing
from reconciler.core.risks import REMOVAL_RISK, find_all_risks
from reconciler.core.selection import EVERYTHING, GrantSelection, check_others, select_grants, split_specs
from reconciler.core.settings import Limits, Policy
from reconciler.core.spec import GrantSpec
from reconciler.core.token_lifetime import lifetime_notes
from reconciler.errors import ProblemsError, RefusedError

T = TypeVar("T")


class Observation(NamedTuple):
    """The data of a tenant that reconciler needs to make a plan."""

    grants: tuple[ObservedGrant, ...]
    """All client grants of the tenant."""
    directory: Directory
    """The names and ids of the tenant's applications, APIs and organizations."""
    notes: tuple[str, ...] = ()
    """Notes for the reviewer about the tenant's data, such as a note about ignored fields."""
    organization_grants: Mapping[str, int | None] = MappingProxyType({})
    """The current number of grants of each organization that gains a grant. A missing organization has the value None.
    """


class PlanRules(NamedTuple):
    """The options, limits, protection rules and policy that decide which changes a plan contains."""

    now: datetime
    """The time of the run. A grant has expired if its expiry date is before the time of the run."""
    protection: ProtectionRules
    """The rules that decide which grants reconciler must not change."""
    limits: Limits = Limits()
    """The limit for the number of deletes, and the limit for the number of updates."""
    policy: Policy = Policy()
    """The policy in reconciler.yaml, which allows or denies risks."""
    prune: bool = False
    """True if the plan deletes undeclared grants."""
    create_only: bool = False
    """True if the plan only creates grants."""
    skip_missing: bool = False
    """True if the plan skips grants whose application, API or organization does not exist."""
    base: tuple[GrantSpec, ...] | None = None
    """The declarations at the base revision, or None without `--base`."""
    base_commit: str = ""
    """The commit hash of the base revision, or an empty string without `--base`."""
    only_branch: bool = False
    """True if the plan contains only changes that result from changed files (`--only-branch`)."""
    removals: tuple[Removal, ...] = ()
    """The earlier declarations of grants that the files no longer declare (only with `--prune-removed`)."""
    rollback: Rollback | None = None
    """The run that the plan undoes, or None."""
    selection: GrantSelection = EVERYTHING
    """The grants that the user selected for the plan."""
    of_all_tenants: tuple[GrantSpec, ...] = ()
    """The declarations of all tenants, which an error message mentions if the options select no grant."""
    only_expired: bool = False
    """True if the plan only deletes expired grants."""
    warn_before: timedelta = DEFAULT_WARN_BEFORE
    """The time before a grant's expiry date at which reconciler starts to warn."""

    @property
    def narrowed_by(self) -> tuple[str, ...]:
        """The used options that exclude changes from the plan, such as `--create-only`."""
        names = ("create_only", "only_branch", "only_expired")
        return tuple(f"--{name.replace('_', '-')}" for name in names if getattr(self, name))


class CandidateChanges(NamedTuple):
    """The changes of a plan, before the guards (limits and protections) block some of the changes."""

    changes: tuple[Change, ...]
    left_alone: tuple[LeftAlone, ...]
    """The undeclared or expired grants that the plan leaves in the tenant."""
    origins: Mapping[Key, Origin]
    """With `--base`, the cause of each change: the files, the tenant, or both."""
    differing: int
    """The number of declared grants whose changes an option such as `--create-only` excludes from the plan."""
    unresolved: tuple[Removal, ...] = ()
    """The removed declarations whose names do not match exactly one application and one API in the tenant."""


def make_plan(specs: Iterable[GrantSpec], observation: Observation, rules: PlanRules, tenant: TenantName) -> Plan:
    """Return the plan that makes the tenant match the declarations in `specs`.

    Raises:
        ProblemsError: if a name is unknown or ambiguous, or if Auth0 would refuse a declared grant.
        RefusedError: if the plan's tenant is not the tenant of the run to undo.
    """
    directory, specs = observation.directory, tuple(specs)
    split = split_specs(specs, rules.selection, directory, rules.of_all_tenants)
    valid, ended = split_expired(split.selected, rules.now)
    desired, problems = resolve(valid, directory)
    expired, unresolved, found = resolve_expired(ended, desired, directory)
    _refuse_other_tenant(rules.rollback, tenant)
    base = resolve_base(() if rules.rollback else rules.base or (), specs, directory, rules.now)
    valid_grants = (*desired, *resolve_incomplete(valid, desired, directory))
    selected = (*valid_grants, *(DesiredGrant(ClientGrant(key), spec) for key, spec in expired.items()))
    chosen = select_grants(observation.grants, selected, split, _earlier_files(rules, base, directory), directory)
    observed = index_by_key(chosen.grants)
    more, not_checked = _check(desired, observed, observation, rules)
    deletes = rules.prune or bool(rules.removals) or bool(ended)
    problems += (*split.problems, *found, *more, *check_others(split, selected, directory, deletes=deletes))
    if rules.skip_missing or rules.rollback or rules.only_expired:
        desired, problems = skip_missing(desired, problems)
    if errors(problems):
        raise ProblemsError(one_per_cause(problems))
    if not desired and not split.others and (rules.prune or not expired):  # an empty grant folder is probably a mistake
        rules = rules._replace(limits=rules.limits._replace(requires_max_deletes=True))
    skipped = {each.key for each in valid_grants} - {each.key for each in desired}
    observed = {key: each for key, each in observed.items() if key not in skipped}
    others = chosen.others + len(chosen.grants) - len(observed)
    comparison = compare(desired, observed)._replace(others=others, expired=expired)
    declared = (*selected, *resolve(split.others, directory)[0])
    unresolved = find_candidates(unresolved, declared, observation.grants, rules.protection, directory)
    plan = _apply_guards(comparison, base, observation, rules, tenant)
    warnings = (
        *problems,
        *schema_warnings(desired, rules.policy, directory),
        *expiry_warnings(valid, rules.now, rules.warn_before),
        *expired_grant_warnings(expired, observed, plan.left_alone),
        *unresolved_warnings(unresolved, directory),
        *find_long_access(desired, (), rules.policy, directory, rules.now).warnings(desired, plan),
    )
    return replace(
        plan,
        selection=chosen.result,
        skipped=0 if rules.only_expired else len(valid) - len(desired),
        expired_unknown=sum(bool(each.candidates) for each in unresolved),
        not_checked=not_checked,
        notes=(*plan.notes, *notes_on_skipped_checks(not_checked), *chosen.notes),
        warnings=tuple(sorted(set(warnings))),
    )


def _check(
    desired: tuple[DesiredGrant, ...], observed: Mapping[Key, ObservedGrant], observation: Observation, rules: PlanRules
) -> tuple[tuple[Problem, ...], tuple[NotChecked, ...]]:
    """Check the declared grants, and return the problems and the skipped checks. Run no checks for `--only-expired`."""
    if rules.only_expired:
        return (), ()
    directory = observation.directory
    problems, not_checked = run_checks(desired, observed, directory)
    limit = rules.limits.organization_grants
    return (
        *problems,
        *managed_problems(desired, rules.protection.managed_scope, directory),
        *check_organizations(desired, observed, observation.organization_grants, directory, limit),
    ), not_checked


def _earlier_files(rules: PlanRules, base: BaseDeclarations, directory: Directory) -> Mapping[Key, str]:
    """Return the last grant file of each grant that the files declared before and do not declare now.

    Return an empty mapping unless the user selected grants by file.
    """
    if not rules.selection.files:
        return {}
    paths = {key: Removal(each.spec).path for key, each in base.by_key.items()}
    return paths | {key: each.path for key, each in resolve_removals(rules.removals, directory).by_key.items()}


def _apply_guards(
    comparison: Comparison,
    base: BaseDeclarations,
    observation: Observation,
    rules: PlanRules,
    tenant: TenantName,
) -> Plan:
    directory = observation.directory
    candidates = _candidate_changes(comparison, base, rules, directory)
    allowed, protected = forbid_protected(candidates.changes, rules.protection, directory)
    total = comparison.unchanged + len(comparison.updates) + comparison.others
    total += sum(isinstance(each, Delete) for each in candidates.changes)
    stays, may_stay = removed_without_effect(candidates.left_alone, comparison, base, rules.base_commit)
    risks: Risks = {
        **find_all_risks(candidates.changes, rules.protection.is_own, directory),
        **{each.key: (REMOVAL_RISK,) for each in stays},
        **{each.key: (POSSIBLE_REMOVAL_RISK,) for each in may_stay},
    }
    at_base = base.with_renamed(comparison.desired, observation.grants)
    existing = () if rules.base is None else {each.key for each in observation.grants}
    expiry_changes = find_expiry_changes(comparison.desired, at_base, existing)
    changed_ends = [each for each in expiry_changes if each.key in at_base]
    long_access = find_long_access(comparison.desired, changed_ends, rules.policy, directory, rules.now)
    risks = long_access.add_to(risks, candidates.changes)
    removed = [*(each.observed for each in stays), *may_stay]
    _, without_effect = forbid_denied(map(Delete, removed), risks, rules.policy, directory)
    blocked_keys = {each.change.key for each in without_effect}
    risks = {key: found for key, found in risks.items() if found != (POSSIBLE_REMOVAL_RISK,) or key in blocked_keys}
    allowed, denied = forbid_denied(allowed, risks, rules.policy, directory)
    allowed, broken = forbid_schema_violations(allowed, rules.policy, directory)
    extensions = long_access.extensions(comparison.desired, candidates.changes, observation.grants)
    _, extended = forbid_denied(extensions, risks, rules.policy, directory)
    allowed, too_many = (allowed, ()) if rules.rollback else forbid_over_limit(allowed, rules.limits, total)
    return Plan(
        tenant=tenant,
        changes=sort_for_apply(allowed, directory),
        blocked=_by_name(
            (*protected, *denied, *broken, *too_many, *without_effect, *extended),
            lambda each: each.change.key,
            directory,
        ),
        left_alone=_by_name(candidates.left_alone, lambda each: each.observed.key, directory),
        no_longer_declared=_by_name(
            (each for each in stays if each.key not in blocked_keys), lambda each: each.key, directory
        ),
        unchanged=comparison.unchanged,
        differing=candidates.differing,
        narrowed_by=rules.narrowed_by if candidates.differing else (),
        directory=directory,
        risks=without_allowed(risks, rules.policy, directory),
        origins=candidates.origins,
        expiry_changes=_by_name(expiry_changes, lambda each: each.key, directory),
        facts={each.key: facts_of(each, directory) for each in candidates.changes if not isinstance(each, Delete)},
        notes=(*observation.notes, *_notes(comparison, candidates, observation, rules)),
    )


def _by_name(items: Iterable[T], key: Callable[[T], Key], directory: Directory) -> tuple[T, ...]:
    return tuple(sorted(items, key=lambda each: name_order(key(each), directory)))


def _candidate_changes(
    comparison: Comparison, base: BaseDeclarations, rules: PlanRules, directory: Directory
) -> CandidateChanges:
    removed = resolve_removals(rules.removals, directory)
    removals = {key: Removal(each.spec, commit=rules.base_commit) for key, each in base.by_key.items()}
    removals = {} if rules.rollback else removals | dict(removed.by_key)
    deletes, left_alone = _split_undeclared(comparison, rules, directory, removals)
    updates = () if rules.create_only else comparison.updates
    changes: tuple[Change, ...] = (*comparison.creates, *updates, *deletes)
    differing = len(comparison.updates) - len(updates) + sum(each.reason is Reason.EXPIRED for each in left_alone)
    origins = {} if rules.base is None else find_origins(changes, base.valid.values(), base.expired)
    kept = (each.observed.key for each in left_alone if each.reason is Reason.UNMANAGED)
    unresolved = unidentified_removals(base, removed.not_compared(kept), rules.base_commit)
    whole = CandidateChanges(changes, left_alone, origins, differing, unresolved)
    if rules.only_expired:
        return _without(whole, [each for each in changes if not (isinstance(each, Delete) and each.expired)])
    if rules.only_branch:
        return _without(whole, [each for each in changes if origins[each.key] in {Origin.DRIFT, Origin.EXPIRED}])
    return whole


def _without(candidates: CandidateChanges, left_out: Iterable[Change]) -> CandidateChanges:
    """Return `candidates` without the changes in `left_out`.

    If `left_out` contains the deletion of a grant, the returned `left_alone` contains the grant.
    """
    by_key = {change.key: change for change in left_out}
    undeclared = tuple(_left_alone(each) for each in by_key.values() if isinstance(each, Delete))
    left_alone = (*candidates.left_alone, *undeclared)
    return candidates._replace(
        changes=tuple(change for change in candidates.changes if change.key not in by_key),
        left_alone=tuple(sorted(left_alone, key=lambda each: each.observed.key.order)),
        origins={key: origin for key, origin in candidates.origins.items() if key not in by_key},
        differing=candidates.differing + len(by_key) - sum(each.reason is not Reason.EXPIRED for each in undeclared),
    )


def _left_alone(change: Delete) -> LeftAlone:
    if change.expired:
        return LeftAlone(change.before, Reason.EXPIRED, "the branch did not change this declaration (--only-branch)")
    return LeftAlone(change.before, Reason.REMOVED if change.removal else Reason.UNMANAGED)


def _notes(
    comparison: Comparison, candidates: CandidateChanges, observation: Observation, rules: PlanRules
) -> Iterator[str]:
    """Yield notes about facts that a reviewer could overlook."""
    keys = [*(each.key for each in observation.grants), *(each.key for each in comparison.creates)]
    guards = rules.protection
    yield from find_unmatched(items_of(guards.protect, guards.managed_scope, rules.policy), keys, observation.directory)
    yield from notes_on_matches_by_name(candidates.changes, rules.protection.managed_scope, observation.directory)
    yield from notes_on_kept_values(comparison.kept, observation.directory)
    yield from unresolved_notes(candidates.unresolved)
    yield from lifetime_notes(candidates.changes, observation.directory)
    yield from notes_on_opened_grants(comparison.updates)


def _refuse_other_tenant(rollback: Rollback | None, tenant: TenantName) -> None:
    if rollback and (rollback.tenant, rollback.domain) != (tenant.name, tenant.domain):
        taken = TenantName(rollback.tenant, rollback.domain)
        raise RefusedError(f"the snapshot was taken from {taken}, not from {tenant}")


def _reason_to_keep(
    observed: ObservedGrant, rules: PlanRules, directory: Directory, *, prunes: bool
) -> tuple[Reason, str] | None:
    """Return the reason why reconciler keeps an undeclared grant, and an explanation of the reason.

    Return None if the plan deletes the grant.

    A rollback deletes the grants that the run created, including grants of third-party applications.
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
    comparison: Comparison, rules: PlanRules, directory: Directory, removals: Mapping[Key, Removal]
) -> tuple[tuple[Delete, ...], tuple[LeftAlone, ...]]:
    """Split undeclared grants into grants to delete and grants to keep."""
    deletes: list[Delete] = []
    left_alone: list[LeftAlone] = []
    for each in comparison.undeclared:
        if (spec := comparison.expired.get(each.key)) is not None:
            if kept := reason_to_keep_expired(each, spec, rules.protection, directory):
                left_alone.append(LeftAlone(each, *kept))
            elif rules.create_only:
                left_alone.append(LeftAlone(each, Reason.EXPIRED, "--create-only does not delete grants"))
            else:
                deletes.append(Delete(each, expired=spec))
            continue
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
