"""The options that say how hard, and for how long, a tenant may be asked."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

import click

from reconciler.errors import Exit

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOptions:
    """`rate_share` of the tenant's limits is left to others; `max_rps` caps calls a second; `timeout` is in seconds."""

    rate_share: float
    max_rps: float | None
    concurrency: int
    attempts: int
    timeout: float


USUAL = RequestOptions(rate_share=0.25, max_rps=None, concurrency=8, attempts=5, timeout=30 * UNITS["m"])


def parse_duration(text: str) -> float:
    """Return the seconds of a time like 90s, 30m or 2h. Raises click.BadParameter if the text is not a time."""
    unit = UNITS.get(text[-1:], 0.0)
    try:
        seconds = float(text[:-1]) * unit if unit else float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise click.BadParameter(f"{text!r} is not a time; write it like 90s, 30m or 2h")
    return seconds


class FiniteRange(click.FloatRange):
    """A number in a range; `nan` is in none."""

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number. Fails as click does."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number


def reaching_options(command: Callable[..., Exit]) -> Callable[..., Exit]:
    """Give a command the options of a Reach; it receives the Reach as `reach`."""

    @wraps(command)
    def reaching(
        *,
        rate_share: float,
        max_rps: float | None,
        concurrency: int,
        attempts: int,
        timeout: float,
        **others: object,
    ) -> Exit:
        reach = RequestOptions(
            rate_share=rate_share,
            max_rps=max_rps,
            concurrency=concurrency,
            attempts=attempts,
            timeout=timeout,
        )
        return command(reach=reach, **others)

    options = [
        click.option(
            "--rate-share",
            type=FiniteRange(0, 0.9),
            default=USUAL.rate_share,
            show_default=True,
            metavar="SHARE",
            help="Leave this share of the tenant's rate limits to others.",
        ),
        click.option(
            "--max-rps",
            type=FiniteRange(0.01, 1e6),
            metavar="N",
            help="At most N calls a second, whatever the tenant allows.",
        ),
        click.option(
            "--concurrency",
            type=click.IntRange(1, 64),
            default=USUAL.concurrency,
            show_default=True,
            metavar="N",
            help="At most N calls at once.",
        ),
        click.option(
            "--attempts",
            type=click.IntRange(1, 20),
            default=USUAL.attempts,
            show_default=True,
            metavar="N",
            help="Give a call up after N attempts.",
        ),
        click.option(
            "--timeout",
            type=parse_duration,
            default="30m",
            show_default=True,
            metavar="TIME",
            help="End the run after this time: 90s, 30m, 2h.",
        ),
    ]
    with_options: Callable[..., Exit] = reaching
    for option in reversed(options):
        with_options = option(with_options)
    return with_options
