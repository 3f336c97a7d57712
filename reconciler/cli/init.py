"""`reconciler init`: write the first files of a repository, and import the grants of the tenant."""

import os
import sys
from collections.abc import Iterable, Mapping
from os.path import lexists
from pathlib import Path

import click

from reconciler.app import scaffold
from reconciler.app.console import Console
from reconciler.app.import_grants import SCHEMA, ImportOptions, import_grants, relative_path
from reconciler.app.load import load_config, workspace_of
from reconciler.app.options import GlobalOptions, RequestOptions
from reconciler.artifacts.atomic_files import write_new_files, write_output
from reconciler.cli.options import current_options, global_options
from reconciler.config.file import tenant_name_problem
from reconciler.config.tenants import DEFAULT_FILE, Tenant, choose_tenant
from reconciler.connect import route_to
from reconciler.core.characters import pluralize, quote_text
from reconciler.errors import Exit, ReconcilerError, reason
from reconciler.files.discover import name_of
from reconciler.output.styled import Span, Style, line

WORKFLOW = Path(".github", "workflows", "grants.yml")
EXPRESSION = "${{"
NEXT_STEPS = (
    f"- in {WORKFLOW.as_posix()}, pin a version of reconciler that you have reviewed",
    "- reconciler plan, after each change of a file or the tenant",
)
CREDENTIAL_STEPS = (
    "- set AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET in the environment, then",
    "  reconciler import; reconciler doctor shows what is missing",
)


@global_options("config", "grants", "tenants", "allow_unnamed_tenant", examples=("reconciler init",), searches=False)
@click.command("init")
@click.option("--domain", metavar="DOMAIN", help="Use this domain for the tenant.  [default: AUTH0_DOMAIN]")
@click.option("--yes", is_flag=True, help="Import the tenant's grants without asking.")
def command(*, domain: str | None, yes: bool) -> Exit:
    """Write the first files: configuration, schemas for editors, a GitHub workflow.

    Existing files are never overwritten. .gitignore gets an entry for .reconciler/. --tenant sets the name of the
    tenant. If the environment has credentials for the tenant, its grants are imported.
    """
    options = current_options()
    prompt = Prompt(Console(options), is_interactive=not yes and sys.stdin.isatty(), yes=yes)
    file, grants = Path(options.config or DEFAULT_FILE), Path(options.grants)
    tenant = _configured_tenant(options) if file.exists() else _new_tenant(options, domain, prompt)
    _refuse_expression(tenant.name)
    first_files, gitignore = _first_files(tenant, file), file.parent / ".gitignore"
    _refuse_links([*first_files, gitignore, grants])
    _write(first_files, prompt.console)
    _update_gitignore(gitignore, prompt.console)
    has_credentials = _has_credentials(tenant)
    if has_credentials:
        prompt.console.result([line()] * (not prompt.is_interactive))  # a question already starts with a blank line
        import_grants(options, prompt.console, ImportOptions(grants, confirm=prompt.confirm_import), RequestOptions())
    if not grants.exists():
        schema = relative_path(file.parent / SCHEMA, grants)
        _write({grants / "example.yaml": scaffold.example(schema)}, prompt.console)
    prompt.console.result(map(line, ["", "Next:", *NEXT_STEPS, *([] if has_credentials else CREDENTIAL_STEPS)]))
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
    """Asks questions on a terminal. Without a terminal or with --yes, it uses default answers."""

    def __init__(self, console: Console, *, is_interactive: bool, yes: bool) -> None:
        self.console = console
        self.is_interactive = is_interactive
        self._yes = yes

    def text(self, question: str, default: str) -> str:
        """Return the answer, or the default."""
        prompt_text = f"{question} [{default}]: " if default else f"{question}: "
        return (self.console.ask(prompt_text) if self.is_interactive else "") or default

    def confirm_import(self, grants: int) -> bool:
        """Ask whether to import this number of grants. Without a terminal, the answer is yes only with --yes."""
        if not self.is_interactive:
            return self._yes
        question = f"The tenant has {pluralize(grants, 'grant')} that no file declares. Write files for them? [Y/n]: "
        return self.console.ask(question).lower() in {"", "y", "yes"}


def _configured_tenant(options: GlobalOptions) -> Tenant:
    config = load_config(options.config)
    return choose_tenant(config, options.tenant, os.environ, allow_unnamed=options.allow_unnamed_tenant)


def _new_tenant(options: GlobalOptions, domain: str | None, prompt: Prompt) -> Tenant:
    """Return a tenant with the name and domain from options or answers. Raises ReconcilerError."""
    domain = domain or os.environ.get("AUTH0_DOMAIN", "").strip() or prompt.text("Domain of the tenant", "")
    if not domain:
        raise ReconcilerError("the domain of the tenant is missing: use --domain or set AUTH0_DOMAIN")
    label = Tenant(name="", domain=domain).host.partition(".")[0]
    default_name = "local" if label.isdigit() else label
    name = options.tenant or prompt.text("Name of the tenant", default_name)
    if problem := tenant_name_problem(name):
        raise ReconcilerError(f"{problem}; choose another name (--tenant)")
    return Tenant(name=name, domain=domain)


def _write(texts: Mapping[Path, str], console: Console) -> None:
    """Write the missing files. Print the name of every file."""
    missing = {path: text for path, text in texts.items() if not lexists(path)}
    try:
        write_new_files(missing)
    except OSError as error:
        raise ReconcilerError(f"nothing was written: {error.filename}: {error.strerror}") from error
    for path in texts:
        _print_file(console, "written" if path in missing else "kept", path)


def _refuse_links(files: Iterable[Path]) -> None:
    """Raise ReconcilerError if a path contains a link that may come from the checkout."""
    workspace = workspace_of(current_options().config)
    for file in files:
        workspace.refuse_checkout_links(file, "init")


def _update_gitignore(file: Path, console: Console) -> None:
    """Add .reconciler/ to .gitignore."""
    if not lexists(file):
        _write({file: scaffold.gitignore_text("")}, console)
        return
    try:
        before = file.read_bytes().decode(errors="surrogateescape")
        after = scaffold.gitignore_text(before)
        if after != before:
            write_output(file, after.encode(errors="surrogateescape"))
    except OSError as error:
        raise ReconcilerError(f"{name_of(file)} cannot be changed: {reason(error)}") from error
    _print_file(console, "kept" if after == before else "changed", file)


def _print_file(console: Console, status: str, path: Path) -> None:
    console.result([line(Span(f"{status:9}", Style.MUTED), name_of(path))])


def _has_credentials(tenant: Tenant) -> bool:
    try:
        with route_to(tenant, os.environ) as route:
            route.credentials()
    except ReconcilerError:
        return False
    return True
