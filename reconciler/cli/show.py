"""`reconciler show`: print a saved plan, offline."""

from pathlib import Path

import click

from reconciler.app import ci
from reconciler.app.console import Console
from reconciler.app.outputs import InputFile, OutputOptions, check_outputs
from reconciler.artifacts.saved_plan import SavedPlan, read_plan
from reconciler.cli.option_groups import output_options
from reconciler.cli.options import current_options, global_options
from reconciler.core.approval import label_unverified
from reconciler.errors import Exit, ReconcilerError, StalePlanError
from reconciler.output.formats import OutputView, render
from reconciler.output.results import PlanResults
from reconciler.output.text.plan import plan_lines


@global_options("config", examples=("reconciler show plan.json", "reconciler show plan.json --format markdown"))
@click.command("show")
@click.argument("planfile", type=click.Path(path_type=Path))
@output_options("markdown", "sarif", "github")
def command(*, planfile: Path, output_options: OutputOptions) -> Exit:
    """Print a saved plan, offline.

    Anybody can write a plan file, so names and other facts that do not follow from the changes are marked as
    unverified.
    """
    options = current_options()
    console = Console(options)
    inputs = [InputFile("PLANFILE", planfile)]
    check_outputs(options, output_options.joint.outputs([]), inputs=inputs)
    plan = label_unverified(_read_plan(planfile).plan)
    view = OutputView(
        verbose=options.verbose, links=ci.source_links(options.config), max_bytes=output_options.max_bytes
    )
    check_outputs(options, output_options.outputs([plan.tenant.name]), inputs=inputs)
    output_options.write([plan.tenant.name], lambda name, _: render(PlanResults([plan]), name, view))
    if output_options.stdout_format == "text":
        console.result(plan_lines(plan, verbose=options.verbose, only_summary=output_options.summary))
    else:
        console.text(render(PlanResults([plan]), output_options.stdout_format, view))
    return Exit.DONE


def _read_plan(file: Path) -> SavedPlan:
    """Read a saved plan.

    Raises:
        ReconcilerError: if the file is not an unaltered saved plan. The exit code is 1, not 5, because `show` approves
            nothing.
    """
    try:
        return read_plan(file)
    except StalePlanError as error:
        raise ReconcilerError(str(error)) from error
