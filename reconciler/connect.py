"""Reach a tenant: one on the network with the environment's credentials, or the sandbox inside this process."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from reconciler.auth0.client import ManagementClient, connected
from reconciler.auth0.credentials import ClientSecret, credentials_from
from reconciler.auth0.management import Manner
from reconciler.config import Kind, Tenant
from reconciler.core.directory import MANAGEMENT_API_SUFFIX
from reconciler.errors import ReconcilerError


@asynccontextmanager
async def open_tenant(
    tenant: Tenant, environment: Mapping[str, str], manner: Manner
) -> AsyncIterator[ManagementClient]:
    """Give a client for `tenant`.

    Raises:
        ReconcilerError: if there are no credentials, or the sandbox is not installed or cannot be opened.
    """
    if tenant.kind is Kind.SANDBOX:
        async with _in_process(tenant, manner) as client:
            yield client
    else:
        credentials = credentials_from(environment, tenant.host)
        async with connected(tenant.base_url, credentials, manner=manner) as client:
            yield client


@asynccontextmanager
async def _in_process(tenant: Tenant, manner: Manner) -> AsyncIterator[ManagementClient]:
    try:
        from reconciler.sandbox.tenant import open_sandbox
        from reconciler.sandbox.transport import SandboxTransport
    except ModuleNotFoundError as error:
        raise ReconcilerError(
            f'tenant {tenant.name} is a sandbox, which is not installed: pip install "reconciler[sandbox]"',
        ) from error
    with open_sandbox(tenant.database, tenant.seed, tenant.host) as sandbox:
        audience = f"https://{tenant.host}{MANAGEMENT_API_SUFFIX}"
        credentials = ClientSecret(sandbox.credentials.client_id, sandbox.credentials.client_secret, audience)
        transport = SandboxTransport(sandbox.app)
        async with connected(f"http://{tenant.host}", credentials, transport=transport, manner=manner) as client:
            yield client
