"""`reconciler validate`: report every problem of all grant files, offline and without credentials."""

from dataclasses import replace
from pathlib import Path

import click

from reconciler.app import ci
from reconciler.app.console import Console
from reconciler.app.load import is_snapshot, own_folder, read_settings, workspace_of
from reconciler.app.options import GlobalOptions
from reconciler.app.outputs import check_outputs
from reconciler.app.reports import TENANT, OutputOptions
from reconciler.cli.option_groups import output_options
from reconciler.cli.options import also_global_options, options
from reconciler.config.tenants import tenant_named
from reconciler.core.tenant_filter import UNKNOWN_TENANTS
from reconciler.errors import Exit, ProblemsError, ReconcilerError
from reconciler.files.read import LoadedGrants, read_grants
from reconciler.files.workspace import Workspace, committed_problems
from reconciler.output.formats import OutputView, ValidationResult, render
from reconciler.output.styled import line


@also_global_options
@click.command("validate")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@output_options("github", "sarif")
def command(*, paths: tuple[Path, ...], output_options: OutputOptions) -> Exit:
    """Check grant files and folders, offline. Reports every problem with its line. Default: the folder of --grants.

    A folder without a grant file fails.

    Files are checked for every tenant of the configuration, or for those of --tenant. The configuration is checked,
    too.

    With the format github, a GitHub workflow shows each problem at its line of the pull request.
    """
    given = options()
    console = Console(given)
    if any(TENANT in file.path for file in output_options.reports):
        raise ReconcilerError(f"--report: validate has one report for all tenants; remove {TENANT} from the name")
    check_outputs(given, output_options.outputs([]))
    declared = _declared(given, list(paths) or [Path(given.grants)])
    result = ValidationResult(declared.problems, len(declared.texts), len(declared.specs))
    view = OutputView(links=ci.source_links(given.config))
    output_options.write([], lambda name, _: render(result, name, view))
    if output_options.stdout_format == "text":
        console.problems(declared.problems, declared.texts)
        if result.is_valid:
            console.result([line(result.summary)])
    else:
        console.text(render(result, output_options.stdout_format, view))
    return Exit.DONE if result.is_valid else Exit.FAILED


def _declared(given: GlobalOptions, paths: list[Path]) -> LoadedGrants:
    """Return the content of the files, with the problems of the tool's own folder."""
    workspace = workspace_of(given.config)
    declared = _in_files(given, paths, workspace)
    of_folder = committed_problems(workspace, own_folder(given.config))
    return replace(declared, problems=tuple(sorted((*declared.problems, *of_folder))))


def _in_files(given: GlobalOptions, paths: list[Path], workspace: Workspace) -> LoadedGrants:
    """Return the content of the files. If the configuration is invalid, add its problems and check without tenants."""
    try:
        config = read_settings(given.config)
    except ProblemsError as error:
        declared = read_grants(paths, UNKNOWN_TENANTS, workspace, may_lack_files=False)
        problems = tuple(sorted({*error.problems, *declared.problems}))
        return replace(declared, problems=problems, texts={**error.texts, **declared.texts})
    tenants = config.targets(*(tenant_named(config, name) for name in given.tenants))
    snapshot = is_snapshot(paths, given.config)
    return read_grants(paths, tenants, workspace, may_lack_files=snapshot, is_snapshot=snapshot)
