"""The entry point: find and load the command, and convert errors to messages and exit codes."""

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from io import StringIO, TextIOWrapper

import click

from reconciler import __version__
from reconciler.app.ci import tell_exit_code
from reconciler.app.console import Console
from reconciler.app.options import GlobalOptions
from reconciler.cli.options import global_options, name_variables, options
from reconciler.errors import Exit, ReconcilerError, ReportLostError, reason

# Each command is a module of this package with a `command`. The texts are here, so that --help loads no command.
COMMANDS: Mapping[str, str] = {
    "init": "Write the first files of a repository.",
    "validate": "Check grant files, offline.",
    "fmt": "Put grant files in canonical order.",
    "plan": "Show what would change in the tenant.",
    "apply": "Change the tenant to what the files declare.",
    "import": "Write grant files for a tenant's grants.",
    "show": "Print a saved plan.",
    "comment": "Post reports as comments or issues.",
    "list": "List the declared grants of a tenant.",
    "risks": "List the risk rules of plans.",
    "schema": "Print the JSON Schema of grant files, or compare it with an API document.",
    "doctor": "Check configuration, network, credentials and permissions.",
    "journal": "List past runs, or show one of them.",
    "sandbox": "Serve or reset the local tenant.",
}
STDERR = 2
OBJECTS_BETWEEN_COLLECTIONS = 1_000_000
"""A run is short and keeps nearly all objects, so frequent collections only cost time. Python's default is 700."""
NEVER_SUGGESTED = ("--prune", "--yes", "-y", "--max-", "--allow-", "--skip-missing")
"""Prefixes of options that no typo may suggest."""
MODULES: Mapping[str, str] = {"import": "import_"}
"""Commands whose names are Python keywords, with their modules."""


class LazyCommands(click.Group):
    """Loads a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the order of their usual use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the command with that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"reconciler.cli.{MODULES.get(cmd_name, cmd_name)}").command
        name_variables(command, cmd_name)
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the table of commands from COMMANDS."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@global_options
@click.command(
    cls=LazyCommands,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def commands() -> None:
    """Manage the client grants of Auth0 tenants as files.

    Every option can be set as an environment variable: --grants as RECONCILER_GRANTS, --prune of plan as
    RECONCILER_PLAN_PRUNE. Commas separate several values.
    """


def main() -> None:
    """Run the command line of this process."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    _make_streams_fit()
    sys.exit(run(sys.argv[1:]))


def _make_streams_fit() -> None:
    """Replace closed streams, and escape characters that the encoding of stdout lacks.

    A closed stdin is empty. No file may get the descriptor of a closed stream.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdin = sys.stdin or StringIO()
    sys.stdout = sys.stdout or StringIO()
    sys.stderr = sys.stderr or StringIO()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code. ReconcilerError and usage errors become messages on stderr."""
    code = _run(arguments)
    tell_exit_code(code)
    return code


def _run(arguments: Sequence[str]) -> int:
    try:
        with commands.make_context("reconciler", list(arguments)) as context:
            code = _invoke(context)
            _note_a_slow_parser(context)
            return code
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        with suppress(OSError):
            _with_safe_advice(error).show()
        return Exit.FAILED
    except OSError as error:
        _give_stdout_up()
        if not isinstance(error, BrokenPipeError):  # the reader closed the pipe
            Console(GlobalOptions()).error(f"{error.filename or 'the output'} cannot be used: {reason(error)}")
        return Exit.FAILED


def _with_safe_advice(error: click.ClickException) -> click.ClickException:
    """Remove suggestions of options that delete more, ask less or lift a limit."""
    if not isinstance(error, click.NoSuchOption):
        return error
    if error.option_name == "--dry-run":
        return click.UsageError(f"{error.message} Use `reconciler plan`.", error.ctx)
    possible = [each for each in error.possibilities or () if not each.startswith(NEVER_SUGGESTED)]
    return click.NoSuchOption(error.option_name, error.message, possible, error.ctx)


def _give_stdout_up() -> None:
    """Redirect stdout to /dev/null, so that the interpreter can flush it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _invoke(context: click.Context) -> int:
    try:
        return int(commands.invoke(context) or Exit.DONE)
    except ReconcilerError as error:
        if isinstance(error, ReportLostError):
            _give_stdout_up()
        Console(_options(context)).failure(error)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        Console(_options(context)).error("interrupted")
        return Exit.INTERRUPTED


def _note_a_slow_parser(context: click.Context) -> None:
    """Print a note if files were read with the slow parser."""
    if getattr(sys.modules.get("reconciler.files.yaml_messages"), "IS_SLOW", False):
        Console(_options(context)).note(
            "The slow parser read the files, because this PyYAML lacks libyaml. Install a wheel of PyYAML, "
            "or build it with libyaml."
        )


def _options(context: click.Context) -> GlobalOptions:
    with context.scope(cleanup=False):
        return options()
