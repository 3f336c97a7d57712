"""`reconciler show`: print a saved plan, offline."""

from pathlib import Path

import click

from reconciler.app import ci
from reconciler.app.console import Console
from reconciler.app.outputs import check_outputs
from reconciler.app.reports import OutputOptions
from reconciler.artifacts.saved_plan import read_plan
from reconciler.cli.option_groups import output_options
from reconciler.cli.options import also_global_options, options
from reconciler.core.approval import label_unverified
from reconciler.errors import Exit
from reconciler.output.formats import OutputView, PlanResults, render
from reconciler.output.text.plan import plan_lines


@also_global_options
@click.command("show")
@click.argument("planfile", type=click.Path(path_type=Path))
@output_options("markdown", "sarif", "github")
def command(*, planfile: Path, output_options: OutputOptions) -> Exit:
    """Print a saved plan, offline.

    Anybody can write such a file, so names and other claims that do not follow from its changes are marked as
    unverified.
    """
    given = options()
    console = Console(given)
    plan = label_unverified(read_plan(planfile).plan)
    view = OutputView(verbose=given.verbose, links=ci.source_links(given.config), max_bytes=output_options.max_bytes)
    check_outputs(given, output_options.outputs([plan.tenant.name]))
    output_options.write([plan.tenant.name], lambda name, _: render(PlanResults([plan]), name, view))
    if output_options.stdout_format == "text":
        console.result(plan_lines(plan, verbose=given.verbose))
    else:
        console.text(render(PlanResults([plan]), output_options.stdout_format, view))
    return Exit.DONE
