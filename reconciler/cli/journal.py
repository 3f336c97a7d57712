"""`reconciler journal`: show past runs from their journals."""

from pathlib import Path

import click

from reconciler.app.console import Console
from reconciler.app.load import own_folder
from reconciler.artifacts.journal import journal_path, read_run, run_names
from reconciler.cli.option_groups import format_option
from reconciler.cli.options import also_global_options, options
from reconciler.core.journal import PastRun, choose_run
from reconciler.errors import Exit, ReconcilerError
from reconciler.output.styled import line
from reconciler.output.text.journal import run_json, run_lines, runs_json, runs_lines


@also_global_options
@click.command("journal")
@click.argument("run", required=False)
@format_option()
def command(*, run: str | None, stdout_format: str) -> Exit:
    """List the runs that wrote, newest first, or show the changes of RUN.

    RUN is the start of a run's name, or: last. Writes without a recorded result are highlighted. With -v, the grants
    before and after each write are shown.
    """
    given = options()
    console, folder = Console(given), own_folder(given.config)
    if run is None:
        return _list(console, folder, stdout_format)
    _show(console, folder, choose_run(run, run_names(folder)), stdout_format, verbose=given.verbose)
    return Exit.DONE


def _list(console: Console, folder: Path, stdout_format: str) -> Exit:
    """List all runs with readable journals, and report the others."""
    runs: list[PastRun] = []
    failed: list[ReconcilerError] = []
    for name in run_names(folder):
        try:
            runs.append(read_run(folder, name))
        except ReconcilerError as error:
            failed.append(error)
    if stdout_format == "json":
        console.data(runs_json(runs))
    elif runs:
        console.result(runs_lines(runs))
    elif not failed:
        console.result([line("No run has written a journal here.")])
    for each in failed:
        console.failure(each)
    return Exit.FAILED if failed else Exit.DONE


def _show(console: Console, folder: Path, name: str, stdout_format: str, *, verbose: bool) -> None:
    run = read_run(folder, name)
    if stdout_format == "json":
        console.data(run_json(run))
    else:
        console.result(run_lines(run, str(journal_path(folder, name)), verbose=verbose))
