"""Serve many tenants in one process, each behind TLS on a port of its own.

    python -m benchmarks.fleet_server CERTIFICATE COUNT GRANTS HANGING

The first line of its output has the ports. The first HANGING tenants read requests and never respond.
"""

import asyncio
import ssl
import sys
from contextlib import suppress

from benchmarks.api import Request, Response, Tenant
from benchmarks.fleet import host_of
from benchmarks.limits import PLANS, Bucket
from benchmarks.load_server import MAX_HEAD_BYTES, LoadServer
from benchmarks.tenants import OWN_AUDIENCE, Case, Work


class RenamedTenant(Tenant):
    """A tenant with an audience of its own, so that no two tenants have the same identity."""

    def __init__(self, case: Case, audience: str) -> None:
        super().__init__(case.size, case.before)
        self._audience = audience.encode()

    def respond(self, request: Request) -> Response:
        """Respond like the tenant, with the other audience."""
        response = super().respond(request)
        return Response(response.status, response.body.replace(OWN_AUDIENCE.encode(), self._audience))


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read requests without a response."""
    while await reader.read(MAX_HEAD_BYTES):
        pass
    writer.close()


async def serve(certificate: str, count: int, grants: int, hanging: int) -> None:
    """Serve the tenants until the process ends."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    case = Case(Work.MISSING, grants)
    ports = []
    for number in range(count):
        audience = f"https://{host_of(number)}/api/v2/"
        server = LoadServer(RenamedTenant(case, audience), Bucket(PLANS[case.plan]), 0.0, audience)
        respond = hang if number < hanging else server.serve
        listening = await asyncio.start_server(respond, "127.0.0.1", 0, ssl=context, limit=MAX_HEAD_BYTES)
        ports.append(listening.sockets[0].getsockname()[1])
    print(*ports, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        certificate, count, grants, hanging = sys.argv[1:]
        asyncio.run(serve(certificate, int(count), int(grants), int(hanging)))
