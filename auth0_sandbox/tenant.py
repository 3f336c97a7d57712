"""Open, create and reset a tenant: its database, its seed and its ASGI application."""

import asyncio
import hashlib
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
from auth0_sandbox.errors import SandboxError, reason
from auth0_sandbox.faults.engine import FaultContext, Sleep
from auth0_sandbox.faults.plan import NO_FAULTS, FaultPlan
from auth0_sandbox.requests.hosts import check_custom_domain
from auth0_sandbox.requests.rate_limits import profile
from auth0_sandbox.seed import Credentials, documents, identity, tool_credentials, with_domain
from auth0_sandbox.server.app import build_app
from auth0_sandbox.settings import DEFAULT_SETTINGS, Settings
from auth0_sandbox.store.database import SandboxTenant, Store, copy_of, open_store
from auth0_sandbox.store.documents import Schema, parse
from auth0_sandbox.store.tables import NO_TABLES, VERSION
from auth0_sandbox.yaml_files import NO_FILE, YamlFile, read_file

SIGNING_KEY_BYTES = 32
RESET = "run `reconciler sandbox reset`"
_PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Sandbox:
    """An open tenant. The caller closes the tenant after use.

    `app` is the ASGI application of the tenant. `credentials` belong to the tool. `control` changes the behaviour of
    the tenant. `remark` is not empty if the seed is missing or has changed since the tenant was filled.
    """

    app: ASGIApp
    store: Store
    credentials: Credentials
    control: Control
    remark: str = ""

    def close(self) -> None:
        """Free the faults and close the database."""
        self.control.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_sandbox(  # noqa: PLR0913 - independent options, most have a default
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

    An existing tenant keeps its content and its domain. A changed seed takes effect only after a `reset`. Before the
    reset, `Sandbox.remark` reports the change. `rate_limit` is the name of an Auth0 plan. The tenant uses `clock` (UNIX
    seconds) and `sleep` (seconds). `with_admin` adds the endpoints below /sandbox.

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
    fault_context = FaultContext(partial(copy_of, database, clock), sleep)
    start = Start(
        reseed=partial(reset, database, seed, tenant.domain, clock),
        fault_context=fault_context,
        faults=faults,
        profile=limits,
    )
    control = Control(store, settings, start)
    own = Credentials(tenant.client_id, tenant.client_secret)
    app = build_app(control, clock, with_admin=with_admin)
    return Sandbox(app, store, own, control, _seed_remark(database, seed, tenant.seed))


def reset(database: Path, seed: Path | None, domain: str, clock: Callable[[], float] = time.time) -> None:
    """Reset the tenant in `database` to its seed in one transaction.

    A server with the same database keeps running.

    Existing tokens stay valid. The tenant uses `clock` (UNIX seconds).

    Raises:
        SandboxError: if the database cannot be used.
        FileError: if the seed is not valid. The tenant stays unchanged.
    """
    data = _read_seed(seed)
    store = open_store(database, clock)
    try:
        with store.transaction():
            _fill(store, data, domain, clock())
    finally:
        store.close()


def _prepare(store: Store, database: Path, seed: Path | None, domain: str, now: float) -> None:
    """Fill a new database with the seed. Refuse a database of another version of the sandbox."""
    _check_version(store, database)
    if store.version() != NO_TABLES:
        return
    data = _read_seed(seed)
    with store.transaction():
        if store.version() == NO_TABLES:  # another process may have been faster
            _fill(store, data, domain, now)


def _check_version(store: Store, database: Path) -> None:
    if store.version() not in {NO_TABLES, VERSION}:
        raise SandboxError(f"{database} was created by another version of the sandbox; {RESET}, or use another file")


def _read_seed(seed: Path | None) -> YamlFile:
    if seed is None:
        return NO_FILE
    schema: Schema = parse((_PACKAGE / "seed_schema.json").read_text(encoding="utf-8"))
    return read_file(seed, schema)


def _seed_remark(database: Path, seed: Path | None, filled_from: str) -> str:
    """Return a remark if `seed` is missing or differs from the seed of the tenant, otherwise an empty text."""
    if seed is None:
        return ""
    try:
        with seed.open("rb") as file:
            now = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        what = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {reason(error)}"
        return f"{seed} {what}; the sandbox in {database} keeps its content: restore the seed, or {RESET}"
    if now == filled_from:
        return ""
    return f"{seed} has changed since the sandbox in {database} was filled; to use the new seed, {RESET}"


def _fill(store: Store, seed: YamlFile, domain: str, now: float) -> None:
    """Replace the content of the database inside the caller's transaction. `now` is in UNIX seconds."""
    known = store.version() == VERSION
    signing_key = store.tenant().signing_key if known else secrets.token_bytes(SIGNING_KEY_BYTES)
    seed = with_domain(seed, domain)
    own = tool_credentials(seed.data)
    tenant = SandboxTenant(domain, own.client_id, own.client_secret, signing_key, seed.digest)
    scopes = (_PACKAGE / "management_scopes.txt").read_text(encoding="utf-8").split()
    content = documents(seed, tenant, scopes, now)
    store.make_tables()
    store.set_tenant(tenant)
    for kind, items in content.items():
        for document in items:
            store.add(kind, identity(kind, document), document)
