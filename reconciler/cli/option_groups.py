"""The options that several commands share: for requests, plans and output."""

import inspect
import re
from collections.abc import Callable, Sequence
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.app.options import GlobalOptions, PlanOptions, RequestOptions, ResultOptions
from reconciler.app.outputs import InputFile, OutputOptions, ReportFile
from reconciler.cli.options import DECIMAL_NUMBER, DecimalNumber, ListedName, WholeNumber
from reconciler.core.characters import quote_text
from reconciler.errors import Exit
from reconciler.output.styled import DEFAULT_MAX_BYTES

if TYPE_CHECKING:
    from reconciler.app.tenant_reports import TenantListener

Command = Callable[..., Exit]
Decorator = Callable[[Command], Command]

SECONDS_PER_UNIT = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
RUN_NAME = re.compile("[!-~]{1,200}")


def option_group(argument: str, build: Callable[..., object], *options: Decorator) -> Decorator:
    """Return a decorator that adds `options` to a command, and passes the option values to the command as one object.

    `build` is called with the option values and returns the object. `argument` is the name of the parameter through
    which the command function receives the object. `options` contains decorators of click, in the order of the help
    text.
    """
    names = list(inspect.signature(build).parameters)

    def decorate(command: Command) -> Command:
        decorated = command if isinstance(command, _GroupedCommand) else _GroupedCommand(command)
        decorated.groups[argument] = build, names
        for option in reversed(options):
            option(decorated)
        return decorated

    return decorate


class _GroupedCommand:
    """A command that receives the values of each option group as one object."""

    def __init__(self, command: Command) -> None:
        self.groups: dict[str, tuple[Callable[..., object], Sequence[str]]] = {}
        self._command = command
        update_wrapper(self, command)

    def __call__(self, **values: Any) -> Exit:  # noqa: ANN401 - the values may have any type
        objects = {
            argument: build(**{name: values.pop(name) for name in names if name in values})
            for argument, (build, names) in self.groups.items()
        }
        return self._command(**objects, **values)


def parse_duration(text: str) -> float:
    """Convert a duration such as 90s, 30m, 2h or 90d to seconds. Raises click.BadParameter."""
    unit = SECONDS_PER_UNIT.get(text[-1:], 0.0)
    number = text[:-1] if unit else text
    seconds = float(number) * (unit or 1) if DECIMAL_NUMBER.fullmatch(number) else 0.0
    if not 0 < seconds < float("inf"):
        raise click.BadParameter(
            f"{quote_text(text)} is not a duration; write a number and a unit, for example 90s, 30m, 2h or 90d"
        )
    return seconds


class RunName(click.types.StringParamType):
    """The click type of a run's name: at most 200 visible ASCII characters."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401 - click defines the signature
        """Return the name of the run. Raises click.BadParameter."""
        text = str(value).strip()
        if not RUN_NAME.fullmatch(text):
            self.fail(
                f"{quote_text(text)} is not a valid name of a run; use at most 200 ASCII characters, without spaces",
                param,
                ctx,
            )
        return text


_REQUEST_DEFAULTS = RequestOptions()


def timeout_option(help_text: str) -> Decorator:
    """Return a decorator that adds the option --timeout to a command."""
    return click.option(
        "--timeout",
        type=parse_duration,
        default=f"{_REQUEST_DEFAULTS.timeout / SECONDS_PER_UNIT['m']:.0f}m",
        show_default=True,
        metavar="TIME",
        help=help_text,
    )


request_options = option_group(
    "request_options",
    RequestOptions,
    click.option(
        "--rate-share",
        type=DecimalNumber(0, 0.9),
        default=_REQUEST_DEFAULTS.rate_share,
        show_default=True,
        metavar="SHARE",
        help="Leave this share of the tenant's rate limits to other programs.",
    ),
    click.option(
        "--max-rps",
        type=DecimalNumber(0.01, 1e6),
        metavar="N",
        help="Maximum requests per second to all tenants together, even if the tenants allow more.",
    ),
    click.option(
        "--concurrency",
        type=WholeNumber(1, 64),
        default=_REQUEST_DEFAULTS.concurrency,
        show_default=True,
        metavar="N",
        help="Maximum concurrent requests per tenant.",
    ),
    click.option(
        "--attempts",
        type=WholeNumber(1, 20),
        default=_REQUEST_DEFAULTS.attempts,
        show_default=True,
        metavar="N",
        help="Maximum attempts per request.",
    ),
    timeout_option("Maximum duration of the run of each tenant, such as 90s, 30m or 2h."),
)


def at_once_option(command: Command) -> Command:
    """Add the option --at-once to a command."""
    return click.option(
        "--at-once",
        type=WholeNumber(1, 1000),
        default=_REQUEST_DEFAULTS.at_once,
        show_default=True,
        metavar="N",
        help="Maximum number of tenants in progress.",
    )(command)


def selecting_options(metavar: str = "[PATH]...") -> tuple[Decorator, ...]:
    """Return the options that select grants.

    `metavar` is the text that represents the path arguments in the help text.
    """
    return (
        click.argument("paths", nargs=-1, type=click.Path(), metavar=metavar),
        click.option(
            "clients",
            "--client",
            type=ListedName(),
            multiple=True,
            metavar="PATTERN",
            help="Select the grants of an application by its name or id. * and ? are wildcards. Repeatable.",
        ),
        click.option(
            "apis",
            "--api",
            type=ListedName(),
            multiple=True,
            metavar="PATTERN",
            help="Select the grants for an API by its name or identifier. * and ? are wildcards. Repeatable.",
        ),
    )


PLAN_OPTIONS: tuple[Decorator, ...] = (
    click.option("--prune", is_flag=True, help="Delete undeclared grants."),
    click.option(
        "--prune-removed",
        is_flag=True,
        help="Delete grants that an earlier commit declared and the files no longer declare. Needs the git history.",
    ),
    click.option("--since", metavar="REVISION", help="With --prune-removed, start the history at this git revision."),
    click.option("--create-only", is_flag=True, help="Create missing grants only; do not update or delete."),
    click.option(
        "--skip-missing",
        is_flag=True,
        help=(
            "Skip grants if the tenant lacks the application, API or organization. Exit with 3 if a grant is skipped."
        ),
    ),
    click.option(
        "--max-deletes",
        type=WholeNumber(min=0),
        metavar="N",
        help="Allow up to N deletes, instead of the configured limit.",
    ),
    click.option(
        "--max-updates",
        type=WholeNumber(min=0),
        metavar="N",
        help="Allow up to N updates, instead of the configured limit.",
    ),
    click.option("--policy", metavar="FILE", help="Use the policy of this configuration file."),
    click.option(
        "--policy-at",
        metavar="REVISION",
        help="Use the policy of the configuration file at this git revision.",
    ),
    click.option(
        "--base",
        metavar="REVISION",
        help="Show for each change whether the files, the tenant or both changed since this git revision.",
    ),
    click.option("--only-branch", is_flag=True, help="With --base, exclude drift from the plan."),
    click.option("--only-expired", is_flag=True, help="Delete expired grants, and change nothing else."),
    click.option(
        "--attribute",
        is_flag=True,
        help="Show who last changed each differing or undeclared grant. Needs the permission read:logs.",
    ),
)


def plan_options(metavar: str = "[PATH]...") -> Decorator:
    """Return a decorator that adds the options of a plan to a command.

    `metavar` is the text for the path arguments in the help.
    """
    return option_group("plan_options", PlanOptions, *selecting_options(metavar), *PLAN_OPTIONS)


run_option = click.option(
    "--run",
    envvar=("RECONCILER_RUN",),
    type=RunName(),
    metavar="NAME",
    help="Name of the run, as written into the results.  [default: the run number of the CI service]",
)


result_options = option_group(
    "result_options",
    ResultOptions,
    click.option(
        "--result",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Write the result of each tenant to DIR/TENANT.json at the start and the end of the run. `fleet collect` "
        "reads the files.",
    ),
    run_option,
)


def result_listeners(
    command: str,
    options: GlobalOptions,
    plan_options: PlanOptions,
    result_options: ResultOptions,
    used: Sequence[InputFile],
) -> "Sequence[TenantListener]":
    """Return a listener that writes the result files for --result, or an empty list if --result is not given.

    `used` contains the files of the other options and arguments. A result file must not be one of these files.

    Raises:
        ReconcilerError: if a result file cannot be written, or if --result contradicts an option of the command.
    """
    if result_options.result is None:
        return ()
    from reconciler.app.result_files import ResultFiles

    folder, run = result_options.result, result_options.run
    return (ResultFiles.create(command, options, plan_options, folder, run, used),)


def output_options(*more_formats: str) -> Decorator:
    """Return a decorator that adds --format and --report to a command.

    The formats are text, JSON and `more_formats`.
    """
    formats = ("text", "json", *more_formats)
    options: list[Decorator] = [
        format_option(*more_formats),
        click.option(
            "--report",
            "reports",
            type=report_type(formats),
            multiple=True,
            metavar="FORMAT=FILE",
            help="Also write the result to FILE. {tenant} in FILE is replaced by the tenant's name. Repeatable.",
        ),
    ]
    if "markdown" in formats:
        options.append(click.option("--summary", is_flag=True, help="Print only numbers, critical risks and failures."))
        options.append(
            click.option(
                "--max-bytes",
                type=WholeNumber(min=1000),
                default=DEFAULT_MAX_BYTES,
                show_default=True,
                metavar="N",
                help="Truncate Markdown details to N bytes.",
            )
        )
    return option_group("output_options", OutputOptions, *options)


def format_option(*more_formats: str) -> Decorator:
    """Return a decorator that adds --format to a command. The formats are text, JSON and `more_formats`."""
    return click.option(
        "--format",
        "stdout_format",
        type=click.Choice(["text", "json", *more_formats]),
        default="text",
        show_default=True,
    )


class _CommaSeparated(click.types.FuncParamType):  # type: ignore[type-arg] # not generic before click 8.4
    envvar_list_splitter = ","


def report_type(formats: Sequence[str]) -> "click.ParamType[ReportFile]":
    """Return the click parameter type for values of the form `FORMAT=FILE`.

    An environment variable may contain several values, separated by commas.
    """

    def parse_report(text: str) -> ReportFile:
        name, _, file = text.lstrip().partition("=")
        if name not in formats or not file:
            known = ", ".join(formats)
            raise click.BadParameter(
                f"{quote_text(text)} is not a report; write FORMAT=FILE, with FORMAT as one of {known}"
            )
        return ReportFile(name, file)

    return _CommaSeparated(parse_report)
