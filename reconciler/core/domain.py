"""Pure: the domain of a tenant as people write it, and its canonical form."""

import re

from reconciler.errors import ReconcilerError

AUTH0_HOSTS = ".auth0.com"
LOCALITIES = ("au", "ca", "eu", "jp", "uk", "us")
"""The regions in the domains of Auth0's public cloud (Auth0 documentation: Create Tenants)."""
AUTH0_HOST = re.compile(
    rf"(?!xn--)[a-z0-9][a-z0-9-]{{1,61}}[a-z0-9](\.({'|'.join(LOCALITIES)}))?{re.escape(AUTH0_HOSTS)}"
)
"""`<tenant>.auth0.com` or `<tenant>.<region>.auth0.com`; tenant names have 3 to 63 characters (same page)."""
CREDENTIALS_PREFIX = "AUTH0_"
"""How the names of the variables with a tenant's credentials begin unless the configuration says otherwise."""
LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
RESERVED = re.compile(r"(.*\.)?(example|invalid|localhost|test|example\.(com|net|org))")
LAST_PORT = 65_535
DEFAULT_PORTS = {"http": 80, "https": 443}
LONGEST_NAME = 253
LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
DOMAIN = re.compile(
    rf"(?P<scheme>https?://)?(?P<name>{LABEL}(\.{LABEL})*\.?|\[::1\])(:(?P<port>[0-9]{{1,5}}))?/?", re.IGNORECASE
)


def is_auth0_host(host: str) -> bool:
    """Return whether a canonical host has one of the forms that Auth0 documents for its tenants."""
    return AUTH0_HOST.fullmatch(host) is not None


def is_loopback(host: str) -> bool:
    """Return whether a canonical host is this machine."""
    return LOOPBACK.fullmatch(host) is not None


def is_reserved(host: str) -> bool:
    """Return whether a canonical host is this machine, or has a name that nobody can own (RFC 2606, RFC 6761)."""
    return is_loopback(host) or RESERVED.fullmatch(name_of(host)) is not None


def base_url(domain: str) -> str:
    """Return where the API is: https, but plain http on loopback unless the domain is written with https://."""
    scheme, host = parts_of(domain)
    return f"{scheme or _usual_scheme(host)}://{host}"


def host_of(domain: str) -> str:
    """Return the canonical host of a domain. Raises ReconcilerError as `parts_of` does."""
    return parts_of(domain)[1]


def name_of(host: str) -> str:
    """Return a canonical host without its port."""
    return re.sub(r":[0-9]+$", "", host)


def comparable(host: str) -> str:
    """Return what two canonical hosts have in common if they are the same: all names of loopback are one."""
    return LOOPBACK.sub(r"localhost\2", host) if is_loopback(host) else host


def is_same_host(one: str, other: str) -> bool:
    """Return whether two canonical hosts are the same host."""
    return comparable(one) == comparable(other)


def parts_of(domain: str) -> tuple[str, str]:
    """Split a domain into its scheme (or nothing) and its canonical host.

    The canonical host is in lower case, without a final dot, and without the port that its scheme implies.

    Raises:
        ReconcilerError: if it is none; the message reads `what is wrong; what to do`.
    """
    match = DOMAIN.fullmatch(domain)
    if match is None or len(match["name"]) > LONGEST_NAME:
        raise ReconcilerError(f'"{domain}" is no domain; write it like example.eu.auth0.com')
    scheme = (match["scheme"] or "").lower().removesuffix("://")
    name = match["name"].lower().removesuffix(".")
    port = int(match["port"] or 0)
    if match["port"] and not 0 < port <= LAST_PORT:
        raise ReconcilerError(f'"{domain}" has a port that cannot be; ports end at {LAST_PORT}')
    if scheme == "http" and not is_loopback(name):
        raise ReconcilerError(f'"{domain}": plain http would show the credentials to the network; leave http:// out')
    is_implied = port in {0, DEFAULT_PORTS[scheme or _usual_scheme(name)]}
    return scheme, name if is_implied else f"{name}:{port}"


def _usual_scheme(host: str) -> str:
    return "http" if is_loopback(host) else "https"
