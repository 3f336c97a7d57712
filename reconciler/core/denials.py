"""Pure: what the policy makes of a plan: risks that are shown, changes that are blocked, grants that break a rule."""

from collections.abc import Iterable, Iterator, Mapping

from reconciler.core.desired import DesiredGrant
from reconciler.core.directory import Directory
from reconciler.core.grant import ClientGrant, Key
from reconciler.core.guards import Guarded, guarded
from reconciler.core.plan import Change, Delete
from reconciler.core.policy import Policy, Verdict
from reconciler.core.problems import Problem, Severity
from reconciler.core.risk import Risk


def broken_by(desired: DesiredGrant, policy: Policy, directory: Directory) -> list[str]:
    """Return the titles of the schemas of `policy` that a grant does not meet."""
    if not policy.schemas:
        return []
    data = described(desired, directory)
    return [schema.title for schema in policy.schemas if not schema.is_met_by(data)]


def described(desired: DesiredGrant, directory: Directory) -> dict[str, object]:
    """Return a grant as a grant file would say it with nothing left out: names beside ids, defaults filled in.

    Left out is what there is not: a name that nobody knows, the application of a default grant, a description or
    organizations where the file says nothing of them.
    """
    grant, key = desired.grant, desired.key
    values: dict[str, object] = {
        "client": directory.client_name(key),
        "client_id": key.client_id,
        "default_for": key.default_for,
        "api": directory.api_name(key),
        "audience": key.audience,
        "subject_type": key.subject_type,
        "description": desired.spec.description or None,
        "scope": sorted(grant.scope),
        "allow_all_scopes": grant.allow_all_scopes,
        "organization_usage": grant.organization_usage,
        "allow_any_organization": grant.allow_any_organization,
        "authorization_details_types": sorted(grant.authorization_details_types),
        "organizations": _organization_names(grant, directory),
    }
    return {name: value for name, value in values.items() if value is not None}


def _organization_names(grant: ClientGrant, directory: Directory) -> list[str] | None:
    if grant.organizations is None:
        return None
    return sorted(directory.organization_name(each) or each for each in grant.organizations)


Risks = Mapping[Key, tuple[Risk, ...]]


def shown(risks: Risks, policy: Policy, directory: Directory) -> Risks:
    """Return `risks` without those that the policy allows."""
    kept = {
        key: tuple(risk for risk in found if policy.on(risk, key, directory).verdict is not Verdict.ALLOW)
        for key, found in risks.items()
    }
    return {key: found for key, found in kept.items() if found}


def forbid_denied(changes: Iterable[Change], risks: Risks, policy: Policy, directory: Directory) -> Guarded:
    """Forbid the changes with a risk that the policy denies."""

    def reason(change: Change) -> str | None:
        decided = (policy.on(risk, change.key, directory) for risk in risks.get(change.key, ()))
        denial = next((each for each in decided if each.verdict is Verdict.DENY), None)
        if denial is None:
            return None
        return f"policy: {denial.rule} is denied{f', {denial.reason}' if denial.reason else ''}"

    return guarded(changes, reason)


def forbid_broken(changes: Iterable[Change], policy: Policy, directory: Directory) -> Guarded:
    """Forbid the changes after which the grant does not meet all schemas of the policy."""

    def reason(change: Change) -> str | None:
        broken = [] if isinstance(change, Delete) else broken_by(change.after, policy, directory)
        return f"policy: {'; '.join(broken)}" if broken else None

    return guarded(changes, reason)


def broken_already(desired: Iterable[DesiredGrant], policy: Policy, directory: Directory) -> Iterator[Problem]:
    """Yield a warning for each declared grant that does not meet a schema of the policy, whether it changes or not."""
    for each in desired:
        for title in broken_by(each, policy, directory):
            yield Problem(each.spec.source, f"the policy is not met: {title}", severity=Severity.WARNING)
