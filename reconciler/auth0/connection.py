"""The HTTP client of a tenant: proxies, certificates, limits and timeouts."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from reconciler.auth0.credentials import Credentials
from reconciler.auth0.exchange import TIMEOUTS
from reconciler.http.proxy import NoCookies, connection_error, httpx_proxy


@dataclass(frozen=True, slots=True)
class Route:
    """How to reach a tenant: its URL, its credentials, and a `transport` if it is inside this process.

    `credentials` raises ReconcilerError if there are none.
    """

    base_url: str
    credentials: Callable[[], Credentials]
    transport: httpx.AsyncBaseTransport | None = None


@asynccontextmanager
async def open_http(
    base_url: str, *, transport: httpx.AsyncBaseTransport | None = None, connections: int = 1
) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client for `base_url` that does not follow redirects.

    Raises:
        ReconcilerError: if the environment names a proxy or certificates that httpx cannot use.
    """
    try:
        http = httpx.AsyncClient(
            base_url=base_url,
            transport=transport or _network_transport(base_url, connections),
            timeout=TIMEOUTS,
            headers={"Accept-Encoding": "gzip"},
            cookies=NoCookies(),
            follow_redirects=False,
        )
    except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
        raise connection_error(base_url, error) from error
    async with http:
        yield http


def _network_transport(base_url: str, connections: int) -> httpx.AsyncHTTPTransport:
    """Return a transport with the proxy of the environment. httpx itself fails at entries that it cannot read."""
    return httpx.AsyncHTTPTransport(
        proxy=httpx_proxy(base_url), limits=httpx.Limits(max_connections=connections), trust_env=True
    )
