"""`reconciler comment`: put reports where they are reviewed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.options import also_global_options, options
from reconciler.core.quoting import visible
from reconciler.errors import Exit, ReconcilerError, reason
from reconciler.forge import github, gitlab
from reconciler.forge.job import GitHubJob, GitLabJob, Job, job_of
from reconciler.forge.publish import close, persistently, put
from reconciler.forge.report import Place, Report, Tracker, parse_report, refuse_equal_markers, shortened_report
from reconciler.render.styled import line


@also_global_options
@click.command("comment")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--issue", metavar="TITLE", help="Open an issue of this title instead, or update it.")
@click.option("--close", "closes", is_flag=True, help="Close that issue instead, if there is one.")
@click.option(
    "--attempts",
    type=click.IntRange(1, 10),
    default=4,
    show_default=True,
    metavar="N",
    help="Give up after N attempts.",
)
def command(*, files: tuple[Path, ...], issue: str | None, closes: bool, attempts: int) -> Exit:
    """Put reports in Markdown on the pull or merge request that this job is about.

    For jobs of GitHub Actions and GitLab CI; FILE comes from --report markdown=FILE. Each tenant has one comment,
    which is updated. Only what the holder of GITHUB_TOKEN or GITLAB_TOKEN wrote is ever changed.
    """
    if issue is not None and closes:
        raise click.UsageError("--issue opens, --close closes: give one of them")
    console = Console(options())
    reports = [_read(file) for file in files]
    with _places(job_of(os.environ), issue or "") as (comments, issues):
        place: Place = issues if closes or issue is not None else comments
        work = partial(close, issues) if closes else partial(put, place)
        refuse_equal_markers(reports)
        for report in [shortened_report(each, place.most_characters) for each in reports]:
            deed = persistently(partial(work, report), attempts)
            console.result([line(f"{visible(report.file)}: {deed}")])
    return Exit.DONE


@contextmanager
def _places(job: Job, title: str) -> Iterator[tuple[Place, Tracker]]:
    """Reach the comments that the job is about, and the issues, of which a new one gets that title."""
    match job:
        case GitHubJob():
            with github.open_github(job) as api:
                yield github.Comments(api, job), github.Issues(api, job, title)
        case GitLabJob():
            with gitlab.open_gitlab(job) as api:
                yield gitlab.Notes(api, job), gitlab.Issues(api, job, title)


def _read(file: Path) -> Report:
    try:
        return parse_report(str(file), file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReconcilerError(f"the report {visible(str(file))} cannot be read: {reason(error)}") from error
