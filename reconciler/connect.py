"""Connect to a tenant: to Auth0 over the network, or to a sandbox that runs in the reconciler process."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial

from reconciler.auth0.client import ManagementClient, open_client
from reconciler.auth0.credentials import ClientSecret, credentials_from, identities_of
from reconciler.auth0.exchange import Route
from reconciler.auth0.management import ClientOptions
from reconciler.config.tenants import check_environment
from reconciler.core.directory import MANAGEMENT_API_SUFFIX
from reconciler.core.identity import IdentityCheck, management_api_identifier
from reconciler.core.problems import Problem, Source
from reconciler.core.tenant import Tenant, TenantKind
from reconciler.errors import ProblemsError, ReconcilerError
from reconciler.redaction import Secrets


def _ignore(_note: str) -> None:
    pass


@asynccontextmanager
async def open_tenant(  # noqa: PLR0913 - the parameters are independent
    tenant: Tenant,
    environment: Mapping[str, str],
    client_options: ClientOptions,
    secrets: Secrets,
    identity: IdentityCheck | None = None,
    *,
    note: Callable[[str], None] = _ignore,
) -> AsyncIterator[ManagementClient]:
    """Open a client for `tenant`.

    `identity` checks that the configured tenant issued each access token. If a different tenant issued an access token,
    requests raise ReconcilerError. The client adds the credentials and tokens of the tenant to `secrets`. The function
    `note` receives notes about the file with the initial data of a sandbox.

    Raises:
        ReconcilerError: if credentials are missing or must not be sent to `tenant`, or if the sandbox is not installed
            or cannot be opened.
    """
    check_environment(tenant, environment)

    def check_token(token: str) -> None:
        if identity is not None:
            identity.verify(identities_of(token))

    with route_to(tenant, environment, note) as route:
        credentials = route.credentials()
        async with open_client(
            route.base_url,
            credentials,
            transport=route.transport,
            client_options=client_options,
            check_token=check_token,
            secrets=secrets,
        ) as client:
            yield client


@contextmanager
def route_to(tenant: Tenant, environment: Mapping[str, str], note: Callable[[str], None] = _ignore) -> Iterator[Route]:
    """Yield the URL and the credentials for a connection to `tenant`, without sending a request.

    The function `note` is called with each remark about the seed file of a sandbox.

    Raises:
        ReconcilerError: if the sandbox is not installed or cannot be opened.
    """
    if tenant.kind is TenantKind.SANDBOX:
        with _inside(tenant, note) as route:
            yield route
    else:
        audience = management_api_identifier(tenant.canonical_host or tenant.host)
        yield Route(tenant.base_url, partial(credentials_from, environment, tenant.host, tenant.credentials, audience))


def require_sandbox(name: str) -> None:
    """Raise ReconcilerError if the packages for the sandbox `name` are not installed."""
    try:
        import auth0_sandbox.server.transport
        import auth0_sandbox.tenant  # noqa: F401 - the import checks that the package is installed
    except ModuleNotFoundError as error:
        raise ReconcilerError(
            f"tenant {name} is a sandbox, but a package for the sandbox is not installed; "
            'run: pip install "auth0-grants[sandbox]"',
        ) from error


@contextmanager
def _inside(tenant: Tenant, note: Callable[[str], None]) -> Iterator[Route]:
    require_sandbox(tenant.name)
    from auth0_sandbox.server.transport import SandboxTransport
    from auth0_sandbox.tenant import open_sandbox

    with converted_errors():
        sandbox = open_sandbox(tenant.database, tenant.seed, tenant.host)
    with sandbox:
        if sandbox.remark:
            note(sandbox.remark)
        audience = f"https://{tenant.host}{MANAGEMENT_API_SUFFIX}"
        credentials = ClientSecret(sandbox.credentials.client_id, sandbox.credentials.client_secret, audience)
        yield Route(f"http://{tenant.host}", lambda: credentials, SandboxTransport(sandbox.app))


@contextmanager
def converted_errors() -> Iterator[None]:
    """Convert errors of the sandbox to ReconcilerError and ProblemsError.

    The sandbox cannot raise ReconcilerError, because the sandbox does not import reconciler.
    """
    from auth0_sandbox.errors import FileError, SandboxError

    try:
        yield
    except FileError as error:
        problems = [Problem(Source(each.file, each.line, each.column), each.what, each.fix) for each in error.problems]
        raise ProblemsError(tuple(problems), {each.file: error.text for each in error.problems}) from error
    except SandboxError as error:
        raise ReconcilerError(str(error)) from error
