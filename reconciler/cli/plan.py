"""`reconciler plan`: show what would change; nothing is written."""

from datetime import UTC, datetime
from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import also_global_options, format_option, options
from reconciler.cli.reaching import Reach, reaching_options
from reconciler.cli.session import session
from reconciler.cli.shaping import Shape, shaping_options
from reconciler.core.plan import Plan
from reconciler.errors import Exit
from reconciler.render.plan_json import plan_json
from reconciler.render.plan_text import plan_lines
from reconciler.saved_plan import write_plan


@also_global_options
@click.command("plan")
@shaping_options
@reaching_options
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Save the plan.")
@format_option("plan")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 where there are changes.")
def command(*, shape: Shape, reach: Reach, out: Path | None, form: str, detailed_exitcode: bool) -> Exit:
    """Show what would change in the tenant; nothing is written."""
    given = options()
    console = Console(given)
    with session(given, shape, reach, console) as reached:
        plan = reached.plan(reached.observe())
        console.problems(reached.warnings(plan), reached.declared.texts)
    if out:
        write_plan(out, plan, reached.declared.specs, shape.options(), datetime.now(UTC))
    if form == "json":
        for note in plan.notes:
            console.note(f"Note: {note}")
        console.data(plan_json(plan))
    else:
        console.result(plan_lines(plan, every=given.verbose))
    return _exit_code(plan, detailed=detailed_exitcode)


def _exit_code(plan: Plan, *, detailed: bool) -> Exit:
    if plan.blocked:
        return Exit.REFUSED
    if plan.skipped:
        return Exit.INCOMPLETE
    return Exit.CHANGES if detailed and plan.changes else Exit.DONE
