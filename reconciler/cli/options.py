"""The global options. They may come before or after the command."""

from collections.abc import Sequence
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from reconciler.app.options import GlobalOptions
from reconciler.core.identity import ALLOW_UNNAMED

AnyCommand = TypeVar("AnyCommand", bound=click.Command)

_GIVEN = "reconciler.options"

ALSO = (
    "Global options may come before or after the command: --config, --grants, --tenant, --all-tenants, "
    "--allow-unnamed-tenant, --color, -q, -v; see reconciler --help."
)


class ListedName(click.types.StringParamType):
    """A name. An environment variable may contain several, separated by commas."""

    name = "name"
    envvar_list_splitter = ","

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401, ARG002 - click's own
        """Return the name without surrounding spaces."""
        return str(value).strip()


def options() -> GlobalOptions:
    """Return the global options of the running command. An option after the command takes precedence."""
    return GlobalOptions(**click.get_current_context().meta.get(_GIVEN, {}))


def global_options(command: AnyCommand) -> AnyCommand:
    """Add the global options to the top-level command."""
    command.params += _declared(hidden=False)
    for parameter in command.params:
        _refuse_empty(parameter)
    return command


def also_global_options(command: AnyCommand) -> AnyCommand:
    """Add the hidden global options to a command. Its help refers to `reconciler --help`.

    Empty values of options and arguments are refused.
    """
    command.params += _declared(hidden=True)
    for parameter in command.params:
        _refuse_empty(parameter)
    command.epilog = ALSO
    return command


def name_variables(command: click.Command, *words: str) -> None:
    """Let an environment variable set each option of a command and its subcommands.

    `words` are the names of the command. Options that have a variable keep it.
    """
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.envvar is None:
            parameter.envvar = variable_of(*words, _long_name(parameter.opts))
    if isinstance(command, click.Group):
        for name, subcommand in command.commands.items():
            name_variables(subcommand, *words, name)


def variable_of(*words: str) -> str:
    """Return the environment variable of an option: RECONCILER_PLAN_ONLY_BRANCH for `plan --only-branch`."""
    return "_".join(["RECONCILER", *words]).replace("--", "").replace("-", "_").upper()


def _refuse_empty(parameter: click.Parameter) -> None:
    """Let a parameter refuse an empty value from the command line before its type converts it."""
    convert = parameter.type_cast_value

    def type_cast_value(ctx: click.Context, value: Any) -> Any:  # noqa: ANN401 - click's own
        values = value if isinstance(value, (list, tuple)) else [value]
        if any(isinstance(each, str) and not each.strip() for each in values):
            raise click.BadParameter("it is empty; check whether a variable is unset", ctx, parameter)
        return convert(ctx, value)

    parameter.type_cast_value = type_cast_value  # type: ignore[method-assign]


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    source = context.get_parameter_source(parameter.name or "")
    given = context.meta.setdefault(_GIVEN, {})
    if source is ParameterSource.COMMANDLINE or (source is ParameterSource.ENVIRONMENT and parameter.name not in given):
        given[parameter.name] = value


def _declared(*, hidden: bool) -> list[click.Parameter]:
    colors = click.Choice(["auto", "always", "never"])
    options = [
        _option("--config", metavar="FILE", help="The configuration file.  [default: reconciler.yaml, if it exists]"),
        _option("--grants", metavar="DIR", help="The folder of grant files.  [default: grants]"),
        _option(
            "tenants",
            "--tenant",
            type=ListedName(),
            multiple=True,
            metavar="NAME",
            help="The tenant. plan and apply accept several.  [default: AUTH0_DOMAIN, else default_tenant]",
        ),
        _option("--all-tenants", is_flag=True, help="All tenants of the configuration, for plan and apply."),
        _option(
            ALLOW_UNNAMED,
            is_flag=True,
            help="Allow an AUTH0_DOMAIN that the configuration does not declare. The shared settings apply.",
        ),
        _option("--color", type=colors, help="Use colours; auto means on a terminal.  [default: auto]"),
        _option("-q", "--quiet", is_flag=True, help="Print only results and problems."),
        _option("-v", "--verbose", is_flag=True, help="Show everything."),
    ]
    for option in options:
        option.hidden = hidden
    return list(options)


def _option(*names: str, **settings: Any) -> click.Option:  # noqa: ANN401 - click's own
    envvar = variable_of(_long_name(names))
    return click.Option(names, envvar=envvar, expose_value=False, callback=_remember, **settings)


def _long_name(names: Sequence[str]) -> str:
    return next(name for name in names if name.startswith("--"))
