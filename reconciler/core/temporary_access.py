"""Pure: the risk rule `temporary-access`, which requires an end (`expires`) for grants with critical scopes.

The rule is evaluated only if an item of `policy.rules` names it, because most tenants have permanent critical grants.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.core.characters import join_some
from reconciler.core.directory import Directory
from reconciler.core.expiry import TEMPORARY_ACCESS, ExpiryChange, ends_within, expiry_text
from reconciler.core.grant import ClientGrant, Key, ObservedGrant, index_by_key
from reconciler.core.plan import Change, Delete, Plan, Update, grant_before
from reconciler.core.policy import Policy, Risks, Verdict
from reconciler.core.problems import Level, Problem, Risk, Severity
from reconciler.core.resolve import DesiredGrant
from reconciler.core.risks import escaped_scope
from reconciler.core.scopes import scope_level


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
