"""`reconciler risks`: list the rules that find risks in plans."""

import click

from reconciler.app.console import Console
from reconciler.cli.option_groups import format_option
from reconciler.cli.options import current_options, global_options
from reconciler.core.risks import RULES
from reconciler.errors import Exit
from reconciler.output.annotations import rules_sarif
from reconciler.output.text.changes import rule_lines, rules_json


@global_options(examples=("reconciler risks", "reconciler risks --format json"))
@click.command("risks")
@format_option("sarif")
def command(*, stdout_format: str) -> Exit:
    """List the risk rules. A rule finds one kind of risk in plans."""
    console = Console(current_options())
    if stdout_format == "json":
        console.data(rules_json(RULES))
    elif stdout_format == "sarif":
        console.data(rules_sarif())
    else:
        console.result(rule_lines(RULES))
    return Exit.DONE
