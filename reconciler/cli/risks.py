"""`reconciler risks`: what counts as dangerous in a plan."""

import click

from reconciler.app.console import Console
from reconciler.cli.options import also_global_options, format_option, options
from reconciler.core.risks import RULES
from reconciler.errors import Exit
from reconciler.output.sarif import rules_sarif
from reconciler.output.text.plan import rule_lines, rules_json


@also_global_options
@click.command("risks")
@format_option("sarif")
def command(*, form: str) -> Exit:
    """List the rules by which plans tell what is dangerous in a change."""
    console = Console(options())
    if form == "json":
        console.data(rules_json(RULES))
    elif form == "sarif":
        console.data(rules_sarif())
    else:
        console.result(rule_lines(RULES))
    return Exit.DONE
