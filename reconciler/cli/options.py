"""The global options. They may come before or after the command."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from reconciler.app.options import GlobalOptions
from reconciler.core.fleet import Shard
from reconciler.core.identity import ALLOW_UNNAMED
from reconciler.errors import Exit

AnyCommand = TypeVar("AnyCommand", bound=click.Command)

_META_KEY = "reconciler.options"

GLOBAL_OPTIONS_NOTE = (
    "Global options may come before or after the command: --config, --grants, --tenant, --all-tenants, "
    "--allow-unnamed-tenant, --color, -q, -v; see reconciler --help."
)


class ListedName(click.types.StringParamType):
    """A name. An environment variable may contain several names, separated by commas."""

    name = "name"
    envvar_list_splitter = ","

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401, ARG002 - click's signature
        """Return the name without surrounding spaces."""
        return str(value).strip()


def current_options() -> GlobalOptions:
    """Return the global options of the running command. An option after the command overrides one before it.

    Without --grants, the grant folder is next to the configuration file.
    """
    options = GlobalOptions(**(stored := click.get_current_context().meta.get(_META_KEY, {})))
    if options.config is None or "grants" in stored:
        return options
    return replace(options, grants=str(Path(options.config).parent / options.grants))


def global_options(command: AnyCommand) -> AnyCommand:
    """Add the global options to the top-level command. Empty values are refused."""
    command.params += _build_options(hidden=False)
    for parameter in command.params:
        _refuse_empty(parameter)
    return command


def hidden_global_options(command: AnyCommand) -> AnyCommand:
    """Add the global options to a command, hidden from its help. Empty values of all parameters are refused.

    The help refers to `reconciler --help` instead.
    """
    command.params += _build_options(hidden=True)
    for parameter in command.params:
        _refuse_empty(parameter)
    command.epilog = GLOBAL_OPTIONS_NOTE
    return command


class ShardType(click.ParamType):  # type: ignore[type-arg] # not generic before click 8.4
    """A shard such as 0/4."""

    name = "shard"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Shard:  # noqa: ANN401 - click's signature
        """Return the shard. Raises click.BadParameter."""
        try:
            return value if isinstance(value, Shard) else Shard.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def shard_option(command: Callable[..., Exit]) -> Callable[..., Exit]:
    """Add --shard to a command. `current_options` returns its value."""

    @wraps(command)
    def without_shard(*, shard: Shard | None, **values: Any) -> Exit:  # noqa: ANN401, ARG001 - values of any option
        return command(**values)

    return click.option(
        "--shard",
        type=ShardType(),
        callback=_store_value,
        metavar="I/N",
        help="Run only part I of N of the selected tenants, sorted by name. I counts from 0.",
    )(without_shard)


def wave_option(command: Callable[..., Exit]) -> Callable[..., Exit]:
    """Add --wave to a command. `current_options` returns its value."""

    @wraps(command)
    def without_wave(*, wave: str | None, **values: Any) -> Exit:  # noqa: ANN401, ARG001 - values of any option
        return command(**values)

    return click.option(
        "--wave", callback=_store_value, metavar="NAME", help="Select the tenants of this wave of the configuration."
    )(without_wave)


def bind_environment_variables(command: click.Command, *words: str) -> None:
    """Give each option of a command and its subcommands an environment variable, unless it has one.

    An option whose variables are a tuple gets its own variable before these. `words` are the names of the command, such
    as sandbox and serve.
    """
    for parameter in command.params:
        if isinstance(parameter, click.Option) and (parameter.envvar is None or isinstance(parameter.envvar, tuple)):
            own = environment_variable(*words, _long_name(parameter.opts))
            parameter.envvar = [own, *parameter.envvar] if parameter.envvar else own
    if isinstance(command, click.Group):
        for name, subcommand in command.commands.items():
            bind_environment_variables(subcommand, *words, name)


def environment_variable(*words: str) -> str:
    """Return the environment variable of an option: RECONCILER_PLAN_ONLY_BRANCH for `plan --only-branch`."""
    return "_".join(["RECONCILER", *words]).replace("--", "").replace("-", "_").upper()


def _refuse_empty(parameter: click.Parameter) -> None:
    """Make a parameter refuse empty values. They usually come from unset shell variables."""
    convert = parameter.type_cast_value

    def type_cast_value(ctx: click.Context, value: Any) -> Any:  # noqa: ANN401 - click's signature
        values = value if isinstance(value, (list, tuple)) else [value]
        if any(isinstance(each, str) and not each.strip() for each in values):
            raise click.BadParameter("the value is empty; check whether a variable is unset", ctx, parameter)
        return convert(ctx, value)

    parameter.type_cast_value = type_cast_value  # type: ignore[method-assign]


def _store_value(context: click.Context, parameter: click.Parameter, value: object) -> object:
    """Store the value of an option for `current_options`, and return it."""
    source = context.get_parameter_source(parameter.name or "")
    stored = context.meta.setdefault(_META_KEY, {})
    if source is ParameterSource.COMMANDLINE or (
        source is ParameterSource.ENVIRONMENT and parameter.name not in stored
    ):
        stored[parameter.name] = value
    return value


def _build_options(*, hidden: bool) -> list[click.Parameter]:
    color_choice = click.Choice(["auto", "always", "never"])
    options = [
        _option(
            "--config", metavar="FILE", help="Read this configuration file.  [default: reconciler.yaml, if it exists]"
        ),
        _option(
            "--grants",
            metavar="DIR",
            help="Read grant files from this folder.  [default: grants, next to the configuration file]",
        ),
        _option(
            "tenants",
            "--tenant",
            type=ListedName(),
            multiple=True,
            metavar="NAME",
            help="Select a tenant. Repeatable for plan, apply, access.  [default: AUTH0_DOMAIN, else default_tenant]",
        ),
        _option(
            "--all-tenants", is_flag=True, help="Select all tenants of the configuration, for plan, apply and access."
        ),
        _option(
            ALLOW_UNNAMED,
            is_flag=True,
            help="Allow an AUTH0_DOMAIN that is missing in the configuration. Shared settings apply.",
        ),
        _option("--color", type=color_choice, help="Use colours. auto uses them on a terminal only.  [default: auto]"),
        _option("-q", "--quiet", is_flag=True, help="Print only results and problems."),
        _option("-v", "--verbose", is_flag=True, help="Show everything."),
    ]
    for option in options:
        option.hidden = hidden
    return list(options)


def _option(*names: str, **settings: Any) -> click.Option:  # noqa: ANN401 - arguments of click.Option
    envvar = environment_variable(_long_name(names))
    return click.Option(names, envvar=envvar, expose_value=False, callback=_store_value, **settings)


def _long_name(names: Sequence[str]) -> str:
    return next(name for name in names if name.startswith("--"))
