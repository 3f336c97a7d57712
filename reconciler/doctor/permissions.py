"""Pure: what a token may do, beside what plans and applies need."""

from reconciler.auth0.credentials import scopes_of
from reconciler.core.findings import Finding, Status
from reconciler.core.permissions import READING, READING_ORGANIZATIONS, WRITING, WRITING_ORGANIZATIONS
from reconciler.doctor.sight import ProbedToken, ProbeFailed, ProbeSkipped
from reconciler.errors import ReconcilerError
from reconciler.observe import RequiredListings

CHECKS = ("may plan", "may apply", "least privilege")
MOST_NAMED = 4
OWN_GRANT = "the grant of reconciler's own application on the Management API"


def permission_findings(token: ProbedToken | ProbeFailed | ProbeSkipped, needs: RequiredListings) -> list[Finding]:
    """Return three findings: what is missing to plan files of `needs`, what to apply, and what nothing ever takes."""
    held = _held(token)
    if isinstance(held, str):
        return [Finding(check, Status.SKIPPED, held) for check in CHECKS]
    return [_plan(held, needs), _apply(held, needs), _least(held, needs)]


def _held(token: ProbedToken | ProbeFailed | ProbeSkipped) -> frozenset[str] | str:
    """Return the permissions, or why they are not known."""
    if not isinstance(token, ProbedToken):
        return "no access token"
    try:
        held = scopes_of(token.text)
    except ReconcilerError:
        return "the token cannot be read"
    return "the token does not say what it may do" if held is None else held


def _plan(held: frozenset[str], needs: RequiredListings) -> Finding:
    missing = [permission for permission in _reading(needs) if permission not in held]
    wanted = {
        "read:client_grants": True,
        "read:clients": needs.application_names,
        "read:resource_servers": needs.api_names,
        "read:organizations": needs.organization_names,
        "read:organization_client_grants": needs.organizations,
    }
    needed = [permission for permission in missing if wanted[permission]]
    if needed:
        return Finding("may plan", Status.FAILED, f"it lacks {', '.join(needed)}", f"add that to {OWN_GRANT}")
    if missing:
        found = f"yes, but it lacks {', '.join(missing)}"
        advice = f"add that to {OWN_GRANT}, for names in files and for the check of scopes"
        return Finding("may plan", Status.WARNING, found, advice)
    return Finding("may plan", Status.OK, "yes")


def _apply(held: frozenset[str], needs: RequiredListings) -> Finding:
    missing = [permission for permission in _writing(needs) if permission not in held]
    if not missing:
        return Finding("may apply", Status.OK, "yes")
    advice = f"enough where nothing but plan is run; else add that to {OWN_GRANT}"
    return Finding("may apply", Status.WARNING, f"it lacks {', '.join(missing)}", advice)


def _least(held: frozenset[str], needs: RequiredListings) -> Finding:
    spare = sorted(held.difference(_reading(needs), _writing(needs)))
    if not spare:
        return Finding("least privilege", Status.OK, "nothing that it never needs")
    more = f" and {len(spare) - MOST_NAMED} more" if len(spare) > MOST_NAMED else ""
    found = f"never needed: {', '.join(spare[:MOST_NAMED])}{more}"
    advice = f"take that out of {OWN_GRANT}: whoever gets hold of the credentials has it, too"
    return Finding("least privilege", Status.WARNING, found, advice)


def _reading(needs: RequiredListings) -> tuple[str, ...]:
    return (*READING, *READING_ORGANIZATIONS) if needs.organizations else READING


def _writing(needs: RequiredListings) -> tuple[str, ...]:
    return (*WRITING, *WRITING_ORGANIZATIONS) if needs.organizations else WRITING
