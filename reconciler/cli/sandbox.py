"""`reconciler sandbox`: serve the local tenant to any client of Auth0, or reset the local tenant."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.app.console import Console
from reconciler.app.load import load_config
from reconciler.cli.options import ListedName, WholeNumber, current_options, global_options
from reconciler.config.tenants import Config
from reconciler.core.characters import visible
from reconciler.core.tenant import SANDBOX_DOMAIN, Tenant, TenantKind
from reconciler.errors import ReconcilerError
from reconciler.output.styled import line

if TYPE_CHECKING:
    from auth0_sandbox.server.tls import Certificates

FILE = click.Path(path_type=Path, dir_okay=False)

database_option = click.option(
    "--database", type=FILE, help="Store the tenant in this SQLite file.  [default: from the configuration]"
)
seed_option = click.option(
    "--seed", type=FILE, help="Fill a new tenant from this YAML file.  [default: from the configuration]"
)


@global_options("config", "tenants")
@click.group("sandbox")
def command() -> None:
    """Serve or reset a local tenant, which imitates Auth0's Management API and needs no account."""


@global_options("config", "tenants")
@command.command("serve")
@click.option(
    "--port",
    type=WholeNumber(0, 65535),
    default=8321,
    show_default=True,
    help="Listen on this port. 0 selects a free port.",
)
@database_option
@seed_option
@click.option("--tls", is_flag=True, help="Use https, and print how programs can trust the certificate.")
@click.option("--faults", type=FILE, help="Inject the faults from this file (YAML or JSON).")
@click.option(
    "--rate-limit", metavar="PLAN", default="none", show_default=True, help="Apply the rate limits of this Auth0 plan."
)
@click.option("--custom-domain", metavar="HOST", help="Also accept requests at this custom domain of the tenant.")
@click.option(
    "--set",
    "assignments",
    metavar="NAME=VALUE",
    multiple=True,
    type=ListedName(),
    help="Choose a behaviour of the local tenant that Auth0 does not document.",
)
@click.option(
    "--admin/--no-admin",
    default=True,
    show_default=True,
    help="Add endpoints below /sandbox to read statistics and state, and to inject faults.",
)
def serve(  # noqa: PLR0913 - each parameter is an option of the command
    *,
    port: int,
    database: Path | None,
    seed: Path | None,
    tls: bool,
    faults: Path | None,
    rate_limit: str,
    custom_domain: str | None,
    assignments: tuple[str, ...],
    admin: bool,
) -> None:
    """Serve the local tenant over HTTP on 127.0.0.1 until interrupted.

    The command prints the address of the local tenant. docs/sandbox.md describes --faults, --rate-limit and --set.
    """
    with _require_extra():
        from auth0_sandbox.faults.plan import NO_FAULTS, read_faults
        from auth0_sandbox.server.serve import serve as serve_forever
        from auth0_sandbox.settings import settings_from
        from auth0_sandbox.tenant import open_sandbox
        from reconciler.connect import converted_errors

    options = current_options()
    tenant = _tenant(load_config(options.config), options.tenant, database, seed)
    if custom_domain is not None:
        assignments += (f"custom_domain={custom_domain}",)
    with (
        converted_errors(),
        open_sandbox(
            tenant.database,
            tenant.seed,
            tenant.host,
            settings=settings_from(assignments),
            faults=read_faults(faults) if faults else NO_FAULTS,
            rate_limit=rate_limit,
            with_admin=admin,
        ) as sandbox,
    ):
        if sandbox.remark:
            Console(options).note(sandbox.remark)
        certificates = _certificates(tenant.database, sandbox.control.settings.custom_domain) if tls else None
        serve_forever(
            sandbox,
            port=port,
            on_ready=lambda address: _print_address(Console(options), address, certificates),
            certificate=certificates.server if certificates else None,
        )


@global_options("config", "tenants")
@command.command("reset")
@database_option
@seed_option
def reset(*, database: Path | None, seed: Path | None) -> None:
    """Reset the local tenant to its initial data, the seed.

    If a server of the local tenant is running, the server needs no restart.
    """
    with _require_extra():
        from auth0_sandbox.tenant import reset as reset_tenant
        from reconciler.connect import converted_errors

    options = current_options()
    tenant = _tenant(load_config(options.config), options.tenant, database, seed)
    with converted_errors():
        reset_tenant(tenant.database, tenant.seed, tenant.host)
    Console(options).info([line(f"{visible(str(tenant.database))} was reset to its seed")])


@contextmanager
def _require_extra() -> Iterator[None]:
    """Raise ReconcilerError if a package for the sandbox is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ReconcilerError(
            'a package for the sandbox is not installed; run: pip install "auth0-grants[sandbox]"'
        ) from error


def _certificates(database: Path, custom_domain: str | None) -> "Certificates":
    with _require_extra():
        from auth0_sandbox.server.tls import certificates

    return certificates(database, datetime.now(UTC), custom_domain)


def _print_address(console: Console, address: str, certificates: "Certificates | None") -> None:
    """Print the URL of the local tenant.

    The credentials of the sandbox are not printed. The user finds the credentials in the seed file.
    """
    if certificates is None:
        console.result([line(f"Sandbox tenant at http://{address}"), line(f"AUTH0_DOMAIN={address}")])
        return
    url = f"https://localhost:{address.rpartition(':')[2]}"
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in certificates.trust.items())
    console.result([line(f"Sandbox tenant at {url}"), line(f"AUTH0_DOMAIN={url}"), line(f"export {variables}")])


def _tenant(config: Config, name: str | None, database: Path | None, seed: Path | None) -> Tenant:
    """Return the selected sandbox.

    AUTH0_DOMAIN is ignored, because AUTH0_DOMAIN may contain the address of the sandbox that is being started.
    """
    name = name or config.default_tenant
    tenant = config.tenants.get(name) if name else None
    if tenant is None or tenant.kind is not TenantKind.SANDBOX:
        if database is None:
            raise ReconcilerError("no sandbox is selected: use --tenant with a tenant of kind sandbox, or --database")
        tenant = Tenant(name="sandbox", domain=SANDBOX_DOMAIN, kind=TenantKind.SANDBOX)
    return replace(tenant, database=database or tenant.database, seed=seed or tenant.seed)
