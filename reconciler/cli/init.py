"""`reconciler init`: write the first files of a repository, and import the grants of the tenant."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from os.path import lexists
from pathlib import Path

import click
from click.core import ParameterSource

from reconciler.app import scaffold
from reconciler.app.console import Console
from reconciler.app.import_grants import SCHEMA, ImportOptions, import_grants, relative_path
from reconciler.app.load import load_config, parse_config_text, workspace_of
from reconciler.app.options import GlobalOptions, RequestOptions
from reconciler.app.scaffold import EDITOR_SCHEMA, Service, tenant_schema, write_schema
from reconciler.artifacts.atomic_files import write_new_files, write_output
from reconciler.cli.options import current_options, global_options, is_typed
from reconciler.config.file import tenant_name_problem
from reconciler.config.file_search import refuse_second_config
from reconciler.config.tenants import DEFAULT_FILE, Config, choose_tenant
from reconciler.connect import route_to
from reconciler.core.characters import pluralize, quote_text
from reconciler.core.identity import is_same_host
from reconciler.core.tenant import Tenant, TenantKind
from reconciler.errors import Exit, ProblemsError, ReconcilerError, reason
from reconciler.files.config_edit import add_tenant
from reconciler.files.discover import name_of
from reconciler.files.update import NotEditableError
from reconciler.output.styled import Span, Style, line

NEXT_STEPS = ("- run `reconciler plan` after each change of a file or the tenant",)
IMPORT_STEP = "- run `reconciler import`"


@global_options(
    "config",
    "grants",
    "tenants",
    "allow_unnamed_tenant",
    examples=("reconciler init", "reconciler init --add prod --domain example.eu.auth0.com"),
    searches=False,
)
@click.command("init")
@click.option("--domain", metavar="DOMAIN", help="Domain of the new tenant.  [default: AUTH0_DOMAIN]")
@click.option(
    "--add", metavar="NAME", help="Add a tenant to the existing configuration, and keep the comments of the file."
)
@click.option(
    "--ci",
    type=click.Choice([each.value for each in Service]),
    default=Service.GITHUB.value,
    show_default=True,
    help="Write the pipeline for this CI service.",
)
@click.option("--yes", is_flag=True, help="Import the tenant's grants without asking.")
def command(*, domain: str | None, add: str | None, ci: str, yes: bool) -> Exit:
    """Write the first files: configuration, schemas for editors, and a pipeline.

    The pipeline validates and plans pull requests, applies after an approval, and reports drift. The pipeline installs
    this version of reconciler. Existing files are never overwritten. .gitignore gets an entry for .reconciler/.
    --tenant sets the name of the tenant. If the environment has credentials for the tenant, the command asks
    whether to import the tenant's grants. Without a terminal, it imports them only with --yes.

    With --add, the command only adds the tenant to the configuration and to the pipeline that `init` wrote.
    """
    options = current_options()
    prompt = Prompt(Console(options), is_interactive=not yes and sys.stdin.isatty(), yes=yes)
    file, service = Path(options.config or DEFAULT_FILE), Service(ci)
    if options.config is None:
        refuse_second_config(Path())
    if add is not None:
        _add(file, add, domain or os.environ.get("AUTH0_DOMAIN", "").strip(), prompt.console)
        return Exit.DONE
    _refuse_subfolder(options, service)
    grants = Path(options.grants)
    tenant = _configured_tenant(options, domain) if lexists(file) else _new_tenant(options, domain, prompt)
    reachable = _pipeline_tenants(load_config(str(file))) if lexists(file) else {tenant.name: tenant.credentials}
    refuse_expressions(reachable, service)
    first_files, gitignore = _first_files(tenant, file, service, reachable), file.parent / ".gitignore"
    _refuse_links([*first_files, gitignore, grants])
    _write(first_files, prompt.console)
    _update_gitignore(gitignore, prompt.console)
    has_credentials = _has_credentials(tenant)
    if has_credentials:
        prompt.console.result([line()] * (not prompt.is_interactive))  # interactive questions start with an empty line
        import_grants(options, prompt.console, ImportOptions(grants, confirm=prompt.confirm_import), RequestOptions())
        editor_schema = file.parent / EDITOR_SCHEMA
        write_schema(options, editor_schema, tenant_schema(options, prompt.console, RequestOptions()))
        _print_file(prompt.console, "written", editor_schema)
    if not grants.exists():
        schema = relative_path(file.parent / SCHEMA, grants)
        _write({grants / "example.yaml": scaffold.example(schema)}, prompt.console)
    import_steps = [IMPORT_STEP] * prompt.import_remains if has_credentials else _credential_steps(tenant)
    steps = [*NEXT_STEPS, *_setup_steps(service), *import_steps]
    prompt.console.result(map(line, ["", "Next:", *steps]))
    return Exit.DONE


def _first_files(tenant: Tenant, file: Path, service: Service, reachable: Mapping[str, str]) -> dict[Path, str]:
    folder = file.parent
    pipeline = scaffold.pipeline(service, reachable, scaffold.default_branch(folder))
    return {
        file: scaffold.configuration(tenant.name, tenant.domain),
        **{folder / SCHEMA.parent / name: text for name, text in scaffold.schemas().items()},
        **{folder / name: text for name, text in pipeline.items()},
    }


def _pipeline_tenants(config: Config) -> dict[str, str]:
    """Return the prefix of the credential variables for each tenant in a pipeline."""
    return {name: each.credentials for name, each in config.tenants.items() if each.kind is TenantKind.AUTH0}


def _setup_steps(service: Service) -> list[str]:
    if service is Service.NONE:
        return []
    return [f"- reconciler doctor --setup {service} prints the commands that create applications and secrets"]


def _credential_steps(tenant: Tenant) -> list[str]:
    names = f"{tenant.credentials}CLIENT_ID and {tenant.credentials}CLIENT_SECRET"
    return [f"- set {names} in the environment, and check them with `reconciler doctor`", IMPORT_STEP]


def _refuse_options_with_add() -> None:
    """Raise click.UsageError if the command line contains an option that --add would ignore."""
    context = click.get_current_context()
    if is_typed("tenants"):
        raise click.UsageError("--add and --tenant cannot be combined, because --add names the new tenant", context)
    if context.get_parameter_source("ci") is ParameterSource.COMMANDLINE:
        raise click.UsageError(
            "--add and --ci cannot be combined, because --add only changes pipelines that init wrote", context
        )


def _refuse_subfolder(options: GlobalOptions, service: Service) -> None:
    """Raise ReconcilerError if the service would ignore a pipeline in the folder of the configuration."""
    workspace = workspace_of(options.config)
    root, folder = workspace.root, workspace.folder
    if service is not Service.NONE and root and root != folder and folder.is_relative_to(root):
        raise ReconcilerError(
            f"{service} reads pipelines only in the root folder of a repository: run reconciler init in "
            f"{os.path.relpath(root)}, or write no pipeline with --ci none"
        )


def refuse_expressions(names: Iterable[str], service: Service) -> None:
    """Raise ReconcilerError if the CI service would evaluate a part of a tenant's name as an expression."""
    expression = scaffold.EXPRESSIONS.get(service)
    for name in names:
        if expression and expression in name:
            raise ReconcilerError(
                f"the tenant's name {quote_text(name)} contains {expression}, which {service} evaluates in a pipeline; "
                "choose another name (--tenant), or use --ci none"
            )


def _add(file: Path, name: str, domain: str, console: Console) -> None:
    """Add a tenant to the configuration in `file`, and to the pipeline files that `reconciler init` wrote."""
    _refuse_options_with_add()
    if not file.exists():
        raise ReconcilerError(f"{name_of(file)} does not exist; run reconciler init without --add first")
    if not domain:
        raise ReconcilerError("the domain of the tenant is missing: use --domain or set AUTH0_DOMAIN")
    if problem := tenant_name_problem(name):
        raise ReconcilerError(f"{problem}; choose another name")
    before = load_config(str(file))
    if name in before.tenants:
        raise ReconcilerError(f"{name_of(file)} already declares the tenant {quote_text(name)}")
    text = file.read_bytes().decode()
    try:
        changed = add_tenant(text, name, domain)
    except NotEditableError as error:
        raise ReconcilerError(
            f"{name_of(file)} cannot be changed automatically: {error}; add the tenant by hand"
        ) from error
    after = _parse_changed(file, changed, name, domain)
    if {**after.tenants, name: None} != {**before.tenants, name: None}:
        raise ReconcilerError(f"{name_of(file)} cannot be changed automatically; add the tenant by hand")
    pipelines = list(_changed_pipelines(file.parent, _pipeline_tenants(before), _pipeline_tenants(after)))
    _refuse_links([file, *(path for path, _ in pipelines)])
    for path, content in [(file, changed), *((path, content) for path, content in pipelines if content is not None)]:
        write_output(path, content.encode())
        _print_file(console, "changed", path)
    for path in (path for path, content in pipelines if content is None):
        console.note(
            f"{name_of(path)} was edited, so init did not change it: add {quote_text(name)} to the lists of "
            "tenants in this file"
        )


def _parse_changed(file: Path, text: str, name: str, domain: str) -> Config:
    """Parse `text`, which is the content of the configuration `file` with the new tenant `name`.

    Raises ReconcilerError if `text` is invalid. The error message contains no line numbers, because the lines of `text`
    differ from the lines of `file`.
    """
    try:
        return parse_config_text(text, str(file))
    except ProblemsError as error:
        reasons = (f"{problem.what}; {problem.fix}" if problem.fix else problem.what for problem in error.problems)
        raise ReconcilerError(
            f"{name_of(file)} was not changed: the tenant {quote_text(name)} with the domain {quote_text(domain)} (set "
            f"with --domain or AUTH0_DOMAIN) cannot be added: {'; '.join(reasons)}"
        ) from error


def _changed_pipelines(
    folder: Path, before: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[tuple[Path, str | None]]:
    """Yield each pipeline file that contains tenant names, with the new content of the file.

    If a user edited the pipeline file, the new content is None.
    """
    branch = scaffold.default_branch(folder)
    for service in (Service.GITHUB, Service.GITLAB):
        old, new = (scaffold.pipeline(service, tenants, branch) for tenants in (before, after))
        for name in (name for name in old if old[name] != new[name] and (folder / name).exists()):
            refuse_expressions(after, service)
            is_unchanged = (folder / name).read_text(encoding="utf-8", errors="replace") == old[name]
            yield folder / name, new[name] if is_unchanged else None


class Prompt:
    """Asks questions on a terminal.

    Without a terminal or with --yes, the answer to each question is the default answer.
    """

    def __init__(self, console: Console, *, is_interactive: bool, yes: bool) -> None:
        self.console = console
        self.is_interactive = is_interactive
        self._yes = yes
        self.import_remains = False
        """True if the tenant has undeclared grants that are not imported."""

    def text(self, question: str, default: str) -> str:
        """Return the user's answer to `question`, or `default` if the user enters nothing."""
        prompt_text = f"{question} [{default}]: " if default else f"{question}: "
        return (self.console.ask(prompt_text) if self.is_interactive else "") or default

    def confirm_import(self, grants: int) -> bool:
        """Ask the user whether to import the grants. Without a terminal, return true only with --yes."""
        undeclared = pluralize(grants, "undeclared grant")
        if self.is_interactive:
            answer = self.console.ask(f"The tenant has {undeclared}. Write grant files for these grants? [Y/n]: ")
            is_confirmed = answer.lower() in {"", "y", "yes"}
        else:
            is_confirmed = self._yes
            if not is_confirmed:
                self.console.note(
                    f"Note: init did not import {undeclared} of the tenant, because it cannot ask without a terminal; "
                    "run reconciler import, or reconciler init --yes"
                )
        self.import_remains = not is_confirmed
        return is_confirmed


def _configured_tenant(options: GlobalOptions, domain: str | None) -> Tenant:
    """Return the selected tenant of the configuration. Raises ReconcilerError if its domain differs from `domain`."""
    config = load_config(options.config)
    tenant = choose_tenant(config, options.tenant, os.environ, allow_unnamed=options.allow_unnamed_tenant)
    if domain and not is_same_host(Tenant(name="", domain=domain).host, tenant.host):
        raise ReconcilerError(
            f"{config.file} exists, and its tenant {quote_text(tenant.name)} has a different domain from "
            f"--domain {domain}: to add a tenant, use reconciler init --add NAME --domain {domain}; otherwise omit "
            "--domain"
        )
    return tenant


def _new_tenant(options: GlobalOptions, domain: str | None, prompt: Prompt) -> Tenant:
    """Return a new tenant.

    The name and domain come from the options or from the user's answers. Raises ReconcilerError.
    """
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
    """Write only the files in `texts` that do not exist yet.

    Print the name of every file, and whether the file was written.
    """
    missing = {path: text for path, text in texts.items() if not lexists(path)}
    try:
        write_new_files(missing)
    except OSError as error:
        raise ReconcilerError(f"nothing was written: {error.filename}: {error.strerror}") from error
    for path in texts:
        _print_file(console, "written" if path in missing else "kept", path)


def _refuse_links(files: Iterable[Path]) -> None:
    """Raise ReconcilerError if a path contains a symbolic link that may be committed to the repository."""
    workspace = workspace_of(current_options().config)
    for file in files:
        workspace.refuse_checkout_links(file, "init")


def _update_gitignore(file: Path, console: Console) -> None:
    """Add an entry for .reconciler/ to .gitignore."""
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
