"""Convert the results of the connection test to findings, one finding for each check.

In this module, only `pattern_finding` sends requests.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from reconciler.auth0.credentials import expiry_of, identities_of, own_key, scopes_of
from reconciler.auth0.management import ClientOptions
from reconciler.auth0.probe import FirstResponse
from reconciler.connect import open_tenant
from reconciler.core.characters import join_first, pluralize
from reconciler.core.identity import IdentityCheck
from reconciler.core.permissions import needed_permissions
from reconciler.core.policy import find_unmatched, items_of
from reconciler.core.problems import Finding, Status
from reconciler.core.tenant import Tenant
from reconciler.doctor.probe import (
    NO_CONNECTION,
    NO_TOKEN,
    Probed,
    ProbedListing,
    ProbedToken,
    ProbeFailed,
    ProbeSkipped,
    T,
    TenantProbe,
)
from reconciler.errors import ReconcilerError
from reconciler.http.proxy import Proxy
from reconciler.observe import RequiredListings, observe, required_listings
from reconciler.redaction import Secrets

CHECKS = ("may plan", "may apply", "least privilege")
MAX_NAMED = 4
OWN_GRANT = "the grant of reconciler's own application on the Management API"


def permission_findings(token: Probed[ProbedToken], needs: RequiredListings) -> list[Finding]:
    """Return three findings: permissions for `plan`, permissions for `apply`, and unnecessary permissions."""
    granted = _granted_permissions(token)
    if isinstance(granted, str):
        return [Finding(check, Status.SKIPPED, granted) for check in CHECKS]
    read, write = needed_permissions(has_organizations=needs.organizations)
    return [
        _plan_permissions([each for each in read if each not in granted], needs),
        _apply_permissions([each for each in write if each not in granted]),
        _least_privilege(sorted(granted.difference(read, write))),
    ]


def _granted_permissions(token: Probed[ProbedToken]) -> frozenset[str] | str:
    """Return the permissions of the access token, or the reason why the permissions are unknown."""
    if not isinstance(token, ProbedToken):
        return "no access token"
    try:
        granted = scopes_of(token.text)
    except ReconcilerError:
        return "the token cannot be read"
    return "the token does not list its permissions" if granted is None else granted


def _plan_permissions(missing: list[str], needs: RequiredListings) -> Finding:
    is_needed = {
        "read:client_grants": True,
        "read:clients": needs.application_names,
        "read:resource_servers": needs.api_names,
        "read:organizations": needs.organization_names,
        "read:organization_client_grants": needs.organizations,
    }
    needed = [permission for permission in missing if is_needed[permission]]
    if needed:
        return Finding(
            "may plan", Status.FAILED, f"the token lacks {', '.join(needed)}", f"add the permission to {OWN_GRANT}"
        )
    if missing:
        found = f"yes, but the token lacks {', '.join(missing)}"
        advice = f"to use names in files and to check scopes, add the permission to {OWN_GRANT}"
        return Finding("may plan", Status.WARNING, found, advice)
    return Finding("may plan", Status.OK, "yes")


def _apply_permissions(missing: list[str]) -> Finding:
    if not missing:
        return Finding("may apply", Status.OK, "yes")
    advice = f"to run `reconciler apply`, add the permission to {OWN_GRANT}"
    return Finding("may apply", Status.WARNING, f"the token lacks {', '.join(missing)}", advice)


def _least_privilege(unnecessary: list[str]) -> Finding:
    if not unnecessary:
        return Finding("least privilege", Status.OK, "no unnecessary permissions")
    found = f"never needed: {join_first(unnecessary, MAX_NAMED)}"
    advice = f"remove the permission from {OWN_GRANT}, because anybody who steals the credentials gets the permission"
    return Finding("least privilege", Status.WARNING, found, advice)


CHECK = "patterns"


async def pattern_finding(
    tenant: Tenant,
    environment: Mapping[str, str],
    identity: IdentityCheck | None,
    secrets: Secrets,
    *,
    lists_grants: bool,
) -> Finding:
    """Report the patterns in the configuration that match no grant of the tenant.

    If the connection test could not list grants, `lists_grants` is false, and the check is skipped. If the tenant, the
    network or the environment causes an error, the error becomes a finding.
    """
    items = tuple(items_of(tenant.protect, tenant.managed_scope, tenant.policy))
    if not items:
        return Finding(CHECK, Status.OK, "the configuration has no patterns")
    if not lists_grants:
        return Finding(CHECK, Status.SKIPPED, "the API did not respond")
    try:
        async with open_tenant(tenant, environment, ClientOptions(), secrets, identity) as client:
            observation = await observe(client, required_listings((), (item.pattern for item in items)))
    except ReconcilerError as error:
        return Finding(CHECK, Status.SKIPPED, f"the tenant could not be read: {error}")
    found = list(find_unmatched(items, (each.key for each in observation.grants), observation.directory))
    if not found:
        return Finding(CHECK, Status.OK, f"grants match {pluralize(len(items), 'item')} of the configuration")
    more = f" (and {len(found) - 1} more)" if found[1:] else ""
    return Finding(
        CHECK,
        Status.WARNING,
        f"{found[0]}{more}",
        "`reconciler plan` lists all unmatched items; correct or remove them",
    )


MAX_SKEW_SECONDS = 10.0
"""The maximum clock difference in seconds that Auth0 allows for an assertion (private-key JWT)."""
CERTIFICATE_DAYS = 14
SHORT_TOKEN_SECONDS = 600.0
"""The check warns if an access token from an environment variable expires in less than SHORT_TOKEN_SECONDS seconds.

A run cannot renew an access token that comes from an environment variable.
"""
DAY_SECONDS = 86_400.0

AT_THE_TENANT = (
    "credentials",
    "proxy",
    "name resolution",
    "connection",
    "clock",
    "token",
    "identity",
    "API",
    "may plan",
    "may apply",
    "least privilege",
    "rate limit",
    "patterns",
)
"""The names of the checks in `tenant_findings`, in the order of the output."""


def tenant_findings(probe: TenantProbe, needs: RequiredListings, patterns: Finding) -> list[Finding]:
    """Return a finding for each check that needs a connection to the tenant.

    `needs` says which lists of the tenant (applications, APIs, organizations) the grant files require. `patterns` is
    the result of the function `pattern_finding`.
    """
    now = _tenants_time(probe.first_response)
    return [
        _finding("credentials", probe.credentials, lambda text: _credentials(text, probe.unconfirmed)),
        _proxy(probe.proxy, probe.proxy_notes),
        _finding("name resolution", probe.addresses, lambda addresses: _addresses(addresses, probe.proxy)),
        _finding("connection", probe.first_response, lambda first_response: _connection(first_response, probe)),
        _finding("clock", _unless_failed(probe.first_response, NO_CONNECTION), _clock),
        _finding("token", probe.token, lambda token: _token(token, now)),
        _finding("identity", _unless_failed(probe.token, NO_TOKEN), lambda token: _identity(token, probe.identity)),
        _finding("API", probe.listing, _api),
        *permission_findings(probe.token, needs),
        _finding("rate limit", _unless_failed(probe.listing, ProbeSkipped("the API did not respond")), _rate_limit),
        patterns,
    ]


def skipped_findings(reason: str) -> list[Finding]:
    """Return a finding with the status SKIPPED and `reason` for each check that needs a connection to the tenant."""
    return [Finding(check, Status.SKIPPED, reason) for check in AT_THE_TENANT]


def _finding(check: str, result: Probed[T], to_finding: Callable[[T], Finding]) -> Finding:
    if isinstance(result, ProbeFailed):
        return Finding(check, Status.FAILED, result.text, result.advice)
    if isinstance(result, ProbeSkipped):
        return Finding(check, Status.SKIPPED, result.reason)
    return to_finding(result)


def _unless_failed(result: Probed[T], reason: ProbeSkipped) -> T | ProbeSkipped:
    """Return `reason` if `result` is a ProbeFailed or a ProbeSkipped. Return `result` if the step succeeded.

    Checks that need the result of a failed step are skipped, so that only one check reports the failure of the step.
    """
    return reason if isinstance(result, ProbeFailed | ProbeSkipped) else result


def _ok(check: str, found: str) -> Finding:
    return Finding(check, Status.OK, found)


def _credentials(text: str, unconfirmed: tuple[str, str] | None) -> Finding:
    if unconfirmed is None:
        return _ok("credentials", text)
    problem, fix = unconfirmed
    return Finding("credentials", Status.WARNING, f"{text}; {problem}", fix)


def _identity(token: ProbedToken, expected: IdentityCheck | None) -> Finding:
    """Check that the tenant that issued the token is the tenant in the configuration. Every run does the same check."""
    if expected is None:
        return _ok("identity", "a sandbox")
    result = identities_of(token.text)
    if not result:
        return Finding("identity", Status.SKIPPED, "the access token does not identify its tenant")
    try:
        expected.verify(result)
    except ReconcilerError as error:
        return Finding(
            "identity",
            Status.FAILED,
            str(error),
            "correct the configuration or the credentials; until then, runs refuse this tenant",
        )
    for note in expected.notes(result):
        found, _, advice = note.partition("; ")
        return Finding("identity", Status.WARNING, found, advice)
    return _ok("identity", ", ".join(sorted(result)))


def _proxy(proxy: Proxy | None, notes: Sequence[str]) -> Finding:
    found = f"{proxy.address}, from {proxy.variable}" if proxy else "none"
    if notes:
        return Finding("proxy", Status.WARNING, "; ".join([found, *notes]), "correct the variable")
    return _ok("proxy", found)


def _addresses(addresses: tuple[str, ...], proxy: Proxy | None) -> Finding:
    others = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
    note = "; this is the address of the proxy, which resolves the tenant's host name" if proxy else ""
    return _ok("name resolution", f"{addresses[0]}{others}{note}")


def _connection(first_response: FirstResponse, probe: TenantProbe) -> Finding:
    certificate = first_response.certificate
    if certificate is None:
        inside = isinstance(probe.addresses, ProbeSkipped)
        return _ok("connection", "inside this process" if inside else "plain http, which is used on loopback only")
    days = int((certificate.expires - first_response.received) // DAY_SECONDS)
    last_day = f"{datetime.fromtimestamp(certificate.expires, UTC):%Y-%m-%d}"
    found = f"{certificate.version}; the certificate is valid until {last_day} ({pluralize(days, 'day')})"
    if days >= CERTIFICATE_DAYS:
        return _ok("connection", found)
    return Finding(
        "connection",
        Status.WARNING,
        found,
        "ask the operator of the host for a new certificate, because runs fail after the certificate expires",
    )


def _clock(first_response: FirstResponse) -> Finding:
    """Compare the local clock with the tenant's clock.

    The tenant reads its clock between `sent` and `received`, and rounds the time down to whole seconds.
    """
    if first_response.date is None:
        return Finding("clock", Status.SKIPPED, "the response does not contain the tenant's time")
    ahead = first_response.sent - (first_response.date + 1)
    behind = first_response.date - first_response.received
    if max(ahead, behind) <= MAX_SKEW_SECONDS:
        seconds = max(ahead, behind)
        return _ok("clock", "equal to the tenant's clock" if seconds <= 1 else f"{seconds:.0f} s off")
    return Finding(
        "clock",
        Status.WARNING,
        f"{_duration_text(max(ahead, behind))} {'ahead of' if ahead > behind else 'behind'} the tenant's clock",
        "set this machine's clock, because Auth0 refuses an assertion (private-key JWT) with a wrong time",
    )


def _token(token: ProbedToken, now: float | None) -> Finding:
    try:
        own_key(token.text)
        expiry = expiry_of(token.text)
    except ReconcilerError as error:
        return Finding("token", Status.FAILED, str(error), "get a token for the Management API of this tenant")
    origin = "fetched" if token.renewable else "from the environment"
    if expiry is None:
        return _ok("token", f"{origin}; the expiry is unknown")
    if now is None:
        return _ok("token", f"{origin}; valid until {datetime.fromtimestamp(expiry, UTC):%Y-%m-%d %H:%M} UTC")
    remaining = expiry - now
    if remaining <= 0:
        return Finding("token", Status.FAILED, f"the token expired {_duration_text(-remaining)} ago", "get a new token")
    found = f"{origin}, valid for {_duration_text(remaining)}"
    if token.renewable or remaining >= SHORT_TOKEN_SECONDS:
        return _ok("token", found)
    return Finding(
        "token",
        Status.WARNING,
        found,
        "get a new token: a run may outlast this token, and reconciler cannot renew a token from the environment",
    )


def _api(listing: ProbedListing) -> Finding:
    if listing.error:
        return Finding("API", Status.FAILED, listing.error, listing.advice)
    return _ok("API", "client grants can be read")


def _rate_limit(listing: ProbedListing) -> Finding:
    limit, remaining = listing.rate_limit.limit, listing.rate_limit.remaining
    if limit is None or remaining is None:
        return Finding(
            "rate limit",
            Status.WARNING,
            "the responses have no x-ratelimit headers",
            "check whether a proxy removes the headers; without the headers, runs slow down only after a 429",
        )
    share = int(limit * ClientOptions().rate_options.rate_share)
    return _ok(
        "rate limit", f"{remaining} of {limit} requests left; runs leave {share} to other programs (see --rate-share)"
    )


def _tenants_time(first_response: Probed[FirstResponse]) -> float | None:
    """Return the time of the tenant's first response, or None if the tenant did not respond."""
    if isinstance(first_response, ProbeFailed | ProbeSkipped):
        return None
    return first_response.received if first_response.date is None else first_response.date


def _duration_text(seconds: float) -> str:
    """Return a duration in its two largest units, for example "2 h 5 min"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    units = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(units[:2]) or "0 s"
