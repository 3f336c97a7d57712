"""What the grant files declare, now and in a revision of git, for the tenants of a command."""

from collections.abc import Iterable
from pathlib import Path

from reconciler.cli.options import Options
from reconciler.cli.settings import read_settings_at
from reconciler.config import Config, Tenant
from reconciler.core.problems import errors
from reconciler.errors import ProblemsError
from reconciler.files.read import Declared, read_grants, read_grants_at


def declared_for(
    tenants: Iterable[Tenant], options: Options, config: Config, folders: Iterable[Path] | None = None
) -> Declared:
    """Return what the files (in `folders`, or that of --grants) declare, to be asked for each of `tenants`.

    Raises:
        ProblemsError: with every problem that there is for any of them.
    """
    declared = read_grants([Path(options.grants)] if folders is None else folders, config.readers(*tenants))
    if errors(declared.problems):
        raise ProblemsError(declared.problems, declared.texts)
    return declared


def declared_at(revision: str, tenant: Tenant, options: Options, config: Config) -> Declared:
    """Return what the files of `revision` declared for `tenant`, with the values that it had then.

    Where that cannot be told, because the configuration was not there yet, or not valid, it is taken as it is now.
    """
    then = read_settings_at(revision, config.file) or config
    same = then.tenants.get(tenant.name, tenant)
    return read_grants_at(revision, Path(options.grants), then.readers(same)).at(same.target)
