"""Pure: decide what a plan does with grants that have expired, and find changed ends and grants without an end.

The risk rule `temporary-access` requires an end (`expires`) for grants with critical scopes. The rule is evaluated only
if an item of `policy.rules` names it, because most tenants have permanent critical grants.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.core.characters import join_some
from reconciler.core.directory import Directory
from reconciler.core.expiry import TEMPORARY_ACCESS, ExpiryChange, ends_within, expiry_text
from reconciler.core.expressible import reason_not_expressible
from reconciler.core.grant import ClientGrant, Key, ObservedGrant, index_by_key
from reconciler.core.guards import ProtectionRules
from reconciler.core.plan import Change, Delete, LeftAlone, Plan, Reason, Update, grant_before
from reconciler.core.policy import Policy, Risks, Verdict
from reconciler.core.problems import Level, Problem, Risk, Severity
from reconciler.core.resolve import DesiredGrant, duplicate_problem, resolve
from reconciler.core.risks import escaped_scope
from reconciler.core.scopes import scope_level
from reconciler.core.spec import GrantSpec


def resolve_expired(
    specs: Iterable[GrantSpec], desired: Iterable[DesiredGrant], directory: Directory
) -> tuple[Mapping[Key, GrantSpec], tuple[Problem, ...]]:
    """Return the expired declarations by key, and the problems.

    A name that the tenant does not have is only a warning, because the grant is usually gone with its application. A
    grant that the files also declare without an end in the past is an error.
    """
    found, problems = resolve(specs, directory)
    expired = {each.key: each.spec for each in found}
    conflicts = (duplicate_problem(expired[each.key], each.spec) for each in desired if each.key in expired)
    return expired, (*map(_as_warning, problems), *conflicts)


def _as_warning(problem: Problem) -> Problem:
    """Return a problem with a name that the tenant does not have as a warning. Other problems stay as they are."""
    if not problem.is_missing:
        return problem
    what = f"{problem.what}, and this grant has expired"
    fix = "correct the name; if the application or API was only renamed, its grant still exists"
    return replace(problem, what=what, fix=fix, severity=Severity.WARNING)


def reason_to_keep_expired(
    observed: ObservedGrant, spec: GrantSpec, protection: ProtectionRules, directory: Directory
) -> tuple[Reason, str] | None:
    """Return the reason why an expired grant is not deleted, with a detail, or None.

    Third parties choose their own names. The grant of a third party is therefore deleted only if the file or `manage`
    contains its client id.
    """
    if why := protection.reason(observed.key, observed, directory):
        return why
    if detail := reason_not_expressible(observed.grant):
        return Reason.NOT_EXPRESSIBLE, detail
    if spec.client is None or directory.third_party(observed.key) is False:
        return None
    if protection.managed_scope.has_exact_id(observed.key, directory):
        return None
    return Reason.THIRD_PARTY, "the file names the application instead of its client_id"


def expired_grant_warnings(
    expired: Mapping[Key, GrantSpec], observed: Container[Key], left_alone: Iterable[LeftAlone]
) -> Iterator[Problem]:
    """Yield a warning for each expired grant that is gone, so that its lines can be removed, or that stays."""
    kept = {each.observed.key: each.detail if each.reason is Reason.EXPIRED else each.why for each in left_alone}
    for key, spec in expired.items():
        when = expiry_text(spec.expires)
        if key not in observed:
            what, fix = f"expired {when}, and the tenant no longer has this grant", "remove these lines"
        elif key in kept:
            what, fix = f"expired {when}, but the grant stays: {kept[key]}", "delete it by hand, or extend it here"
        else:
            continue
        yield Problem(spec.source_of("expires"), what, fix, Severity.WARNING)


def find_expiry_changes(desired: Iterable[DesiredGrant], base: Mapping[Key, DesiredGrant]) -> tuple[ExpiryChange, ...]:
    """Return the declared grants whose end differs from the end that the files at the base declare."""
    return tuple(
        ExpiryChange(each.key, each.spec.source_of("expires"), base[each.key].spec.expires, each.spec.expires)
        for each in desired
        if each.key in base and each.spec.expires != base[each.key].spec.expires
    )


@dataclass(frozen=True, slots=True)
class LongAccess:
    """The grants with critical scopes whose end the policy does not accept.

    `risks` has their risk by key. `extended` has the keys of the grants whose end changed since the base.
    """

    risks: Mapping[Key, Risk]
    extended: frozenset[Key]

    def add_to(self, risks: Risks, changes: Iterable[Change]) -> Risks:
        """Add the risk to changes that give critical scopes, and to grants whose end changed since the base."""
        given = {change.key for change in changes if change.key in self.risks and adds_critical_scopes(change)}
        concerned = given | (self.extended & self.risks.keys())
        added = {key: (*risks.get(key, ()), self.risks[key]) for key in concerned}
        return {**risks, **{key: tuple(sorted(each, key=lambda risk: risk.level.order)) for key, each in added.items()}}

    def extensions(
        self, desired: Iterable[DesiredGrant], changes: Iterable[Change], observed: Iterable[ObservedGrant]
    ) -> Iterator[Update]:
        """Yield an empty update for each grant of which only the end changed.

        Auth0 does not store the end, so the plan has no change that a policy could block.
        """
        concerned = (self.extended & self.risks.keys()) - {change.key for change in changes}
        before = index_by_key(observed)
        return (Update(before[each.key], each, ()) for each in desired if each.key in concerned & before.keys())

    def warnings(self, desired: Iterable[DesiredGrant], plan: Plan) -> Iterator[Problem]:
        """Yield a warning at the line of each grant, unless the plan already shows the risk."""
        for each in desired:
            risk = self.risks.get(each.key)
            if risk and risk not in plan.risks.get(each.key, ()):
                fix = "write an end (expires) that the policy accepts, or add an item to policy.rules"
                what = f"{TEMPORARY_ACCESS}: {risk.message}"
                yield Problem(each.spec.source_of("expires"), what, fix, Severity.WARNING)


def find_long_access(
    desired: Iterable[DesiredGrant],
    expiry_changes: Iterable[ExpiryChange],
    policy: Policy,
    directory: Directory,
    now: datetime,
) -> LongAccess:
    """Return the declared grants with critical scopes whose end the policy does not accept."""
    if not any(rule.rule == TEMPORARY_ACCESS for rule in policy.all_rules):
        return LongAccess({}, frozenset())
    found = ((each.key, _risk(each, policy, directory, now)) for each in desired if critical_scopes(each.grant))
    return LongAccess({key: risk for key, risk in found if risk}, frozenset(each.key for each in expiry_changes))


def _risk(each: DesiredGrant, policy: Policy, directory: Directory, now: datetime) -> Risk | None:
    end = each.spec.expires
    rules = policy.matching_rules(TEMPORARY_ACCESS, each.key, directory)
    broken = [rule for rule in rules if rule.verdict is not Verdict.ALLOW and not ends_within(end, now, rule.max_days)]
    if not broken:
        return None
    days = min((rule.max_days for rule in broken if rule.max_days is not None), default=None)
    what = f"expires {expiry_text(end)}, in more than {days} days" if end else "does not expire"
    named = join_some([escaped_scope(scope) for scope in sorted(critical_scopes(each.grant))])
    return Risk(TEMPORARY_ACCESS, Level.HIGH, f"{what}, with critical scopes: {named}")


def critical_scopes(grant: ClientGrant) -> frozenset[str]:
    """Return the critical scopes of a grant. Auth0 refuses `allow_all_scopes` for APIs with critical scopes."""
    return frozenset(scope for scope in grant.scope if scope_level(grant.key.audience, scope) is Level.CRITICAL)


def adds_critical_scopes(change: Change) -> bool:
    """Return whether a change gives critical scopes that the grant did not have."""
    if isinstance(change, Delete):
        return False
    before = grant_before(change)
    return bool(critical_scopes(change.after.grant) - (before.scope if before else frozenset()))
