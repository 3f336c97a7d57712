"""The options that several commands share: requests, plans, output."""

import inspect
import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import click

from reconciler.app.options import PlanOptions, RequestOptions
from reconciler.app.reports import OutputOptions, ReportFile
from reconciler.errors import Exit
from reconciler.output.markdown.truncate import DEFAULT_MAX_BYTES

Command = Callable[..., Exit]
Decorator = Callable[[Command], Command]

SECONDS_PER_UNIT = {"s": 1.0, "m": 60.0, "h": 3600.0}
NUMBER = click.IntRange(min=0)


def option_group(argument: str, build: Callable[..., object], *options: Decorator) -> Decorator:
    """Return a decorator that adds `options` to a command and passes their values as one object.

    Args:
        argument: The parameter of the command that receives the object.
        build: Makes the object. Its parameters are named like the options.
        options: Decorators of click, in the order of the help text.
    """
    names = list(inspect.signature(build).parameters)

    def decorate(command: Command) -> Command:
        @wraps(command)
        def with_object(**values: Any) -> Exit:  # noqa: ANN401 - values of any option
            own = {name: values.pop(name) for name in names if name in values}
            return command(**{argument: build(**own)}, **values)

        decorated: Command = with_object
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as 90s, 30m or 2h. Raises click.BadParameter."""
    unit = SECONDS_PER_UNIT.get(text[-1:], 0.0)
    try:
        seconds = float(text[:-1]) * unit if unit else float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise click.BadParameter(f"{text!r} is not a duration; write it like 90s, 30m or 2h")
    return seconds


class FiniteRange(click.FloatRange):
    """A number in a range. NaN is refused."""

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number. Fails like other types of click."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


_REQUEST_DEFAULTS = RequestOptions()

request_options = option_group(
    "request_options",
    RequestOptions,
    click.option(
        "--rate-share",
        type=FiniteRange(0, 0.9),
        default=_REQUEST_DEFAULTS.rate_share,
        show_default=True,
        metavar="SHARE",
        help="Leave this share of the tenant's rate limits to others.",
    ),
    click.option(
        "--max-rps",
        type=FiniteRange(0.01, 1e6),
        metavar="N",
        help="Maximum requests per second, whatever the tenant allows.",
    ),
    click.option(
        "--concurrency",
        type=click.IntRange(1, 64),
        default=_REQUEST_DEFAULTS.concurrency,
        show_default=True,
        metavar="N",
        help="Maximum requests at the same time.",
    ),
    click.option(
        "--attempts",
        type=click.IntRange(1, 20),
        default=_REQUEST_DEFAULTS.attempts,
        show_default=True,
        metavar="N",
        help="Maximum attempts per request.",
    ),
    click.option(
        "--timeout",
        type=parse_duration,
        default=f"{_REQUEST_DEFAULTS.timeout / SECONDS_PER_UNIT['m']:.0f}m",
        show_default=True,
        metavar="TIME",
        help="End the run after this time: 90s, 30m, 2h.",
    ),
)

plan_options = option_group(
    "plan_options",
    PlanOptions,
    click.option("--prune", is_flag=True, help="Delete the grants that no file declares."),
    click.option("--create-only", is_flag=True, help="Only create missing grants."),
    click.option(
        "--skip-missing",
        is_flag=True,
        help="Skip grants whose application, API or organization does not exist. Exits with 3 if there are any.",
    ),
    click.option("--max-deletes", type=NUMBER, metavar="N", help="Allow up to N deletes, whatever their share."),
    click.option("--max-updates", type=NUMBER, metavar="N", help="Allow up to N updates, whatever their share."),
    click.option("--policy", metavar="FILE", help="Read the policy from this configuration file."),
    click.option(
        "--policy-at",
        metavar="REVISION",
        help="Read the policy from the configuration file at this git revision.",
    ),
    click.option(
        "--base",
        metavar="REVISION",
        help="Label each change as branch, drift or both, compared with the files at this git revision.",
    ),
    click.option("--only-branch", is_flag=True, help="With --base, leave drift out of the plan."),
)


def output_options(*more_formats: str) -> Decorator:
    """Return a decorator for --format and --report with text, JSON and `more_formats`."""
    formats = ("text", "json", *more_formats)
    options: list[Decorator] = [
        format_option(*more_formats),
        click.option(
            "--report",
            "reports",
            type=report_type(formats),
            multiple=True,
            metavar="FORMAT=FILE",
            help="Also write the result to a file. {tenant} in the name stands for the tenant's name. Repeatable.",
        ),
    ]
    if "markdown" in formats:
        options.append(
            click.option(
                "--max-bytes",
                type=click.IntRange(min=1000),
                default=DEFAULT_MAX_BYTES,
                show_default=True,
                metavar="N",
                help="Truncate Markdown details to N bytes.",
            )
        )
    return option_group("output_options", OutputOptions, *options)


def format_option(*more_formats: str) -> Decorator:
    """Return a decorator for --format with text, JSON and `more_formats`."""
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
    """Return the type of `FORMAT=FILE` for `formats`. In an environment variable, commas separate several."""

    def parse_report(text: str) -> ReportFile:
        name, _, file = text.lstrip().partition("=")
        if name not in formats or not file:
            known = ", ".join(formats)
            raise click.BadParameter(f"{text!r} is not a report; write FORMAT=FILE, with a format of {known}")
        return ReportFile(name, file)

    return _CommaSeparated(parse_report)
