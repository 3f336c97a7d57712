"""`reconciler journal`: what past runs did, from the evidence that they left. Nothing of it is carried out."""

from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import also_global_options, format_option, options
from reconciler.cli.settings import own_folder
from reconciler.core.runs import choose_run
from reconciler.errors import Exit
from reconciler.past import journal_path, read_run, run_names
from reconciler.render.runs import run_json, run_lines, runs_json, runs_lines
from reconciler.render.styled import line


@also_global_options
@click.command("journal")
@click.argument("run", required=False)
@format_option("journal")
def command(*, run: str | None, form: str) -> Exit:
    """List the runs that wrote, newest first, or show what RUN did.

    RUN is the beginning of a run's name, or: last. Writes whose end nobody saw stand out. With -v, the grants before
    and after each write are shown.
    """
    given = options()
    console, folder = Console(given), own_folder(given.config)
    if run is None:
        _list(console, folder, form)
    else:
        _show(console, folder, choose_run(run, run_names(folder)), form, every=given.verbose)
    return Exit.DONE


def _list(console: Console, folder: Path, form: str) -> None:
    runs = [read_run(folder, name) for name in run_names(folder)]
    if form == "json":
        console.data(runs_json(runs))
    elif runs:
        console.result(runs_lines(runs))
    else:
        console.result([line("No run has left a journal here.")])


def _show(console: Console, folder: Path, name: str, form: str, *, every: bool) -> None:
    run = read_run(folder, name)
    if form == "json":
        console.data(run_json(run))
    else:
        console.result(run_lines(run, str(journal_path(folder, name)), every=every))
