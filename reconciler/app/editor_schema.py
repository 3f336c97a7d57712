"""The schema of grant files for editors, with the names of a tenant."""

from pathlib import Path

from reconciler.app.console import Console
from reconciler.app.load import workspace_of
from reconciler.app.options import GlobalOptions, PlanOptions, RequestOptions
from reconciler.app.session import TenantSession
from reconciler.app.tenant_runs import tenant_runs
from reconciler.artifacts.atomic_files import write_output
from reconciler.contract import stored
from reconciler.contract.derive import render
from reconciler.contract.editor import editor_schema
from reconciler.core.characters import join_words
from reconciler.errors import ReconcilerError, reason
from reconciler.files.discover import name_of

EDITOR_SCHEMA = Path(".reconciler", "grants.schema.json")
"""The schema for editors, relative to the configuration. git ignores the folder."""


def tenant_schema(options: GlobalOptions, console: Console, request_options: RequestOptions) -> str:
    """Return the schema of grant files with the names of the selected tenant, as the text of a file.

    Raises:
        ReconcilerError: if several tenants are selected, or the tenant cannot be read.
    """
    options.require_one_tenant()
    with tenant_runs(options, PlanOptions(), request_options, console, folders=[]) as runs:
        ((name, directory),) = runs.run(TenantSession.read_directory).items()
        tenant = next(each for each in runs.tenants if each.name == name)
    if directory.refused:
        console.note(f"Note: the token may not list {join_words(sorted(directory.refused), 'and')}")
    return render(editor_schema(stored.load(stored.GRANTS), directory, tenant.target))


def write_schema(options: GlobalOptions, path: Path, text: str) -> None:
    """Write a schema to a file. Create its folder if it does not exist.

    Raises:
        ReconcilerError: if the file cannot be written, or a link in its path may come from the checkout.
    """
    workspace_of(options.config).refuse_checkout_links(path, "the schema")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_output(path, text.encode())
    except OSError as error:
        raise ReconcilerError(f"{name_of(path)} cannot be written: {reason(error)}") from error
