"""Decide which expired grants a plan deletes, and find changed and missing expiry dates.

The risk rule `temporary-access` requires an expiry date for grants with critical scopes. The rule `temporary-access` is
off by default, because most tenants have permanent grants with critical scopes. A company can switch on the rule
`temporary-access` by adding an item to `policy.rules`.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from reconciler.core.characters import join_some
from reconciler.core.directory import Directory
from reconciler.core.expiry import TEMPORARY_ACCESS, ExpiryChange, ends_within, expiry_text
from reconciler.core.expressible import reason_not_expressible
from reconciler.core.grant import ClientGrant, Key, ObservedGrant, index_by_key
from reconciler.core.guards import ProtectionRules
from reconciler.core.plan import Change, Delete, LeftAlone, Plan, Reason, Update, grant_before
from reconciler.core.policy import Risks
from reconciler.core.problems import Level, Problem, Risk, Severity
from reconciler.core.resolve import DesiredGrant, KnownParts, duplicate_problem, known_parts, matching_parts, resolve
from reconciler.core.risks import escaped_scope
from reconciler.core.scopes import scope_level
from reconciler.core.settings import Policy, Verdict
from reconciler.core.spec import GrantSpec


class UnresolvedExpiry(NamedTuple):
    """An expired declaration with an application name or API name that does not exist in the tenant."""

    spec: GrantSpec
    """The expired declaration."""
    problems: tuple[Problem, ...]
    """A problem for each application name or API name that the tenant does not have."""
    candidates: tuple[Key, ...] = ()
    """The undeclared grants that `spec` may declare, if the application or API was renamed.

    If `candidates` is empty, the tenant no longer has the expired grant.
    """


def resolve_expired(
    specs: Iterable[GrantSpec], desired: Iterable[DesiredGrant], directory: Directory
) -> tuple[Mapping[Key, GrantSpec], tuple[UnresolvedExpiry, ...], tuple[Problem, ...]]:
    """Return the expired declaration of each grant, the expired declarations with unknown names, and the problems.

    A name that does not exist in the tenant is not a problem, because deleting an application usually deletes the
    grant. It is an error if the same grant has an expired declaration and a valid declaration.
    """
    specs = tuple(specs)
    found, problems = resolve(specs, directory)
    expired = {each.key: each.spec for each in found}
    conflicts = (duplicate_problem(expired[each.key], each.spec) for each in desired if each.key in expired)
    missing = [each for each in problems if each.is_missing]
    unresolved = []
    for spec in specs if missing else ():
        own = {spec.source_of("client"), spec.source_of("api")}
        if names := tuple(each for each in missing if each.source in own):
            unresolved.append(UnresolvedExpiry(spec, names))
    return expired, tuple(unresolved), (*(each for each in problems if not each.is_missing), *conflicts)


def find_candidates(
    unresolved: Sequence[UnresolvedExpiry],
    declared: Iterable[DesiredGrant],
    observed: Iterable[ObservedGrant],
    protection: ProtectionRules,
    directory: Directory,
) -> tuple[UnresolvedExpiry, ...]:
    """Add candidates to each expired declaration that contains an unknown application or API name.

    A candidate is an undeclared grant with the subject type and all known names and ids of the expired declaration.

    The function never adds one of reconciler's own grants to an expired declaration.
    """
    if not unresolved:
        return ()
    keys_in_files = {each.key for each in declared}
    others = (each for each in observed if each.key not in keys_in_files)
    keys = [each.key for each in others if protection.reason_own(each.key, each) is None]
    by_parts: dict[KnownParts, list[Key]] = {}
    for key in keys:
        for parts in matching_parts(key):
            by_parts.setdefault(parts, []).append(key)

    def candidates(spec: GrantSpec) -> tuple[Key, ...]:
        return tuple(key for known in known_parts(spec, directory) for key in by_parts.get(known, ()))

    return tuple(each._replace(candidates=candidates(each.spec)) for each in unresolved)


def unresolved_warnings(unresolved: Iterable[UnresolvedExpiry], directory: Directory) -> Iterator[Problem]:
    """Yield a warning for each application or API name that an expired declaration contains and the tenant lacks."""
    for each in unresolved:
        when = expiry_text(each.spec.expires)
        grants = join_some([f"{directory.client_label(key)} -> {directory.api_label(key)}" for key in each.candidates])
        for problem in each.problems:
            what = f"expired {when}, and the tenant no longer has this grant: {problem.what}"
            fix = "remove these lines"
            if grants:
                what = f"expired {when}, but it is not known whether the grant still exists: {problem.what}"
                fix = (
                    f"if the application or API was renamed, the grant may be {grants}: write the client_id and the "
                    "audience here; if the grant was deleted, remove these lines"
                )
            yield problem._replace(what=what, fix=fix, severity=Severity.WARNING, is_missing=False)


def reason_to_keep_expired(
    observed: ObservedGrant, spec: GrantSpec, protection: ProtectionRules, directory: Directory
) -> tuple[Reason, str] | None:
    """Return the reason why the plan keeps an expired grant, and an explanation of the reason.

    Return None if the plan deletes the grant.

    The plan deletes a third-party application's grant only if the grant file or the setting `manage` contains the
    client id. A matching name does not identify a third-party application, because a third party can choose any name.
    """
    if why := protection.reason(observed.key, observed, directory):
        return why
    if detail := reason_not_expressible(observed.grant):
        return Reason.NOT_EXPRESSIBLE, detail
    if spec.client is None or directory.third_party(observed.key) is False:
        return None
    if protection.managed_scope.has_exact_id(observed.key, directory):
        return None
    return Reason.THIRD_PARTY, "the file contains the name of the application instead of the client_id"


def expired_grant_warnings(
    expired: Mapping[Key, GrantSpec], observed: Container[Key], left_alone: Iterable[LeftAlone]
) -> Iterator[Problem]:
    """Yield a warning for each expired declaration whose grant the plan does not delete."""
    kept = {each.observed.key: each.detail if each.reason is Reason.EXPIRED else each.why for each in left_alone}
    for key, spec in expired.items():
        when = expiry_text(spec.expires)
        if key not in observed:
            what, fix = f"expired {when}, and the tenant no longer has this grant", "remove these lines"
        elif key in kept:
            what = f"expired {when}, but reconciler does not delete the grant: {kept[key]}"
            fix = "delete the grant by hand, or set a later expiry date here"
        else:
            continue
        yield Problem(spec.source_of("expires"), what, fix, Severity.WARNING)


def find_expiry_changes(
    desired: Iterable[DesiredGrant], base: Mapping[Key, DesiredGrant], existing: Container[Key]
) -> tuple[ExpiryChange, ...]:
    """Return the declared grants whose expiry date changed since the base revision.

    `existing` contains the grants of the tenant. A new declaration can give an existing grant an expiry date, although
    the plan does not change the grant.
    """
    ends = {key: each.spec.expires for key, each in base.items()}
    return tuple(
        ExpiryChange(each.key, each.spec.source_of("expires"), ends.get(each.key, ""), each.spec.expires)
        for each in desired
        if (each.key in ends or each.key in existing) and each.spec.expires != ends.get(each.key, "")
    )


class LongAccess(NamedTuple):
    """The declared grants with critical scopes and a missing or late expiry date (risk `temporary-access`).

    `risks` contains one risk per grant. `extended` contains the grants whose expiry date changed since the base
    revision.
    """

    risks: Mapping[Key, Risk]
    extended: frozenset[Key]

    def add_to(self, risks: Risks, changes: Iterable[Change]) -> Risks:
        """Add the risk `temporary-access` to changes that add a critical scope, and to changes of the expiry date."""
        given = {change.key for change in changes if change.key in self.risks and adds_critical_scopes(change)}
        concerned = given | (self.extended & self.risks.keys())
        added = {key: (*risks.get(key, ()), self.risks[key]) for key in concerned}
        return {**risks, **{key: tuple(sorted(each, key=lambda risk: risk.level.order)) for key, each in added.items()}}

    def extensions(
        self, desired: Iterable[DesiredGrant], changes: Iterable[Change], observed: Iterable[ObservedGrant]
    ) -> Iterator[Update]:
        """Yield an update for each grant whose new expiry date causes the risk `temporary-access`.

        Skip a grant if `changes` already contains a change of the grant.

        The yielded updates change nothing in Auth0, because Auth0 does not store expiry dates. A policy can deny a new
        expiry date by blocking the update that contains the date.
        """
        concerned = (self.extended & self.risks.keys()) - {change.key for change in changes}
        before = index_by_key(observed)
        return (Update(before[each.key], each, ()) for each in desired if each.key in concerned & before.keys())

    def warnings(self, desired: Iterable[DesiredGrant], plan: Plan) -> Iterator[Problem]:
        """Yield a warning at the line of each declared grant with the risk `temporary-access`.

        Skip grants for which the plan already shows the risk `temporary-access`.
        """
        for each in desired:
            risk = self.risks.get(each.key)
            if risk and risk not in plan.risks.get(each.key, ()):
                fix = "write an expiry date (expires) that the policy accepts, or add an item to policy.rules"
                what = f"{TEMPORARY_ACCESS}: {risk.message}"
                yield Problem(each.spec.source_of("expires"), what, fix, Severity.WARNING)


def find_long_access(
    desired: Iterable[DesiredGrant],
    expiry_changes: Iterable[ExpiryChange],
    policy: Policy,
    directory: Directory,
    now: datetime,
) -> LongAccess:
    """Return the declared grants with critical scopes whose expiry date is missing or violates the policy."""
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
    """Return the critical scopes of a grant. Auth0 does not accept `allow_all_scopes` for APIs with critical scopes."""
    return frozenset(scope for scope in grant.scope if scope_level(grant.key.audience, scope) is Level.CRITICAL)


def adds_critical_scopes(change: Change) -> bool:
    """Return whether a change adds a critical scope to a grant."""
    if isinstance(change, Delete):
        return False
    before = grant_before(change)
    return bool(critical_scopes(change.after.grant) - (before.scope if before else frozenset()))
