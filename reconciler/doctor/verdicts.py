"""Pure: what is to be said about a look at a tenant: a finding for each thing that a run needs."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from reconciler.auth0.credentials import expiry_of, identities_of, own_key
from reconciler.auth0.probe import FirstResponse
from reconciler.core.findings import Finding, Status
from reconciler.core.identity import IdentityCheck
from reconciler.core.quoting import counted
from reconciler.doctor.permissions import permission_findings
from reconciler.doctor.sight import ProbedListing, ProbedToken, ProbeFailed, ProbeSkipped, TenantProbe
from reconciler.errors import ReconcilerError
from reconciler.observe import RequiredListings
from reconciler.proxy import Proxy

T = TypeVar("T")

MOST_SKEW_SECONDS = 10.0
"""By so much Auth0 lets the times of an assertion be off (private-key JWT)."""
CERTIFICATE_DAYS = 14
SHORT_TOKEN_SECONDS = 600.0
"""A ready token cannot be renewed; a run may take longer than this."""
DAY_SECONDS = 86_400.0
RATE_SHARE = 0.25
"""What runs leave to others unless --rate-share says something else."""
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
"""The checks of `tenant_findings`, in their order."""


def tenant_findings(sight: TenantProbe, needs: RequiredListings, patterns: Finding) -> list[Finding]:
    """Return one finding per check of AT_THE_TENANT, where files need `needs`; `patterns` is the last one."""
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
        _finding("rate limit", _behind(sight.listing, ProbeSkipped("the API did not answer")), _rate_limit),
        patterns,
    ]


def skipped_findings(reason: str) -> list[Finding]:
    """Return the findings where there is no tenant to look at."""
    return [Finding(check, Status.SKIPPED, reason) for check in AT_THE_TENANT]


def _finding(check: str, seen: T | ProbeFailed | ProbeSkipped, judged: Callable[[T], Finding]) -> Finding:
    if isinstance(seen, ProbeFailed):
        return Finding(check, Status.FAILED, seen.text, seen.advice)
    if isinstance(seen, ProbeSkipped):
        return Finding(check, Status.SKIPPED, seen.reason)
    return judged(seen)


def _behind(seen: T | ProbeFailed | ProbeSkipped, reason: ProbeSkipped) -> T | ProbeSkipped:
    """Return what another check sees of what may have failed already: the failure is told once."""
    return reason if isinstance(seen, ProbeFailed | ProbeSkipped) else seen


def _ok(check: str, found: str) -> Finding:
    return Finding(check, Status.OK, found)


def _credentials(text: str, unconfirmed: tuple[str, str] | None) -> Finding:
    if unconfirmed is None:
        return _ok("credentials", text)
    what, fix = unconfirmed
    return Finding("credentials", Status.WARNING, f"{text}; {what}", fix)


def _identity(token: ProbedToken, expected: IdentityCheck | None) -> Finding:
    """Compare the tenant that issued the token with the configuration, as each run does."""
    if expected is None:
        return _ok("identity", "a sandbox")
    seen = identities_of(token.text)
    if not seen:
        return Finding("identity", Status.SKIPPED, "the token does not say which tenant it is for")
    try:
        expected.verify(seen)
    except ReconcilerError as error:
        return Finding("identity", Status.FAILED, str(error), "no run works on this tenant until this is corrected")
    for note in expected.notes(seen):
        found, _, advice = note.partition("; ")
        return Finding("identity", Status.WARNING, found, advice)
    return _ok("identity", ", ".join(sorted(seen)))


def _proxy(proxy: Proxy | None, notes: Sequence[str]) -> Finding:
    found = f"{proxy.address}, from {proxy.variable}" if proxy else "none on the way"
    if notes:
        return Finding("proxy", Status.WARNING, "; ".join([found, *notes]), "correct the variable")
    return _ok("proxy", found)


def _addresses(addresses: tuple[str, ...], proxy: Proxy | None) -> Finding:
    others = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
    whose = "; this is the proxy, which resolves the tenant's name itself" if proxy else ""
    return _ok("name resolution", f"{addresses[0]}{others}{whose}")


def _connection(greeting: FirstResponse, sight: TenantProbe) -> Finding:
    proven = greeting.certificate
    if proven is None:
        inside = isinstance(sight.addresses, ProbeSkipped)
        return _ok("connection", "within this process" if inside else "plain http, which is spoken on loopback only")
    days = int((proven.until - greeting.received) // DAY_SECONDS)
    found = f"{proven.version}; the certificate is valid until {_day(proven.until)} ({counted(days, 'day')})"
    if days >= CERTIFICATE_DAYS:
        return _ok("connection", found)
    return Finding("connection", Status.WARNING, found, "tell whoever runs that host: runs stop when it ends")


def _clock(greeting: FirstResponse) -> Finding:
    """Compare clocks. The tenant read its own between `sent` and `received`, and tells whole seconds, rounded down."""
    if greeting.date is None:
        return Finding("clock", Status.SKIPPED, "the tenant does not tell its time")
    ahead = greeting.sent - (greeting.date + 1)
    back = greeting.date - greeting.received
    if max(ahead, back) <= MOST_SKEW_SECONDS:
        return _ok("clock", "like the tenant's" if max(ahead, back) <= 1 else f"{max(ahead, back):.0f} s off")
    return Finding(
        "clock",
        Status.WARNING,
        f"{_lasting(max(ahead, back))} {'ahead of' if ahead > back else 'behind'} the tenant's",
        "set this machine's clock: an assertion (private-key JWT) carries the time, and is refused if it is off",
    )


def _token(token: ProbedToken, now: float | None) -> Finding:
    try:
        own_key(token.text)
        expiry = expiry_of(token.text)
    except ReconcilerError as error:
        return Finding("token", Status.FAILED, str(error), "get one for the Management API of this tenant")
    origin = "fetched" if token.renewable else "as given"
    if expiry is None or now is None:
        return _ok(
            "token", f"{origin}; " + ("it does not say how long it is valid" if expiry is None else _until(expiry))
        )
    left = expiry - now
    if left <= 0:
        return Finding("token", Status.FAILED, f"it expired {_lasting(-left)} ago", "get a new one")
    found = f"{origin}, valid for {_lasting(left)}"
    if token.renewable or left >= SHORT_TOKEN_SECONDS:
        return _ok("token", found)
    return Finding("token", Status.WARNING, found, "get a new one: a run may take longer, and cannot renew it")


def _api(listing: ProbedListing) -> Finding:
    if listing.wrong:
        return Finding("API", Status.FAILED, listing.wrong, listing.advice)
    return _ok("API", "it lists client grants")


def _rate_limit(listing: ProbedListing) -> Finding:
    limit, remaining = listing.said.limit, listing.said.remaining
    if limit is None or remaining is None:
        return Finding(
            "rate limit",
            Status.WARNING,
            "the answers carry no x-ratelimit headers",
            "does something in between remove them? without them, runs slow down only when they are refused (429)",
        )
    left = int(limit * RATE_SHARE)
    return _ok("rate limit", f"{remaining} of {limit} left; runs leave {left} to others (see --rate-share)")


def _tenants_time(greeting: FirstResponse | ProbeFailed | ProbeSkipped) -> float | None:
    """Return the tenant's time, which decides how long a token is valid; this machine's where it does not tell."""
    if isinstance(greeting, ProbeFailed | ProbeSkipped):
        return None
    return greeting.received if greeting.date is None else greeting.date


def _until(expiry: float) -> str:
    return f"valid until {datetime.fromtimestamp(expiry, UTC):%Y-%m-%d %H:%M} UTC"


def _day(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"


def _lasting(seconds: float) -> str:
    """Return a time in its two largest units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    told = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(told[:2]) or "0 s"
