"""The options that every command knows, before its name or behind it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click
from click.core import ParameterSource

AnyCommand = TypeVar("AnyCommand", bound=Callable[..., Any] | click.Command)

_GIVEN = "reconciler.options"


@dataclass(frozen=True, slots=True)
class Options:
    """The global options as given."""

    config: str | None = None
    grants: str = "grants"
    tenant: str | None = None
    color: str = "auto"
    quiet: bool = False
    verbose: bool = False


def options() -> Options:
    """Return the global options of the running command; before its name or behind it is the same, behind it wins."""
    return Options(**click.get_current_context().meta.get(_GIVEN, {}))


def global_options(command: AnyCommand) -> AnyCommand:
    """Give a command the options that every command knows."""
    for option in reversed(_declared()):
        command = option(command)
    return command


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    source = context.get_parameter_source(parameter.name or "")
    given = context.meta.setdefault(_GIVEN, {})
    if source is ParameterSource.COMMANDLINE or (source is ParameterSource.ENVIRONMENT and parameter.name not in given):
        given[parameter.name] = value


def _declared() -> list[Callable[[AnyCommand], AnyCommand]]:
    texts = {
        "--config": "The configuration file.  [default: reconciler.yaml, where it exists]",
        "--grants": "The folder of grant files.  [default: grants]",
        "--tenant": "The tenant to work on.  [default: AUTH0_DOMAIN, else the configuration's]",
    }
    metavars = {"--config": "FILE", "--grants": "DIR", "--tenant": "NAME"}
    declared = [_option(name, metavar=metavars[name], help=text) for name, text in texts.items()]
    colors = click.Choice(["auto", "always", "never"])
    return [
        *declared,
        _option("--color", type=colors, help="Colour: auto is on a terminal only.  [default: auto]"),
        _option("-q", "--quiet", is_flag=True, help="Say only what was asked for, and problems."),
        _option("-v", "--verbose", is_flag=True, help="Leave nothing out."),
    ]


def _option(*names: str, **settings: Any) -> Callable[[AnyCommand], AnyCommand]:  # noqa: ANN401 - click's own
    envvar = f"RECONCILER_{names[-1].removeprefix('--').upper()}"
    return click.option(*names, envvar=envvar, expose_value=False, callback=_remember, **settings)
