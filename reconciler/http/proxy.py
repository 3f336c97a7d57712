"""Choose proxies and trusted certificates from environment variables.

Only the module `proxy` reads the environment variables for proxies, so that all connections use the same proxy.
"""

import os
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from http.cookiejar import CookieJar
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, getproxies_environment, proxy_bypass

import httpx

from reconciler.core.characters import join_first, quote_text
from reconciler.errors import ReconcilerError

SCHEMES = ("http", "https", "socks5", "socks5h")
PORTS = {"http": 80, "https": 443}
MAX_SHOWN_ENTRIES = 5
HOST_ENTRY = re.compile(r"(?:\*?\.)?(?P<host>\w[\w.-]*)(?::(?P<port>\d{1,5}))?")
IP_ENTRY = re.compile(r"(?:\[(?P<bracketed>[0-9A-Fa-f:.]+)\]|(?P<ipv4>[\d.]+))(?::(?P<port>\d{1,5}))?")
IpAddress = IPv4Address | IPv6Address
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy: the environment variable that configures the proxy, and the address of the proxy.

    `url` may contain the password for the proxy. No field except `url` contains the password.
    """

    variable: str
    scheme: str
    host: str
    port: int | None
    url: str = field(default="", repr=False, compare=False)

    @property
    def address(self) -> str:
        """The address of the proxy in the form `scheme://host:port`."""
        return f"{self.scheme}://{self.host_and_port}"

    @property
    def host_and_port(self) -> str:
        """The address of the proxy in the form `host:port`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host


@dataclass(frozen=True, slots=True)
class ProxyTarget:
    """The scheme, host, port and IP address of a server.

    reconciler compares the scheme, host, port and IP address with the entries of the environment variable NO_PROXY.
    """

    scheme: str
    host: str
    port: int | None
    address: IpAddress | None


def proxy_for(base_url: str) -> Proxy | None:
    """Return the proxy for requests to `base_url` from the environment, or None for a direct connection.

    A connection to a loopback address never uses a proxy. If the environment variable does not contain a valid address,
    the returned proxy has an empty host.
    """
    target = _target(base_url)
    return None if any(_matches(entry, target) for entry in _no_proxy_entries()) else _configured_proxy(target)


def _configured_proxy(target: ProxyTarget) -> Proxy | None:
    """Return the proxy for requests to `target`. Ignore the environment variable NO_PROXY."""
    is_loopback = target.address.is_loopback if target.address else target.host == "localhost"
    if is_loopback:
        return None
    if not getproxies_environment() and proxy_bypass(target.host):  # the proxy settings of macOS and Windows
        return None
    return choose_proxy(getproxies(), target.scheme, os.environ)


def _no_proxy_entries() -> list[str]:
    return re.findall(r"[^,\s]+", getproxies_environment().get("no", ""))


def proxy_suffix(base_url: str) -> str:
    """Return a note about the proxy for `base_url`, for error messages. If no proxy is used, return an empty string."""
    proxy = proxy_for(base_url)
    if proxy is None:
        return ""
    return f" (through the proxy {proxy.host_and_port} from {proxy.variable})"


def proxy_notes(base_url: str) -> tuple[str, ...]:
    """Return a note about each invalid entry of the environment variable NO_PROXY.

    If requests to `base_url` use no proxy, return no notes.
    """
    target = _target(base_url)
    unreadable = [entry for entry in _no_proxy_entries() if _matches(entry, target) is None]
    if not unreadable or _configured_proxy(target) is None:
        return ()
    variable = "no_proxy" if os.environ.get("no_proxy") else "NO_PROXY"
    shown = join_first([quote_text(each) for each in unreadable], MAX_SHOWN_ENTRIES)
    return (f"{variable}: ignored {shown}: not a host name, an address or a network",)


def httpx_proxy(base_url: str) -> httpx.Proxy | None:
    """Return the `httpx.Proxy` for `base_url`, or None for a direct connection.

    Raises:
        ReconcilerError: if the environment variable does not contain a valid proxy address. The error message does not
            contain the address, because the address may contain a password.
    """
    proxy = proxy_for(base_url)
    if proxy is None:
        return None
    try:
        if proxy.host and proxy.scheme in SCHEMES:
            return httpx.Proxy(proxy.url)
    except (ValueError, httpx.InvalidURL):
        pass
    raise ReconcilerError(f"{proxy.variable} is not a valid proxy address: write it like http://proxy.example.com:3128")


def connection_error(base_url: str, error: Exception) -> ReconcilerError:
    """Return the error for the user if httpx cannot prepare connections to `base_url` because of `error`."""
    proxy = proxy_for(base_url)
    if proxy is not None and isinstance(error, ImportError):
        return ReconcilerError(
            f"{proxy.variable} contains a SOCKS proxy, and SOCKS needs an extra package: pip install 'httpx[socks]'"
        )
    return ReconcilerError("the certificates cannot be used: check SSL_CERT_FILE and SSL_CERT_DIR")


def choose_proxy(proxies: Mapping[str, str], scheme: str, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for requests with `scheme` (http or https), and the name of the proxy's environment variable.

    The keys of `proxies` are schemes, or `all` for all schemes. Environment variables with lower-case names take
    precedence, as in `urllib.request.getproxies`.
    """
    kind = next((kind for kind in (scheme, "all") if proxies.get(kind)), None)
    if kind is None:
        return None
    text = proxies[kind]
    url = text if "://" in text else f"http://{text}"
    variable = f"{kind}_proxy" if environment.get(f"{kind}_proxy") else f"{kind.upper()}_PROXY"
    try:
        parts = urlsplit(url)
        return Proxy(variable, parts.scheme, parts.hostname or "", parts.port, url)
    except ValueError:
        return Proxy(variable, "", "", None)


def _matches(entry: str, target: ProxyTarget) -> bool | None:
    """Return whether an entry in the value of NO_PROXY matches `target`, or None if the entry is not valid.

    An entry of NO_PROXY is `*`, a host name, an IP address or a network. A host name also matches its subdomains. An
    entry of NO_PROXY may start with a scheme and end with a port.
    """
    scheme, separator, rest = entry.rpartition("://")
    matches = _matches_host(rest, target)
    if matches is None or (separator and scheme not in {"all", *PORTS}):
        return None
    return matches and scheme in {"", "all", target.scheme}


def _matches_host(entry: str, target: ProxyTarget) -> bool | None:
    if entry == "*":
        return True
    with suppress(ValueError):
        network = ip_network(entry.strip("[]"), strict=False)
        return target.address is not None and target.address in network
    if match := IP_ENTRY.fullmatch(entry):
        try:
            address = ip_address(match["bracketed"] or match["ipv4"])
        except ValueError:
            return None
        return target.address == address and int(match["port"] or 0) == target.port
    if match := HOST_ENTRY.fullmatch(entry):
        host = match["host"].rstrip(".").lower()
        matches = target.host == host or target.host.endswith(f".{host}")
        return matches and match["port"] in {None, str(target.port)}
    return None


def _target(base_url: str) -> ProxyTarget:
    parts = urlsplit(base_url)
    host = (parts.hostname or "").rstrip(".")
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    return ProxyTarget(parts.scheme, host, parts.port or PORTS.get(parts.scheme), address)


class NoCookies(CookieJar):
    """A cookie jar that stores no cookies. The APIs need no cookies."""

    def extract_cookies(self, response: Any, request: Any) -> None:  # noqa: ANN401 - the base class has this signature
        """Ignore the cookies of a response."""


def trusted_certificates() -> ssl.SSLContext:
    """Return the certificates that clients trust.

    All clients share the returned certificates, because reading the certificates takes time and memory.
    """
    return _ssl_context(*(os.environ.get(name) for name in CERTIFICATE_VARIABLES))


@lru_cache(1)
def _ssl_context(*_: str | None) -> ssl.SSLContext:
    """Read the trusted certificates.

    The certificates are read again only if an environment variable in CERTIFICATE_VARIABLES changes.
    """
    return httpx.create_ssl_context(trust_env=True)
