"""Pure: decide what a plan does with grants that have expired, and find changed ends."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace

from reconciler.core.directory import Directory
from reconciler.core.expiry import ExpiryChange, expiry_text
from reconciler.core.expressible import reason_not_expressible
from reconciler.core.grant import Key, ObservedGrant
from reconciler.core.guards import ProtectionRules
from reconciler.core.plan import LeftAlone, Reason
from reconciler.core.problems import Problem, Severity
from reconciler.core.resolve import DesiredGrant, duplicate_problem, resolve
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
