"""The load server: a tenant in memory with TLS, latency and rate limits, in a separate process.

    python -m benchmarks.load_server CERTIFICATE WORK SIZE LATENCY PLAN

The first line of the output is the port on 127.0.0.1. The server validates little and stores responses as text, so that
the server is fast for every tool. GET /control returns the counts of requests and the grants. GET /control is not
counted and has no rate limit.
"""

import asyncio
import json
import ssl
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

from benchmarks.api import API, Request, Response, Tenant, error, tenant_of, token
from benchmarks.limits import PLANS, Bucket
from benchmarks.tenants import OWN_AUDIENCE, Case, Json, Work

CONTROL = "/control"
TOKEN_PATH = "/oauth/token"
MAX_HEAD_BYTES = 64 * 1024


@dataclass(slots=True)
class Counts:
    """The number of requests by method and path, and the number of requests that the rate limit refused."""

    requests: Counter[str] = field(default_factory=Counter)
    refused: int = 0


class LoadServer:
    """An HTTP server for one tenant."""

    def __init__(self, tenant: Tenant, bucket: Bucket, latency: float, audience: str = OWN_AUDIENCE) -> None:
        self._tenant = tenant
        self._bucket = bucket
        self._latency = latency
        self._token = token(audience)
        self.counts = Counts()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Respond to the requests of one connection in order, until the client closes the connection."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                request, authorization = await _read(reader)
                if request.path == CONTROL:
                    writer.write(_encode(self._control(), ""))
                else:
                    self.counts.requests[_endpoint(request)] += 1
                    await asyncio.sleep(self._latency)
                    writer.write(self._respond(request, authorization))
                await writer.drain()
        writer.close()

    def _respond(self, request: Request, authorization: str) -> bytes:
        if request.path == TOKEN_PATH:
            granted = {"access_token": self._token, "expires_in": 86400, "token_type": "Bearer"}
            return _encode(Response(200, json.dumps(granted).encode()), "")
        now = time.time()
        is_allowed = self._bucket.take(now)
        limits = self._bucket.headers(now)
        if not is_allowed:
            self.counts.refused += 1
            return _encode(error(429, "Too Many Requests", "Global limit has been reached"), limits)
        if authorization != f"Bearer {self._token}":
            return _encode(error(401, "Unauthorized", "Invalid token"), limits)
        return _encode(self._tenant.respond(request), limits)

    def _control(self) -> Response:
        report = {"requests": self.counts.requests, "refused": self.counts.refused, "grants": self._tenant.grants}
        return Response(200, json.dumps(report).encode())


async def _read(reader: asyncio.StreamReader) -> tuple[Request, str]:
    """Read an HTTP request. Return the request and the value of the Authorization header."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    url = urlsplit(target)
    parsed: Json = json.loads(body) if body and "json" in headers.get("content-type", "") else {}
    return Request(method, unquote(url.path), dict(parse_qsl(url.query)), parsed), headers.get("authorization", "")


def _endpoint(request: Request) -> str:
    collection, _, identifier = request.path.removeprefix(API).partition("/")
    path = request.path if not request.path.startswith(API) else API + collection + ("/{id}" if identifier else "")
    return f"{request.method} {path}"


def _encode(response: Response, headers: str) -> bytes:
    length = "" if response.status == HTTPStatus.NO_CONTENT else f"content-length: {len(response.body)}\r\n"
    head = (
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n"
        f"date: {formatdate(usegmt=True)}\r\n"
        "content-type: application/json; charset=utf-8\r\n"
        f"{length}{headers}\r\n"
    )
    return head.encode() + response.body


async def serve(certificate: str, case: Case) -> None:
    """Serve the tenant of a case until the process ends."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server = LoadServer(tenant_of(case), Bucket(PLANS[case.plan]), case.latency)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context, limit=MAX_HEAD_BYTES)
    print(listening.sockets[0].getsockname()[1], flush=True)
    async with listening:
        await listening.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        certificate, work, size, latency, plan = sys.argv[1:]
        asyncio.run(serve(certificate, Case(Work(work), int(size), float(latency), plan)))
