"""Open, create and reset a tenant: its database, its seed and its application."""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from starlette.types import ASGIApp

from auth0_sandbox.control import Control, Start
from auth0_sandbox.errors import SandboxError
from auth0_sandbox.faults.engine import FaultContext, Sleep
from auth0_sandbox.faults.plan import NO_FAULTS, FaultPlan
from auth0_sandbox.requests.hosts import check_custom_domain
from auth0_sandbox.requests.rate_limits import profile
from auth0_sandbox.seed import Credentials, documents, identity, tool_credentials, with_domain
from auth0_sandbox.server.app import build_app
from auth0_sandbox.settings import DEFAULT_SETTINGS, Settings
from auth0_sandbox.store.database import SandboxTenant, Store, open_store
from auth0_sandbox.store.documents import Schema, parse
from auth0_sandbox.store.past import copy_of
from auth0_sandbox.store.tables import NO_TABLES, VERSION
from auth0_sandbox.yaml_files import NO_FILE, YamlFile, read_file

SIGNING_KEY_BYTES = 32
_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Sandbox:
    """An open tenant. Close it after use.

    `app` is its ASGI application. `credentials` belong to the tool. `control` changes its behaviour.
    """

    app: ASGIApp
    store: Store
    credentials: Credentials
    control: Control

    def close(self) -> None:
        """Close the database."""
        self.control.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_sandbox(  # noqa: PLR0913 - each is a choice of its own, most have a default
    database: Path,
    seed: Path | None,
    domain: str,
    *,
    settings: Settings = DEFAULT_SETTINGS,
    clock: Callable[[], float] = time.time,
    faults: FaultPlan = NO_FAULTS,
    rate_limit: str = "none",
    sleep: Sleep = asyncio.sleep,
    with_admin: bool = False,
) -> Sandbox:
    """Open the tenant in `database`. A new tenant gets the canonical domain `domain` and the content of the seed.

    An existing tenant keeps its content and its domain. A changed seed takes effect with `reset`. `rate_limit` is the
    name of an Auth0 plan. `clock` (UNIX seconds) and `sleep` (seconds) belong to the tenant. `with_admin` adds the
    endpoints below /sandbox.

    Raises:
        SandboxError: if the database cannot be used, the plan is unknown or the custom domain is not valid.
        FileError: if the seed is not valid.
    """
    limits = profile(rate_limit)
    store = open_store(database, clock)
    try:
        _prepare(store, database, seed, domain, clock())
        tenant = store.tenant()
        check_custom_domain(settings.custom_domain, tenant.domain)
    except BaseException:
        store.close()
        raise
    means = FaultContext(partial(copy_of, database, clock), sleep)
    start = Start(
        reseed=partial(reset, database, seed, tenant.domain, clock), means=means, faults=faults, profile=limits
    )
    control = Control(store, settings, start)
    own = Credentials(tenant.client_id, tenant.client_secret)
    return Sandbox(build_app(control, clock, with_admin=with_admin), store, own, control)


def reset(database: Path, seed: Path | None, domain: str, clock: Callable[[], float] = time.time) -> None:
    """Reset the tenant in `database` to its seed in one transaction. A server with the same file continues.

    Existing tokens stay valid. `clock` (UNIX seconds) belongs to the tenant.

    Raises:
        SandboxError: if the database cannot be used.
        FileError: if the seed is not valid. The tenant is unchanged.
    """
    data = _read_seed(seed)
    store = open_store(database, clock)
    try:
        with store.transaction():
            _fill(store, data, domain, clock())
    finally:
        store.close()


def _prepare(store: Store, database: Path, seed: Path | None, domain: str, now: float) -> None:
    """Fill a new database, and refuse an unreadable one."""
    _check_version(store, database)
    if store.version() != NO_TABLES:
        return
    data = _read_seed(seed)
    with store.transaction():
        if store.version() == NO_TABLES:  # another process may have been faster
            _fill(store, data, domain, now)


def _check_version(store: Store, database: Path) -> None:
    if store.version() not in {NO_TABLES, VERSION}:
        raise SandboxError(
            f"{database} was made by another version of the sandbox; bring it back to its seed with"
            " `reconciler sandbox reset`, or name another file"
        )


def _read_seed(seed: Path | None) -> YamlFile:
    if seed is None:
        return NO_FILE
    schema: Schema = parse((_HERE / "seed_schema.json").read_text(encoding="utf-8"))
    return read_file(seed, schema)


def _fill(store: Store, seed: YamlFile, domain: str, now: float) -> None:
    """Replace the content of the database inside the caller's transaction. `now` is in UNIX seconds."""
    known = store.version() == VERSION
    signing_key = store.tenant().signing_key if known else secrets.token_bytes(SIGNING_KEY_BYTES)
    seed = with_domain(seed, domain)
    own = tool_credentials(seed.data)
    tenant = SandboxTenant(domain, own.client_id, own.client_secret, signing_key)
    scopes = (_HERE / "management_scopes.txt").read_text(encoding="utf-8").split()
    whole = documents(seed, tenant, scopes, now)
    store.make_tables()
    store.set_tenant(tenant)
    for kind, items in whole.items():
        for document in items:
            store.add(kind, identity(kind, document), document)
