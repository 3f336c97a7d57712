"""Find and read a tenant's usage file, and list the write operations of the Management API."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from reconciler.app.load import data_folder, load_config
from reconciler.app.options import GlobalOptions
from reconciler.artifacts.usage_file import read_usage
from reconciler.config.tenants import select_tenant
from reconciler.contract import stored
from reconciler.core.characters import quote_text
from reconciler.core.tenant import Tenant
from reconciler.core.usage.records import Usage, UsedScope
from reconciler.errors import ReconcilerError

FOLDER = "usage"


def usage_file(options: GlobalOptions, tenant: Tenant, file: Path | None) -> Path:
    """Return the path of a tenant's usage file: `file`, or a file in the folder .reconciler.

    Raises:
        ReconcilerError: if the tenant name cannot be part of a file name.
    """
    if file is not None:
        return file
    if any(each in tenant.name for each in "/\\\0") or tenant.name in {".", ".."}:
        raise ReconcilerError(
            f"the tenant name {quote_text(tenant.name)} cannot be part of a file name; choose a file with --usage"
        )
    return data_folder(options.config) / FOLDER / f"{tenant.name}.json"


def only_tenant(options: GlobalOptions) -> Tenant:
    """Return the selected tenant without checking the credentials. Raises ReconcilerError."""
    config = load_config(options.config)
    return select_tenant(config, options.tenant, os.environ, allow_unnamed=options.allow_unnamed_tenant)


def operations() -> Mapping[str, Sequence[str]]:
    """Return the write operations of the Management API, with the scopes that allow each operation."""
    table: Mapping[str, Sequence[str]] = stored.load(stored.WRITES)["operations"]
    return table


@dataclass(frozen=True, slots=True)
class UsageOptions:
    """The options of the command `usage`.

    `file` is the usage file, or None. `unused_for` is the length of the report's time span, or None for all collected
    logs. `scopes` contains the time at which each scope was last used.
    """

    file: Path | None = None
    unused_for: timedelta | None = None
    scopes: tuple[tuple[UsedScope, str], ...] = ()


def required_usage(path: Path) -> Usage:
    """Read the usage file, which records the use of each grant.

    Raises ReconcilerError if the usage file does not exist or cannot be read.
    """
    if not path.exists():
        raise ReconcilerError(f"{path} does not exist; run `reconciler usage collect` first, and then every night")
    return read_usage(path)
