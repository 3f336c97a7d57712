"""Test a tenant with the steps of a run: resolve, connect, send a first request, fetch a token, list grants.

Failed requests are not repeated. If a step fails, only the steps that need its result are skipped.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar
from urllib.parse import urlsplit

from reconciler.auth0.credentials import (
    PRIVATE_KEY,
    PRIVATE_KEY_PATH,
    TOKEN_VARIABLES,
    AccessToken,
    ClientSecret,
    Credentials,
    CredentialVariables,
    PrivateKey,
    identities_of,
)
from reconciler.auth0.errors import Auth0Error, NoTokenError, NotSentError, RefusedCallError
from reconciler.auth0.exchange import Route, TenantResponse, open_http
from reconciler.auth0.probe import FirstResponse, Probe
from reconciler.config.tenants import unconfirmed_domain
from reconciler.connect import route_to
from reconciler.core.characters import join_words
from reconciler.core.identity import IdentityCheck
from reconciler.core.tenant import Tenant, TenantKind
from reconciler.errors import ReconcilerError
from reconciler.http.proxy import Proxy, proxy_for, proxy_notes
from reconciler.http.retry_hints import RateLimitHeaders
from reconciler.redaction import Secrets, secrets_in

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProbeFailed:
    """The result of a failed step of the connection test. `advice` says what the user can do."""

    text: str
    advice: str


@dataclass(frozen=True, slots=True)
class ProbeSkipped:
    """The result of a connection test step that was skipped. `reason` says why the step was skipped."""

    reason: str


Probed: TypeAlias = T | ProbeFailed | ProbeSkipped
"""The result of a step of the connection test."""


@dataclass(frozen=True, slots=True)
class ProbedListing:
    """The result of the request that lists grants.

    `error` is empty if the request succeeded. `advice` is the next step for the user.
    """

    error: str
    advice: str
    rate_limit: RateLimitHeaders


@dataclass(frozen=True, slots=True)
class ProbedToken:
    """An access token. `renewable` is true if reconciler can fetch a new token."""

    text: str = field(repr=False)
    renewable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantProbe:
    """The results of all steps of the connection test.

    `credentials` describes the credentials and their environment variables. `addresses` contains the IP addresses of
    the host. `identity` is the check that compares the tenant of the token with the configuration. In CI, if no
    environment variable confirms the domain in reconciler.yaml, `unconfirmed` contains the problem and the fix.
    """

    tenant: Tenant
    proxy: Proxy | None
    proxy_notes: tuple[str, ...]
    addresses: Probed[tuple[str, ...]]
    credentials: Probed[str]
    first_response: Probed[FirstResponse]
    token: Probed[ProbedToken]
    listing: Probed[ProbedListing]
    identity: IdentityCheck | None = None
    unconfirmed: tuple[str, str] | None = None


def describe_credentials(
    credentials: Credentials | ProbeFailed, tenant: Tenant, environment: Mapping[str, str]
) -> str | ProbeFailed:
    """Return a description of the credentials for `tenant`, including the names of the environment variables."""
    if isinstance(credentials, ProbeFailed):
        return credentials
    if tenant.kind is TenantKind.SANDBOX:
        return "the credentials of the sandbox"
    variables = CredentialVariables(environment, tenant.credentials)
    match credentials:
        case AccessToken():
            return f"an access token from {variables.name(*TOKEN_VARIABLES)}"
        case PrivateKey():
            names = [variables.name("CLIENT_ID"), variables.name(PRIVATE_KEY, PRIVATE_KEY_PATH)]
            what = f"a private key ({credentials.algorithm})"
        case ClientSecret():
            names = [variables.name("CLIENT_ID"), variables.name("CLIENT_SECRET")]
            what = "a client secret"
    if variables.text("AUDIENCE"):
        names.append(variables.name("AUDIENCE"))
    return f"{what} from {join_words(names, 'and')}"


RESOLVING_SECONDS = 10.0
IN_PROCESS = ProbeSkipped("the sandbox runs inside the reconciler process")
NO_CONNECTION = ProbeSkipped("no connection")
NO_CREDENTIALS = ProbeSkipped("no credentials")
NO_TOKEN = ProbeSkipped("no access token")
OTHER_TENANT = ProbeSkipped("the token is for another tenant")

SET_CREDENTIALS = "set the variables listed in docs/configuration.md"
LISTING_ADVICE = {
    401: "check that the token belongs to this tenant and has not expired; get a new token",
    403: "add read:client_grants to the grant of reconciler's own application on the Management API",
    429: "another program uses up the rate limit; try again later",
}
DEFAULT_ADVICE = "try again; if the error remains, check the tenant's domain and the proxies"


async def probe_tenant(
    tenant: Tenant,
    environment: Mapping[str, str],
    identity: IdentityCheck | None = None,
    secrets: Secrets | None = None,
) -> TenantProbe:
    """Test the connection to `tenant`.

    The returned TenantProbe contains the errors that the tenant, the network or the environment caused.
    """
    is_in_process = tenant.kind is TenantKind.SANDBOX
    proxy = None if is_in_process else proxy_for(tenant.base_url)
    addresses = IN_PROCESS if is_in_process else await _addresses(tenant.base_url, proxy)
    try:
        with route_to(tenant, environment) as route:
            credentials = _credentials(route)
            description: Probed[str] = describe_credentials(credentials, tenant, environment)
            known_secrets = secrets_in(environment) if secrets is None else secrets
            first_response, token, listing = await _probe_connection(
                route, credentials, addresses, identity, known_secrets
            )
    except ReconcilerError as error:
        description, token, listing = NO_CONNECTION, NO_CONNECTION, NO_CONNECTION
        first_response = ProbeFailed(str(error), "`reconciler sandbox reset` recreates the tenant from its seed")
    return TenantProbe(
        tenant=tenant,
        proxy=proxy,
        proxy_notes=() if is_in_process else proxy_notes(tenant.base_url),
        addresses=addresses,
        credentials=description,
        first_response=first_response,
        token=token,
        listing=listing,
        identity=identity,
        unconfirmed=unconfirmed_domain(tenant, environment),
    )


async def _addresses(base_url: str, proxy: Proxy | None) -> tuple[str, ...] | ProbeFailed:
    """Resolve the host name that the connection uses.

    If the connection uses a proxy, resolve the host name of the proxy, because the proxy resolves the tenant's host
    name.
    """
    parts = urlsplit(base_url)
    host = proxy.host if proxy else parts.hostname or ""
    if not host:
        return ProbeFailed(
            f"{proxy.variable if proxy else 'the domain'} has no valid address",
            "write the address like http://proxy.example.com:3128, or unset the variable",
        )
    try:
        async with asyncio.timeout(RESOLVING_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(host, parts.port)
    except (OSError, UnicodeError) as error:
        # UnicodeError means that a part of the host name between dots is empty or too long. The TimeoutError of
        # asyncio.timeout has no text.
        reason = (
            (error.strerror or "no response in time")
            if isinstance(error, OSError)
            else "the name is not a valid host name"
        )
        owner = f"the proxy's host {host}" if proxy else host
        return ProbeFailed(
            f"{owner} cannot be resolved: {reason}", "check the spelling, and this machine's name servers"
        )
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


async def _probe_connection(
    route: Route,
    credentials: Credentials | ProbeFailed,
    addresses: Probed[tuple[str, ...]],
    identity: IdentityCheck | None,
    secrets: Secrets,
) -> tuple[Probed[FirstResponse], Probed[ProbedToken], Probed[ProbedListing]]:
    if isinstance(addresses, ProbeFailed):
        return ProbeSkipped("the host cannot be resolved"), await _token(None, credentials), NO_CONNECTION
    try:
        async with open_http(route.base_url, transport=route.transport) as http:
            probe = Probe(http, secrets)
            first_response = await _first_response(probe)
            reachable_probe = None if isinstance(first_response, ProbeFailed) else probe
            token = await _token(reachable_probe, credentials)
            return first_response, token, await _listing(reachable_probe, token, identity)
    except ReconcilerError as error:
        failure = ProbeFailed(str(error), "correct or unset the variables")
        return failure, await _token(None, credentials), NO_CONNECTION


def _credentials(route: Route) -> Credentials | ProbeFailed:
    try:
        return route.credentials()
    except ReconcilerError as error:
        return ProbeFailed(str(error), SET_CREDENTIALS)


async def _first_response(probe: Probe) -> FirstResponse | ProbeFailed:
    try:
        return await probe.send_first_request()
    except NotSentError as error:
        if "SSL" in str(error):
            return ProbeFailed(
                str(error),
                ("if your company runs its own CA, add the CA to the file in SSL_CERT_FILE; otherwise do not continue"),
            )
        return ProbeFailed(str(error), "check the domain, the port and firewalls, and whether you need a proxy")
    except Auth0Error as error:
        return ProbeFailed(str(error), DEFAULT_ADVICE)


async def _token(probe: Probe | None, credentials: Credentials | ProbeFailed) -> Probed[ProbedToken]:
    """Return an access token, or the reason why no access token is available.

    A token from an environment variable needs no connection to the tenant.
    """
    match credentials:
        case ProbeFailed():
            return NO_CREDENTIALS
        case AccessToken():
            return ProbedToken(credentials.token, renewable=False)
        case _ if probe is None:
            return NO_CONNECTION
        case _:
            try:
                return ProbedToken(await probe.token(credentials), renewable=True)
            except NoTokenError as error:
                return ProbeFailed(error.reason, error.advice or DEFAULT_ADVICE)
            except ReconcilerError as error:
                return ProbeFailed(str(error), DEFAULT_ADVICE)


async def _listing(
    probe: Probe | None, token: Probed[ProbedToken], identity: IdentityCheck | None
) -> Probed[ProbedListing]:
    if probe is None:
        return NO_CONNECTION
    if not isinstance(token, ProbedToken):
        return NO_TOKEN
    if identity is not None and not _is_for(identity, token):
        return OTHER_TENANT
    try:
        answer, rate_limit = await probe.list_grants(token.text)
    except Auth0Error as error:
        return ProbeFailed(str(error), DEFAULT_ADVICE)
    refused = _error_of(answer)
    if refused is None:
        return ProbedListing("", "", rate_limit)
    advice = DEFAULT_ADVICE
    if isinstance(refused, RefusedCallError):
        advice = LISTING_ADVICE.get(refused.status, DEFAULT_ADVICE)
    return ProbedListing(str(refused), advice, rate_limit)


def _is_for(identity: IdentityCheck, token: ProbedToken) -> bool:
    try:
        identity.verify(identities_of(token.text))
    except ReconcilerError:
        return False
    return True


def _error_of(answer: TenantResponse) -> Auth0Error | None:
    try:
        answer.json()
    except Auth0Error as error:
        return error
    return None
