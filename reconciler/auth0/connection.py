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
    """The connection data of a tenant.

    `credentials` returns the credentials. It raises ReconcilerError if they are missing. `transport` is set for a
    sandbox inside this process.
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
    """Return a transport that uses the proxy from the environment.

    The proxy is chosen here, because httpx fails on entries of NO_PROXY that it cannot parse.
    """
    return httpx.AsyncHTTPTransport(
        proxy=httpx_proxy(base_url), limits=httpx.Limits(max_connections=connections), trust_env=True
    )
