"""The global options, which may precede or follow the command."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from reconciler.app.options import GlobalOptions
from reconciler.cli.variables import bind, environment_variable
from reconciler.core.characters import quote_text
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from reconciler.core.fleet.run import Shard

AnyCommand = TypeVar("AnyCommand", bound=click.Command)

TENANT_DEFAULT = "AUTH0_DOMAIN, else default_tenant"
COMPLETION_VARIABLE = "_RECONCILER_COMPLETE"
"""The environment variable that a shell sets to request completions.

The library click derives the name of the environment variable from the program name.
"""
_META_KEY = "reconciler.options"

_TYPED_KEY = "reconciler.typed_options"
"""The key under which the click context stores the names of the global options on the command line.

"""

SHOWN_GLOBAL_OPTIONS = ("color", "quiet", "verbose")
"""The global options that every command can use."""

TENANT_OPTIONS = ("config", "grants", "tenants", "all_tenants", "allow_unnamed_tenant")
"""The global options of commands that work on the tenants of the configuration."""


class ListedName(click.types.StringParamType):
    """A click parameter type for names on the command line or in an environment variable.

    A name keeps its spaces, because the names of two applications may differ only in spaces. An environment variable
    may contain several names, separated by commas.
    """

    name = "name"

    def split_envvar_value(self, rv: str) -> list[str]:
        """Return the names in an environment variable, without the spaces that follow a comma."""
        first, *others = rv.split(",")
        return [first, *(each.lstrip(" ") for each in others)]


class TenantNames(ListedName):
    """The click type for the name of a tenant.

    Shell completion suggests the names of the tenants in the configuration.
    """

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click defines the signature
        """Return the tenant names that start with `incomplete`, or nothing if the configuration is not valid."""
        from reconciler.app.load import load_config
        from reconciler.config.file_search import find_config_file

        config = ctx.meta.get(_META_KEY, {}).get("config")
        try:
            tenants = load_config(config or find_config_file(Path())).tenants
        except ReconcilerError:
            return []
        return [CompletionItem(name) for name in tenants if name.startswith(incomplete)]


def store_time(context: click.Context, now: datetime) -> None:
    """Store `now`, which the run uses as the current time."""
    context.meta.setdefault(_META_KEY, {})["now"] = now


def current_options() -> GlobalOptions:
    """Return the global options of the running command.

    An option after the command overrides an option before the command.

    Without --config, reconciler searches for reconciler.yaml in the current folder and in its parent folders, up to the
    root of the repository. Without --grants, the grant folder is next to the configuration file.

    Raises:
        ReconcilerError: if the configuration file is in a parent folder and belongs to a different user.
    """
    context = click.get_current_context()
    options = GlobalOptions(**(stored := context.meta.get(_META_KEY, {})))
    if options.config is None and context.obj:
        from reconciler.config.file_search import find_config_file

        options = replace(options, config=find_config_file(Path()), searches_config=True)
    if options.config is None or "grants" in stored:
        return options
    return replace(options, grants=str(Path(options.config).parent / options.grants))


def is_typed(name: str) -> bool:
    """Return whether the command line of the running command contains the global option with the parameter `name`."""
    return name in click.get_current_context().meta.get(_TYPED_KEY, ())


def top_level_options(command: AnyCommand) -> AnyCommand:
    """Add the global options to the top-level command, and make all options of the command refuse empty values."""
    command.params += _build_options(_store_value)
    for parameter in command.params:
        _refuse_empty(parameter)
    return command


def global_options(
    *used: str, examples: Sequence[str] = (), searches: bool = True, tenant_default: str = TENANT_DEFAULT
) -> Callable[[AnyCommand], AnyCommand]:
    """Return a decorator that adds the global options to a command.

    The decorator also makes every parameter of the command refuse empty values.

    `used` contains the names of the global options that the command uses, in addition to SHOWN_GLOBAL_OPTIONS. The help
    text of the command lists the global options whose names are in `used`. If the command line contains a global option
    that the command does not use, the command fails. `examples` contains command lines for the help text. `searches` is
    true if reconciler.yaml may be in a parent folder. `tenant_default` is the default of --tenant in the help text.
    """
    shown = {*used, *SHOWN_GLOBAL_OPTIONS}

    def decorate(command: AnyCommand) -> AnyCommand:
        own = list(command.params)
        options = _build_options(_store_value, tenant_default)
        for option in options:
            if option.name not in shown:
                option.hidden, option.callback = True, _refuse_unused
        command.params += options
        for parameter in command.params:
            _refuse_empty(parameter)
        command.format_options = partial(_format_options, own, options)  # type: ignore[method-assign]
        command.format_epilog = partial(_format_examples, examples)  # type: ignore[method-assign]
        command.context_settings["obj"] = searches and "config" in shown
        return command

    return decorate


WHOLE_NUMBER = re.compile("-?[0-9]+")
DECIMAL_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
"""Python's `int` and `float` also accept signs, spaces, underscores, exponents and the digits of other scripts."""


class WholeNumber(click.IntRange):
    """A click parameter type for whole numbers in a range, written with ASCII digits only."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401 - click defines the signature
        """Return the number. Raises click.BadParameter."""
        if isinstance(value, str) and not WHOLE_NUMBER.fullmatch(value):
            self.fail(f"{quote_text(value)} is not a whole number; write digits only, for example 5", param, ctx)
        return int(super().convert(value, param, ctx))


class DecimalNumber(click.FloatRange):
    """A click parameter type for decimal numbers in a range, written with ASCII digits and a point only."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401 - click defines the signature
        """Return the number. Raises click.BadParameter."""
        if isinstance(value, str) and not DECIMAL_NUMBER.fullmatch(value):
            self.fail(f"{quote_text(value)} is not a number; write digits and a point, for example 0.5", param, ctx)
        return float(super().convert(value, param, ctx))


class ShardType(click.ParamType):  # type: ignore[type-arg] # not generic before click 8.4
    """The click type of a shard such as 0/4."""

    name = "shard"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "Shard":  # noqa: ANN401 - click defines the signature
        """Return the shard. Raises click.BadParameter."""
        from reconciler.core.fleet.run import Shard

        try:
            return value if isinstance(value, Shard) else Shard.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _refuse_empty(parameter: click.Parameter) -> None:
    """Make a parameter refuse empty values, which usually come from unset shell variables."""
    convert = parameter.type_cast_value

    def type_cast_value(ctx: click.Context, value: Any) -> Any:  # noqa: ANN401 - click defines the signature
        values = value if isinstance(value, (list, tuple)) else [value]
        if any(isinstance(each, str) and not each.strip() for each in values):
            raise click.BadParameter("the value is empty; check whether a shell variable is unset", ctx, parameter)
        return convert(ctx, value)

    parameter.type_cast_value = type_cast_value  # type: ignore[method-assign]


def _store_value(context: click.Context, parameter: click.Parameter, value: object) -> None:
    source = context.get_parameter_source(parameter.name or "")
    stored = context.meta.setdefault(_META_KEY, {})
    if source is ParameterSource.COMMANDLINE or (
        source is ParameterSource.ENVIRONMENT and parameter.name not in stored
    ):
        stored[parameter.name] = value
    if source is ParameterSource.COMMANDLINE:
        context.meta.setdefault(_TYPED_KEY, set()).add(parameter.name)


shard_option = click.option(
    "--shard",
    type=ShardType(),
    expose_value=False,
    callback=_store_value,
    metavar="I/N",
    help="Run only part I of N of the selected tenants, sorted by name. I counts from 0.",
)
"""Adds --shard to a command. `current_options().shard` contains the value of --shard."""
wave_option = click.option(
    "--wave",
    expose_value=False,
    callback=_store_value,
    metavar="NAME",
    help="Select the tenants of this rollout wave in the configuration.",
)
"""Adds --wave, which selects the tenants of a rollout wave, to a command.

The function `current_options` returns the value of --wave.
"""


def _refuse_unused(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Refuse a global option on the command line if the command does not use the option.

    A global option in an environment variable is allowed, because all commands share the environment variables. Raises
    click.UsageError.
    """
    _store_value(context, parameter, value)
    if parameter.name in context.meta.get(_TYPED_KEY, ()):
        raise click.UsageError(f"{_long_name(parameter.opts)} has no effect on this command; omit it.", context)


def _format_options(
    own: Sequence[click.Parameter],
    shared: Sequence[click.Parameter],
    context: click.Context,
    formatter: click.HelpFormatter,
) -> None:
    """Write the options in the help text: the options of the command, then the global options that the command uses."""
    helps = [context.command.get_help_option(context)]
    for title, parameters in (
        ("Options", [*own, *helps]),
        ("Global options, before or after the command", shared),
    ):
        options = [each for each in parameters if isinstance(each, click.Option)]
        records = [record for each in options if (record := each.get_help_record(context))]
        if records:
            with formatter.section(title):
                formatter.write_dl(records)
    if isinstance(context.command, click.Group):
        context.command.format_commands(context, formatter)


def _format_examples(examples: Sequence[str], _context: click.Context, formatter: click.HelpFormatter) -> None:
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                formatter.write(f"{' ' * formatter.current_indent}{example}\n")


def _build_options(
    callback: Callable[[click.Context, click.Parameter, object], None], tenant_default: str = TENANT_DEFAULT
) -> list[click.Option]:
    color_choice = click.Choice(["auto", "always", "never"])
    option = partial(_option, callback)
    return [
        option(
            "--config",
            type=click.Path(),
            metavar="FILE",
            help="Read this configuration file.  [default: reconciler.yaml here or, in a git repository, in a parent "
            "folder]",
        ),
        option(
            "--grants",
            type=click.Path(),
            metavar="DIR",
            help="Read grant files from this folder.  [default: grants, next to the configuration file]",
        ),
        option(
            "tenants",
            "--tenant",
            type=TenantNames(),
            multiple=True,
            metavar="NAME",
            help=f"Select a tenant. Repeatable, unless the command needs one tenant.  [default: {tenant_default}]",
        ),
        option("--all-tenants", is_flag=True, help="Select all tenants of the configuration."),
        option(
            "--allow-unnamed-tenant",
            is_flag=True,
            help="Allow AUTH0_DOMAIN to be a domain that the configuration does not declare. Shared settings apply.",
        ),
        option(
            "--color", type=color_choice, help="Use colours. auto uses colours on a terminal only.  [default: auto]"
        ),
        option("-q", "--quiet", is_flag=True, help="Print only results and problems."),
        option("-v", "--verbose", is_flag=True, help="Show everything."),
    ]


def _option(
    callback: Callable[[click.Context, click.Parameter, object], None],
    *names: str,
    **settings: Any,  # noqa: ANN401 - the arguments of click.Option may have any type
) -> click.Option:
    option = click.Option(names, expose_value=False, callback=callback, **settings)
    bind(option, [environment_variable(_long_name(names))])
    return option


def _long_name(names: Sequence[str]) -> str:
    return next(name for name in names if name.startswith("--"))
