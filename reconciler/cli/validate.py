"""`reconciler validate`: every problem of every grant file, offline and without credentials."""

from dataclasses import replace
from pathlib import Path

import click

from reconciler.app import ci
from reconciler.app.console import Console
from reconciler.app.load import is_snapshot, own_folder, read_settings, workspace_of
from reconciler.app.options import GlobalOptions
from reconciler.app.outputs import check_outputs
from reconciler.app.reports import TENANT, OutputOptions
from reconciler.artifacts.serialization import json_text
from reconciler.cli.option_groups import output_options
from reconciler.cli.options import also_global_options, options
from reconciler.config.tenants import named
from reconciler.core.problems import errors
from reconciler.core.tenant_filter import UNTOLD
from reconciler.errors import Exit, ProblemsError, ReconcilerError
from reconciler.files.read import LoadedGrants, read_grants
from reconciler.files.workspace import Workspace, committed_problems
from reconciler.output.github import annotations
from reconciler.output.source_links import SourceLinks
from reconciler.output.styled import line, plain
from reconciler.output.text.problems import problem_json, problem_lines


@also_global_options
@click.command("validate")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@output_options("github", "sarif")
def command(*, paths: tuple[Path, ...], output_options: OutputOptions) -> Exit:
    """Check grant files and folders of them, offline: every problem, with its line. Default: the folder of --grants.

    A folder without a grant file fails.

    They are checked for every tenant of the configuration, or for those of --tenant; the configuration, too.

    The format github gives commands by which a workflow on GitHub shows each problem on its line of the pull request.
    """
    given = options()
    console = Console(given)
    if any(TENANT in file.path for file in output_options.reports):
        raise ReconcilerError(f"--report: what validate finds is not about one tenant; leave {TENANT} out of the name")
    check_outputs(given, output_options.outputs([]))
    declared = _declared(given, list(paths) or [Path(given.grants)])
    failed = bool(errors(declared.problems))
    checkout = ci.checkout(given.config)
    output_options.write([], lambda stdout_format, _: _as(stdout_format, declared, checkout, valid=not failed))
    if output_options.stdout_format == "text":
        console.problems(declared.problems, declared.texts)
        if not failed:
            console.result([line(_grants(declared))])
    else:
        console.text(_as(output_options.stdout_format, declared, checkout, valid=not failed))
    return Exit.FAILED if failed else Exit.DONE


def _declared(given: GlobalOptions, paths: list[Path]) -> LoadedGrants:
    """Return what the files declare, with the problems of our own folder."""
    workspace = workspace_of(given.config)
    declared = _in_files(given, paths, workspace)
    of_folder = committed_problems(workspace, own_folder(given.config))
    return replace(declared, problems=tuple(sorted((*declared.problems, *of_folder))))


def _in_files(given: GlobalOptions, paths: list[Path], workspace: Workspace) -> LoadedGrants:
    """Return what the files declare; where the configuration is wrong, with its problems and no look at its tenants."""
    try:
        config = read_settings(given.config)
    except ProblemsError as error:
        declared = read_grants(paths, UNTOLD, workspace, may_lack_files=False)
        problems = tuple(sorted({*error.problems, *declared.problems}))
        return replace(declared, problems=problems, texts={**error.texts, **declared.texts})
    tenants = config.readers(*(named(config, name) for name in given.tenants))
    snapshot = is_snapshot(paths, given.config)
    return read_grants(paths, tenants, workspace, may_lack_files=snapshot, is_snapshot=snapshot)


def _as(stdout_format: str, declared: LoadedGrants, checkout: SourceLinks, *, valid: bool) -> str:
    match stdout_format:
        case "json":
            return json_text(_report(declared, valid=valid))
        case "github":
            return "".join(f"{command}\n" for command in annotations(declared.problems, checkout))
        case "sarif":
            from reconciler.output.sarif import problems_sarif

            return json_text(problems_sarif(declared.problems, checkout))
        case _:
            problems = plain(problem_lines(declared.problems, {}, excerpts=False))
            return problems + (f"{_grants(declared)}\n" if valid else "")


def _report(declared: LoadedGrants, *, valid: bool) -> dict[str, object]:
    return {
        "valid": valid,
        "files": len(declared.texts),
        "grants": len(declared.specs),
        "problems": [problem_json(problem) for problem in declared.problems],
    }


def _grants(declared: LoadedGrants) -> str:
    grants, files = len(declared.specs), len(declared.texts)
    return f"{grants} grant{'s' * (grants != 1)} in {files} file{'s' * (files != 1)}: valid."
