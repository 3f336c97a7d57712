"""`reconciler show`: a saved plan once more, offline."""

from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import also_global_options, format_option, options
from reconciler.errors import Exit
from reconciler.render.plan_json import plan_json
from reconciler.render.plan_text import plan_lines
from reconciler.saved_plan import read_plan


@also_global_options
@click.command("show")
@click.argument("planfile", type=click.Path(path_type=Path))
@format_option("show")
def command(*, planfile: Path, form: str) -> Exit:
    """Print a saved plan once more. Reads the file, and nothing else."""
    given = options()
    console = Console(given)
    saved = read_plan(planfile)
    if form == "json":
        console.data(plan_json(saved.plan))
    else:
        console.result(plan_lines(saved.plan, every=given.verbose))
    return Exit.DONE
