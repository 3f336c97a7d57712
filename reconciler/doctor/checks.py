"""Pure: turn the probe of a tenant into findings, one for each thing that a run needs."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from reconciler.auth0.credentials import expiry_of, identities_of, own_key, scopes_of
from reconciler.auth0.management import ClientOptions
from reconciler.auth0.probe import FirstResponse
from reconciler.config.tenants import Tenant
from reconciler.connect import open_tenant
from reconciler.core.identity import IdentityCheck
from reconciler.core.permissions import READING, READING_ORGANIZATIONS, WRITING, WRITING_ORGANIZATIONS
from reconciler.core.problems import Finding, Status
from reconciler.core.quoting import counted
from reconciler.core.unmatched import items_of, unmatched
from reconciler.doctor.probe import ProbedListing, ProbedToken, ProbeFailed, ProbeSkipped, TenantProbe
from reconciler.errors import ReconcilerError
from reconciler.http.proxy import Proxy
from reconciler.observe import RequiredListings, needs_of, observe
from reconciler.redaction import Secrets

CHECKS = ("may plan", "may apply", "least privilege")
MOST_NAMED = 4
OWN_GRANT = "the grant of reconciler's own application on the Management API"


def permission_findings(token: ProbedToken | ProbeFailed | ProbeSkipped, needs: RequiredListings) -> list[Finding]:
    """Return three findings: missing permissions to plan, missing permissions to apply, and unnecessary permissions."""
    held = _held(token)
    if isinstance(held, str):
        return [Finding(check, Status.SKIPPED, held) for check in CHECKS]
    return [_plan(held, needs), _apply(held, needs), _least(held, needs)]


def _held(token: ProbedToken | ProbeFailed | ProbeSkipped) -> frozenset[str] | str:
    """Return the permissions, or the reason why they are unknown."""
    if not isinstance(token, ProbedToken):
        return "no access token"
    try:
        held = scopes_of(token.text)
    except ReconcilerError:
        return "the token cannot be read"
    return "the token does not list its permissions" if held is None else held


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
        return Finding("may plan", Status.FAILED, f"it lacks {', '.join(needed)}", f"add it to {OWN_GRANT}")
    if missing:
        found = f"yes, but it lacks {', '.join(missing)}"
        advice = f"add it to {OWN_GRANT}, for names in files and the check of scopes"
        return Finding("may plan", Status.WARNING, found, advice)
    return Finding("may plan", Status.OK, "yes")


def _apply(held: frozenset[str], needs: RequiredListings) -> Finding:
    missing = [permission for permission in _writing(needs) if permission not in held]
    if not missing:
        return Finding("may apply", Status.OK, "yes")
    advice = f"enough if you only run plan; otherwise add it to {OWN_GRANT}"
    return Finding("may apply", Status.WARNING, f"it lacks {', '.join(missing)}", advice)


def _least(held: frozenset[str], needs: RequiredListings) -> Finding:
    spare = sorted(held.difference(_reading(needs), _writing(needs)))
    if not spare:
        return Finding("least privilege", Status.OK, "no unnecessary permissions")
    more = f" and {len(spare) - MOST_NAMED} more" if len(spare) > MOST_NAMED else ""
    found = f"never needed: {', '.join(spare[:MOST_NAMED])}{more}"
    advice = f"remove it from {OWN_GRANT}: anybody who obtains the credentials has this permission, too"
    return Finding("least privilege", Status.WARNING, found, advice)


def _reading(needs: RequiredListings) -> tuple[str, ...]:
    return (*READING, *READING_ORGANIZATIONS) if needs.organizations else READING


def _writing(needs: RequiredListings) -> tuple[str, ...]:
    return (*WRITING, *WRITING_ORGANIZATIONS) if needs.organizations else WRITING


CHECK = "patterns"


async def pattern_finding(
    tenant: Tenant,
    environment: Mapping[str, str],
    identity: IdentityCheck | None,
    secrets: Secrets,
    *,
    answers: bool,
) -> Finding:
    """Read the tenant's grants and the names in patterns, and report the patterns that match nothing.

    `answers` is true if the tenant lists grants. Errors of the tenant, the network or the environment become findings.
    """
    items = tuple(items_of(tenant.protect, tenant.border, tenant.policy))
    if not items:
        return Finding(CHECK, Status.OK, "the configuration has no patterns")
    if not answers:
        return Finding(CHECK, Status.SKIPPED, "the API did not respond")
    try:
        async with open_tenant(tenant, environment, ClientOptions(), secrets, identity) as client:
            observation = await observe(client, needs_of((), (item.pattern for item in items)))
    except ReconcilerError as error:
        return Finding(CHECK, Status.SKIPPED, f"the tenant could not be read: {error}")
    found = list(unmatched(items, (each.key for each in observation.grants), observation.directory))
    if not found:
        return Finding(CHECK, Status.OK, f"{counted(len(items), 'item')} of the configuration match grants")
    more = f" (and {len(found) - 1} more)" if found[1:] else ""
    return Finding(
        CHECK, Status.WARNING, f"{found[0]}{more}", "`reconciler plan` lists all of them; correct or remove them"
    )


T = TypeVar("T")

MOST_SKEW_SECONDS = 10.0
"""The clock difference that Auth0 allows for an assertion (private-key JWT)."""
CERTIFICATE_DAYS = 14
SHORT_TOKEN_SECONDS = 600.0
"""An access token from the environment cannot be renewed. A run may take longer than this."""
DAY_SECONDS = 86_400.0
RATE_SHARE = 0.25
"""The default of --rate-share."""
NO_CONNECTION = ProbeSkipped("no connection")
NO_TOKEN = ProbeSkipped("no access token")

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
"""The checks of `tenant_findings`, in order."""


def tenant_findings(sight: TenantProbe, needs: RequiredListings, patterns: Finding) -> list[Finding]:
    """Return one finding per check of AT_THE_TENANT for files that need `needs`. `patterns` is the last one."""
    now = _tenants_time(sight.greeting)
    return [
        _finding("credentials", sight.credentials, lambda text: _credentials(text, sight.unconfirmed)),
        _proxy(sight.proxy, sight.proxy_notes),
        _finding("name resolution", sight.addresses, lambda addresses: _addresses(addresses, sight.proxy)),
        _finding("connection", sight.greeting, lambda greeting: _connection(greeting, sight)),
        _finding("clock", _behind(sight.greeting, NO_CONNECTION), _clock),
        _finding("token", sight.token, lambda token: _token(token, now)),
        _finding("identity", _behind(sight.token, NO_TOKEN), lambda token: _identity(token, sight.identity)),
        _finding("API", sight.listing, _api),
        *permission_findings(sight.token, needs),
        _finding("rate limit", _behind(sight.listing, ProbeSkipped("the API did not respond")), _rate_limit),
        patterns,
    ]


def skipped_findings(reason: str) -> list[Finding]:
    """Return the findings without a tenant."""
    return [Finding(check, Status.SKIPPED, reason) for check in AT_THE_TENANT]


def _finding(check: str, seen: T | ProbeFailed | ProbeSkipped, judged: Callable[[T], Finding]) -> Finding:
    if isinstance(seen, ProbeFailed):
        return Finding(check, Status.FAILED, seen.text, seen.advice)
    if isinstance(seen, ProbeSkipped):
        return Finding(check, Status.SKIPPED, seen.reason)
    return judged(seen)


def _behind(seen: T | ProbeFailed | ProbeSkipped, reason: ProbeSkipped) -> T | ProbeSkipped:
    """Return a result, or `reason` if an earlier check failed, so that each failure is reported once."""
    return reason if isinstance(seen, ProbeFailed | ProbeSkipped) else seen


def _ok(check: str, found: str) -> Finding:
    return Finding(check, Status.OK, found)


def _credentials(text: str, unconfirmed: tuple[str, str] | None) -> Finding:
    if unconfirmed is None:
        return _ok("credentials", text)
    what, fix = unconfirmed
    return Finding("credentials", Status.WARNING, f"{text}; {what}", fix)


def _identity(token: ProbedToken, expected: IdentityCheck | None) -> Finding:
    """Compare the tenant that issued the token with the configuration, like each run does."""
    if expected is None:
        return _ok("identity", "a sandbox")
    seen = identities_of(token.text)
    if not seen:
        return Finding("identity", Status.SKIPPED, "the token does not contain its tenant")
    try:
        expected.verify(seen)
    except ReconcilerError as error:
        return Finding("identity", Status.FAILED, str(error), "runs refuse this tenant until this is corrected")
    for note in expected.notes(seen):
        found, _, advice = note.partition("; ")
        return Finding("identity", Status.WARNING, found, advice)
    return _ok("identity", ", ".join(sorted(seen)))


def _proxy(proxy: Proxy | None, notes: Sequence[str]) -> Finding:
    found = f"{proxy.address}, from {proxy.variable}" if proxy else "none"
    if notes:
        return Finding("proxy", Status.WARNING, "; ".join([found, *notes]), "correct the variable")
    return _ok("proxy", found)


def _addresses(addresses: tuple[str, ...], proxy: Proxy | None) -> Finding:
    others = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
    whose = "; this is the address of the proxy, which resolves the tenant's name" if proxy else ""
    return _ok("name resolution", f"{addresses[0]}{others}{whose}")


def _connection(greeting: FirstResponse, sight: TenantProbe) -> Finding:
    proven = greeting.certificate
    if proven is None:
        inside = isinstance(sight.addresses, ProbeSkipped)
        return _ok("connection", "within this process" if inside else "plain http, which is used on loopback only")
    days = int((proven.until - greeting.received) // DAY_SECONDS)
    found = f"{proven.version}; the certificate is valid until {_day(proven.until)} ({counted(days, 'day')})"
    if days >= CERTIFICATE_DAYS:
        return _ok("connection", found)
    return Finding(
        "connection", Status.WARNING, found, "tell the operator of that host: runs fail when the certificate expires"
    )


def _clock(greeting: FirstResponse) -> Finding:
    """Compare clocks.

    The tenant read its clock between `sent` and `received`, and returns whole seconds, rounded down.
    """
    if greeting.date is None:
        return Finding("clock", Status.SKIPPED, "the tenant does not return its time")
    ahead = greeting.sent - (greeting.date + 1)
    back = greeting.date - greeting.received
    if max(ahead, back) <= MOST_SKEW_SECONDS:
        return _ok("clock", "equal to the tenant's" if max(ahead, back) <= 1 else f"{max(ahead, back):.0f} s off")
    return Finding(
        "clock",
        Status.WARNING,
        f"{_lasting(max(ahead, back))} {'ahead of' if ahead > back else 'behind'} the tenant's",
        "set this machine's clock: Auth0 refuses an assertion (private-key JWT) with a wrong time",
    )


def _token(token: ProbedToken, now: float | None) -> Finding:
    try:
        own_key(token.text)
        expiry = expiry_of(token.text)
    except ReconcilerError as error:
        return Finding("token", Status.FAILED, str(error), "get a token for the Management API of this tenant")
    origin = "fetched" if token.renewable else "as given"
    if expiry is None or now is None:
        return _ok("token", f"{origin}; " + ("its expiry is unknown" if expiry is None else _until(expiry)))
    left = expiry - now
    if left <= 0:
        return Finding("token", Status.FAILED, f"it expired {_lasting(-left)} ago", "get a new one")
    found = f"{origin}, valid for {_lasting(left)}"
    if token.renewable or left >= SHORT_TOKEN_SECONDS:
        return _ok("token", found)
    return Finding("token", Status.WARNING, found, "get a new one: a run may take longer and cannot renew it")


def _api(listing: ProbedListing) -> Finding:
    if listing.wrong:
        return Finding("API", Status.FAILED, listing.wrong, listing.advice)
    return _ok("API", "the tenant lists client grants")


def _rate_limit(listing: ProbedListing) -> Finding:
    limit, remaining = listing.said.limit, listing.said.remaining
    if limit is None or remaining is None:
        return Finding(
            "rate limit",
            Status.WARNING,
            "the responses have no x-ratelimit headers",
            "check whether a proxy removes them; without them, runs slow down only after a 429",
        )
    left = int(limit * RATE_SHARE)
    return _ok("rate limit", f"{remaining} of {limit} left; runs leave {left} to others (see --rate-share)")


def _tenants_time(greeting: FirstResponse | ProbeFailed | ProbeSkipped) -> float | None:
    """Return the tenant's time, which decides about the expiry of a token. The default is this machine's time."""
    if isinstance(greeting, ProbeFailed | ProbeSkipped):
        return None
    return greeting.received if greeting.date is None else greeting.date


def _until(expiry: float) -> str:
    return f"valid until {datetime.fromtimestamp(expiry, UTC):%Y-%m-%d %H:%M} UTC"


def _day(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"


def _lasting(seconds: float) -> str:
    """Return a duration in its two largest units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    told = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(told[:2]) or "0 s"
