"""The entry point: load and run a command, and convert errors to messages and exit codes."""

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from io import StringIO, TextIOWrapper
from typing import Any

import click

from reconciler.app.ci import write_exit_code
from reconciler.app.console import Console
from reconciler.app.options import GlobalOptions
from reconciler.cli.options import (
    COMPLETION_VARIABLE,
    current_options,
    store_time,
    top_level_options,
)
from reconciler.cli.variables import UNSAFE_OPTION_PREFIXES, bind_environment_variables, refuse_unknown_variables
from reconciler.errors import Exit, ReconcilerError, ReportLostError, reason

# Each command is the object `command` in a module of the package `cli`. The table contains the help texts, so that
# --help does not import the modules.
COMMANDS: Mapping[str, str] = {
    "demo": "Write example files with a local tenant, and run the main commands.",
    "init": "Write the first files: configuration, grant files and pipeline.",
    "validate": "Check grant files, offline.",
    "fmt": "Put grant files in canonical order.",
    "plan": "Show what would change in the tenant.",
    "apply": "Change the tenant to match the files.",
    "import": "Write grant files for a tenant's grants.",
    "show": "Print a saved plan.",
    "comment": "Post reports as comments or issues.",
    "list": "List the declared grants, or the grants of tenants.",
    "access": "Report which application may call which API.",
    "why": "Explain one grant: its lines, commits, runs and risks.",
    "usage": "Show when grants were used, from the tenant's logs.",
    "diff": "Compare the grants of two tenants by name.",
    "risks": "List the rules that find risks in a plan.",
    "schema": "Print the JSON Schema of grant files, or compare the schema with an API document.",
    "doctor": "Check configuration, network, credentials and permissions.",
    "fleet": "Run many tenants in several jobs of a CI service.",
    "journal": "List past runs, or show one run.",
    "sandbox": "Serve or reset the local tenant.",
    "completion": "Print the completion script for a shell.",
}
STDERR_DESCRIPTOR = 2
OBJECTS_BETWEEN_COLLECTIONS = 1_000_000
"""The number of new objects after which Python collects garbage.

A run is short and keeps nearly all objects, so collecting garbage after every 700 objects (Python's default) would
waste time.
"""
MODULES: Mapping[str, str] = {"import": "import_"}
"""The module name of each command whose name is a Python keyword."""


VERSION_KEY = "reconciler.version"


def _request_version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click defines the signature
    """Record in the context that the command line contains --version.

    The version is printed after all options are parsed, because --verbose may follow --version.
    """
    context.meta[VERSION_KEY] = value


OTHER_COMMANDS: Mapping[str, str] = {
    **dict.fromkeys(("preview", "drift"), "`reconciler plan` shows what would change"),
    **dict.fromkeys(("export", "pull", "dump"), "`reconciler import` writes files for the tenant's grants"),
    **dict.fromkeys(("deploy", "push", "sync", "up"), "`reconciler apply` changes the tenant"),
    **dict.fromkeys(("login", "auth"), "credentials come from the environment; `reconciler doctor` checks them"),
    **dict.fromkeys(("check", "lint", "test"), "`reconciler validate` checks the files"),
    **dict.fromkeys(("format",), "`reconciler fmt` sorts the files"),
    **dict.fromkeys(("destroy", "delete"), "remove grants from the files, then `reconciler apply --prune-removed`"),
}
"""Command names of other tools, with advice for the user."""
YES: Mapping[str, str] = {"--yes": "--yes"}
OUTPUT_FILES: Mapping[str, str] = {"--out": "--out", "--report": "--report FORMAT=FILE"}
NO_COLOR: Mapping[str, str] = {"--color": "--color never"}
OTHER_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "--auto-approve": YES,
    "-y": YES,
    "-o": OUTPUT_FILES,
    "--output": OUTPUT_FILES,
    "--json": {"--format": "--format json"},
    "--no-color": NO_COLOR,
    "--no-colour": NO_COLOR,
}
"""For each option of other tools, the options of reconciler with the same purpose, and how to write them."""
DRY_RUNS: Mapping[str, str] = {
    "apply": "Use `reconciler plan`.",
    "plan": "Omit it, because plan changes nothing.",
    "import": "Use --update --diff.",
    "prune": "Use --diff.",
    "fmt": "Use --check.",
}
"""For each command, the advice for the option --dry-run of other tools."""


class LazyCommands(click.Group):
    """A command group that imports a command at its first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click defines the signature
        """Return the names of the commands in the order of the help text."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click defines the signature
        """Import and return the command with the name `cmd_name`, or None if the command does not exist."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"reconciler.cli.{MODULES.get(cmd_name, cmd_name)}").command
        bind_environment_variables(command, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command.

        If the command is unknown, the error message contains advice or the most similar command.
        """
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from reconciler.core.suggest import did_you_mean

            answer = OTHER_COMMANDS.get(name, "")
            similar = "" if answer else did_you_mean(name, COMMANDS)
            advice = f" {answer[0].upper()}{answer[1:]}." if answer else f" {similar[:1].upper()}{similar[1:]}"
            raise click.UsageError(f"No such command {name!r}.{advice.rstrip()}", ctx)
        resolved, command, rest = super().resolve_command(ctx, args)
        if command and not ctx.resilient_parsing and not {"-h", "--help"} & {*rest}:
            refuse_unknown_variables(command, name, ctx)
        return resolved, command, rest

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click defines the signature
        """Run the command. If the command line contains --version, print the version and do not run the command."""
        if ctx.meta.get(VERSION_KEY):
            from reconciler.cli.version import version_lines

            for text in version_lines(verbose=current_options().verbose):
                click.echo(text)
            return Exit.DONE
        return super().invoke(ctx)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click defines the signature
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the list of commands in the help text, without importing the commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@top_level_options
@click.command(
    cls=LazyCommands,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    callback=_request_version,
    help="Print the version. With --verbose, also print the versions of Python, git and the packages.",
)
def commands() -> None:
    """Manage the client grants of Auth0 tenants as files.

    Every option can also be set with an environment variable, for example --grants with RECONCILER_GRANTS, and the
    option --prune of plan with RECONCILER_PLAN_PRUNE. Commas separate several values of a variable.
    """


def main() -> None:
    """Run the command in `sys.argv` and exit."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    _prepare_streams()
    if instruction := os.environ.get(COMPLETION_VARIABLE):
        from click.shell_completion import shell_complete

        # a shell asks for completions or for the completion script
        sys.exit(shell_complete(commands, {}, "reconciler", COMPLETION_VARIABLE, instruction))
    code = run(sys.argv[1:])
    gc.freeze()
    sys.exit(code)


def _prepare_streams() -> None:
    """Open /dev/null in place of closed streams, and escape characters that stdout cannot encode.

    If stderr stayed closed, the operating system could give the file descriptor of stderr to a file.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= STDERR_DESCRIPTOR:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdin = sys.stdin or StringIO()
    sys.stdout = sys.stdout or StringIO()
    sys.stderr = sys.stderr or StringIO()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def run(arguments: Sequence[str], now: datetime | None = None) -> int:
    """Run a command and return its exit code. For ReconcilerError and usage errors, print a message on stderr.

    `now` is the time of the run. The default is the current time.
    """
    code: int
    try:
        with commands.make_context("reconciler", list(arguments)) as context:
            store_time(context, now or datetime.now(UTC))
            for note in platform_notes(sys.platform):
                Console(_global_options(context)).note(note)
            code = _invoke(context)
            _note_slow_parser(context)
    except click.exceptions.Exit as end:
        code = end.exit_code
    except click.ClickException as error:
        code = Exit.FAILED
        with suppress(OSError):
            _without_unsafe_suggestions(error).show()
    except OSError as error:
        code = Exit.FAILED
        _discard_stdout()
        if not isinstance(error, BrokenPipeError):  # a closed pipe needs no error message
            Console(GlobalOptions()).error(f"{error.filename or 'the output'} cannot be used: {reason(error)}")
    write_exit_code(code)
    return code


def _without_unsafe_suggestions(error: click.ClickException) -> click.ClickException:
    """Remove options with a prefix in UNSAFE_OPTION_PREFIXES from the suggestions for a mistyped option."""
    if not isinstance(error, click.NoSuchOption):
        return error
    if advice := _advice(error.option_name, error.ctx):
        return click.UsageError(f"{error.message} {advice}", error.ctx)
    suggestions = [each for each in error.possibilities or () if not each.startswith(UNSAFE_OPTION_PREFIXES)]
    return click.NoSuchOption(error.option_name, error.message, suggestions, error.ctx)


def _advice(name: str, context: click.Context | None) -> str:
    """Return the advice for the option `name` of another tool, or an empty string.

    The advice contains only options that the command has. If the option comes before the command, the command is
    unknown. The advice for --dry-run is then the advice for `apply`, and the advice for other options lists all
    alternatives.
    """
    command = context.command if context and context.parent else None
    if name == "--dry-run":
        return DRY_RUNS.get(command.name or "" if command else "apply", "")
    known = {option for each in command.params for option in each.opts} if command else None
    found = [text for option, text in OTHER_OPTIONS.get(name, {}).items() if known is None or option in known]
    return f"Use {', or '.join(found)}." if found else ""


def _discard_stdout() -> None:
    """Redirect stdout to /dev/null, because the interpreter flushes stdout at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _invoke(context: click.Context) -> int:
    try:
        return int(commands.invoke(context) or Exit.DONE)
    except ReconcilerError as error:
        if isinstance(error, ReportLostError):
            _discard_stdout()
        Console(_global_options(context)).failure(error)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort) as interrupt:
        Console(_global_options(context)).error(": ".join(["interrupted", *map(str, interrupt.args)]))
        return Exit.INTERRUPTED


def platform_notes(platform: str) -> list[str]:
    """Return a note for each function of reconciler that does not work on `platform` (a value of `sys.platform`)."""
    if platform != "win32":
        return []
    return [
        ("On Windows, plans, journals and snapshots have the permissions of their folder: use a private folder."),
        "On Windows, --timeout limits the time of requests, but not the time of computations.",
    ]


def _note_slow_parser(context: click.Context) -> None:
    """Print a note if reconciler used the slow YAML parser."""
    if getattr(sys.modules.get("reconciler.files.yaml_messages"), "IS_SLOW", False):
        Console(_global_options(context)).note(
            "PyYAML was built without libyaml, so reading files is slow. Install a wheel of PyYAML, "
            "or build it with libyaml."
        )


def _global_options(context: click.Context) -> GlobalOptions:
    with context.scope(cleanup=False):
        return current_options()
