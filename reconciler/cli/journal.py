"""`reconciler journal`: show past runs from their journals."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from reconciler.app.console import Console
from reconciler.app.load import data_folder, load_config
from reconciler.app.options import GlobalOptions
from reconciler.artifacts.journal import journal_path, read_run, run_names
from reconciler.artifacts.snapshot import snapshot_path
from reconciler.cli.option_groups import format_option
from reconciler.cli.options import current_options, global_options
from reconciler.config.tenants import tenant_named
from reconciler.core.characters import visible
from reconciler.core.journal import PastRun, choose_run, of_tenants
from reconciler.errors import Exit, ReconcilerError
from reconciler.output.styled import Line, line
from reconciler.output.text.journal import run_json, run_lines, runs_json, runs_lines


@global_options(
    "config", "tenants", examples=("reconciler journal", "reconciler journal last -v"), tenant_default="all tenants"
)
@click.command("journal")
@click.argument("run", required=False)
@format_option()
def command(*, run: str | None, stdout_format: str) -> Exit:
    """List the runs that wrote to a tenant, newest first, or show the changes of RUN.

    RUN is the beginning of a run's name, or `last` for the newest run. With --tenant, only the runs of the tenants in
    --tenant are listed and selected. Writes without a recorded result are highlighted. -v shows the grants before and
    after each write.
    """
    options = current_options()
    console, folder = Console(options), data_folder(options.config)
    if run is None:
        return _list(console, folder, options, stdout_format)
    names = run_names(folder)
    if options.tenants:
        runs, errors = _read_runs(folder, options)
        selected = {*(each.name for each in runs), *errors}
        names = [name for name in names if name in selected]
    _show(console, folder, choose_run(run, names, options.tenants), stdout_format, verbose=options.verbose)
    return Exit.DONE


def _list(console: Console, folder: Path, options: GlobalOptions, stdout_format: str) -> Exit:
    """List the runs whose journals can be read. Print an error for each journal that cannot be read."""
    runs, errors = _read_runs(folder, options)
    if stdout_format == "json":
        console.data(runs_json(runs))
    elif runs:
        console.result(runs_lines(runs))
    elif not errors:
        console.result([line(f"No run{of_tenants(options.tenants)} has written a journal in this folder.")])
    for unreadable in errors.values():
        console.failure(unreadable)
    return Exit.FAILED if errors else Exit.DONE


def _read_runs(folder: Path, options: GlobalOptions) -> tuple[list[PastRun], dict[str, ReconcilerError]]:
    """Return the runs of the tenants in --tenant, the newest run first, and an error for each unreadable journal.

    Without --tenant, return all runs. Runs whose journal does not name the tenant are always returned.

    Raises:
        ReconcilerError: if neither a journal nor the configuration names a tenant in --tenant.
    """
    runs: list[PastRun] = []
    errors: dict[str, ReconcilerError] = {}
    for name in run_names(folder):
        try:
            runs.append(read_run(folder, name))
        except ReconcilerError as error:
            errors[name] = error
    if not options.tenants:
        return runs, errors
    recorded, config = {run.tenant for run in runs}, load_config(options.config)
    for tenant in options.tenants:
        if tenant not in recorded and (runs or config.tenants):
            tenant_named(config, tenant)
    return [run for run in runs if run.tenant in {*options.tenants, None}], errors


def _show(console: Console, folder: Path, name: str, stdout_format: str, *, verbose: bool) -> None:
    run = read_run(folder, name)
    if stdout_format == "json":
        console.data(run_json(run))
    else:
        console.result(run_lines(run, str(journal_path(folder, name)), verbose=verbose))
        console.result(_rollback_lines(run, snapshot_path(folder, name)))


def _rollback_lines(run: PastRun, snapshot: Path) -> Iterator[Line]:
    """Yield the command that undoes a run, if the snapshot of the run exists.

    A killed run does not print the command that undoes the run, so `reconciler journal` prints the command.
    """
    if not snapshot.is_dir():
        return
    config = current_options().config
    options = ["--config", config] if config else []
    options += ["--tenant", run.tenant] if run.tenant and run.tenant in load_config(config).tenants else []
    yield line(f"To roll back: {visible(shlex.join(['reconciler', *options, '--grants', str(snapshot), 'apply']))}")
