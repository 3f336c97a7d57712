"""`reconciler usage`: collect the use of grants from logs, report the use, and propose to remove unused grants."""

import sys
from collections.abc import Iterable, Iterator
from datetime import timedelta
from io import BufferedReader
from pathlib import Path
from typing import cast

import click

from reconciler.app.console import Console
from reconciler.app.options import RequestOptions
from reconciler.app.usage import UsageOptions, only_tenant, usage_file
from reconciler.app.usage_collect import collect_files, collect_logs, collect_scopes, utc
from reconciler.cli.option_groups import format_option, parse_duration, request_options
from reconciler.cli.options import current_options, global_options
from reconciler.core.characters import quote_text
from reconciler.core.usage.records import Period, time_text
from reconciler.errors import Exit, ReconcilerError, reason
from reconciler.files.discover import name_of
from reconciler.files.usage_files import read_scopes
from reconciler.output.usage import usage_csv, usage_json, usage_lines

USED_OPTIONS = ("config", "tenants", "allow_unnamed_tenant")
STDIN = "-"
FILE = click.Path(path_type=Path)


def parse_length(text: str) -> timedelta:
    """Parse a duration such as 90d. Raises click.BadParameter."""
    try:
        return timedelta(seconds=parse_duration(text))
    except OverflowError as error:
        raise click.BadParameter(f"{quote_text(text)} is too long") from error


def parse_period(text: str) -> Period:
    """Parse a time span `FROM/TO`, where FROM and TO are each either a day, or a time with a time zone.

    If TO is a day, the time span includes the whole day.

    Raises:
        click.BadParameter: if the text is not a valid time span.
    """
    first, _, last = text.partition("/")
    try:
        start, end = utc(first), utc(last)
        if len(last) == len("2026-11-28"):
            end += timedelta(days=1)
    except (ValueError, OverflowError) as error:
        example = "2026-11-01/2026-11-30"
        raise click.BadParameter(f"{quote_text(text)} is not a time span; write a time span like {example}") from error
    if end <= start:
        raise click.BadParameter(f"{quote_text(text)} ends before it starts")
    return Period(time_text(start), time_text(end))


usage_file_option = click.option(
    "--usage", "file", type=FILE, metavar="FILE", help="Use this usage file.  [default: .reconciler/usage/TENANT.json]"
)
scopes_option = click.option(
    "--scopes",
    type=FILE,
    metavar="FILE",
    help="Add the last use of scopes from an API's metrics: CSV or JSON lines with client_id, audience, scope and "
    "last_used.",
)
unused_for_option = click.option(
    "--unused-for",
    type=parse_length,
    metavar="TIME",
    help="Show grants that have been unused for at least this time, such as 90d.",
)


@global_options(
    *USED_OPTIONS,
    "grants",
    examples=("reconciler usage", "reconciler usage --unused-for 90d --format csv"),
)
@click.group("usage", invoke_without_command=True)
@unused_for_option
@usage_file_option
@scopes_option
@format_option("csv")
@request_options
@click.pass_context
def command(  # noqa: PLR0913 - each parameter is an option of the command
    context: click.Context,
    *,
    unused_for: timedelta | None,
    file: Path | None,
    scopes: Path | None,
    stdout_format: str,
    request_options: RequestOptions,
) -> Exit:
    """List the grants of a tenant by last use. The grants with the longest time since the last use come first.

    The command reads a usage file, which `usage collect` writes. A grant counts as unused only if `usage collect` has
    read the logs of the whole time span. This command writes no files.
    """
    if context.invoked_subcommand:
        return Exit.DONE
    from reconciler.app.usage_report import make_usage_report  # imported here, because the HTTP client loads slowly

    options = current_options().require_one_tenant()
    console = Console(options)
    usage_options = UsageOptions(file, unused_for, read_scopes(scopes, options.now) if scopes else ())
    report = make_usage_report(options, usage_options, request_options, console)
    shown = report if unused_for is None else report.without_used()
    if stdout_format == "json":
        console.data(usage_json(shown))
    elif stdout_format == "csv":
        console.text(usage_csv(shown))
    else:
        console.result(usage_lines(shown))
    return Exit.DONE


@global_options(
    *USED_OPTIONS,
    examples=(
        "reconciler usage collect",
        "reconciler usage collect --period 2026-11-01/2026-11-30 november/*.jsonl.gz",
    ),
)
@command.command("collect")
@click.argument("files", nargs=-1, metavar="[FILE]...")
@usage_file_option
@scopes_option
@click.option(
    "--period",
    type=parse_period,
    metavar="FROM/TO",
    help="Declare that FILE contains all events of this time span. Write two days, or two times with a time zone.",
)
@request_options
def collect(
    *,
    files: tuple[str, ...],
    file: Path | None,
    scopes: Path | None,
    period: Period | None,
    request_options: RequestOptions,
) -> Exit:
    """Read logs, and store when each grant was used.

    Without FILE, the command reads the new events in the tenant's logs and needs the permission read:logs. Auth0 keeps
    logs for 1 to 30 days, so run `reconciler usage collect` every night.

    FILE contains JSON lines from a log stream (Amazon S3 or EventBridge, Datadog, webhooks), plain or compressed with
    gzip. `-` is standard input.
    """
    options = current_options().require_one_tenant()
    console = Console(options)
    path = usage_file(options, only_tenant(options), file)
    if period and not files:
        raise ReconcilerError("--period is only valid with FILE; remove --period to read the tenant's logs")
    if scopes:
        collect_scopes(options, path, read_scopes(scopes, options.now))
    if files:
        collect_files(options, path, _opened(files), period, console)
    elif not scopes:
        collect_logs(options, path, request_options, console)
    return Exit.DONE


def _opened(files: Iterable[str]) -> Iterator[tuple[str, BufferedReader]]:
    """Open the files one after another. Raises ReconcilerError."""
    for each in files:
        if each == STDIN:
            yield "standard input", cast("BufferedReader", sys.stdin.buffer)
            continue
        try:
            with Path(each).open("rb") as file:
                yield name_of(Path(each)), file
        except OSError as error:
            raise ReconcilerError(f"{name_of(Path(each))} cannot be read: {reason(error)}") from error


@global_options(*USED_OPTIONS, "grants", examples=("reconciler usage prune --unused-for 90d --diff",))
@command.command("prune")
@click.argument("paths", nargs=-1, type=FILE, metavar="[PATH]...")
@click.option(
    "--unused-for",
    type=parse_length,
    required=True,
    metavar="TIME",
    help="Remove grants that have been unused for at least this time, such as 90d.",
)
@usage_file_option
@click.option("--diff", is_flag=True, help="Print the changes of the files and write nothing.")
@request_options
def prune(
    *,
    paths: tuple[Path, ...],
    unused_for: timedelta,
    file: Path | None,
    diff: bool,
    request_options: RequestOptions,
) -> Exit:
    """Remove unused grants from the grant files, so that a pull request proposes the removal.

    Only the grant files change, and their comments and formatting stay. The tenant is not changed. A grant is not
    removed if its use is unknown, or if its declaration was added within the time of --unused-for.
    """
    from reconciler.app.usage_report import prune_unused

    options = current_options().require_one_tenant()
    prune_unused(options, paths, UsageOptions(file, unused_for), request_options, Console(options), only_diff=diff)
    return Exit.DONE
