"""Serve many tenants in one process. Each tenant has TLS and a separate port.

    python -m benchmarks.fleet_server CERTIFICATE COUNT GRANTS HANGING

The first line of the output contains the ports. The first HANGING tenants read requests and never respond.
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
    """A tenant with a separate audience, so that all tenants have different identities."""

    def __init__(self, case: Case, audience: str) -> None:
        super().__init__(case.size, case.before)
        self._audience = audience.encode()

    def respond(self, request: Request) -> Response:
        """Return the response of the base class, with the audience of this tenant."""
        response = super().respond(request)
        return Response(response.status, response.body.replace(OWN_AUDIENCE.encode(), self._audience))


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read requests and never respond."""
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
