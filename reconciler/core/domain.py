"""Pure: a tenant's domain, as people write it."""

import re

from reconciler.errors import ReconcilerError

AUTH0_HOSTS = ".auth0.com"
CREDENTIALS_PREFIX = "AUTH0_"
"""How the names of the variables with a tenant's credentials begin unless the configuration says otherwise."""
LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")
LAST_PORT = 65_535
DOMAIN = re.compile(r"(?P<scheme>https?://)?(?P<host>[A-Za-z0-9.-]+(:\d{1,5})?|\[::1\](:\d{1,5})?)/?")


def is_auth0s(host: str) -> bool:
    """Return whether Auth0 itself answers at `host`, which may have a port."""
    return host.split(":", maxsplit=1)[0].endswith(AUTH0_HOSTS)


def base_url(domain: str) -> str:
    """Return where the API is: https, but plain http on loopback unless the domain is written with https://."""
    scheme, host = parts_of(domain)
    return f"{scheme or ('http' if LOOPBACK.fullmatch(host) else 'https')}://{host}"


def parts_of(domain: str) -> tuple[str, str]:
    """Split a domain into its scheme (or nothing) and its host with port.

    Raises:
        ReconcilerError: if it is none; the message reads `what is wrong; what to do`.
    """
    match = DOMAIN.fullmatch(domain)
    if match is None:
        raise ReconcilerError(f'"{domain}" is no domain; write it like example.eu.auth0.com')
    scheme, host = (match["scheme"] or "").removesuffix("://"), match["host"].lower()
    _, _, port = host.rpartition(":")
    if port.isdigit() and not 0 < int(port) <= LAST_PORT:
        raise ReconcilerError(f'"{domain}" has a port that cannot be; ports end at {LAST_PORT}')
    if scheme == "http" and not LOOPBACK.fullmatch(host):
        raise ReconcilerError(f'"{domain}": plain http would show the credentials to the network; leave http:// out')
    return scheme, host
