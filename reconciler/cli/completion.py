"""`reconciler completion`: print the completion script for a shell."""

from collections.abc import Mapping

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from reconciler.app.console import Console
from reconciler.cli.options import COMPLETION_VARIABLE, current_options, global_options
from reconciler.errors import Exit

SHELLS: Mapping[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@global_options(examples=('eval "$(reconciler completion bash)"', "reconciler completion fish | source"))
@click.command("completion")
@click.argument("shell", type=click.Choice(list(SHELLS)))
def command(*, shell: str) -> Exit:
    """Print a completion script for SHELL: bash, zsh or fish.

    If the start-up file of the shell evaluates the script, the shell completes commands, options, files and tenants.
    """
    commands = click.get_current_context().find_root().command
    completion = SHELLS[shell](commands, {}, "reconciler", COMPLETION_VARIABLE)
    Console(current_options()).text(f"{completion.source()}\n")
    return Exit.DONE
