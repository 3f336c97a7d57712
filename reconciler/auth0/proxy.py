"""Which proxy of the environment a tenant is reached by: as httpx reads it, and without its password."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy: the variable that names it, and its address without credentials."""

    variable: str
    scheme: str
    host: str
    port: int | None

    @property
    def address(self) -> str:
        """`scheme://host:port`."""
        return f"{self.scheme}://{self.place}"

    @property
    def place(self) -> str:
        """`host:port`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host


def proxy_for(base_url: str) -> Proxy | None:
    """Return the proxy on the way to `base_url` as this process's environment has it; None for a direct connection.

    A host on loopback is never reached by a proxy. What is no address gives a proxy without a host.
    """
    host = urlsplit(base_url).hostname or ""
    if _is_loopback(host) or proxy_bypass(host):
        return None
    return choose_proxy(getproxies(), urlsplit(base_url).scheme, os.environ)


def by_proxy(base_url: str) -> str:
    """Return what an error message says of the proxy on the way to `base_url`; "" for a direct connection."""
    proxy = proxy_for(base_url)
    if proxy is None:
        return ""
    return f" (through the proxy {proxy.place}, which {proxy.variable} names)"


def choose_proxy(proxies: Mapping[str, str], scheme: str, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy that `proxies` (by scheme, or `all`) have for `scheme`, with its variable in `environment`.

    A variable in lower case wins, as in `urllib.request.getproxies`.
    """
    kind = next((kind for kind in (scheme, "all") if proxies.get(kind)), None)
    if kind is None:
        return None
    text = proxies[kind]
    variable = f"{kind}_proxy" if environment.get(f"{kind}_proxy") else f"{kind.upper()}_PROXY"
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        return Proxy(variable, parts.scheme, parts.hostname or "", parts.port)
    except ValueError:
        return Proxy(variable, "", "", None)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
