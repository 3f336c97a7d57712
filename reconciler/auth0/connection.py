"""The HTTP client by which a tenant is reached: its proxies, certificates, limits and time-outs."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from reconciler.auth0.credentials import Credentials
from reconciler.auth0.exchange import TIMEOUTS
from reconciler.cookies import NoCookies
from reconciler.errors import ReconcilerError

# A proxy named in the environment is for the world outside.
PAST_THE_PROXY: dict[str, httpx.AsyncBaseTransport | None] = {
    "all://localhost": None,
    "all://127.0.0.1": None,
    "all://[::1]": None,
}


@dataclass(frozen=True, slots=True)
class Route:
    """How a tenant is reached: where, as whom, and by which `transport` if it lives in this process.

    `credentials` raises ReconcilerError where there are none.
    """

    base_url: str
    credentials: Callable[[], Credentials]
    transport: httpx.AsyncBaseTransport | None = None


@asynccontextmanager
async def open_http(
    base_url: str, *, transport: httpx.AsyncBaseTransport | None = None, connections: int = 1
) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client for `base_url` that follows no redirect.

    Raises:
        ReconcilerError: if the environment names a proxy or certificates that httpx cannot use.
    """
    try:
        http = httpx.AsyncClient(
            base_url=base_url,
            transport=transport,
            mounts=PAST_THE_PROXY,
            limits=httpx.Limits(max_connections=connections),
            timeout=TIMEOUTS,
            headers={"Accept-Encoding": "gzip"},
            cookies=NoCookies(),
            follow_redirects=False,
        )
    except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
        # What httpx says of a proxy may hold its password.
        raise ReconcilerError(
            "the proxy or the certificates that the environment names cannot be used: look at HTTPS_PROXY, ALL_PROXY "
            "and SSL_CERT_FILE",
        ) from error
    async with http:
        yield http
