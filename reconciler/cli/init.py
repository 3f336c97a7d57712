"""`reconciler init`: write the first files of a repository, and import the grants of the tenant."""

import os
import sys
from collections.abc import Iterable, Mapping
from os.path import lexists
from pathlib import Path

import click

from reconciler.app import scaffold
from reconciler.app.console import Console
from reconciler.app.import_grants import SCHEMA, ImportOptions, import_grants, way_to
from reconciler.app.load import read_settings, workspace_of
from reconciler.app.options import GlobalOptions, RequestOptions
from reconciler.artifacts.atomic_files import write_new_files, write_output
from reconciler.cli.options import also_global_options, options
from reconciler.config.tenants import DEFAULT_FILE, Tenant, choose_tenant
from reconciler.connect import route_to
from reconciler.core.quoting import pluralize, quote_text
from reconciler.errors import Exit, ReconcilerError, reason
from reconciler.files.discover import name_of
from reconciler.output.styled import Span, Style, line

WORKFLOW = Path(".github", "workflows", "grants.yml")
EXPRESSION = "${{"
NEXT = (
    f"- in {WORKFLOW.as_posix()}, pin the reconciler that you have reviewed",
    "- reconciler plan, after each change of a file or the tenant",
)
NEXT_WITHOUT_CREDENTIALS = (
    "- set AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET in the environment, then",
    "  reconciler import; reconciler doctor shows what is missing",
)


@also_global_options
@click.command("init")
@click.option("--domain", metavar="DOMAIN", help="The tenant's domain.  [default: AUTH0_DOMAIN]")
@click.option("--yes", is_flag=True, help="Do not ask, and import the tenant's grants.")
def command(*, domain: str | None, yes: bool) -> Exit:
    """Write the first files: configuration, schemas for editors, a GitHub workflow.

    Existing files are never overwritten. .gitignore gets an entry for .reconciler/. --tenant is the name of the tenant.
    If the environment has credentials for the tenant, its grants are imported.
    """
    given = options()
    asking = Prompt(Console(given), asks=not yes and sys.stdin.isatty(), yes=yes)
    file, grants = Path(given.config or DEFAULT_FILE), Path(given.grants)
    tenant = _declared(given) if file.exists() else _new(given, domain, asking)
    _refuse_expression(tenant.name)
    first, ignored = _first_files(tenant, file), file.parent / ".gitignore"
    _refuse_links([*first, ignored, grants])
    _write(first, asking.console)
    _ignore(ignored, asking.console)
    reached = _has_credentials(tenant)
    if reached:
        asking.console.result([line()] * (not asking.asks))  # a question starts with a blank line
        import_grants(given, asking.console, ImportOptions(grants, confirm=asking.agrees), RequestOptions())
    if not grants.exists():
        schema = way_to(file.parent / SCHEMA, grants)
        _write({grants / "example.yaml": scaffold.example(schema)}, asking.console)
    asking.console.result(map(line, ["", "Next:", *NEXT, *([] if reached else NEXT_WITHOUT_CREDENTIALS)]))
    return Exit.DONE


def _first_files(tenant: Tenant, file: Path) -> dict[Path, str]:
    return {
        file: scaffold.configuration(tenant.name, tenant.domain),
        **{file.parent / SCHEMA.parent / name: text for name, text in scaffold.schemas().items()},
        file.parent / WORKFLOW: scaffold.workflow(tenant.name),
    }


def _refuse_expression(name: str) -> None:
    """Raise ReconcilerError for a name that GitHub would evaluate as an expression in the workflow."""
    if EXPRESSION in name:
        raise ReconcilerError(
            f"the tenant's name {quote_text(name)} contains {EXPRESSION}, which GitHub evaluates in a workflow; "
            "choose another name (--tenant)"
        )


class Prompt:
    """Asks on a terminal. Without a terminal, or with --yes, it returns the defaults."""

    def __init__(self, console: Console, *, asks: bool, yes: bool) -> None:
        self.console = console
        self.asks = asks
        self._yes = yes

    def text(self, question: str, default: str) -> str:
        """Return the answer, or the default."""
        shown = f"{question} [{default}]: " if default else f"{question}: "
        return (self.console.asked(shown) if self.asks else "") or default

    def agrees(self, grants: int) -> bool:
        """Return whether to import this number of grants. Without a terminal, only --yes agrees."""
        if not self.asks:
            return self._yes
        question = f"The tenant has {pluralize(grants, 'grant')} that no file declares. Write files for them? [Y/n]: "
        return self.console.asked(question).lower() in {"", "y", "yes"}


def _declared(given: GlobalOptions) -> Tenant:
    config = read_settings(given.config)
    return choose_tenant(config, given.tenant, os.environ, allow_unnamed=given.allow_unnamed_tenant)


def _new(given: GlobalOptions, domain: str | None, asking: Prompt) -> Tenant:
    """Return the tenant from options and answers. Raises ReconcilerError if its domain is not valid."""
    domain = domain or os.environ.get("AUTH0_DOMAIN", "").strip() or asking.text("Domain of the tenant", "")
    if not domain:
        raise ReconcilerError("the domain of the tenant is missing: use --domain or set AUTH0_DOMAIN")
    label = Tenant(name="", domain=domain).host.partition(".")[0]
    usual = "local" if label.isdigit() else label
    return Tenant(name=given.tenant or asking.text("Name of the tenant", usual), domain=domain)


def _write(texts: Mapping[Path, str], console: Console) -> None:
    """Write the missing files, and name them."""
    new = {path: text for path, text in texts.items() if not lexists(path)}
    try:
        write_new_files(new)
    except OSError as error:
        raise ReconcilerError(f"nothing was written: {error.filename}: {error.strerror}") from error
    for path in texts:
        _told(console, "written" if path in new else "kept", path)


def _refuse_links(files: Iterable[Path]) -> None:
    """Raise ReconcilerError if the path of a file contains a link that may come from the checkout."""
    workspace = workspace_of(options().config)
    for file in files:
        workspace.refuse_brought_links(file, "init")


def _ignore(file: Path, console: Console) -> None:
    """Add the tool's own folder to .gitignore."""
    if not lexists(file):
        _write({file: scaffold.ignoring("")}, console)
        return
    try:
        before = file.read_bytes().decode(errors="surrogateescape")
        after = scaffold.ignoring(before)
        if after != before:
            write_output(file, after.encode(errors="surrogateescape"))
    except OSError as error:
        raise ReconcilerError(f"{name_of(file)} cannot be changed: {reason(error)}") from error
    _told(console, "kept" if after == before else "changed", file)


def _told(console: Console, what: str, path: Path) -> None:
    console.result([line(Span(f"{what:9}", Style.MUTED), name_of(path))])


def _has_credentials(tenant: Tenant) -> bool:
    try:
        with route_to(tenant, os.environ) as route:
            route.credentials()
    except ReconcilerError:
        return False
    return True
